/* store - users, items, interactions, tasks and contexts, durable, behind one interface.
 *
 * The store knows nothing of numerics: an embedding is bytes with a length. No SQL and no type of a database
 * leaves this folder; a second backend implements the functions below. More than 600 lines, since it
 * is that one contract.
 *
 * Changes: every write that answers depend on gets a store-wide, rising change number, recorded in the same
 * transaction. A user's or task's revision is the number of the last change to it, so a revision never comes
 * back, not even after it was deleted and registered again. Changes are seen in the order of their
 * numbers: who has seen one will find no lower one later. Other processes catch up by
 * store_wait_changes and store_changes.
 *
 * Durability: store_commit returns ERR_OK only after the transaction is on disk (WAL, synchronous=FULL).
 * Whatever else it returns, nothing of the transaction is kept.
 * Layer: store
 * Threads: a struct store is immutable after open and may be shared; a struct store_conn is confined to its
 *   thread (one for each thread).
 * Memory: reads fill caller-owned records that keep their memory between calls, so a steady load allocates
 *   nothing. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_SCHEMA = 10 }; /* the version of what is open: migrations run at open */

struct store;
struct store_conn;

enum store_mode {
    STORE_READ_WRITE, /* the file must be a store */
    STORE_CREATE,     /* made when it does not exist or is empty */
    STORE_READ_ONLY   /* nothing is written, neither to it nor beside it; it may lie where nothing can be */
};

/* ---- life cycle ---- */

/* Opens the store that a name means: `sqlite:PATH` or a bare path, or another backend's scheme and what it
 * wants to be told. Checks that it is a store of ours and runs missing migrations (forward only). What is
 * made is its owner's alone. Errors: ERR_INVALID (an unknown scheme, or no name), ERR_NOTFOUND (there is
 * none and not STORE_CREATE), ERR_CORRUPT (not a store, damaged, or of a newer program), ERR_CONFLICT
 * (STORE_READ_ONLY, and a migration is missing), ERR_IO, ERR_FULL, ERR_NOMEM. The text names the store and
 * says what to do. Of a store that may be open several times, by several processes, all see one content. */
enum err_code store_open(const char *url, enum store_mode mode, struct store **out,
                         struct err *e) ERR_MUST_CHECK;

/* Closes; every connection must be closed before. NULL is allowed. */
void store_close(struct store *s);

/* Closes as store_close does, and takes away what its opening made, unless somebody else has it open or
 * wrote to it meanwhile: for a new store whose first content could not be had. An opening that fails does
 * so itself. NULL is allowed. */
void store_discard_new(struct store *s);

/* The path of the file that a store's name means, within the name; NULL: it means no file. */
const char *store_path(const char *url);

/* Whether the file at path is one of the store's: the store itself, by whatever name, or one that lies
 * beside it for it, as a log does. */
bool store_owns_file(const char *url, const char *path);

/* A new connection for the calling thread, with its statements prepared. */
enum err_code store_connect(struct store *s, struct store_conn **out, struct err *e) ERR_MUST_CHECK;
void store_disconnect(struct store_conn *c);

/* Prepares a connection for writing all the time, where that can be: answers are the same. */
enum err_code store_write_often(struct store_conn *c, struct err *e) ERR_MUST_CHECK;

/* ---- records ---- */

/* Keys of users and items are above zero, and about as large as there are rows: tables in memory are as
 * long as the largest of them. A deleted item keeps its key; a deleted user's may go to another user. */

/* A kind of events: what it says of the user, and whether its item counts as seen. Kinds are numbered from 0,
 * below LIMIT_KINDS, and never go. The first is what has no kind; its weight is 1, and it counts as seen. */
enum { STORE_KIND_NONE = 0 };
struct store_kind {
    int64_t number;   /* ignored when it is put */
    struct text name; /* 1 to LIMIT_KIND_BYTES of a-z, 0-9, '-' and '_' */
    double weight;    /* finite, >= 0; of the kind, beside that of each event */
    bool negative;    /* it pushes down */
    bool unseen;      /* whoever has an item by this kind alone may be recommended it */
    int64_t ttl;      /* seconds that it is kept; 0: always */
};

/* One interaction of a user, as stored: one row for each (user, item, kind). Weight and rating are those of
 * the newest event. What two rows of one key become when they are merged, by a further event, an import or a
 * merge of two users: counts add, up to LIMIT_EVENT_COUNT; first is the least of those known; weight, rating
 * and timestamp are those of the newer one, of two as new the one that arrived last. */
struct store_interaction {
    int64_t item_key;  /* the store's number of the item; store_item_key_of and store_each_item translate */
    double weight;     /* finite, > 0; 1 when none was given */
    double rating;     /* NAN when none was given */
    int64_t timestamp; /* of the newest; seconds since 1970 UTC, or any rising order; 0: not known */
    int64_t first;     /* of the first; 0: as the newest */
    int32_t kind;      /* its number */
    int32_t count;     /* events; 0 is 1 */
    /* Of reads, what the kind says at that moment; of STORE_KIND_NONE 0 and false, which means weight 1. */
    double effect; /* the kind's weight, below 0 of one that pushes down; store_interaction_effect */
    bool unseen;
};

/* What the interaction's kind says: 1 is a full one, below 0 one that pushes down. */
static inline double store_interaction_effect(const struct store_interaction *x)
{
    return x->kind == STORE_KIND_NONE ? 1.0 : x->effect;
}

