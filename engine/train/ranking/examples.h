/* examples - training examples of ranking: what was known of a user at some moment, and what the user took
 * next.
 *
 * The context of an example has not seen its targets: the fold-in is solved anew without them. Fine-tuning on
 * contexts that have seen them loses what the factorisation had. A user's interactions with a known time: the
 * history is all before one of them, the target is that one. Those without: a few drawn ones are the targets,
 * the history is the rest of them. A share of the examples forgets all but the last few interactions (or
 * all), so that one network serves new users. Of the others the learned blocks see a random part, so that no
 * item's vector leans on another's being there.
 * Layer: engine/train/ranking
 * Threads: uses the given team; the result does not depend on its size.
 * Memory: one chunk of users at a time. */
#ifndef ENGINE_TRAIN_RANKING_EXAMPLES_H
#define ENGINE_TRAIN_RANKING_EXAMPLES_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/format/model_spec.h"
#include "engine/network/encoder.h"
#include "engine/train/data/split.h"

#include <stddef.h>
#include <stdint.h>

enum { SAMPLE_MAX_TARGETS = 8 };

/* Targets in an example of n interactions whose order is not known: a tenth, so that what is left is about as
 * much as is known of the user when it counts. */
size_t examples_group_size(size_t n);

struct sample {
    uint32_t user;
    uint32_t n_targets;
    uint32_t targets[SAMPLE_MAX_TARGETS]; /* item indices */
    struct encoder_input input;           /* of the learned blocks; borrowed from the chunk */
    const real *fold_in;                  /* (d_fold_in) borrowed from the chunk */
};

struct examples_options {
    size_t max_timed;      /* examples a user and epoch, with a known time */
    size_t max_groups;     /* and without */
    double forget;         /* share of the examples that forget most of the history */
    double forget_profile; /* share that forget the profile */
    double drop; /* share of an example's history that its learned blocks do not see (dropout); the fold-in
                    does */
    uint64_t seed;
};

struct examples; /* a chunk */

enum err_code examples_new(const struct model_spec *spec, const struct model_params *params,
                           const struct split *split, const struct examples_options *options,
                           struct parallel *team, struct examples **out, struct err *e) ERR_MUST_CHECK;
void examples_free(struct examples *s);

/* Users in a chunk. */
enum { SAMPLES_CHUNK_USERS = 128 };

/* Makes the examples of these users (n_users <= SAMPLES_CHUNK_USERS) for an epoch, shuffled; *list (*n) is
 * borrowed until the next fill. */
enum err_code examples_fill(struct examples *s, const uint32_t *users, size_t n_users, int epoch,
                            const struct sample **list, size_t *n, struct err *e) ERR_MUST_CHECK;

#endif
