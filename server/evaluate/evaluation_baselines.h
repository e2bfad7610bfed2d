/* evaluation_baselines - what models are compared with, fitted to the interactions of a store.
 * Layer: server/evaluate
 * Threads: made by one; scores from any.
 * Memory: 24 bytes an interaction while it is made, then the baselines' own. */
#ifndef SERVER_EVALUATE_EVALUATION_BASELINES_H
#define SERVER_EVALUATE_EVALUATION_BASELINES_H

#include "base/err.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "engine/model.h"
#include "engine/network/encoder.h"
#include "server/items/item_snapshot.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What validation chose; a dim of 0 and a lambda of NAN: there is no such baseline. */
struct evaluation_choices {
    size_t ials_dim;
    double ials_alpha, ials_reg, ease_lambda;
};

enum evaluation_baseline {
    BASELINE_POPULARITY, /* interactions of an item */
    BASELINE_FOLD_IN,    /* iALS with the first model's own factors */
    BASELINE_IALS,       /* tuned by validation here */
    BASELINE_EASE,
    BASELINE_MEAN, /* of ratings: the mean of all */
    BASELINE_BIAS, /* of ratings: the mean and what user and item differ from it */
    N_BASELINES
};

/* A set of them: bits 1 << enum evaluation_baseline. */
#define EVALUATION_ALL_BASELINES ((1u << N_BASELINES) - 1)

/* "popularity", "fold-in", "ials", "ease", "mean", "bias" to its bit; 0: no such baseline. */
unsigned evaluation_baselines_bit(const char *word);

/* Whether the baseline of such a word predicts ratings; else it ranks. */
bool evaluation_baselines_rates(const char *word);

struct evaluation_baselines;

struct evaluation_baselines_options {
    bool ratings;    /* baselines of ratings, not of rankings */
    unsigned wanted; /* a set */
    size_t n_rivals; /* candidates of a test, that hyperparameters are chosen among; 0: the catalogue */
    uint64_t seed;
    progress_fn
        *progress; /* told of what is under way, by notes; may be NULL. False ends with ERR_DEADLINE */
    void *progress_arg;
};

/* Those wanted that there can be: the fold-in needs the model's factors, EASE a matrix of all items. The
 * model is borrowed, items are its. */
enum err_code evaluation_baselines_new(struct store_conn *c, const struct model *m,
                                       const struct item_snapshot *items,
                                       const struct evaluation_baselines_options *o, struct parallel *team,
                                       struct evaluation_baselines **out, struct err *e) ERR_MUST_CHECK;
void evaluation_baselines_free(struct evaluation_baselines *b); /* NULL: nothing */

size_t evaluation_baselines_n(const struct evaluation_baselines *b); /* NULL: 0 */
enum evaluation_baseline evaluation_baselines_at(const struct evaluation_baselines *b, size_t i);
const char *evaluation_baselines_name(enum evaluation_baseline which);
size_t evaluation_baselines_workspace_len(const struct evaluation_baselines *b);

struct evaluation_choices evaluation_baselines_choices(const struct evaluation_baselines *b); /* NULL: none */

/* The mean of all ratings of the store; NAN: there are none. */
double evaluation_baselines_mean(const struct evaluation_baselines *b);

/* scores (n_items) of a user with these interactions (n) and this context, which only the fold-in looks at.
 * Where n is 0, iALS and EASE, which would score all items alike, answer by popularity. */
void evaluation_baselines_scores(const struct evaluation_baselines *b, enum evaluation_baseline which,
                                 const real *context, const struct encoder_interaction *interactions,
                                 size_t n, real *workspace, real *scores);

#endif
