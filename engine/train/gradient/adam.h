/* adam - the optimiser (Kingma and Ba 2015, algorithm 1), on runs of reals or on the touched rows of a table.
 * Layer: engine/train/gradient
 * Threads: any, on disjoint ranges.
 * Memory: none. */
#ifndef ENGINE_TRAIN_GRADIENT_ADAM_H
#define ENGINE_TRAIN_GRADIENT_ADAM_H

#include "engine/kernels/real.h"

#include <stddef.h>

struct adam {
    double beta1, beta2, epsilon;
    double weight_decay; /* decoupled (Loshchilov and Hutter 2019) */
};

/* Step `step` (1 is the first) of n values; rate is the learning rate, clip a factor on the gradients.
 * Gradients are zeroed. */
void adam_update(const struct adam *a, long step, double rate, double clip, size_t n, real *values,
                 real *grads, real *moment1, real *moment2);

#endif
