/* memory_store - a store in memory, for tests: the second backend of store/backend.h, which shows what a
 * store is beside SQLite. Its stores are named memory:NAME, and are there until they are forgotten or the
 * process ends. What SQLite alone does it leaves out: reads that do not wait, an index of an item's users,
 * a place, backups. tests/support/memory_backends.c lists it beside SQLite, in the place of the product's
 * own list.
 *
 * All of a store is one state that never changes. A transaction works on a copy, which a commit makes the
 * state that is read from then on; a snapshot is a reference to a state.
 * Layer: tests/support
 * Threads: as store.h says.
 * Memory: outside of base/mem.h, so that a test's failing memory is not this one's; what is read into the
 *   caller's records is in it. */
#ifndef TESTS_SUPPORT_MEMORY_STORE_H
#define TESTS_SUPPORT_MEMORY_STORE_H

#include "store/backend.h"
#include "tests/support/memory_rows.h"

#include <pthread.h>

extern const struct store_backend memory_backend;

/* Ends a store that nobody has open: the name of one that is not there yet. */
void memory_store_forget(const char *name);

/* ---- for the files of this store alone ---- */

struct memory_user {
    struct text id; /* users are by id */
    int64_t key, revision;
    struct text profile;
};

struct memory_event {
    int64_t user_key; /* interactions are by user, item and kind */
    struct store_interaction is;
    int64_t arrival;
};

/* An event's id that is known. */
struct memory_event_id {
    int64_t user_key; /* by user and id */
    struct text id;
};

struct memory_task {
    struct text id; /* tasks are by id */
    int64_t key, revision;
    struct text profile;
    bool keeps_rows;
    int64_t n_rows;
};

struct memory_task_row {
    int64_t task_key, number; /* rows are by these */
    struct text content;
};

struct memory_context {
    struct text id; /* contexts are by id, kind, model and version */
    struct text kind, model, version;
    int64_t number; /* in the order in which they were first put */
    int64_t revision;
    bool given;
    struct text bytes;
    struct text list; /* uint32_t item keys, rising; NULL data: none */
};

struct memory_change {
    int64_t number; /* changes are by number */
    enum store_change_kind kind;
    int64_t row_key;
};

struct memory_unfinished {
    int64_t first, last; /* by the first */
};

struct memory_forgotten {
    struct text id; /* of a user; they are by id */
    int64_t change; /* by which he was deleted last */
};

struct memory_state {
    size_t n_references;
    struct memory_rows forgotten;
    struct memory_rows users, items, events, contexts, changes,
        unfinished; /* items: struct store_item, by id */
    struct memory_rows tasks, task_rows;
    struct memory_rows kinds, event_ids; /* kinds: struct store_kind, by number */
    int64_t last_change, last_user_key, last_item_key, last_task_key, last_arrival, last_context;
};

/* A text of a store; none goes before the store is forgotten. */
struct memory_text {
    struct memory_text *next;
    char bytes[];
};

/* What a name means. */
struct memory_file {
    struct memory_file *next;
    char *name;
    int n_open;
    pthread_mutex_t lock; /* of the state and the writer */
    pthread_cond_t left;  /* the writer is done */
    struct memory_state *state;
    struct memory_conn *writer;
    struct memory_text *texts; /* the writer's */
};

struct memory_store {
    struct store base;
    struct memory_file *file;
    bool read_only, made;
};

struct memory_conn {
    struct store_conn base;
    struct memory_store *store;
    struct memory_state *own;      /* of the transaction; NULL: none */
    struct memory_state *snapshot; /* NULL: none */
};

/* The state that a read sees, and its end. */
struct memory_state *memory_read_begin(struct memory_conn *c);
void memory_read_end(struct memory_conn *c, struct memory_state *s);

struct memory_user *memory_find_user(const struct memory_state *s, struct text id);
struct store_item *memory_find_item(const struct memory_state *s, struct text id);
struct memory_task *memory_find_task(const struct memory_state *s, struct text id);
const struct memory_context *memory_find_context(const struct memory_state *s,
                                                 const struct store_context_key *key, struct text id);

/* The id of the task with this key; NULL data: none has it. */
struct text memory_task_id(const struct memory_state *s, int64_t key);

/* The rows of a table in another order of pointers to rows. The caller frees. */
const void **memory_ordered(const struct memory_rows *t, int (*compare)(const void *, const void *));

/* Copies a text, none where it is longer than the limit: an error. */
enum err_code memory_copy_text(struct text from, size_t limit, struct buf *to, struct err *e) ERR_MUST_CHECK;