/* Of two rows that become one: the time of their first event, of times that may be 0, and how many. */
int64_t store_first_of(int64_t a, int64_t b);
int32_t store_count_of(int32_t a, int32_t b);

/* An event on its way in. */
struct store_event {
    int32_t kind;
    int32_t count;     /* 0: one */
    double weight;     /* as store_interaction's */
    double rating;     /* NAN: none */
    int64_t timestamp; /* of the last of them */
    int64_t first;     /* 0: as the last; never above it */
    struct text id;    /* the event's own, at most LIMIT_EVENT_ID_BYTES; NULL data: none */
};

/* What is known of one user; filled by store_read_user, its memory reused. Zero-initialise; store_user_fini
 * frees. */
struct store_user {
    int64_t key;          /* of the row */
    int64_t revision;     /* change number of the last change to the user */
    struct buf profile;   /* JSON object text; len 0 when none */
    struct buf embedding; /* the context's bytes for the asked model and version; len 0 when there is none */
    int64_t
        embedding_revision; /* the user's revision when the embedding was made; stale when below `revision` */
    bool embedding_given;   /* supplied by the caller of a registration (true) or made by an encoder */
    struct store_interaction *interactions; /* (n_interactions) ordered by timestamp, then by arrival */
    size_t n_interactions;
    size_t capacity; /* allocated interactions */
};

void store_user_fini(struct store_user *u);

/* The context that an encoder made of a user as the user is now, and the items that the user has; filled by
 * store_read_context, its memory reused. Zero-initialise; store_user_context_fini frees. */
struct store_user_context {
    int64_t key;          /* of the user's row */
    int64_t revision;     /* the user's, of which the context was made */
    struct buf embedding; /* the context's bytes, never none */
    uint32_t *items;      /* (n_items) rising keys of the user's items */
    size_t n_items;
    size_t capacity; /* allocated items */
};

void store_user_context_fini(struct store_user_context *u);

/* Names the context that a read looks for. */
struct store_context_key {
    const char *model; /* model name */
    const char *model_version;
    const char *kind; /* "user" or "task" */
};

/* ---- reading ---- */

/* Reads one user in one snapshot: revision, profile, interactions, and the context for `key` (NULL: no
 * context). ERR_NOTFOUND when there is no such user; out is then of use only to be read into again. Cost:
 * three prepared statements in one read transaction. */
enum err_code store_read_user(struct store_conn *c, struct text id, const struct store_context_key *key,
                              struct store_user *out, struct err *e) ERR_MUST_CHECK;

/* Reads what most answers are made of, in one snapshot: the context for `key` that an encoder made of the
 * user as the user is now (store_put_encoded), with the items that the user has. *found is false where
 * that is not to be had: no such user, no context, one that is stale or that a caller gave, or no list of
 * the items, which a backend may do without for long histories and for keys past 32 bits, and which there is
 * not of somebody with interactions that push down, or that move the context and do not count as seen.
 * store_read_user reads it all then. Cost: one statement and no row an interaction. */
enum err_code store_read_context(struct store_conn *c, struct text id, const struct store_context_key *key,
                                 struct store_user_context *out, bool *found, struct err *e) ERR_MUST_CHECK;

/* Both without waiting, for threads that others wait for: ERR_BUSY where it would have to wait for the disk,
 * the network or a lock, where the user has more than `most` interactions, and where it fails: who has time
 * to wait reads it, or is told why not. On Linux a file's is told by RWF_NOWAIT what is in memory. */
enum err_code store_read_context_nonblocking(struct store_conn *c, struct text id,
                                             const struct store_context_key *key,
                                             struct store_user_context *out, bool *found,
                                             struct err *e) ERR_MUST_CHECK;
enum err_code store_read_user_nonblocking(struct store_conn *c, struct text id,
                                          const struct store_context_key *key, size_t most,
                                          struct store_user *out, struct err *e) ERR_MUST_CHECK;

/* Whether it is worth to try them: not with a backend that has no such reads, and no more once it is known
 * that the store's file system cannot say what is in memory (NFS, tmpfs). */
bool store_reads_nonblocking(const struct store_conn *c);

/* Puts the user's profile into *profile, emptied before: a JSON object, len 0 when there is none.
 * ERR_NOTFOUND when there is no such user. */
enum err_code store_read_profile(struct store_conn *c, struct text id, struct buf *profile,
                                 struct err *e) ERR_MUST_CHECK;

/* The item's key; ERR_NOTFOUND when there is none. */
enum err_code store_item_key_of(struct store_conn *c, struct text id, int64_t *key,
                                struct err *e) ERR_MUST_CHECK;

/* When answers may have an item. What it did for who took it stays, whatever is said here. */
struct store_item_life {
    bool hidden;
    int64_t from, until; /* [from, until) in seconds since 1970; STORE_ALWAYS_FROM, STORE_ALWAYS_UNTIL */
    int64_t created;     /* seconds since 1970; 0: not known */
};
#define STORE_ALWAYS_FROM  INT64_MIN
#define STORE_ALWAYS_UNTIL INT64_MAX

