/* train_objective - how models of one objective are trained: a table of functions, one of which ranking/,
 * rating/ and every other objective fills. train.c calls them in this order and knows nothing else of an
 * objective.
 * Layer: engine/train/data
 * Threads: each run's state is confined to its thread; a function may use run->team.
 * Memory: the state is the objective's, from build to fini; the run outlives it. */
#ifndef ENGINE_TRAIN_DATA_TRAIN_OBJECTIVE_H
#define ENGINE_TRAIN_DATA_TRAIN_OBJECTIVE_H

#include "engine/format/objective.h"
#include "engine/train/data/report.h"
#include "engine/train/data/run.h"

struct train_objective {
    const struct objective *objective; /* what its model files say, and how a score becomes a prediction */
    const char *about; /* what its models answer, in a few words: for the help of --objective */

    /* Before anything is made: whether these options and this data can be trained. Two users and two items
     * are there. */
    enum err_code (*check)(const struct train_data *data, const struct train_options *options, struct err *e);
    /* The examples to learn from, and those held out to validate on. *state (NULL before) is freed whatever
     * is returned. */
    enum err_code (*build)(struct run *run, void **state, struct err *e);
    /* Hyperparameters, and a model to start from, by what was held out. */
    enum err_code (*choose)(void *state, struct err *e);
    /* Steps, each course of them validated, and the file at run->path, whole or not at all: run->written.
     * After an interrupt before there was a model to keep it does nothing. */
    enum err_code (*train)(void *state, struct err *e);
    /* Fills in all but end, written and seconds, which are there. */
    void (*report)(const void *state, struct train_report *report);
    void (*fini)(void *state); /* ends and frees it */
};

#endif
