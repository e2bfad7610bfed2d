/* task_draw - rows of a task as they will be met: some are known, some are asked for.
 *
 * Half of the splits know all rows but those that are asked for, a quarter of them; the others a number of
 * rows that is uniform in the logarithm, from none on, so that one model serves tasks of any number of
 * rows. Where rows have times, what is known is older than what is asked for.
 * Layer: engine/train/task
 * Threads: a struct task_drawing is confined to its thread.
 * Memory: the rows of one task, at most TASK_MOST_ROWS. */
#ifndef ENGINE_TRAIN_TASK_TASK_DRAW_H
#define ENGINE_TRAIN_TASK_TASK_DRAW_H

#include "base/err.h"
#include "base/rng.h"
#include "engine/train/data/task_table.h"
#include "engine/train/task/task_step.h"

#include <stdint.h>

enum {
    TASK_MOST_ROWS = 256,   /* of a task that are drawn */
    TASK_MOST_QUERIES = 64, /* that are asked for in a split */
    TASK_SPLITS = 4,        /* of the same rows: the features of each are computed once */
    TASK_TIMED_SPLITS = 8   /* the same, where rows have times */
};

enum task_known { TASK_KNOWN_ANY, TASK_KNOWN_ALL, TASK_KNOWN_FEW, TASK_KNOWN_NONE };

struct task_drawing {
    const struct model_spec *spec;
    const struct task_table *table;
    struct task_draw draw;       /* what was drawn last */
    size_t n_queries;            /* over its splits */
    double period, gap, horizon; /* of times: see engine/train/data/training.h */
    double until;                /* rows after this time are not drawn; INFINITY: all are */
    const uint8_t
        *held; /* (rows of the table) 1: it is validated on, and not drawn; NULL: all are. Borrowed */
    real *x;
    double *y, *support, *query, *age, *time;
    uint32_t *order; /* (TASK_MOST_ROWS) */
    size_t *row;     /* (TASK_MOST_ROWS) of the table, of each row of the draw */
};

enum err_code task_drawing_init(struct task_drawing *d, const struct model_spec *spec,
                                const struct task_table *table, struct err *e) ERR_MUST_CHECK;
void task_drawing_fini(struct task_drawing *d);

/* Draws splits of a task's rows, of which it has at least two. Where rows have times, what is asked for in a
 * split is a horizon of time after a moment and a gap, and known is what was before the moment. */
void task_drawing_next(struct task_drawing *d, size_t task, enum task_known known, struct rng *r);

/* Draws the task's last rows, and for each split the rows of one horizon after `from` as what is asked
 * for: so many that all of them are asked for, or as many as there are splits. */
void task_drawing_ahead(struct task_drawing *d, size_t task, double from, struct rng *r);

/* Draws the task's rows, and asks in each split for those that are held; known are some of the others. */
void task_drawing_held(struct task_drawing *d, size_t task, enum task_known known, struct rng *r);

#endif