struct store_item {
    int64_t key;
    struct text id;
    struct text title;      /* NULL data when none */
    struct text categories; /* a JSON array of strings; NULL data when none */
    struct text metadata;   /* a JSON object; NULL data when none */
    int64_t revision;
    bool deleted;                /* of reads: taken out of answers by store_delete_item */
    struct store_item_life life; /* of reads: see store_set_item_life */
};

/* Callbacks return false to stop early (the call then returns ERR_OK). Texts are borrowed for the callback,
 * which must not use the connection. */
typedef bool store_item_fn(void *arg, const struct store_item *item);
typedef bool store_user_fn(void *arg, int64_t user_key, struct text id, struct text profile,
                           int64_t revision);
typedef bool store_interaction_fn(void *arg, int64_t user_key, const struct store_interaction *i);

/* All items by key; those changed after revision `since` only (0: all). */
enum err_code store_each_item(struct store_conn *c, int64_t since, store_item_fn *fn, void *arg,
                              struct err *e) ERR_MUST_CHECK;

/* ---- lists by ids ---- */

/* What a list does with a row of which it knows key and id. */
enum store_look { STORE_SKIP, STORE_TAKE, STORE_END };
typedef enum store_look store_look_fn(void *arg, int64_t key, struct text id);

/* The items, or users, in the order of their ids' bytes, from the id `from` on (NULL data: the first). look
 * is told of each row, and fn of those that it takes and that are still there: not of deleted items. One
 * snapshot; neither may use the connection. Cost: a step of an index a look, and a row for each that is
 * taken. */
enum err_code store_list_items(struct store_conn *c, struct text from, store_look_fn *look, store_item_fn *fn,
                               void *arg, struct err *e) ERR_MUST_CHECK;
enum err_code store_list_users(struct store_conn *c, struct text from, store_look_fn *look, store_user_fn *fn,
                               void *arg, struct err *e) ERR_MUST_CHECK;

/* Tells fn of one item, also of a deleted one; ERR_NOTFOUND when there is none. */
enum err_code store_read_item(struct store_conn *c, struct text id, store_item_fn *fn, void *arg,
                              struct err *e) ERR_MUST_CHECK;

/* A taker of an item: his stored context for the asked model and version, and the weight of what he did,
 * over all kinds; above 0. */
typedef bool store_taker_fn(void *arg, const void *embedding, size_t n_bytes, double weight);

/* The newest `most` takers of an item of those whose context is stored. Cost: one index range for an item
 * that is followed or between store_takers_begin and its end, else all interactions are read. */
enum err_code store_each_taker(struct store_conn *c, int64_t item_key, const struct store_context_key *key,
                               size_t most, store_taker_fn *fn, void *arg, struct err *e) ERR_MUST_CHECK;

/* Prepares for asking who took the items with these keys: for those that are not followed (*aside: there are
 * some) all interactions are read once, into an index in memory that is this connection's and lasts until the
 * end. Writes nothing, and waits for no writer. Not inside a transaction. When it fails answers are the same,
 * only slower. */
enum err_code store_takers_begin(struct store_conn *c, const int64_t *keys, size_t n, bool *aside,
                                 struct err *e) ERR_MUST_CHECK;
void store_takers_end(struct store_conn *c);

/* Follows the items with these keys: from now on who takes them is found by an index, and so is who did. In
 * short transactions, between which others write. ERR_BUSY: there is more to do than half a second's work, or
 * another process writes; the next call on this connection goes on where this one was. Cost: where all are
 * followed already, a look at each; else all interactions are read, beside others who write. */
enum err_code store_follow_items(struct store_conn *c, const int64_t *keys, size_t n,
                                 struct err *e) ERR_MUST_CHECK;

/* Whether anybody took an item whose key is above this one. Cost: as above. */
enum err_code store_taken_above(struct store_conn *c, int64_t item_key, bool *taken,
                                struct err *e) ERR_MUST_CHECK;

/* All users by key; keys are those of store_each_interaction. */
enum err_code store_each_user(struct store_conn *c, store_user_fn *fn, void *arg,
                              struct err *e) ERR_MUST_CHECK;

/* A user's stored context for the asked model and version; as the callbacks above. */
typedef bool store_context_fn(void *arg, struct text user, int64_t revision, struct text embedding);

/* The contexts of all users for `key`, in no order; those of an older revision than their user's too. Cost: a
 * read of all contexts. */
enum err_code store_each_context(struct store_conn *c, const struct store_context_key *key,
                                 store_context_fn *fn, void *arg, struct err *e) ERR_MUST_CHECK;

/* The kinds of events by number; the callback as those above. */
typedef bool store_kind_fn(void *arg, const struct store_kind *kind);
enum err_code store_each_kind(struct store_conn *c, store_kind_fn *fn, void *arg,
                              struct err *e) ERR_MUST_CHECK;

/* The number of a kind by its name; ERR_NOTFOUND names those that there are. */
enum err_code store_find_kind(struct store_conn *c, struct text name, int32_t *number,
                              struct err *e) ERR_MUST_CHECK;

/* All interactions: by user key, then timestamp, then arrival. */
enum err_code store_each_interaction(struct store_conn *c, store_interaction_fn *fn, void *arg,
                                     struct err *e) ERR_MUST_CHECK;

struct store_counts {
    int64_t n_users, n_items, n_interactions, n_contexts; /* contexts: of users and of tasks */
    int64_t n_tasks, n_task_rows;
};
enum err_code store_count(struct store_conn *c, struct store_counts *out, struct err *e) ERR_MUST_CHECK;

