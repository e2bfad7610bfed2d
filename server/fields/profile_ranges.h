/* profile_ranges - cuts the numbers of a profile's field into ranges that about as many users have each.
 * Layer: server/fields
 * Threads: any.
 * Memory: none; the caller's arrays. */
#ifndef SERVER_FIELDS_PROFILE_RANGES_H
#define SERVER_FIELDS_PROFILE_RANGES_H

#include <stddef.h>

/* Bounds between at most most + 1 ranges of the n rising numbers x, rising, to bounds (most); returns how
 * many. Range k has the numbers from bounds[k - 1] on and below bounds[k], at least `least` of them. A bound
 * is the shortest decimal of at most four digits that parts two neighbours, so that it is nobody's own
 * number; where there is none, ranges stay one. */
size_t profile_ranges_cut(const double *x, size_t n, size_t least, size_t most, double *bounds);

/* The range of a number: how many bounds are not above it. */
size_t profile_ranges_of(const double *bounds, size_t n, double x);

#endif
