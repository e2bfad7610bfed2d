/* train_step - one step of joint training: loss of a batch, backward through target network, hypernetwork and
 * encoder, update.
 * Layer: engine/train/ranking
 * Threads: uses the given team; the result does not depend on its size, because a batch is always cut into
 *   STEP_SHARDS shards whose gradients are summed in order.
 * Memory: for each shard the activations of its contexts and one block of dense gradients. */
#ifndef ENGINE_TRAIN_RANKING_TRAIN_STEP_H
#define ENGINE_TRAIN_RANKING_TRAIN_STEP_H

#include "base/err.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "engine/format/model_spec.h"
#include "engine/train/data/split.h"
#include "engine/train/gradient/adam.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/ranking/examples.h"

#include <stddef.h>

enum { STEP_SHARDS = 8, N_TENSOR_GROUPS = GROUP_SHARED + 1 };

struct step_options {
    size_t batch;       /* most examples in a batch */
    size_t n_negatives; /* drawn for a batch and shared by its contexts; at least the number of items: all of
                           them */
    double rates[N_TENSOR_GROUPS]; /* learning rates; 0 freezes */
    double clip;                   /* most norm of the gradient; 0: no clipping */
    struct adam adam;
};

struct train_step;

enum err_code train_step_new(const struct model_spec *spec, struct param_block *block,
                             const struct split *split, const struct step_options *options,
                             struct parallel *team, struct train_step **out, struct err *e) ERR_MUST_CHECK;
void train_step_free(struct train_step *s);

/* Draws the batch's candidates: all items, or n_negatives of them and the targets. */
void train_step_draw(struct train_step *s, const struct sample *samples, size_t n, struct rng *rng);

/* The mean loss of a target over the batch (n <= batch) with the candidates drawn; gradients are left in the
 * block. */
double train_step_gradients(struct train_step *s, const struct sample *samples, size_t n);

/* Clips and applies the gradients; number counts from 1, rate scales all learning rates. Returns the
 * gradient's norm before clipping. A norm that is not finite changes nothing but the gradients, which are
 * zeroed. */
double train_step_update(struct train_step *s, long number, double rate);

#endif
