/* weight_generator - a hypernetwork that makes the weights of a network of any architecture from its code,
 * so that a thousand architectures are compared for the price of training one.
 *
 * z = tanh(T2 tanh(T1 code + t1) + t2). For each place a layer may have, with R units and C inputs at
 * most:
 *
 *     W = scale (1 + g) * (W0 + A B),  b = b0 + h     cut to the first units and inputs of the candidate
 *     A = G_A z + a0 (R, 8),  B = G_B z + b_B (8, C),  g = G_g z (R),  h = G_b z (R)
 *
 * `scale` makes up for the inputs that are cut away: sqrt(C / inputs) of a layer behind another. Hidden
 * layers have their places in order; the last layer has one for each number of hidden layers before it.
 * Source: SMASH (Brock et al. 2018): one-shot search through generated weights.
 * Layer: engine/train/search
 * Threads: confined to its thread.
 * Memory: four times its parameters, of which most are 8 x 64 for each input. */
#ifndef ENGINE_TRAIN_SEARCH_WEIGHT_GENERATOR_H
#define ENGINE_TRAIN_SEARCH_WEIGHT_GENERATOR_H

#include "base/err.h"
#include "engine/train/search/candidate.h"

#include <stddef.h>
#include <stdint.h>

enum { WEIGHTS_RANK = 8, WEIGHTS_TRUNK = 64, WEIGHTS_PLACES = 2 * ARCHITECTURE_DEPTH };

/* A matrix of heads with its bias: (rows, Z) and (rows). */
struct weights_head {
    size_t weight, bias; /* where they are in the block */
};

struct weights_place {
    size_t d_out, d_in;                  /* R, C */
    size_t weight, bias;                 /* W0 (R, C), b0 (R) */
    struct weights_head a, b, gain, add; /* of A row by row, of B column by column */
};

struct weight_generator {
    size_t n_values;
    real *values, *grads, *moment1, *moment2;
    struct weights_head trunk[2]; /* (Z, code), (Z, Z) */
    struct weights_place places[WEIGHTS_PLACES];
    real code[ARCHITECTURE_CODE], z1[WEIGHTS_TRUNK], z[WEIGHTS_TRUNK]; /* of the last generation */
    real *room; /* A, B, gain, and their gradients of one layer */
    size_t room_len;
};

/* For networks of d_in inputs and d_out outputs. Values are drawn by seed: the product A B begins at 0.
 * Zero-initialise; weight_generator_fini frees whatever is there. ERR_NOMEM. */
enum err_code weight_generator_init(struct weight_generator *g, size_t d_in, size_t d_out, uint64_t seed,
                                    struct err *e) ERR_MUST_CHECK;
void weight_generator_fini(struct weight_generator *g);

/* Makes the weights of c's architecture. */
void weight_generator_make(struct weight_generator *g, struct candidate *c);

/* From the gradient of c's weights, which the last call made: that of the generator's values is added to. */
void weight_generator_backward(struct weight_generator *g, const struct candidate *c);

#endif
