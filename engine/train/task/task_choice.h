/* task_choice - which of several models is taken, by what each said of rows that were held out.
 *
 * The loss that was asked for decides where it is sure. Where it is not, the likelihood does: it judges an
 * answer by how sure it was, and tells models apart on a few held-out tasks that the loss, of which a few
 * rows may be most, does not. Of what is alike in both the simplest is taken: the best of many looks is a
 * little better by chance, and where there is nothing to learn surely so: a difference has a least size too.
 * Layer: engine/train/task
 * Threads: plain values.
 * Memory: none. */
#ifndef ENGINE_TRAIN_TASK_TASK_CHOICE_H
#define ENGINE_TRAIN_TASK_TASK_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

/* What is validated on: so many tasks in so many ways of knowing, the same rows for all models. */
struct task_said_shape {
    size_t n_ways, n_tasks;
    size_t n_rows; /* that are asked for, of all ways together */
    bool squared;  /* losses are of squared errors, which are twice as far apart in logarithms */
};

/* What a model said of it. */
struct task_said {
    const double *losses;    /* (n_ways, n_tasks) sums over rows of the loss that was asked for */
    const double *surprises; /* (n_ways, n_tasks) of the negative log likelihood in the target's unit */
};

/* How much lower a is than b, and the standard error of that over tasks. */
struct task_gap {
    double mean, error;
};

/* Of the logarithms of mean losses, added over ways; the error is the jackknife's (Tukey 1958). */
struct task_gap task_loss_gap(const double *a, const double *b, struct task_said_shape shape);

/* Of surprises, added. */
struct task_gap task_surprise_gap(const double *a, const double *b, struct task_said_shape shape);

/* The one of n models, the simplest first, to take. Those whose loss is higher than the least by more than
 * two standard errors, and by half a percent, are out; of the others the first is taken unless a later one
 * is likelier by more than one, and gains more than least_gain, then that unless one after it does, and so
 * on. A gain is in nats a row; of one that is likelier by two standard errors what its loss is lower by, in
 * logarithms, is added. n if no model has numbers. */
size_t task_choose(const struct task_said *models, size_t n, struct task_said_shape shape, double least_gain);

#endif
