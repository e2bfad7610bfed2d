/* candidate - a network of one architecture on rows: forward, loss and gradient, whoever made its weights.
 *
 *     h = activation(W h + b) for each hidden layer, h = x at first;   y = W_out h + b_out
 *
 * It is a model of tasks without a part of any task's own (engine/network/task_head.h), so that what is
 * searched with is what is served. One candidate takes any architecture in turn.
 * Layer: engine/train/search
 * Threads: confined to its thread.
 * Memory: weights and gradients of the largest architecture, activations of n_max rows. */
#ifndef ENGINE_TRAIN_SEARCH_CANDIDATE_H
#define ENGINE_TRAIN_SEARCH_CANDIDATE_H

#include "base/err.h"
#include "engine/train/gradient/features_backward.h"
#include "engine/train/search/architecture.h"

#include <stddef.h>
#include <stdint.h>

/* Rows with their targets as they are learned (deviations from the mean), or classes. */
struct search_rows {
    size_t n, d;          /* d: numbers of a row, D */
    const uint32_t *at;   /* (n) the places of these rows in x and y */
    const real *x;        /* (all rows, D) */
    const double *y;      /* (all rows) */
    const uint32_t *task; /* (all rows) where whole tasks are held out; else NULL */
};

struct candidate {
    struct model_spec spec; /* of the architecture at hand; what it has on the heap is borrowed */
    struct architecture_inputs inputs;
    struct architecture architecture;
    size_t n_values;                         /* weights of the architecture at hand */
    real *values, *grads;                    /* (most) layer by layer: weight, bias */
    struct model_params params, grad_params; /* views of them */
    struct features_tape tape;
    size_t n_max, n;
    real *x;      /* (n_max, D), of the architecture at hand (n, its inputs) */
    real *f, *df; /* (n_max, O) */
    double *y;    /* (n_max) */
};

/* about: inputs D, outputs O and classes; inputs: what of the D a network may read. Zero-initialise;
 * candidate_fini frees whatever is there. ERR_NOMEM. */
enum err_code candidate_init(struct candidate *c, const struct model_spec *about,
                             const struct architecture_inputs *inputs, size_t n_max,
                             struct err *e) ERR_MUST_CHECK;
void candidate_fini(struct candidate *c);

/* Takes an architecture: lays out its weights, which are then anything; gradients are 0. */
void candidate_take(struct candidate *c, const struct architecture *a);

/* The layers of the architecture at hand, hidden ones and then the last: rows, columns and where their
 * weight, bias and gradients are. */
struct candidate_layer {
    size_t d_out, d_in;
    real *weight, *bias, *dweight, *dbias;
};
size_t candidate_layers(const struct candidate *c, struct candidate_layer out[ARCHITECTURE_DEPTH + 1]);

/* The rows of the next pass: n drawn, each as likely as any other; or n one after the other. */
void candidate_draw(struct candidate *c, const struct search_rows *rows, size_t n, struct rng *r);
void candidate_read(struct candidate *c, const struct search_rows *rows, size_t first, size_t n);

/* The mean loss of those rows; its gradient is added to that of the weights. */
double candidate_gradient(struct candidate *c);

/* How good the weights are on all rows: the share whose class is the most likely one, or of numbers the root
 * of the mean squared error, less than 0, so that more is better. Not finite where outputs are not. */
double candidate_score(struct candidate *c, const struct search_rows *rows);

#endif
