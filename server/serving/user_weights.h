/* user_weights - the bridge between store and engine: a stored user to a context embedding and to generated
 * weights.
 * Layer: server/serving
 * Threads: a struct user_encoder is confined to its thread.
 * Memory: workspaces grow to the longest history seen and are kept. */
#ifndef SERVER_SERVING_USER_WEIGHTS_H
#define SERVER_SERVING_USER_WEIGHTS_H

#include "base/err.h"
#include "base/rng.h"
#include "engine/cache/batcher.h"
#include "engine/cache/weights_cache.h"
#include "engine/model.h"
#include "engine/network/encoder.h"
#include "server/items/item_snapshot.h"
#include "store/store.h"

struct user_encoder;

enum err_code user_encoder_new(const struct model *m, struct user_encoder **out,
                               struct err *e) ERR_MUST_CHECK;
void user_encoder_free(struct user_encoder *k);

/* From now on weights are generated through g, which outlives k; NULL: by this thread alone, as at first. */
void user_encoder_gather(struct user_encoder *k, struct batcher *g);

/* Encodes what the store knows of a user to c (C floats, the encoder's own,
 * borrowed until the next call). Items the model does not have are left out. */
enum err_code context_encode(struct user_encoder *k, const struct item_snapshot *items,
                             const struct store_user *user, const float **c, struct err *e) ERR_MUST_CHECK;

/* Whether stored bytes are as long as a context of the model. Those of another network that had its name and
 * version need not be: where an encoder made them they are as good as none. */
bool context_has_width(const struct model *m, const struct buf *embedding);

/* The context that answers for a user now: the given embedding; else the stored one when it is as new as the
 * user; else encoded. ERR_CONFLICT when the one that was given is of another width, or when there is none and
 * the model has no encoder. */
enum err_code context_of_user(struct user_encoder *k, const struct item_snapshot *items,
                              const struct store_user *user, const float **c, struct err *e) ERR_MUST_CHECK;

/* The same of what store_read_context found, which needs no encoder; ERR_CONFLICT: of another width. */
enum err_code context_of_stored(struct user_encoder *k, const struct store_user_context *stored,
                                const float **c, struct err *e) ERR_MUST_CHECK;

/* New weights for the user from the context c (C floats) that context_of_user or context_of_stored gave:
 * theta, and the rising indices of the user's items as `seen`. */
enum err_code context_generate(struct user_encoder *k, const struct item_snapshot *items,
                               const struct store_user *user, const float *c, struct weights **out,
                               struct err *e) ERR_MUST_CHECK;

enum err_code context_generate_stored(struct user_encoder *k, const struct item_snapshot *items,
                                      const struct store_user_context *stored, const float *c,
                                      struct weights **out, struct err *e) ERR_MUST_CHECK;

/* Both: the context of a user and the weights from it. */
enum err_code context_make_weights(struct user_encoder *k, const struct item_snapshot *items,
                                   const struct store_user *user, struct weights **out,
                                   struct err *e) ERR_MUST_CHECK;
enum err_code context_make_stored(struct user_encoder *k, const struct item_snapshot *items,
                                  const struct store_user_context *stored, struct weights **out,
                                  struct err *e) ERR_MUST_CHECK;

/* Items of a user, or of several, as rising indices: those that weights hide, and those that speak of
 * others. */
struct context_items {
    const uint32_t *seen, *taken; /* (n_seen), (n_taken) */
    size_t n_seen, n_taken;
};

/* Those of one user, borrowed until the next call. */
enum err_code context_items_of_user(struct user_encoder *k, const struct item_snapshot *items,
                                    const struct store_user *user, struct context_items *out,
                                    struct err *e) ERR_MUST_CHECK;
enum err_code context_items_of_stored(struct user_encoder *k, const struct item_snapshot *items,
                                      const struct store_user_context *stored, struct context_items *out,
                                      struct err *e) ERR_MUST_CHECK;

/* New weights of a context c (C floats) that is nobody's own; what its items say of others counts by their
 * shares (n_taken). */
enum err_code context_generate_taken(struct user_encoder *k, const float *c,
                                     const struct context_items *items, const real *shares,
                                     struct weights **out, struct err *e) ERR_MUST_CHECK;

/* theta (context_theta_len) of a user whose context is encoded anew from this record, whatever is stored. */
size_t context_theta_len(const struct user_encoder *k);
enum err_code context_theta(struct user_encoder *k, const struct item_snapshot *items,
                            const struct store_user *user, real *theta, struct err *e) ERR_MUST_CHECK;

/* Draws of what the user's context may be (engine/network/context_draws.h): room of context_draw_len doubles,
 * of 0 where the model's contexts have no spread. Begins with the context encoded anew; *known false: it has
 * none. Then each theta (context_theta_len) is of the next draw, without what neighbours add to scores, which
 * is the same in all. */
size_t context_draw_len(const struct user_encoder *k);
enum err_code context_draw_begin(struct user_encoder *k, const struct item_snapshot *items,
                                 const struct store_user *user, double *room, bool *known,
                                 struct err *e) ERR_MUST_CHECK;
enum err_code context_draw_theta(struct user_encoder *k, double *room, struct rng *rng, real *theta,
                                 struct err *e) ERR_MUST_CHECK;

/* The context of somebody of whom nothing is known, borrowed until the next call. */
enum err_code context_of_prior(struct user_encoder *k, const float **c, struct err *e) ERR_MUST_CHECK;

/* New weights of the prior: the context of somebody of whom nothing is known. */
enum err_code context_make_prior(struct user_encoder *k, struct weights **out, struct err *e) ERR_MUST_CHECK;

#endif
