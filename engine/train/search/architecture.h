/* architecture - one member of the space that is searched: how many of a row's numbers a network reads, how
 * many hidden layers it has, how wide each is, and the activation between them.
 *
 * Numbers of a row stand in the order in which they tell most (input_order.h), so that a network of fewer
 * inputs reads the first ones. Of a few inputs the first layer costs as much less.
 * Layer: engine/train/search
 * Threads: any.
 * Memory: plain structs. */
#ifndef ENGINE_TRAIN_SEARCH_ARCHITECTURE_H
#define ENGINE_TRAIN_SEARCH_ARCHITECTURE_H

#include "base/rng.h"
#include "engine/format/model_spec.h"
#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    ARCHITECTURE_DEPTH = 3,
    ARCHITECTURE_LEAST = 4,
    ARCHITECTURE_MOST = 64,  /* units of a layer */
    ARCHITECTURE_PLAIN = 8,  /* units below which a layer is bad on sight */
    ARCHITECTURE_INPUTS = 4, /* numbers of inputs, all of them first, each about half of that before it */
    ARCHITECTURE_CODE = ARCHITECTURE_DEPTH + N_ACTIVATIONS + 3 * ARCHITECTURE_DEPTH + ARCHITECTURE_INPUTS,
    ARCHITECTURE_TEXT_BYTES = 64
};

/* What of a row networks may read. */
struct architecture_inputs {
    size_t n;                          /* 1 to ARCHITECTURE_INPUTS */
    size_t count[ARCHITECTURE_INPUTS]; /* (n) falling: the first so many numbers of a row */
};

struct architecture {
    size_t n_layers;                  /* hidden ones, 1 to ARCHITECTURE_DEPTH */
    size_t width[ARCHITECTURE_DEPTH]; /* (n_layers) */
    enum activation activation;
    size_t inputs; /* which of architecture_inputs; 0: all of a row */
};

/* Draws one: depth, activation and inputs each as likely as any other, widths so that their logarithms
 * are. */
void architecture_draw(struct rng *r, const struct architecture_inputs *inputs, struct architecture *out);

/* Every layer as wide as there is, of the depth and activation given, on all of a row: no other has more
 * weights. */
void architecture_largest(size_t n_layers, enum activation a, struct architecture *out);

bool architecture_same(const struct architecture *a, const struct architecture *b);

/* Without a nonlinearity, or with a layer of fewer than ARCHITECTURE_PLAIN units. */
bool architecture_bad_on_sight(const struct architecture *a);

/* What a hypernetwork is told of it: numbers of about -1 to 1. */
void architecture_code(const struct architecture *a, real code[ARCHITECTURE_CODE]);

/* "64-32 relu", of a network that does not read all of a row "64-32 relu of 98". Returns text. */
const char *architecture_text(const struct architecture *a, const struct architecture_inputs *inputs,
                              char text[ARCHITECTURE_TEXT_BYTES]);

/* The hidden layers of a model of tasks that has this architecture; the rest of the spec stands. */
void architecture_apply(const struct architecture *a, struct model_spec *spec);

/* Weights of a network with so many inputs and outputs. */
size_t architecture_n_weights(const struct architecture *a, size_t d_in, size_t d_out);

#endif