/* Whether a context is of a task that keeps no rows, to make it of again. */
bool memory_is_without_rows(const struct memory_state *s, const struct memory_context *x);

/* Drops the contexts of a kind that somebody has. */
void memory_clear_contexts(struct memory_state *s, struct text id, const char *kind);

/* A copy that stays; NULL data stays NULL. */
struct text memory_keep(struct memory_conn *c, struct text t);

/* ERR_INTERNAL outside of a transaction. */
enum err_code memory_check_writing(const struct memory_conn *c, struct err *e) ERR_MUST_CHECK;

/* The next change, of the row with this key. */
int64_t memory_new_change(struct memory_state *s, enum store_change_kind kind, int64_t row_key);

/* A new row with its id, not yet touched by a change. */
struct memory_user *memory_new_user(struct memory_conn *c, struct text id);
struct store_item *memory_new_item(struct memory_conn *c, struct text id);

/* The kinds that a new store has. */
void memory_first_kinds(struct memory_state *s);

/* Merges an event into what the user has with the item; what became of it. */
enum store_put memory_add_event(struct memory_state *s, int64_t user_key, int64_t item_key,
                                const struct store_event *x);

/* ERR_INVALID: there is no kind with this number. */
enum err_code memory_check_kind(const struct memory_state *s, int32_t number, struct err *e) ERR_MUST_CHECK;

/* An interaction with what its kind says. */
struct store_interaction memory_told(const struct memory_state *s, const struct store_interaction *x);

/* The entries of the backend's table. */
enum err_code memory_read_user(struct store_conn *conn, struct text id, const struct store_context_key *key,
                               struct store_user *out, struct err *e);
enum err_code memory_read_context(struct store_conn *conn, struct text id,
                                  const struct store_context_key *key, struct store_user_context *out,
                                  bool *found, struct err *e);
enum err_code memory_read_profile(struct store_conn *conn, struct text id, struct buf *profile,
                                  struct err *e);
enum err_code memory_count_interactions(struct store_conn *conn, struct text user, size_t *n, struct err *e);
enum err_code memory_newest_time(struct store_conn *conn, struct text user, int64_t *timestamp,
                                 struct err *e);
enum err_code memory_each_user(struct store_conn *conn, store_user_fn *fn, void *arg, struct err *e);
enum err_code memory_each_interaction(struct store_conn *conn, store_interaction_fn *fn, void *arg,
                                      struct err *e);
enum err_code memory_item_key_of(struct store_conn *conn, struct text id, int64_t *key, struct err *e);
enum err_code memory_read_item(struct store_conn *conn, struct text id, store_item_fn *fn, void *arg,
                               struct err *e);
enum err_code memory_each_item(struct store_conn *conn, int64_t since, store_item_fn *fn, void *arg,
                               struct err *e);
enum err_code memory_list_items(struct store_conn *conn, struct text from, store_look_fn *look,
                                store_item_fn *fn, void *arg, struct err *e);
enum err_code memory_list_users(struct store_conn *conn, struct text from, store_look_fn *look,
                                store_user_fn *fn, void *arg, struct err *e);
enum err_code memory_each_taker(struct store_conn *conn, int64_t item_key,
                                const struct store_context_key *key, size_t most, store_taker_fn *fn,
                                void *arg, struct err *e);
enum err_code memory_taken_above(struct store_conn *conn, int64_t item_key, bool *taken, struct err *e);
enum err_code memory_count(struct store_conn *conn, struct store_counts *out, struct err *e);
enum err_code memory_count_served(struct store_conn *conn, struct store_counts *out, struct err *e);
enum err_code memory_ping(struct store_conn *conn, struct err *e);
enum err_code memory_each_version(struct store_conn *conn, store_version_fn *fn, void *arg, struct err *e);
enum err_code memory_last_change(struct store_conn *conn, int64_t *change, struct err *e);
enum err_code memory_has_changes(struct store_conn *conn, int64_t since, bool *has, struct err *e);
enum err_code memory_changes(struct store_conn *conn, int64_t since, store_change_fn *fn, void *arg,
                             struct err *e);
enum err_code memory_begin(struct store_conn *, struct err *);
enum err_code memory_commit(struct store_conn *, struct err *);
void memory_rollback(struct store_conn *);
enum err_code memory_put_user(struct store_conn *, struct text, struct text, int64_t *, bool *, struct err *);
enum err_code memory_clear_user(struct store_conn *, struct text, enum store_clear, struct err *);
enum err_code memory_touch_user(struct store_conn *, struct text, int64_t *, struct err *);
enum err_code memory_delete_user(struct store_conn *, struct text, struct err *);
enum err_code memory_knows_event(struct store_conn *, struct text, struct text, bool *, struct err *);
enum err_code memory_put_event(struct store_conn *, struct text, struct text, const struct store_event *,
                               enum store_put *, struct err *);