/* The users, the items that are not deleted and the tasks, without a look at interactions, contexts and rows
 * (zero), which may be many. */
enum err_code store_count_served(struct store_conn *c, struct store_counts *out,
                                 struct err *e) ERR_MUST_CHECK;

/* Proves that the store can be read; for readiness. */
enum err_code store_ping(struct store_conn *c, struct err *e) ERR_MUST_CHECK;

/* Brackets several reads into one snapshot (training, evaluation). Not nested; not inside a transaction. */
enum err_code store_snapshot_begin(struct store_conn *c, struct err *e) ERR_MUST_CHECK;
void store_snapshot_end(struct store_conn *c);

/* ---- writing: everything between begin and commit happens whole or not at all ---- */

/* Starts the one write transaction; waits for another writer up to the busy limit, then ERR_BUSY. A write
 * that failed for want of memory, disk or a sound file may have ended the transaction: later ones and the
 * commit then fail too. Any write outside of a transaction is ERR_INTERNAL. */
enum err_code store_begin(struct store_conn *c, struct err *e) ERR_MUST_CHECK;
enum err_code store_commit(struct store_conn *c, struct err *e) ERR_MUST_CHECK; /* rolls back when it fails */
void store_rollback(struct store_conn *c); /* no transaction: does nothing */

/* Creates the user, or replaces its profile (NULL data: no profile). *revision is the new one, *created tells
 * which. Interactions and contexts stay; store_clear_user drops them. Records a change. */
enum err_code store_put_user(struct store_conn *c, struct text id, struct text profile, int64_t *revision,
                             bool *created, struct err *e) ERR_MUST_CHECK;

/* Drops the user's interactions, contexts or both, for a replacing registration. */
enum store_clear { STORE_CLEAR_INTERACTIONS = 1, STORE_CLEAR_CONTEXTS = 2, STORE_CLEAR_ALL = 3 };
enum err_code store_clear_user(struct store_conn *c, struct text id, enum store_clear what,
                               struct err *e) ERR_MUST_CHECK;

/* What a user has, in short, at a revision. */
struct store_history {
    int64_t revision;
    int64_t n, newest; /* as of store_count_interactions and store_newest_time */
    int64_t next;      /* the backend's own: the next order of arrival */
};

/* Reads it before a write of many users, so that the write need not: store_touch_user_read takes it for true
 * where the user is at that revision still, and is store_touch_user otherwise. ERR_NOTFOUND when there is no
 * such user. */
enum err_code store_read_history(struct store_conn *c, struct text id, struct store_history *out,
                                 struct err *e) ERR_MUST_CHECK;
enum err_code store_touch_user_read(struct store_conn *c, struct text id, const struct store_history *history,
                                    int64_t *revision, struct err *e) ERR_MUST_CHECK;

/* Gives the user a new revision because its interactions change; ERR_NOTFOUND when there is no such user. */
enum err_code store_touch_user(struct store_conn *c, struct text id, int64_t *revision,
                               struct err *e) ERR_MUST_CHECK;

/* Forgets the user: rows, interactions, contexts. ERR_NOTFOUND when there is none. Records a change. */
enum err_code store_delete_user(struct store_conn *c, struct text id, struct err *e) ERR_MUST_CHECK;

/* What became of an interaction that was put. */
enum store_put {
    STORE_PUT_NEW,      /* the user had none of the kind with the item */
    STORE_PUT_REPLACED, /* it took the place of an older one */
    STORE_PUT_OLDER,    /* it is older than the one that is there, and was counted only */
    STORE_PUT_REPEATED  /* an event with its id was put before: nothing was written */
};

/* Whether an event with this id was put for the user: to put it again changes nothing. *known: false too when
 * there is no such user. */
enum err_code store_knows_event(struct store_conn *c, struct text user, struct text id, bool *known,
                                struct err *e) ERR_MUST_CHECK;

/* Adds an event to the interactions of an existing user; an item not yet known is created with its id alone.
 * *put (may be NULL) says what became of it. Records no change: the caller touches the user once. Of an event
 * with an id the store remembers that, LIMIT_EVENT_IDS of the newest of all users, and until the user's
 * interactions are cleared. ERR_INVALID: there is no kind with this number. */
enum err_code store_put_event(struct store_conn *c, struct text user, struct text item,
                              const struct store_event *x, enum store_put *put, struct err *e) ERR_MUST_CHECK;

/* The same of an event without a kind. */
enum err_code store_put_interaction(struct store_conn *c, struct text user, struct text item, double weight,
                                    double rating, int64_t timestamp, enum store_put *put,
                                    struct err *e) ERR_MUST_CHECK;

/* Takes away what a user has with an item, of one kind or of all (kind < 0). ERR_NOTFOUND when there is no
 * such user. *n: how many rows went. Records no change. */
enum err_code store_remove_interactions(struct store_conn *c, struct text user, struct text item,
                                        int32_t kind, int64_t *n, struct err *e) ERR_MUST_CHECK;

/* Gives `to` all interactions of `from` too, rows of one key merged by the rule of struct store_interaction,
 * and the ids of the events that the store remembers. `from` keeps its own; the caller deletes or clears it.
 * ERR_NOTFOUND when there is no such user. Records no change. */
