/* load - the parts of a load of many interactions, and what finds what a killed one left.
 * For the files of this folder alone.
 * Layer: store/sqlite
 * Threads: a connection is confined to its thread.
 * Memory: the load's rows are in tables of the database; a few buffers for its life. */
#ifndef STORE_SQLITE_LOAD_H
#define STORE_SQLITE_LOAD_H

#include "store/id_table.h"
#include "store/load_rows.h"
#include "store/sqlite/private.h"

/* That no other load stages; gone with the process. */
struct sqlite_load_lock {
    int fd; /* -1: not held */
    char *path;
};

extern const struct sqlite_load_lock sqlite_load_lock_none;

/* How long a transaction of a load lasts, and the pause after it: longer than who waits for the lock
 * sleeps. */
enum { SQLITE_LOAD_BATCH_MS = 40, SQLITE_LOAD_PAUSE_MS = 8 };

/* What time a transaction has; looked at now and then. */
struct sqlite_load_budget {
    int64_t until_ns;
    unsigned n;
};

/* A row of a user on its way into the table. */
struct merged {
    int64_t item, position;
    struct store_event is;
    bool followed, loaded;
};

/* A user or an item, and its number in the load, or ID_TABLE_NONE. */
struct sqlite_load_key {
    int64_t key;
    uint32_t number;
};

struct sqlite_load_keys {
    struct sqlite_load_key *at; /* (n) */
    size_t n, capacity;
};

/* A row of users (id, profile) or of items (id, title, categories, metadata) that waits to be written. */
enum { SQLITE_PENDING_TEXTS = 4 };
struct sqlite_pending_row {
    bool is_item;
    bool has[SQLITE_PENDING_TEXTS];   /* else NULL */
    size_t end[SQLITE_PENDING_TEXTS]; /* of each text, in the texts of all rows */
};

struct sqlite_pending {
    int64_t load;                    /* its number; 0: no row was written */
    struct sqlite_pending_row *rows; /* (n) */
    size_t n, capacity;
    struct buf texts;
    sqlite3_stmt *user, *item;
};

/* A load; the parts below work on it. */
struct sqlite_load {
    struct store_load base;
    struct sqlite_conn *conn;
    struct id_table users, items;
    struct load_rows rows;
    size_t stage_from;
    struct sqlite_load_lock lock;
    struct sqlite_pending pending;
    bool staged;    /* the second table is there */
    bool unfollows; /* no row of it is in the index, and no item followed when it is over */
    bool *seen;     /* (n_seen) users who were there when somebody looked, or were written ahead */
    size_t n_seen;
    /* of a staged load: */
    size_t *start;      /* (n_users + 1) of each user's rows */
    int64_t *user_keys; /* (n_users) */
    bool *user_is_new;  /* (n_users) the row is one of the load's */
    int64_t *item_keys; /* (n_items) */
    bool *missing;      /* (n_users) may be deleted since */
    bool *followed;     /* (n_items) */
    bool *to_mark;      /* (n_items) rows of the second table are yet to be marked as of a followed one */
    size_t n_to_mark;
    bool any_gone;                         /* the log does not say who was deleted */
    uint32_t *order;                       /* (n_users) in the order of their keys */
    int64_t change;                        /* what others wrote up to it is in the second table, */
    struct sqlite_load_keys followed_keys; /* and that these items are followed; rising */
    int64_t n_older, n_repeated;
    sqlite3_stmt *select, *insert;
    struct merged *merged; /* (merged_capacity) of the user at hand */
    size_t n_merged, merged_capacity;
};

