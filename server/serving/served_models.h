/* served_models - what all threads of a process share to answer: the models, their item tables, the weight
 * cache, the store.
 * Layer: server/serving
 * Threads: any. The models are a set that is replaced as a whole (model_set.h): a thread holds the set that
 *   it saw, and notices the next one by a load of a pointer.
 * Memory: the models of the newest set and of those that threads hold still, the cache up to its limit. */
#ifndef SERVER_SERVING_SERVED_MODELS_H
#define SERVER_SERVING_SERVED_MODELS_H

#include "base/err.h"
#include "base/limits.h"
#include "base/siphash.h"
#include "engine/cache/batcher.h"
#include "engine/cache/weights_cache.h"
#include "engine/model.h"
#include "server/items/item_snapshot.h"
#include "server/serving/model_set.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct serving_options {
    const char *const *models; /* (n_models) paths; the models' names are distinct */
    size_t n_models;
    size_t cache_bytes;
    bool share; /* models are shared with other processes (model_open_shared); serving_settle is to be called
                   at SIGIO */
    bool foreign_items;    /* answers may have items of a model that the store does not have */
    int64_t keep_events_s; /* interactions that are older go (event_expiry.h); 0: as their kinds say */
};

struct serving {
    struct store *store;
    bool share, foreign_items; /* as the options say */
    int64_t keep_events_s;
    struct weights_cache *cache;
    struct weights_cache *pages; /* weights of lists that go on: see page_weights.h */
    struct item_trends *trends;  /* how much items are taken by everybody */
    struct shown_marks *marks;   /* what is to be marked later (shown_marks.h); NULL: nothing can be */
    struct siphash_key page_key; /* of this process, for the tokens of next pages */
    _Atomic(struct model_set *)
        models;               /* the newest set; who does not hold `following` takes it by serving_models */
    pthread_mutex_t set_lock; /* held while the set is replaced or a reference to it is taken; a leaf */
    struct loaded_models loaded; /* the models of all sets, and those on their way into one */
    _Atomic(uint64_t) last_uid;
    bool measures; /* models that come get a batcher and a budget, as those of the start did */
    struct batcher_config batching; /* for them */
    int64_t opened_at; /* the store's last change before the items were read; the follower goes on from it */
    pthread_mutex_t
        following;    /* held while tables are made, so that none replaces a newer one, and while the set of
                                  models changes; readers never take it */
    int64_t items_at; /* guarded by following: the last change that the tables reflect */
    int64_t (*now)(void); /* seconds since 1970, by which items come and go; tests give their own */
    _Atomic int64_t items_change_at; /* when the next one does; INT64_MAX: none */
    struct item_columns *columns;    /* guarded by following: the newest; NULL: no model for users came yet */
    _Atomic int64_t store_read_ns;   /* when the follower last read the store (monotonic); 0: that failed */
    atomic_bool store_lost;          /* its file is not at its path any more */
    atomic_uint n_forgotten; /* rises after users or tasks that were deleted left the cache; who keeps a list
                                of them makes it anew */
    pthread_mutex_t writing; /* guards writer_taken */
    pthread_cond_t
        write_turn;         /* of the monotonic clock: a wall clock that is set must not make a wait longer */
    atomic_bool written_to; /* this process wrote into the store */
    atomic_bool unfollowed; /* tables have items that the store does not follow */
    bool writer_taken; /* somebody has the writer, through a transaction: the threads' writes queue here */
    struct store_conn *writer; /* who set writer_taken has it */
};

/* Opens models on an open store, which stays the caller's and into which nothing is written; it may be opened
 * for reading. Items of a model that the store does not have are not served; ERR_CONFLICT when they are more
 * than half: see options. */
enum err_code serving_open(struct serving *s, struct store *store, const struct serving_options *options,
                           struct err *e) ERR_MUST_CHECK;

/* Gives shared model files that somebody wants to write to free. ERR_NOMEM: one of them could not be, and the
 * model is about to change. */
enum err_code serving_settle(struct serving *s, struct err *e) ERR_MUST_CHECK;
void serving_close(struct serving *s);

/* Measures the models: gathers the generations of those where it pays, and finds whose weights are made
 * inline; before any thread asks. Models that are added later are measured as they come. *any: one or more
 * are gathered. */
enum err_code serving_measure(struct serving *s, const struct batcher_config *config, bool *any,
                              struct err *e) ERR_MUST_CHECK;

/* A reference to the newest set of models. */
struct model_set *serving_models(struct serving *s);

/* Whether a set, to which the caller has a reference, is the newest: one load, for every request. */
static inline bool serving_models_are(const struct serving *s, const struct model_set *seen)
{
    return atomic_load_explicit(&s->models, memory_order_relaxed) ==
           seen; /* its address is no other one's meanwhile */
}

/* Loads one more model and serves it from now on, behind the others; answers and following go on meanwhile.
 * ERR_CONFLICT: its name is served, or it is of another catalogue; ERR_LIMIT: LIMIT_MODELS are served;
 * ERR_INVALID: it answers neither for users nor for tasks. */
enum err_code serving_add_model(struct serving *s, const char *path, struct err *e) ERR_MUST_CHECK;

/* Serves a model no more, and forgets its weights; requests under way end with it, those too that wait for a
 * worker. Its memory is free once they have, and each thread has met its next request. ERR_NOTFOUND: no
 * such model; ERR_CONFLICT: it is the only one. */
enum err_code serving_remove_model(struct serving *s, const char *name, struct err *e) ERR_MUST_CHECK;

/* Serves what is at the path of a model now in its place, as serving_add_model does and in one step: no
 * request finds neither, or both. Who has a reference to `old` keeps it. ERR_INVALID: it is a model of
 * another name or kind; ERR_NOTFOUND: old is not served any more. */
enum err_code serving_replace_model(struct serving *s, const struct served_model *old,
                                    struct err *e) ERR_MUST_CHECK;

/* Brings the item tables of all models up to the store and publishes them. Cost: of an item that interactions
 * moved, one fold-in; of anything else, one read of all items. Weights that may lack an item somebody took
 * are dropped. */
enum err_code serving_follow_items(struct serving *s, struct store_conn *c, struct err *e) ERR_MUST_CHECK;

/* Has the store follow the items of the tables (store_follow_items) where it does not, once this process
 * wrote into it: who only reads writes nothing. ERR_BUSY: another one writes; it is to be called again. */
enum err_code serving_follow_takers(struct serving *s, struct store_conn *c, struct err *e) ERR_MUST_CHECK;

/* Begins a transaction on the one connection that writes: threads of the process wait for each other at a
 * lock, not in the store, which lets who waits sleep and try again, and what one write read is there for the
 * next. Ended by serving_end_write in the same thread, which commits unless `code` is an error, and returns
 * the error there was. */
enum err_code serving_begin_write(struct serving *s, struct store_conn **writer,
                                  struct err *e) ERR_MUST_CHECK;
enum err_code serving_end_write(struct serving *s, enum err_code code, struct err *e) ERR_MUST_CHECK;

/* Forgets a user's cached weights of all models that were made before a change (INT64_MAX: all of them). A
 * user's revision is the number of its last change, so weights of that revision or a later one reflect it. */
void serving_drop_user(struct serving *s, struct text id, int64_t change);

/* The same of a task's. Whose they are by number (struct weights) is below zero of tasks, since keys of users
 * and of tasks are told apart by nothing else. */
void serving_drop_task(struct serving *s, struct text id, int64_t change);
static inline int64_t serving_task_owner(int64_t key)
{
    return -key;
}

#endif