enum err_code store_add_interactions_of(struct store_conn *c, struct text from, struct text to,
                                        struct err *e) ERR_MUST_CHECK;

/* Makes a kind of events, or changes the one with this name; STORE_KIND_NONE keeps weight 1 and counts as
 * seen (ERR_CONFLICT). *changed: whether it is other than it was. A change of what it says is a change of
 * everybody who has interactions of it, and of all that is cached, at the cost of a read of all interactions.
 * ERR_LIMIT: there are LIMIT_KINDS. ERR_INVALID: a value that cannot be. */
enum err_code store_put_kind(struct store_conn *c, const struct store_kind *kind, bool *changed,
                             struct err *e) ERR_MUST_CHECK;

/* How many interactions a user has; ERR_NOTFOUND when there is no such user. Cost: as the next one. */
enum err_code store_count_interactions(struct store_conn *c, struct text user, size_t *n,
                                       struct err *e) ERR_MUST_CHECK;

/* The newest timestamp of a user's interactions, 0 when there are none; ERR_NOTFOUND when there is no such
 * user. Cost: a look at each of them. */
enum err_code store_newest_time(struct store_conn *c, struct text user, int64_t *timestamp,
                                struct err *e) ERR_MUST_CHECK;

/* Creates or replaces an item; a deleted one is created anew. Records a change, which is the item's
 * revision. */
enum err_code store_put_item(struct store_conn *c, const struct store_item *item, bool *created,
                             struct err *e) ERR_MUST_CHECK;

/* Says when answers may have an item, deleted or not. A new one has no such limits and was created now, and
 * writing it again changes nothing of this. Records no change: store_put_item in the same transaction does.
 * ERR_NOTFOUND. */
enum err_code store_set_item_life(struct store_conn *c, struct text id, const struct store_item_life *life,
                                  struct err *e) ERR_MUST_CHECK;

/* Takes an item out of answers: its row, key and interactions stay, and putting it again brings it back.
 * ERR_NOTFOUND when there is none or it is deleted. Records a change. */
enum err_code store_delete_item(struct store_conn *c, struct text id, struct err *e) ERR_MUST_CHECK;

/* Records a change of the item because somebody took it; ERR_NOTFOUND when there is none. */
enum err_code store_touch_item(struct store_conn *c, struct text id, struct err *e) ERR_MUST_CHECK;

/* Puts the context of a user, made from the user's `revision`; one made from a later revision stays. given:
 * supplied by the caller, not encoded. ERR_NOTFOUND when there is no such user: who was forgotten meanwhile
 * gets no row. ERR_LIMIT: more than LIMIT_CONTEXT_BYTES. */
enum err_code store_put_context(struct store_conn *c, const struct store_context_key *key, struct text id,
                                int64_t revision, bool given, const void *embedding, size_t n_bytes,
                                struct err *e) ERR_MUST_CHECK;

/* Puts the context that an encoder made of a user as read (revision and interactions of `user`), as above,
 * and with it which items the user has. Of a user who changed since nothing is put, and it is ERR_OK. */
enum err_code store_put_encoded(struct store_conn *c, const struct store_context_key *key, struct text id,
                                const struct store_user *user, const void *embedding, size_t n_bytes,
                                struct err *e) ERR_MUST_CHECK;

/* Leaves word, in the transaction, that the contexts of users whose revision is from `first` to `last` are
 * yet to be made: whoever dies before they are leaves that behind. The end takes it away again, and what is
 * not there is ended already. */
enum err_code store_note_unfinished(struct store_conn *c, int64_t first, int64_t last,
                                    struct err *e) ERR_MUST_CHECK;
enum err_code store_end_unfinished(struct store_conn *c, int64_t first, struct err *e) ERR_MUST_CHECK;

/* What was left, oldest first; the callback as those above. */
typedef bool store_unfinished_fn(void *arg, int64_t first, int64_t last);
enum err_code store_each_unfinished(struct store_conn *c, store_unfinished_fn *fn, void *arg,
                                    struct err *e) ERR_MUST_CHECK;

/* Drops the contexts of a kind that were made for a model and version (those given by callers stay), for a
 * version that is trained anew under its old name. */
enum err_code store_drop_contexts(struct store_conn *c, const struct store_context_key *key,
                                  struct err *e) ERR_MUST_CHECK;

/* What the store holds for a version of a model. */
struct store_version {
    struct text model, version;
    int64_t n_contexts;
    int64_t n_given; /* of these: supplied by callers, and those of tasks that keep no rows */
    int64_t n_bytes; /* of embeddings and lists */
};
typedef bool store_version_fn(void *arg, const struct store_version *version);

/* The versions that there are contexts of: by model, then the one that a context was last added to comes
 * last. Cost: a read of all contexts. */
enum err_code store_each_version(struct store_conn *c, store_version_fn *fn, void *arg,
                                 struct err *e) ERR_MUST_CHECK;

/* Drops the contexts that were made for a version, in many short transactions between which others write;
 * those given by callers stay, and those of tasks that keep no rows, for nothing could make them again. *n:
 * how many went. */
enum err_code store_trim_version(struct store_conn *c, const struct store_context_key *key, int64_t *n,
                                 struct err *e) ERR_MUST_CHECK;

/* ---- tasks: what has a model of its own, made of labelled rows ---- */

