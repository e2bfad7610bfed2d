/* split - the training set with some interactions of each user held out, for early stopping and for the
 * choice of hyperparameters.
 * Layer: engine/train/data
 * Threads: immutable once made.
 * Memory: a copy of the interactions. */
#ifndef ENGINE_TRAIN_DATA_SPLIT_H
#define ENGINE_TRAIN_DATA_SPLIT_H

#include "base/err.h"
#include "engine/train/data/training.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct split {
    const struct train_data *data;
    struct encoder_interaction *interactions; /* a copy; the held-out ones of a user are at its end */
    size_t *start;                            /* (n_users) */
    size_t *end; /* (n_users) training interactions of u are [start[u], end[u]), held out those up to
                    data->user_start[u + 1] */
    uint32_t
        *validated; /* (n_validated) users to measure on: all with a held-out item, or a sample of them */
    size_t n_validated;
    size_t n_rivals; /* a held-out item is ranked among so many, drawn for it; 0: all that the user has not */
    size_t n_held;   /* interactions held out */
    size_t n_training;             /* interactions in training */
    double timed;                  /* share of the interactions whose time is known */
    int64_t first_time, last_time; /* of the training interactions; 0 when none has a time */
};

/* With hold_out, users with three interactions or more give some: the newest where its time is known, else a
 * fifth of all, drawn by seed. Without, everything is training. */
enum err_code split_init(struct split *s, const struct train_data *data, bool hold_out, uint64_t seed,
                         struct err *e) ERR_MUST_CHECK;
void split_fini(struct split *s);

#endif
