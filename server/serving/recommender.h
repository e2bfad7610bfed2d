/* recommender - the answers themselves: recommendations and predictions of one user as JSON; for HTTP and the
 * command line.
 * Cost: a cached user: one look-up, one pass over the catalogue. Another: one read of the store and one
 * generation.
 * Layer: server/serving
 * Threads: a struct recommender is confined to its thread; it holds the workspaces that make a cached answer
 *   free of allocation, beside the answer's own bytes.
 * Memory: workspaces for its life; an answer's own bytes are the caller's buffer. */
#ifndef SERVER_SERVING_RECOMMENDER_H
#define SERVER_SERVING_RECOMMENDER_H

#include "base/buf.h"
#include "base/err.h"
#include "server/items/own_history.h"
#include "server/serving/list_page.h"
#include "server/serving/list_rules.h"
#include "server/serving/model_handle.h"
#include "server/serving/served_models.h"
#include "server/serving/sorted_items.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recommender;
struct shown_list;

/* conn: the thread's connection, borrowed. */
enum err_code recommender_new(struct serving *serving, struct store_conn *conn, struct recommender **out,
                              struct err *e) ERR_MUST_CHECK;
void recommender_free(struct recommender *p);

/* ---- models ---- */

/* Goes over to the newest set of models, where there is one: to be called before a request, as its handles
 * are valid until the next call. One load where nothing changed. Models that are not served any more are gone
 * afterwards, and those that there is no memory for are missing until a later call. */
void recommender_refresh(struct recommender *p);

/* The model that a request names, the first one for NULL; or NULL: it is not served. */
struct model_handle *recommender_find(struct recommender *p, const char *name);

/* The same among the models of tasks. */
struct model_handle *recommender_find_task(struct recommender *p, const char *name);

/* The same among the models of images. */
struct model_handle *recommender_find_images(struct recommender *p, const char *name);
struct model_handle *recommender_find_trained(struct recommender *p, const char *name);

/* Whether a model that these do not know is served, and there was no memory for it. */
bool recommender_lacks(const struct recommender *p, const char *name);

/* All handles of the thread, until the next call that may change them. */
const struct model_handles *recommender_handles(const struct recommender *p);

/* All of those for users, 0 <= i < recommender_n_models. */
size_t recommender_n_models(const struct recommender *p);
struct model_handle *recommender_model(struct recommender *p, size_t i);

/* A reference to the models of the thread's request: what is handed to another thread goes on with them. */
struct model_set *recommender_models(struct recommender *p);

/* The thread's handle of a model with which another thread began a request, from `models` which that thread
 * held. Goes over to them, where it has others, until the next recommender_refresh. */
enum err_code recommender_take_over(struct recommender *p, struct model_set *models,
                                    const struct served_model *served, struct model_handle **out,
                                    struct err *e) ERR_MUST_CHECK;

/* ---- weights ---- */

/* A reference to the user's cached weights, or NULL; reads no store and waits for nobody. */
struct weights *recommender_cached(struct recommender *p, struct model_handle *handle, enum weights_kind kind,
                                   struct text user);

/* A reference to the user's weights: cached, or made where that needs no wait and takes little; else NULL.
 * For threads that others wait for: it reads only what needs no wait
 * (store_read_context_nonblocking) and makes only what was measured to be short (inline_budget.h). */
struct weights *recommender_try(struct recommender *p, struct model_handle *handle, struct text user,
                                bool *hit);

/* A reference to the user's weights, made when they are not cached. ERR_NOTFOUND: no such user. */
enum err_code recommender_acquire(struct recommender *p, struct model_handle *handle, enum weights_kind kind,
                                  struct text user, struct weights **out, bool *hit,
                                  struct err *e) ERR_MUST_CHECK;

/* Reads the user's record and replaces *w by weights made from it, so that what is explained is one state
 * of the user; on failure *w stays. */
enum err_code recommender_reread(struct recommender *p, struct model_handle *handle, struct text user,
                                 struct weights **w, struct err *e) ERR_MUST_CHECK;

/* Weights of somebody who is not stored, and is as this record says, which is the thread's
 * (recommender_user_record): nothing is read and nothing cached. */
enum err_code recommender_of_record(struct recommender *p, struct model_handle *handle, struct weights **out,
                                    struct err *e) ERR_MUST_CHECK;

/* New weights of a user, which nothing caches and no cache is asked for: of one of many who are looked
 * through once. *c is the context (C), borrowed until the next call. *out NULL: he has the item `without`
 * (NULL: none) already, and nothing was generated. Errors as recommender_acquire. */
enum err_code recommender_uncached(struct recommender *p, struct model_handle *handle, struct text user,
                                   const uint32_t *without, const float **c, struct weights **out,
                                   struct err *e) ERR_MUST_CHECK;

/* The context (C) that answers for a user now, to c. Errors as recommender_acquire. */
enum err_code recommender_context(struct recommender *p, struct model_handle *handle, struct text user,
                                  float *c, struct err *e) ERR_MUST_CHECK;

/* One of several contexts that are asked for as one: of a user, or as its numbers. */
struct blended_context {
    struct text user;       /* NULL data: the embedding */
    const float *embedding; /* (C) */
    double weight;          /* >= 0, the sum above 0 */
    int64_t revision;       /* found: the user's; 0: nobody's */
};

struct blend_query {
    struct blended_context *contexts; /* (n) */
    size_t n;
    bool cold_start; /* who is unknown counts as somebody of whom nothing is known */
};

/* Weights of the mean of contexts by their weights (context_blend.h). *at: the context that an error is
 * about, n where it is about none. Errors of one are those of recommender_acquire. Cost: a read of the store
 * each, one generation. Memory: a number for each item, while it lasts. */
