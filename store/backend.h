/* backend - what a database must implement to be a store; store.c sends each call of store.h to one, and has
 * checked before what every store refuses: ids, texts, weights, ratings, kinds of contexts and their bytes.
 * What a call promises is said in store.h. Every backend's connection begins with a struct store_conn. For
 * the files of the store, and for a double in tests.
 * Layer: store
 * Threads: a connection is confined to its thread.
 * Memory: a backend's store, connection, bulk and load are its own blocks. */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include "store/store.h"
#include "store/waiting.h"

/* A context to be put. */
struct store_context {
    int64_t revision;
    bool given;
    const void *embedding;
    size_t n_bytes;
    bool is_of_now;                               /* put of the user's present revision alone */
    bool lists;                                   /* with which items the user has at this revision */
    const struct store_interaction *interactions; /* (n_interactions) */
    size_t n_interactions;
};

struct store_backend {
    /* ---- which stores are its own ---- */
    const char *scheme; /* what stands before the colon of a store's name */
    const char *form;   /* of such a name, for messages: "sqlite:PATH" */
    enum err_code (*open)(const char *name, enum store_mode mode, struct store **out,
                          struct err *e); /* name: what follows the colon, never empty */
    void (*close)(struct store *s);
    enum err_code (*connect)(struct store *s, struct store_conn **out, struct err *e);
    void (*disconnect)(struct store_conn *c);
    /* ---- reads ---- */
    enum err_code (*read_user)(struct store_conn *c, struct text id, const struct store_context_key *key,
                               struct store_user *out, struct err *e);
    enum err_code (*read_context)(struct store_conn *c, struct text id, const struct store_context_key *key,
                                  struct store_user_context *out, bool *found, struct err *e);
    enum err_code (*read_profile)(struct store_conn *c, struct text id, struct buf *profile, struct err *e);
    enum err_code (*item_key_of)(struct store_conn *c, struct text id, int64_t *key, struct err *e);
    enum err_code (*each_item)(struct store_conn *c, int64_t since, store_item_fn *fn, void *arg,
                               struct err *e);
    enum err_code (*list_items)(struct store_conn *c, struct text from, store_look_fn *look,
                                store_item_fn *fn, void *arg, struct err *e);
    enum err_code (*list_users)(struct store_conn *c, struct text from, store_look_fn *look,
                                store_user_fn *fn, void *arg, struct err *e);
    enum err_code (*read_item)(struct store_conn *c, struct text id, store_item_fn *fn, void *arg,
                               struct err *e);
    enum err_code (*each_taker)(struct store_conn *c, int64_t item_key, const struct store_context_key *key,
                                size_t most, store_taker_fn *fn, void *arg, struct err *e);
    enum err_code (*taken_above)(struct store_conn *c, int64_t item_key, bool *taken, struct err *e);
    enum err_code (*each_user)(struct store_conn *c, store_user_fn *fn, void *arg, struct err *e);
    enum err_code (*each_interaction)(struct store_conn *c, store_interaction_fn *fn, void *arg,
                                      struct err *e);
    enum err_code (*each_kind)(struct store_conn *c, store_kind_fn *fn, void *arg, struct err *e);
    enum err_code (*read_task)(struct store_conn *c, struct text id, const struct store_context_key *key,
                               struct store_task *out, struct err *e);
    enum err_code (*each_task)(struct store_conn *c, store_task_fn *fn, void *arg, struct err *e);
    enum err_code (*each_task_row)(struct store_conn *c, struct text id, store_task_row_fn *fn, void *arg,
                                   struct err *e);
    enum err_code (*each_context)(struct store_conn *c, const struct store_context_key *key,
                                  store_context_fn *fn, void *arg, struct err *e);
    enum err_code (*each_task_context)(struct store_conn *c, struct text id, store_task_context_fn *fn,
                                       void *arg, struct err *e);
    enum err_code (*count)(struct store_conn *c, struct store_counts *out, struct err *e);
    enum err_code (*count_served)(struct store_conn *c, struct store_counts *out, struct err *e);
    enum err_code (*ping)(struct store_conn *c, struct err *e);
    enum err_code (*snapshot_begin)(struct store_conn *c, struct err *e);
    void (*snapshot_end)(struct store_conn *c);
    /* ---- writes ---- */
    enum err_code (*begin)(struct store_conn *c, struct err *e);
    enum err_code (*commit)(struct store_conn *c, struct err *e);
    void (*rollback)(struct store_conn *c);
    enum err_code (*put_user)(struct store_conn *c, struct text id, struct text profile, int64_t *revision,
                              bool *created, struct err *e);
    enum err_code (*clear_user)(struct store_conn *c, struct text id, enum store_clear what, struct err *e);
    enum err_code (*touch_user)(struct store_conn *c, struct text id, int64_t *revision, struct err *e);
    enum err_code (*delete_user)(struct store_conn *c, struct text id, struct err *e);
    enum err_code (*knows_event)(struct store_conn *c, struct text user, struct text id, bool *known,
                                 struct err *e);
    enum err_code (*put_event)(struct store_conn *c, struct text user, struct text item,
                               const struct store_event *x, enum store_put *put, struct err *e);
    enum err_code (*remove_interactions)(struct store_conn *c, struct text user, struct text item,
                                         int32_t kind, int64_t *n, struct err *e);
    enum err_code (*add_interactions_of)(struct store_conn *c, struct text from, struct text to,
                                         struct err *e);
    enum err_code (*expire)(struct store_conn *c, const struct store_expiry *x, int64_t *at, int64_t *n,
                            struct err *e);
    enum err_code (*put_kind)(struct store_conn *c, const struct store_kind *kind, bool *changed,
                              struct err *e);
    enum err_code (*count_interactions)(struct store_conn *c, struct text user, size_t *n, struct err *e);
    enum err_code (*newest_time)(struct store_conn *c, struct text user, int64_t *timestamp, struct err *e);
    enum err_code (*put_item)(struct store_conn *c, const struct store_item *item, bool *created,
                              struct err *e);
    enum err_code (*set_item_life)(struct store_conn *c, struct text id, const struct store_item_life *life,
                                   struct err *e);
    enum err_code (*delete_item)(struct store_conn *c, struct text id, struct err *e);
    enum err_code (*touch_item)(struct store_conn *c, struct text id, struct err *e);
    enum err_code (*put_task)(struct store_conn *c, struct text id, struct text profile, bool keeps_rows,
                              int64_t *revision, bool *created, struct err *e);
    enum err_code (*clear_task)(struct store_conn *c, struct text id, enum store_clear what, struct err *e);
    enum err_code (*touch_task)(struct store_conn *c, struct text id, int64_t *revision, struct err *e);
    enum err_code (*add_task_row)(struct store_conn *c, struct text id, struct text row, struct err *e);
    enum err_code (*delete_task)(struct store_conn *c, struct text id, struct err *e);
    enum err_code (*put_context)(struct store_conn *c, const struct store_context_key *key, struct text id,
                                 const struct store_context *context, struct err *e);
    enum err_code (*note_unfinished)(struct store_conn *c, int64_t first, int64_t last, struct err *e);
    enum err_code (*end_unfinished)(struct store_conn *c, int64_t first, struct err *e);
    enum err_code (*each_unfinished)(struct store_conn *c, store_unfinished_fn *fn, void *arg, struct err *e);
    enum err_code (*drop_contexts)(struct store_conn *c, const struct store_context_key *key, struct err *e);
    enum err_code (*each_version)(struct store_conn *c, store_version_fn *fn, void *arg, struct err *e);
    enum err_code (*trim_version)(struct store_conn *c, const struct store_context_key *key, int64_t *n,
                                  struct err *e);
    /* ---- bulk, and loads ---- */
    enum err_code (*bulk_begin)(struct store_conn *c, struct store_bulk **out, struct err *e);
    enum err_code (*bulk_user)(struct store_bulk *b, struct text id, struct text profile, struct err *e);
    enum err_code (*bulk_seen_user)(struct store_bulk *b, struct text id, struct text profile, struct err *e);
    enum err_code (*bulk_item)(struct store_bulk *b, const struct store_item *item, struct err *e);
    enum err_code (*bulk_event)(struct store_bulk *b, struct text user, struct text item,
                                const struct store_event *x, struct err *e);
    void (*bulk_replace_items)(struct store_bulk *b);
    enum err_code (*bulk_keep_item)(struct store_bulk *b, struct text id, struct err *e);
    void (*bulk_count)(const struct store_bulk *b, struct store_bulk_counts *out);
    enum err_code (*bulk_delete_other_items)(struct store_bulk *b, int64_t *n, struct err *e);
    enum err_code (*bulk_end)(struct store_bulk *b, int64_t *n_older, struct err *e);
    void (*bulk_abandon)(struct store_bulk *b);
    enum err_code (*load_new)(struct store_conn *c, size_t stage_from, struct store_load **out,
                              struct err *e);
    enum err_code (*load_event)(struct store_load *l, struct text user, struct text item,
                                const struct store_event *x, struct err *e);
    enum err_code (*load_new_user)(struct store_load *l, struct text id, struct text profile, struct err *e);
    enum err_code (*load_new_item)(struct store_load *l, const struct store_item *item, struct err *e);
    enum err_code (*load_seen_user)(struct store_load *l, struct text id, struct err *e);
    enum err_code (*load_stage)(struct store_load *l, struct err *e);
    bool (*load_is_staged)(const struct store_load *l);
    bool (*load_left_out)(const struct store_load *l, struct text id);
    int64_t (*load_repeated)(const struct store_load *l);
    enum err_code (*load_apply)(struct store_load *l, struct store_bulk *b, int64_t *n_older, struct err *e);
    void (*load_free)(struct store_load *l);
    /* ---- changes ---- */
    enum err_code (*last_change)(struct store_conn *c, int64_t *change, struct err *e);
    enum err_code (*has_changes)(struct store_conn *c, int64_t since, bool *has,
                                 struct err *e); /* a look of store_wait_changes; it waits for nothing */
    enum err_code (*changes)(struct store_conn *c, int64_t since, store_change_fn *fn, void *arg,
                             struct err *e);