/* Prepares a statement of the load, for sqlite3_finalize. */
enum err_code sqlite_load_prepare(struct sqlite_load *l, const char *sql, sqlite3_stmt **out,
                                  struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_load_run(struct sqlite_load *l, const char *sql, struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_load_number(struct sqlite_load *l, const char *sql, int64_t *out,
                                 struct err *e) ERR_MUST_CHECK;

/* One user: the rows that l->select stands at (rc: of its last step) and those of the load are taken, then
 * written under a key. */
enum err_code sqlite_load_take(struct sqlite_load *l, int64_t user, int *rc, struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_load_add(struct sqlite_load *l, uint32_t user, struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_load_write(struct sqlite_load *l, int64_t user, struct err *e) ERR_MUST_CHECK;

/* What others changed since l->change. */
struct sqlite_load_behind {
    struct sqlite_load_keys users;    /* changed */
    struct sqlite_load_keys gone;     /* keys of users who were deleted, whoever has them now */
    struct sqlite_load_keys followed; /* items that were not */
    int64_t change;                   /* what was found is up to here */
    size_t at_followed, at_marked, at_gone, at_user; /* what is done */
    sqlite3_stmt *drop, *touch;
};

/* Notes which items are followed when the load begins. */
enum err_code sqlite_load_note_followed(struct sqlite_load *l, struct err *e) ERR_MUST_CHECK;

/* Does over what others changed, in short transactions, until little is left. */
enum err_code sqlite_load_catch_up(struct sqlite_load *l, struct err *e) ERR_MUST_CHECK;

/* The rest, in the load's last transaction, whose change is the revision of who is touched: what is left of
 * before it is found (before 0: of until now), and done over. The caller frees b. */
enum err_code sqlite_load_find_behind(struct sqlite_load *l, int64_t before, struct sqlite_load_behind *b,
                                      struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_load_do_over(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t change,
                                  struct err *e) ERR_MUST_CHECK;

/* A user whom the load names does not have this key any more: what is written under it are the rows of
 * whoever has it now. */
enum err_code sqlite_load_leave_key(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t key,
                                    struct err *e) ERR_MUST_CHECK;
void sqlite_load_behind_fini(struct sqlite_load_behind *b);

/* ---- load_gone.c: who is deleted while the load is at work ---- */

/* The user was there, or is written: who is not at the end was deleted. */
enum err_code sqlite_load_see(struct sqlite_load *l, struct text id, struct err *e) ERR_MUST_CHECK;
bool sqlite_load_saw(const struct sqlite_load *l, size_t user);

/* Rows with these keys were deleted, in any order: of the load's users these are missing, until they are
 * looked for. */
void sqlite_load_note_gone(struct sqlite_load *l, struct sqlite_load_keys *gone);

/* In the last transaction, when all else is as it will be: tells the bulk load whom it leaves out. */
enum err_code sqlite_load_tell_gone(struct sqlite_load *l, struct store_bulk *bulk,
                                    struct err *e) ERR_MUST_CHECK;

/* Ends l->select and l->insert. */
void sqlite_load_close(struct sqlite_load *l);

/* Short transactions: begun, with what time it has; and ended, committed unless code says that it failed,
 * with a pause that lets others in. */
enum err_code sqlite_load_batch_begin(struct sqlite_load *l, struct sqlite_load_budget *t,
                                      struct err *e) ERR_MUST_CHECK;
bool sqlite_load_is_over(struct sqlite_load_budget *t);
enum err_code sqlite_load_batch_end(struct sqlite_load *l, enum err_code code, struct err *e) ERR_MUST_CHECK;

/* ---- pending.c: users and items that are written before the load's end, and seen at its end ---- */

/* Takes the load's lock and gives it a number, if it has none. */
enum err_code sqlite_pending_begin(struct sqlite_load *l, struct err *e) ERR_MUST_CHECK;

/* Writes the rows that wait, in short transactions. */
enum err_code sqlite_pending_flush(struct sqlite_load *l, struct err *e) ERR_MUST_CHECK;

/* Within a transaction: a row of its id alone, and its key. */
enum err_code sqlite_pending_new(struct sqlite_load *l, bool is_item, struct text id, int64_t *key,
                                 struct err *e) ERR_MUST_CHECK;

/* In the last transaction: all of them are there, with this revision. */
enum err_code sqlite_pending_apply(struct sqlite_load *l, int64_t change, struct err *e) ERR_MUST_CHECK;
void sqlite_pending_fini(struct sqlite_pending *p);

/* Waits so long for another load of the store at path, then ERR_BUSY. */
enum err_code sqlite_load_acquire(const char *path, int wait_ms, struct sqlite_load_lock *lock,
                                  struct err *e) ERR_MUST_CHECK;
void sqlite_load_release(struct sqlite_load_lock *lock);

/* Drops the tables and rows that loads leave, and marks the rows of those that are over as such, in short
 * transactions. The lock is held, and foreign keys are off. */
enum err_code sqlite_load_clean(struct sqlite_conn *c, struct err *e) ERR_MUST_CHECK;

/* The same at an opening, if there is anything of that and no load is at work. */
enum err_code sqlite_load_clean_leftovers(struct sqlite_conn *c, struct err *e) ERR_MUST_CHECK;

#endif
