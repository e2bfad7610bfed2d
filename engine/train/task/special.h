/* special - functions of analysis that the C library lacks.
 * Layer: engine/train/task
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_TRAIN_TASK_SPECIAL_H
#define ENGINE_TRAIN_TASK_SPECIAL_H

/* The derivative of lgamma at x > 0: recurrence up to 10, then the asymptotic series (Abramowitz and Stegun
 * 1964, 6.3.18), good to 12 digits. */
double special_digamma(double x);

#endif