enum err_code recommender_blend(struct recommender *p, struct model_handle *handle,
                                const struct blend_query *q, struct weights **out, size_t *at,
                                struct err *e) ERR_MUST_CHECK;

/* ---- answers ---- */

enum { RECOMMENDER_MAX_CATEGORIES = 16 };

struct recommend_query {
    struct text user; /* NULL data: nobody who is stored */
    size_t limit, offset;
    bool include_seen;
    size_t n_categories; /* items in any of them; 0: all items */
    struct text categories[RECOMMENDER_MAX_CATEGORIES];
    bool cold;      /* the weights are those of the prior */
    size_t explain; /* reasons an item; 0: none. Then the weights are those of recommender_user_record, see
                       recommender_reread */
    size_t samples; /* draws of the context, of which each score gets its deviation; 0: none. Then as above */
    uint64_t seed;  /* of them */
    const struct item_snapshot
        *items; /* of which the rules are, as model_handle_items gave it last; NULL: the newest */
    const struct list_rules *rules;    /* NULL: any item */
    const struct item_filter *filter;  /* NULL: none */
    const struct own_history *history; /* of which the filter asks, if it does; NULL: nothing */
    const struct recommend_more *more; /* NULL: nothing */
    size_t together; /* 1 + this user's place in the last recommender_find_together; 0: in none */
};

/* What else an answer has for who may wait for the store. */
struct recommend_more {
    const struct text
        *unknown; /* (n_unknown) candidates that no answer has: they come last, without a score */
    size_t n_unknown;
    bool with_metadata;
    const struct text *fields; /* (n_fields) the members of an item's metadata that come back with it */
    size_t n_fields;
    struct list_page
        *page; /* what was shown, to which the answer adds; it ends with the token of the next page
                               where there is one. NULL: without pages */
    const enum item_sort *fallback; /* (n_fallback) what fills a list that is too short, in this order; each
                                       item then says where it is from */
    size_t n_fallback;
    bool fallback_alone;      /* nothing is known of whoever asks */
    struct shown_list *shown; /* what is listed for the user is added to it; NULL: it is not */
};

enum { RECOMMENDER_TOGETHER = 16 };

/* Finds the best items of several users in one pass over the catalogue, before their answers: w (n), n at
 * most RECOMMENDER_TOGETHER, NULL of whom nothing is to be found. q is what each will be asked for, user and
 * weights apart. Until the next call, an answer that names its place (q->together) has the items from here,
 * to the last bit those that it finds by itself; which it does where one pass would not be quicker, or there
 * is no memory for it. */
void recommender_find_together(struct recommender *p, struct model_handle *handle, struct weights *const w[],
                               size_t n, const struct recommend_query *q);

/* Appends the answer to out. */
enum err_code recommender_recommend(struct recommender *p, struct model_handle *handle,
                                    const struct weights *w, const struct recommend_query *q, struct buf *out,
                                    struct err *e) ERR_MUST_CHECK;

struct similar_query {
    struct text item;
    uint32_t index; /* of it */
    size_t limit;
    size_t n_categories; /* as above */
    struct text categories[RECOMMENDER_MAX_CATEGORIES];
    const struct item_filter *filter; /* NULL: none */
};

/* Appends the items that are most similar to one, without it (engine/rank/similar_items.h): {"item", ...,
 * "items"}. */
enum err_code recommender_similar(struct recommender *p, struct model_handle *handle,
                                  const struct similar_query *q, struct buf *out,
                                  struct err *e) ERR_MUST_CHECK;

struct sorted_query {
    enum item_sort sort;
    size_t window_days; /* sorted_items.h */
    size_t limit;
    const struct item_filter *filter; /* NULL: none */
    size_t n_categories;              /* as above */
    struct text categories[RECOMMENDER_MAX_CATEGORIES];
};

/* Appends the items with the greatest sums above 0, or the latest: {"sort", "as_of", ..., "items"}. Waits for
 * the store. */
enum err_code recommender_sorted(struct recommender *p, struct model_handle *handle,
                                 const struct sorted_query *q, struct buf *out, struct err *e) ERR_MUST_CHECK;

/* The items whose scores are asked for. */
struct predict_items {
    const uint32_t *indices; /* (n_known) of those that the model has, in their order */
    const struct text
        *texts; /* (n) ids as a JSON string shows them, or NULL: they are looked up; n_known is n then */
    const struct text
        *unknown; /* (n) ids of those that it does not have, NULL data for the others; NULL: it has all */
    size_t n, n_known;
    bool count_unknown; /* the answer says how many it does not have */
};

/* Scores of catalogue items in their order, null for an unknown one: {"user", ..., "predictions": [{"id",
 * "score"}]}. */
enum err_code recommender_predict_items(struct recommender *p, struct model_handle *handle,
                                        const struct weights *w, struct text user, bool cold,
                                        const struct predict_items *asked, struct buf *out,
                                        struct err *e) ERR_MUST_CHECK;

/* The target network on the caller's rows x (n, D): *scores (n, d_output), borrowed until the next call.
 * They may be anything but finite where the rows are too large. */
enum err_code recommender_score_rows(struct recommender *p, struct model_handle *handle,
                                     const struct weights *w, const float *x, size_t n, const float **scores,
                                     struct err *e) ERR_MUST_CHECK;

/* Such scores as the answer, all finite: {"user", ..., "predictions": [numbers]}. */
enum err_code recommender_predict_rows(struct model_handle *handle, const struct weights *w, struct text user,
                                       bool cold, const float *scores, size_t n, struct buf *out,
                                       struct err *e) ERR_MUST_CHECK;

/* ---- for callers that need the parts ---- */

struct store_user *recommender_user_record(struct recommender *p); /* the thread's reusable record */

#endif
