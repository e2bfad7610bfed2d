/* student_t - quantiles of Student's t, for intervals.
 * Layer: engine/network
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_NETWORK_STUDENT_T_H
#define ENGINE_NETWORK_STUDENT_T_H

/* The probability of a value up to x, for so many degrees of freedom (> 0, not whole too): by the
 * incomplete beta function, its continued fraction evaluated as by Lentz 1976. */
double student_t_probability(double x, double freedom);

/* The x with this probability in (0, 1), to 12 digits. Cost: for probabilities from 0.01 to 0.99 some six
 * of the above. */
double student_t_quantile(double probability, double freedom);

#endif
