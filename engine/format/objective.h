/* objective - what a model is for, as its file names it: everything about an objective that readers and
 * servers of models ask.
 *
 * A new objective is a struct of its own, a row in objectives.c and, where it is to be trained, a table of
 * functions (engine/train/data/train_objective.h). Nothing else compares objectives: what depends on one is a
 * field here.
 * Layer: engine/format
 * Threads: immutable.
 * Memory: static. */
#ifndef ENGINE_FORMAT_OBJECTIVE_H
#define ENGINE_FORMAT_OBJECTIVE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct model_spec;

struct objective {
    const char *name; /* in files, messages and on the command line */
    bool for_users;   /* its models score the items of a catalogue for users; else they are models of tasks */
    bool rates;       /* its predictions are in the unit of ratings: rmse and mae measure them */
    bool new_items;   /* what its models know of items after training can be fitted
                         (engine/network/cold_items.h) */
    /* What a spec needs beyond what all do; NULL: nothing. */
    enum err_code (*check)(const struct model_spec *spec, struct err *e);
    /* A score as a prediction; NULL: the score is the prediction. */
    double (*prediction)(const struct model_spec *spec, double score);
};

extern const struct objective objective_ranking, objective_rating, objective_regression,
    objective_classification;

/* All that a model file may name, in the order in which messages name them. The list is a file of its own,
 * objectives.c, so that a program with other objectives is linked with another list. */
extern const struct objective *const objectives[];
extern const size_t n_objectives;

/* By its name; NULL: there is none such. */
const struct objective *objective_find(const char *name);

enum { OBJECTIVE_LIST_BYTES = 256 };

/* The names of those that are wanted (NULL: all), such as "ranking or rating" with last " or "; cut where
 * they are too many. Returns out. */
const char *objective_list(bool (*wanted)(const struct objective *), const char *last,
                           char out[OBJECTIVE_LIST_BYTES]);

/* Whether its models score items for users, as objective_list takes it. */
bool objective_is_for_users(const struct objective *o);

#endif