/* A task is a shop, a meter, a patient. Its model is solved from sums over its rows: these are its context,
 * for each model and version, under keys of kind "task". Ids, keys and revisions are as those of users. */

/* What is known of one task; filled by store_read_task, its memory reused. Zero-initialise; store_task_fini
 * frees. */
struct store_task {
    int64_t key, revision;
    struct buf profile;       /* JSON object text; len 0 when none */
    struct buf context;       /* bytes for the asked model and version; len 0 when there are none */
    int64_t context_revision; /* the task's revision when it was made; stale when below `revision` */
    bool context_given;       /* it has rows that are not kept, and is good at any revision */
    bool keeps_rows;          /* false: rows are forgotten once they are in the context */
    bool has_others; /* of one that keeps no rows, without a context for `key`: others have some of it */
    int64_t n_rows;  /* stored */
};

void store_task_fini(struct store_task *t);

/* Reads one task in one snapshot, with the context for `key` (NULL: no context). ERR_NOTFOUND when there is
 * no such task; out is then of use only to be read into again. Cost: none of its rows is read. */
enum err_code store_read_task(struct store_conn *c, struct text id, const struct store_context_key *key,
                              struct store_task *out, struct err *e) ERR_MUST_CHECK;

/* Of callbacks the same holds as of those above. */
typedef bool store_task_row_fn(void *arg, int64_t number, struct text row); /* row: a JSON object */
typedef bool store_task_fn(void *arg, int64_t task_key, struct text id, struct text profile,
                           int64_t revision);
typedef bool store_task_context_fn(void *arg, const struct store_context_key *key, struct text bytes);

/* A task's rows in the order in which they came, numbered 1, 2, .. ERR_NOTFOUND when there is no such task.
 * Of one moment; for one moment with store_read_task bracket both by store_snapshot_begin, or a transaction.
 * */
enum err_code store_each_task_row(struct store_conn *c, struct text id, store_task_row_fn *fn, void *arg,
                                  struct err *e) ERR_MUST_CHECK;

/* A task's contexts, of whichever models and versions, in the order of their names. */
enum err_code store_each_task_context(struct store_conn *c, struct text id, store_task_context_fn *fn,
                                      void *arg, struct err *e) ERR_MUST_CHECK;

/* All tasks by key. */
enum err_code store_each_task(struct store_conn *c, store_task_fn *fn, void *arg,
                              struct err *e) ERR_MUST_CHECK;

/* Within a transaction, as all writes. Creates the task, or replaces its profile (NULL data: none) and
 * whether it keeps rows. *revision is the new one, *created tells which. Rows and contexts stay;
 * store_clear_task drops them. Records a change. */
enum err_code store_put_task(struct store_conn *c, struct text id, struct text profile, bool keeps_rows,
                             int64_t *revision, bool *created, struct err *e) ERR_MUST_CHECK;

/* Drops the task's rows (STORE_CLEAR_INTERACTIONS), contexts or both; ERR_NOTFOUND when there is no such
 * task. Records no change. */
enum err_code store_clear_task(struct store_conn *c, struct text id, enum store_clear what,
                               struct err *e) ERR_MUST_CHECK;

/* Adds a row behind those that the task has; ERR_NOTFOUND when there is no such task. The row is a JSON
 * object of 1 to LIMIT_TASK_ROW_BYTES bytes (ERR_LIMIT); that it is one the caller sees to, and how many a
 * task may have. Records no change: the caller touches the task once. Cost: however many rows the task has,
 * the same. */
enum err_code store_add_task_row(struct store_conn *c, struct text id, struct text row,
                                 struct err *e) ERR_MUST_CHECK;

/* Gives the task a new revision because its rows change; ERR_NOTFOUND when there is no such task. */
enum err_code store_touch_task(struct store_conn *c, struct text id, int64_t *revision,
                               struct err *e) ERR_MUST_CHECK;

/* store_put_context of a task: ERR_NOTFOUND when there is none, one made from a later revision stays, and
 * so does one that was given when this one is not. Of the task's contexts by versions of the model, this one
 * among them, STORE_TASK_VERSIONS of the latest revisions stay, or each training would leave one; those that
 * were given stay, and those of a task that keeps no rows. */
enum { STORE_TASK_VERSIONS = 2 };
enum err_code store_put_task_context(struct store_conn *c, const struct store_context_key *key,
                                     struct text id, int64_t revision, bool given, const void *bytes,
                                     size_t n_bytes, struct err *e) ERR_MUST_CHECK;

/* Forgets the task: its row, its labelled rows, its contexts; nothing of them is left in any file, as of a
 * user who is deleted. ERR_NOTFOUND when there is none. Records a change. */
enum err_code store_delete_task(struct store_conn *c, struct text id, struct err *e) ERR_MUST_CHECK;

/* ---- bulk: for imports inside one transaction; ids are remembered, changes are recorded once ---- */

struct store_bulk;

/* Starts a bulk load inside the transaction of c. */
enum err_code store_bulk_begin(struct store_conn *c, struct store_bulk **out, struct err *e) ERR_MUST_CHECK;
enum err_code store_bulk_user(struct store_bulk *b, struct text id, struct text profile,
                              struct err *e) ERR_MUST_CHECK;
