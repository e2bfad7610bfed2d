/* climb - searches hyperparameters on a grid, from its middle by steps that help, until none does: some ten
 * tries, not all.
 * Layer: engine/train/data
 * Threads: as the tries.
 * Memory: none. */
#ifndef ENGINE_TRAIN_DATA_CLIMB_H
#define ENGINE_TRAIN_DATA_CLIMB_H

#include "base/err.h"

#include <stdbool.h>

/* How good the point (x, y) is; more is better. NAN: it is not to be tried, or the search must end. Asked for
 * the same point again, a grid's try is to remember it. */
typedef enum err_code climb_fn(void *arg, int x, int y, double *value, struct err *e);

struct climb_step {
    int x, y;
};

struct climb {
    int n_x, n_y;
    const struct climb_step *steps; /* (n_steps) to the neighbours, in the order in which they are tried */
    int n_steps;
    climb_fn *try_at;
    bool (*ends)(void *arg); /* asked before each round of neighbours; NULL: no */
    void *arg;
};

/* From (*x, *y) to the best of the neighbours that are better, until none is. */
enum err_code climb_grid(const struct climb *c, int *x, int *y, struct err *e) ERR_MUST_CHECK;

/* Along x alone, y being 0: from *x, which is as good as *best says, by step (1 or -1) for as long as it
 * helps; where the first does not help, the other way. *x and *best become those of the end. steps, n_steps
 * and ends are not looked at. */
enum err_code climb_line(const struct climb *c, int step, int *x, double *best, struct err *e) ERR_MUST_CHECK;

#endif
