/* incomplete_beta - the regularised incomplete beta function, of which Student's t and the negative binomial
 * are made.
 * Layer: engine/network
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_NETWORK_INCOMPLETE_BETA_H
#define ENGINE_NETWORK_INCOMPLETE_BETA_H

/* I_x(a, b) for a, b > 0, of x in [0, 1] and its complement 1 - x, which near x = 1 the caller knows to more
 * digits. Its continued fraction (Abramowitz and Stegun 1964, 26.5.8), evaluated as by Lentz 1976. */
double incomplete_beta(double a, double b, double x, double complement);

#endif