/* The same of a user whom a load saw or wrote ahead: who was deleted since is left out. */
enum err_code store_bulk_seen_user(struct store_bulk *b, struct text id, struct text profile,
                                   struct err *e) ERR_MUST_CHECK;
/* Key and revision are ignored. An item that was deleted stays so, but for a load that replaces the items. */
enum err_code store_bulk_item(struct store_bulk *b, const struct store_item *item,
                              struct err *e) ERR_MUST_CHECK;
enum err_code store_bulk_interaction(struct store_bulk *b, struct text user, struct text item, double weight,
                                     double rating, int64_t timestamp,
                                     struct err *e) ERR_MUST_CHECK; /* creates what is missing */
enum err_code store_bulk_event(struct store_bulk *b, struct text user, struct text item,
                               const struct store_event *x,
                               struct err *e) ERR_MUST_CHECK; /* its id is ignored */

/* Before the first row: the items that the load has rows of are all there are. Deleted ones come back. */
void store_bulk_replace_items(struct store_bulk *b);

/* An item of which the load has a row that changes nothing. */
enum err_code store_bulk_keep_item(struct store_bulk *b, struct text id, struct err *e) ERR_MUST_CHECK;

/* Takes all other items out of answers, as store_delete_item does; *n: how many. */
enum err_code store_bulk_delete_other_items(struct store_bulk *b, int64_t *n, struct err *e) ERR_MUST_CHECK;

/* What became of the rows of users and items: of each the first is known, where the store had it before the
 * load, and further ones are repeated. */
struct store_bulk_counts {
    int64_t n_known_users, n_repeated_users;
    int64_t n_known_items, n_repeated_items; /* a deleted item is not known */
    int64_t n_kept_deleted;                  /* items that the load has rows of and that stayed deleted */
};
void store_bulk_count(const struct store_bulk *b, struct store_bulk_counts *out);

/* Ends the load, whose one change tells every process to forget all it cached, and frees b. Call before
 * store_commit. *n_older (may be NULL): interactions that were left out, because one
 * of the same user and item that is there is newer. */
enum err_code store_bulk_end(struct store_bulk *b, int64_t *n_older, struct err *e) ERR_MUST_CHECK;
void store_bulk_abandon(struct store_bulk *b); /* frees b; the caller rolls back */

/* ---- loads: many interactions, users and items, beside which others go on writing ---- */

struct store_load;

/* Starts to collect interactions beside the store, in a file without a name; outside of a transaction.
 * stage_from: so many are staged, fewer written in one transaction. ERR_IO, ERR_FULL, ERR_NOMEM. */
enum err_code store_load_new(struct store_conn *c, size_t stage_from, struct store_load **out,
                             struct err *e) ERR_MUST_CHECK;
enum err_code store_load_interaction(struct store_load *l, struct text user, struct text item, double weight,
                                     double rating, int64_t timestamp, struct err *e) ERR_MUST_CHECK;
enum err_code store_load_event(struct store_load *l, struct text user, struct text item,
                               const struct store_event *x,
                               struct err *e) ERR_MUST_CHECK; /* as of a bulk load */

/* Takes kinds with a number below `end` without looking: the caller makes those that are not there in the
 * transaction of store_load_apply, before it. */
void store_load_expect_kinds(struct store_load *l, int32_t end);

/* A user or item that the store does not have: written at once, in short transactions with pauses for others
 * who write, and there when the load is. An id twice is none. Who registers it meanwhile has it, and nothing
 * of it is the load's: the log of changes says so, as of any other. Who is deleted once it is written stays
 * deleted. ERR_BUSY: another load is at work. */
enum err_code store_load_new_user(struct store_load *l, struct text id, struct text profile,
                                  struct err *e) ERR_MUST_CHECK;
enum err_code store_load_new_item(struct store_load *l, const struct store_item *item,
                                  struct err *e) ERR_MUST_CHECK;

/* The caller saw this user: deleted since, he stays so, whatever interactions of before say. */
enum err_code store_load_seen_user(struct store_load *l, struct text id, struct err *e) ERR_MUST_CHECK;

/* Ends the collecting and, where interactions are many, merges them with what the store has into a table that
 * nobody reads yet, in short transactions with pauses for others. ERR_BUSY: another load does so. */
enum err_code store_load_stage(struct store_load *l, struct err *e) ERR_MUST_CHECK;

bool store_load_is_staged(const struct store_load *l);

/* After store_load_apply: interactions of a user, an item and a kind that one collected before is of too. */
int64_t store_load_repeated(const struct store_load *l);

/* Makes all of it part of the caller's transaction and of its bulk load, which had no rows yet if
 * interactions are staged; new users and items are not among the rows that a bulk load counts, and known
 * to it afterwards only. As store_bulk_interaction for each, but that who was deleted since he was staged,
 * seen or written ahead stays so, in the bulk load too. *n_older: as store_bulk_end, of what is staged. */
enum err_code store_load_apply(struct store_load *l, struct store_bulk *b, int64_t *n_older,
                               struct err *e) ERR_MUST_CHECK;

/* After store_load_apply, of a user who is not there: whether he was left out, since he was deleted while the
 * load was at work. */
bool store_load_left_out(const struct store_load *l, struct text id);

/* After the transaction, however it ended: drops what is left, in short transactions. After a failure the
 * connection is to be closed: without memory it may not end its transaction before. NULL is allowed. */
void store_load_free(struct store_load *l);

