/* search_fit - the two trainings of a search: of the hypernetwork, which meets another architecture at every
 * step; and of one network from scratch.
 * Layer: engine/train/search
 * Threads: confined to their thread.
 * Memory: Adam's moments of one network. */
#ifndef ENGINE_TRAIN_SEARCH_SEARCH_FIT_H
#define ENGINE_TRAIN_SEARCH_SEARCH_FIT_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/train/search/weight_generator.h"

#include <stdint.h>

struct search_fit_options {
    uint64_t seed;
    long n_steps;
    size_t batch;
    double rate;           /* of Adam at first; it falls as a cosine to 0 */
    progress_fn *progress; /* told of steps; false ends the training (ERR_DEADLINE). NULL: nobody is */
    void *arg;
    const char *stage; /* as progress names it */
};

/* Trains g on rows, c being the network that is given its weights. ERR_DEADLINE; ERR_INVALID: the loss is no
 * longer finite. */
enum err_code search_fit_generator(struct weight_generator *g, struct candidate *c,
                                   const struct search_rows *rows, const struct search_fit_options *o,
                                   struct err *e) ERR_MUST_CHECK;

/* Trains c, which has taken its architecture, from weights that are drawn. Errors as above, and ERR_NOMEM. */
enum err_code search_fit_scratch(struct candidate *c, const struct search_rows *rows,
                                 const struct search_fit_options *o, struct err *e) ERR_MUST_CHECK;

#endif
