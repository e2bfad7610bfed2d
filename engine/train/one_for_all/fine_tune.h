/* fine_tune - the usual way to a task's own network: the one for all, and a few gradient steps on the rows
 * that are known of the task.
 *
 * How many steps and how large is chosen on rows that the network was not trained from: of whole tasks, some
 * of whose rows are then known, or the newest or drawn rows of tasks whose others are known.
 * Layer: engine/train/one_for_all
 * Threads: confined to its thread.
 * Memory: the parameters once more. */
#ifndef ENGINE_TRAIN_ONE_FOR_ALL_FINE_TUNE_H
#define ENGINE_TRAIN_ONE_FOR_ALL_FINE_TUNE_H

#include "engine/train/one_for_all/pooled_fit.h"

struct fine_tuning {
    double rate;
    long n_steps; /* 0: the network for all is best as it is */
    double error; /* mean loss of a held row with these; NAN: none was held */
};

struct fine_tuner {
    struct pooled_network *net; /* borrowed; its values are the task's between start and end */
    const struct pooled_rows *rows;
    struct pooled_pass pass;
    real *values;            /* (n_values) those of the network for all */
    uint32_t *known, *asked; /* (rows of the largest task) places in rows */
    size_t n_known, n_asked;
    uint64_t seed;
};

/* For a network without vectors of tasks. Zero-initialise; fine_tuner_fini frees whatever is there.
 * ERR_NOMEM. */
enum err_code fine_tuner_init(struct fine_tuner *f, struct pooled_network *net,
                              const struct pooled_rows *rows, uint64_t seed, struct err *e) ERR_MUST_CHECK;
void fine_tuner_fini(struct fine_tuner *f);

/* Chooses by what is held, of which the network has learned nothing. n_known: of tasks that are held whole,
 * so many of their rows are known. */
void fine_tuner_choose(struct fine_tuner *f, const struct pooled_holdout *holdout, size_t n_known,
                       struct fine_tuning *out);

/* Makes the network the task's, from its rows; and the one for all again. */
void fine_tuner_start(struct fine_tuner *f, uint32_t task, const struct fine_tuning *how);
void fine_tuner_end(struct fine_tuner *f);

#endif