/* ---- old interactions ---- */

/* Which interactions are too old at the time `now`: whose newest event is older than their kind is kept
 * (store_kind.ttl), or than `keep` seconds (0: no bound). Those whose time is not known never are. `moves`:
 * whether an item is made of its interactions, and so changes when some go (NULL: none is); it is asked in
 * the transaction, and may not use the connection. */
struct store_expiry {
    int64_t now, keep;
    bool (*moves)(void *arg, int64_t item_key);
    void *arg;
};

/* Takes old interactions away of a stretch of users, from the key *at on (0: from the first), in one short
 * transaction of its own; these users have new revisions, and so have the items that move. *at: where the
 * next stretch begins; 0: that was the last. *n: interactions that went. ERR_BUSY: another one writes, for
 * whom this waits a moment only; *at stays. Cost: of a stretch in which none is old a read of some thousand
 * rows. */
enum err_code store_expire(struct store_conn *c, const struct store_expiry *x, int64_t *at, int64_t *n,
                           struct err *e) ERR_MUST_CHECK;

/* ---- changes made by others ---- */

enum store_change_kind {
    STORE_CHANGE_USER,
    STORE_CHANGE_GONE, /* a user was deleted: the log names nobody, there is the key alone */
    STORE_CHANGE_ITEM,
    STORE_CHANGE_ALL,
    STORE_CHANGE_TASK,
    STORE_CHANGE_TASK_GONE /* as of a user */
};

struct store_change {
    int64_t number;
    enum store_change_kind kind;
    struct text id;  /* of a user, item or task that is there; else NULL data */
    int64_t row_key; /* of the user (store_user.key), item or task; a deleted user's or task's may come back
                        for another one, later */
};

/* The highest change number so far. */
enum err_code store_last_change(struct store_conn *c, int64_t *change, struct err *e) ERR_MUST_CHECK;

enum { STORE_LOOK_MS = 100 }; /* how long a wait rests between two looks */

/* Waits until the store has changes after `since`; *changed is false when it has none after timeout_ms, or
 * when store_wake ended the wait. What this connection wrote itself need not count. It rests for
 * STORE_LOOK_MS, or timeout_ms if that is less, before each look, also before the first and when that
 * fails: who calls it again and again takes no more of the machine than that, however fast others write.
 * timeout_ms 0: one look at once. Cost of a look that finds nothing: no disk read (SQLite's data_version). */
enum err_code store_wait_changes(struct store_conn *c, int64_t since, int timeout_ms, bool *changed,
                                 struct err *e) ERR_MUST_CHECK;

/* Ends the wait that is under way on the connection at once, else the next one; any thread. */
void store_wake(struct store_conn *c);

typedef bool store_change_fn(void *arg, const struct store_change *change);

/* The changes after `since`, oldest first. When some of them are no longer in the log, one STORE_CHANGE_ALL
 * with the highest number stands for all. */
enum err_code store_changes(struct store_conn *c, int64_t since, store_change_fn *fn, void *arg,
                            struct err *e) ERR_MUST_CHECK;

/* ---- the place of the store ---- */

/* Remembers which file lies at the store's path, once all connections of a server are made; from now on a
 * write is refused, and a commit fails, with ERR_LOST when it was removed, renamed or replaced. ERR_LOST: it
 * was, meanwhile. */
enum err_code store_guard(struct store_conn *c, struct err *e) ERR_MUST_CHECK;

/* ERR_LOST when a guarded store is not at its path any more; any thread. Three calls of the system. */
enum err_code store_check_place(struct store *s, struct err *e) ERR_MUST_CHECK;

/* After ERR_LOST: brings what the log holds into the open file, whatever its name is, and takes away what
 * would spoil another file at the path. Closing changes nothing then. False: try again, somebody reads. */
bool store_let_go(struct store_conn *c);

/* ---- upkeep ---- */

/* Takes out of the log what was deleted of people since it was last done. ERR_BUSY: try again. */
enum err_code store_settle(struct store_conn *c, struct err *e) ERR_MUST_CHECK;

/* Writes a checked copy of a store to a file while others read and write; of a store of an older version too,
 * and damages stop it. The file is its owner's alone and appears whole or not at all. force: over one that is
 * there, and a log beside it; else ERR_CONFLICT, as over the store itself. ERR_BUSY when a process has the
 * file open as a store. */
enum err_code store_backup_file(const char *url, const char *path, bool force, struct err *e) ERR_MUST_CHECK;

/* Makes a checked copy of a backup the store, in place of what is there, at once and with its log. ERR_BUSY
 * when a process has the store open. */
enum err_code store_restore_file(const char *url, const char *from, struct err *e) ERR_MUST_CHECK;

/* Asked now and then by what takes long: whether it is to end. */
struct store_patience {
    bool (*ended)(void *arg);
    void *arg;
};

/* Writes a consistent copy of the whole store to a new file while others read and write, by this connection
 * alone: a process that serves keeps its locks. The file is its owner's alone, checked, and appears whole or
 * not at all. ERR_CONFLICT when there is one; ERR_DEADLINE when patience (or NULL) ended; ERR_FULL, ERR_IO of
 * either file. */
enum err_code store_backup(struct store_conn *c, const char *path, const struct store_patience *patience,
                           struct err *e) ERR_MUST_CHECK;

#endif
