/* search_model - a network that was searched for as the model file it becomes, and how long that takes to
 * answer a row.
 *
 * It is a model of tasks whose tasks have no part of their own: a basis of one feature that is always 0. So
 * it is served as any other, by the same calls.
 * Layer: server/search
 * Threads: confined to its thread.
 * Memory: a few numbers beside the weights, which are the candidate's. */
#ifndef SERVER_SEARCH_SEARCH_MODEL_H
#define SERVER_SEARCH_SEARCH_MODEL_H

#include "base/err.h"
#include "engine/train/search/candidate.h"

struct search_model {
    struct model_spec spec;     /* what it has on the heap is the candidate's */
    struct model_params params; /* views of the candidate's weights and of what follows */
    real basis[ARCHITECTURE_MOST], basis_bias[1], scales[TASK_SCALES];
};

/* The architecture and the weights that c has at hand. noise: the mean squared error of numbers as they are
 * learned, on rows that were not learned from. m is not moved while it is used. */
void search_model_of(const struct candidate *c, const struct model_spec *about, double noise,
                     struct search_model *m);

/* The median time of one row through the network as it is served, in microseconds: from a row as numbers to
 * its outputs, without HTTP and JSON. Of a few rounds the quickest counts, so that what else the machine does
 * counts less. ERR_NOMEM. */
enum err_code search_model_latency(const struct model_spec *spec, const struct model_params *params,
                                   const struct search_rows *rows, double *out_us,
                                   struct err *e) ERR_MUST_CHECK;

#endif