    /* ---- what a backend may leave NULL; behind each what store.c answers then ---- */

    /* Nothing: a connection is always ready for that. */
    enum err_code (*write_often)(struct store_conn *c, struct err *e);

    /* All three or none. ERR_BUSY and false: all reads may wait. */
    bool (*reads_nonblocking)(const struct store_conn *c);
    enum err_code (*read_context_nonblocking)(struct store_conn *c, struct text id,
                                              const struct store_context_key *key,
                                              struct store_user_context *out, bool *found, struct err *e);
    enum err_code (*read_user_nonblocking)(struct store_conn *c, struct text id,
                                           const struct store_context_key *key, size_t most,
                                           struct store_user *out, struct err *e);

    /* All three or none. Nothing: each_taker and taken_above find the users of every item by an index. */
    enum err_code (*takers_begin)(struct store_conn *c, const int64_t *keys, size_t n, bool *aside,
                                  struct err *e);
    void (*takers_end)(struct store_conn *c);
    enum err_code (*follow_items)(struct store_conn *c, const int64_t *keys, size_t n, struct err *e);

    /* Both or none. A touch and what follows it read what they need. */
    enum err_code (*read_history)(struct store_conn *c, struct text id, struct store_history *out,
                                  struct err *e);
    enum err_code (*touch_user_read)(struct store_conn *c, struct text id,
                                     const struct store_history *history, int64_t *revision, struct err *e);

