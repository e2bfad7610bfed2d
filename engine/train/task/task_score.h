/* task_score - how far answers to rows that are validated on are off, by the loss that was asked for and
 * in the target's own unit: so models can be compared that learn it on different scales.
 *
 * Where the scale is not the target's own, all values of the shrink (engine/format/task_target.h) are
 * tried at once, and the best of them is the model's.
 * Layer: engine/train/task
 * Threads: plain values.
 * Memory: none. */
#ifndef ENGINE_TRAIN_TASK_TASK_SCORE_H
#define ENGINE_TRAIN_TASK_TASK_SCORE_H

#include "engine/network/task_solver.h"
#include "engine/train/task/task_step.h"

#include <stdbool.h>
#include <stddef.h>

enum { TASK_SHRINKS = 26 /* at most so many are tried */ };

struct task_score {
    double loss[TASK_SHRINKS]; /* sums over rows */
    double surprise; /* sum of the negative log likelihood of the target in its own unit; of numbers */
    size_t n;        /* rows */
    bool of_counts;  /* what is likely is a whole number: of densities the part next to it */
};

/* What is tried: n values from `first` on, a tenth of a variance apart. */
struct task_shrinks {
    double first;
    size_t n;
};
struct task_shrinks task_score_shrinks(const struct task_spec *t);
double task_score_shrink(const struct task_spec *t, size_t k);

/* Adds the rows that split j of the draw asks for, as the solver answered them (value, spread). */
void task_score_add(struct task_score *s, const struct task_solver *solver, const struct task_draw *d,
                    size_t j);
void task_score_merge(struct task_score *s, const struct task_score *other);

/* The geometric mean of the mean losses of n scores at the best shrink, of squared errors its root; *best may
 * be NULL. INFINITY: there are no rows, or an answer is not finite. */
double task_score_loss(const struct task_score *scores, size_t n, const struct task_spec *t, size_t *best);

#endif
