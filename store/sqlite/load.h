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

/* Keys left free for users and items that are registered while a load runs. Serving has tables as long as the
 * largest key of an item, training of a user, with four bytes a key. */
enum { SQLITE_LOAD_FREE_USER_KEYS = 1 << 18, SQLITE_LOAD_FREE_ITEM_KEYS = 4096 };

/* A row of a user on its way into the table. */
struct merged {
    int64_t item, timestamp, position;
    double weight, rating; /* rating NAN: none */
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

/* A load; the parts below work on it. */
struct sqlite_load {
    struct store_load base;
    struct sqlite_conn *conn;
    struct id_table users, items;
    struct load_rows rows;
    size_t stage_from;
    struct sqlite_load_lock lock;
    bool staged;    /* the second table is there */
    bool unfollows; /* no row of it is in the index, and no item followed when it is over */
    /* of a staged load: */
    size_t *start;       /* (n_users + 1) of each user's rows */
    int64_t *user_keys;  /* (n_users) */
    int64_t *item_keys;  /* (n_items) */
    bool *followed;      /* (n_items) */
    int64_t *moved_from; /* (n_items) the key that rows of the second table have yet, or 0 */
    size_t n_moved;
    uint32_t *order; /* (n_users) in the order of their keys */
    int64_t first_new_user, n_new_users, first_new_item, n_new_items;
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
    struct sqlite_load_keys users;         /* changed, or deleted, which come first */
    struct sqlite_load_keys followed;      /* items that were not */
    int64_t change;                        /* what was found is up to here */
    size_t at_followed, at_moved, at_user; /* what is done */
    sqlite3_stmt *drop, *touch;
};

/* Notes which items are followed when the load begins. */
enum err_code sqlite_load_note_followed(struct sqlite_load *l, struct err *e) ERR_MUST_CHECK;

/* Does over what others changed, in short transactions, until little is left. */
enum err_code sqlite_load_catch_up(struct sqlite_load *l, struct err *e) ERR_MUST_CHECK;

/* The rest, in the load's last transaction: what is left is found, an item of the load may be given the key
 * that it has by now, and all of it is done over. The caller frees b. */
enum err_code sqlite_load_find_behind(struct sqlite_load *l, struct sqlite_load_behind *b,
                                      struct err *e) ERR_MUST_CHECK;
void sqlite_load_move(struct sqlite_load *l, size_t item, int64_t key, bool followed);
enum err_code sqlite_load_do_over(struct sqlite_load *l, struct sqlite_load_behind *b,
                                  struct err *e) ERR_MUST_CHECK;

/* A user whom the load names does not have this key any more: what is written under it are the rows of
 * whoever has it now. */
enum err_code sqlite_load_leave_key(struct sqlite_load *l, struct sqlite_load_behind *b, int64_t key,
                                    struct err *e) ERR_MUST_CHECK;
void sqlite_load_behind_fini(struct sqlite_load_behind *b);

/* Ends l->select and l->insert. */
void sqlite_load_close(struct sqlite_load *l);

/* Waits so long for another load of the store at path, then ERR_BUSY. */
enum err_code sqlite_load_acquire(const char *path, int wait_ms, struct sqlite_load_lock *lock,
                                  struct err *e) ERR_MUST_CHECK;
void sqlite_load_release(struct sqlite_load_lock *lock);

/* Drops the tables that loads leave, in short transactions. The lock is held. */
enum err_code sqlite_load_clean(struct sqlite_conn *c, struct err *e) ERR_MUST_CHECK;

/* The same at an opening, if there are such tables and no load is at work. */
enum err_code sqlite_load_clean_leftovers(struct sqlite_conn *c, struct err *e) ERR_MUST_CHECK;

#endif
