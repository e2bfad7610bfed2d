#include "engine/network/student_t.h"

#include "engine/network/incomplete_beta.h"

#include <math.h>

double student_t_probability(double x, double freedom)
{
    double all = freedom + x * x;
    double tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / all, x * x / all);
    return x > 0 ? 1 - tail : tail;
}

/* Newton's method from 0: the distribution is convex below 0 and concave above, so every step goes towards
 * the quantile and none past it. */
double student_t_quantile(double probability, double freedom)
{
    const double pi = 3.14159265358979323846;
    double half = (freedom + 1) / 2, x = 0;
    int sign;
    double log_front = lgamma_r(half, &sign) - lgamma_r(freedom / 2, &sign) - 0.5 * log(freedom * pi);
    for (int i = 0; i < 1000; i++) {
        double density = exp(log_front - half * log1p(x * x / freedom));
        double step = (probability - student_t_probability(x, freedom)) / density;
        x += step;
        if (!(fabs(step) > 1e-12 * fmax(1, fabs(x))))
            break;
    }
    return x;
}
