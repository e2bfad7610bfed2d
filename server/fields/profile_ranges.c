/* Quantiles, moved to where the numbers can be parted by a round one. Four digits tell years and ages apart,
 * and do not tell one customer's number from the next one's. */
#include "server/fields/profile_ranges.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_DIGITS = 4 };

/* The decimal with fewest digits above a and not above b. */
static bool part(double a, double b, double *bound)
{
    double largest = fmax(fabs(a), fabs(b));
    for (int n_digits = 1; n_digits <= MAX_DIGITS; n_digits++) {
        double step = pow(10, floor(log10(largest)) - n_digits + 1);
        char text[32];
        (void)snprintf(text, sizeof text, "%.*g", n_digits + 1, (floor(a / step) + 1) * step);
        double x = strtod(text, NULL);
        if (isfinite(x) && x > a && x <= b) {
            *bound = x;
            return true;
        }
    }
    return false;
}

size_t profile_ranges_cut(const double *x, size_t n, size_t least, size_t most, double *bounds)
{
    size_t n_bounds = 0, from = 0;
    for (size_t i = 1; i < n && n_bounds < most; i++) {
        size_t share = (n - from) / (most + 1 - n_bounds);
        if (i - from < least || i - from < share || x[i] == x[i - 1] || n - i < least)
            continue;
        if (part(x[i - 1], x[i], &bounds[n_bounds])) {
            n_bounds++;
            from = i;
        }
    }
    return n_bounds;
}

size_t profile_ranges_of(const double *bounds, size_t n, double x)
{
    size_t k = 0;
    while (k < n && bounds[k] <= x)
        k++;
    return k;
}