    /* All three or none. The store has no place that somebody could take it from. */
    enum err_code (*guard)(struct store_conn *c, struct err *e);
    enum err_code (*check_place)(struct store *s, struct err *e);
    bool (*let_go)(struct store_conn *c);

    /* Nothing: a commit leaves nothing of what it deleted. */
    enum err_code (*settle)(struct store_conn *c, struct err *e);

    /* Its stores are no files. */
    bool (*owns_file)(const char *name, const char *path); /* name: as open gets it, a path */

    /* It is closed, and what its opening made stays. */
    void (*discard_new)(struct store *s);

    /* ERR_INVALID: the database has tools of its own for that. */
    enum err_code (*backup)(struct store_conn *c, const char *path, const struct store_patience *patience,
                            struct err *e);
    enum err_code (*backup_file)(const char *name, const char *path, bool force, struct err *e);
    enum err_code (*restore_file)(const char *name, const char *from, struct err *e);
};

struct store {
    const struct store_backend *backend;
};

struct store_conn {
    const struct store_backend *backend;
    struct store_waiting waiting; /* store.c's */
};

struct store_bulk {
    const struct store_backend *backend;
};

struct store_load {
    const struct store_backend *backend;
    int32_t kinds_end; /* kinds with a number below it are there, or will be when it is applied */
};

#endif