enum err_code memory_remove_interactions(struct store_conn *, struct text, struct text, int32_t, int64_t *,
                                         struct err *);
enum err_code memory_add_interactions_of(struct store_conn *, struct text, struct text, struct err *);
enum err_code memory_expire(struct store_conn *, const struct store_expiry *, int64_t *, int64_t *,
                            struct err *);
enum err_code memory_put_kind(struct store_conn *, const struct store_kind *, bool *, struct err *);
enum err_code memory_each_kind(struct store_conn *, store_kind_fn *, void *, struct err *);
enum err_code memory_put_item(struct store_conn *, const struct store_item *, bool *, struct err *);
enum err_code memory_set_item_life(struct store_conn *, struct text, const struct store_item_life *,
                                   struct err *);
enum err_code memory_delete_item(struct store_conn *, struct text, struct err *);
enum err_code memory_touch_item(struct store_conn *, struct text, struct err *);
enum err_code memory_read_task(struct store_conn *, struct text, const struct store_context_key *,
                               struct store_task *, struct err *);
enum err_code memory_each_task(struct store_conn *, store_task_fn *, void *, struct err *);
enum err_code memory_each_context(struct store_conn *, const struct store_context_key *, store_context_fn *,
                                  void *, struct err *);
enum err_code memory_each_task_context(struct store_conn *, struct text, store_task_context_fn *, void *,
                                       struct err *);
enum err_code memory_each_task_row(struct store_conn *, struct text, store_task_row_fn *, void *,
                                   struct err *);
enum err_code memory_put_task(struct store_conn *, struct text, struct text, bool, int64_t *, bool *,
                              struct err *);
enum err_code memory_clear_task(struct store_conn *, struct text, enum store_clear, struct err *);
enum err_code memory_touch_task(struct store_conn *, struct text, int64_t *, struct err *);
enum err_code memory_add_task_row(struct store_conn *, struct text, struct text, struct err *);
enum err_code memory_delete_task(struct store_conn *, struct text, struct err *);
enum err_code memory_put_context(struct store_conn *, const struct store_context_key *, struct text,
                                 const struct store_context *, struct err *);
enum err_code memory_note_unfinished(struct store_conn *, int64_t, int64_t, struct err *);
enum err_code memory_end_unfinished(struct store_conn *, int64_t, struct err *);
enum err_code memory_each_unfinished(struct store_conn *, store_unfinished_fn *, void *, struct err *);
enum err_code memory_drop_contexts(struct store_conn *, const struct store_context_key *, struct err *);
enum err_code memory_trim_version(struct store_conn *, const struct store_context_key *, int64_t *,
                                  struct err *);
enum err_code memory_bulk_begin(struct store_conn *, struct store_bulk **, struct err *);
enum err_code memory_bulk_user(struct store_bulk *, struct text, struct text, struct err *);
enum err_code memory_bulk_seen_user(struct store_bulk *, struct text, struct text, struct err *);
enum err_code memory_bulk_item(struct store_bulk *, const struct store_item *, struct err *);
enum err_code memory_bulk_event(struct store_bulk *, struct text, struct text, const struct store_event *,
                                struct err *);
enum err_code memory_bulk_keep_item(struct store_bulk *, struct text, struct err *);
void memory_bulk_replace_items(struct store_bulk *);
void memory_bulk_count(const struct store_bulk *, struct store_bulk_counts *);
enum err_code memory_bulk_delete_other_items(struct store_bulk *, int64_t *, struct err *);
enum err_code memory_bulk_end(struct store_bulk *, int64_t *, struct err *);
void memory_bulk_abandon(struct store_bulk *);
enum err_code memory_load_new(struct store_conn *, size_t, struct store_load **, struct err *);
enum err_code memory_load_event(struct store_load *, struct text, struct text, const struct store_event *,
                                struct err *);
enum err_code memory_load_new_user(struct store_load *, struct text, struct text, struct err *);
enum err_code memory_load_seen_user(struct store_load *, struct text, struct err *);
enum err_code memory_load_new_item(struct store_load *, const struct store_item *, struct err *);
enum err_code memory_load_stage(struct store_load *, struct err *);
bool memory_load_is_staged(const struct store_load *);
bool memory_load_left_out(const struct store_load *, struct text);
int64_t memory_load_repeated(const struct store_load *);
enum err_code memory_load_apply(struct store_load *, struct store_bulk *, int64_t *, struct err *);
void memory_load_free(struct store_load *);

#endif
