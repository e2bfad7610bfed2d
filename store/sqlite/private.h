/* private - what the files of the SQLite backend share; the one place that includes sqlite3.h. Every SQL text
 * stands in the table below; each is prepared once a connection. For the files of this folder alone. More
 * than 600 lines, since it is that one table.
 * Layer: store/sqlite
 * Threads: a connection is confined to its thread.
 * Memory: a connection and its statements are one block each, freed when it is closed. */
#ifndef STORE_SQLITE_PRIVATE_H
#define STORE_SQLITE_PRIVATE_H

#include "base/limits.h"
#include "store/backends.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

enum {
    SQLITE_APPLICATION_ID = 0x68796e74, /* "hynt", in the file's header */
    SQLITE_RETRY_MS = 3,                /* and how long it sleeps between two tries */
    SQLITE_BUSY_MS = 10000,             /* how long a write waits for another process's write */
    SQLITE_FOLLOW_MS = 500,  /* how long a call that follows items works before it is to be called again */
    SQLITE_TRIM_EVERY = 1000 /* the log of changes is trimmed when its number is a multiple of this */
};

/* Of a context of a task: the task keeps no rows that it could be made of again. */
#define SQLITE_IS_WITHOUT_ROWS "id IN (SELECT id FROM tasks WHERE keeps_rows = 0)"

/* Of the contexts of a task (?1) those by versions of a model (?2) that were not given. */
#define SQLITE_IS_OF_TASK "id = ?1 AND kind = 'task' AND model = ?2 AND given = 0"

/* The revision of a row of users or items, whose alias and point are t; NULL: it is of a load that is not
 * over, and not there (schema/sqlite/0008_loads.sql). A load's table is looked at for its own rows only. */
#define SQLITE_REVISION(t)                                                                                   \
    "CASE WHEN " t "revision >= 0 THEN " t "revision "                                                       \
    "ELSE (SELECT change FROM loads WHERE load = -" t "revision) END"
#define SQLITE_IS_THERE(t)                                                                                   \
    "(" t "revision >= 0 OR (SELECT change FROM loads WHERE load = -" t "revision) IS NOT NULL)"

/* The same where many rows are looked through: the loads that are over, of which there are few, are found
 * once. */
#define SQLITE_IS_THERE_OF_MANY                                                                              \
    "(revision >= 0 OR -revision IN (SELECT load FROM loads WHERE change IS NOT NULL))"

/* How many rows of a table are not there. */
#define SQLITE_N_HIDDEN(table, key, first)                                                                   \
    "(SELECT count(*) FROM loads l CROSS JOIN " table " t WHERE l.change IS NULL AND t." key " >= l." first  \
    " AND t.revision = -l.load)"
#define SQLITE_N_HIDDEN_USERS SQLITE_N_HIDDEN("users", "user_key", "first_user")
#define SQLITE_N_HIDDEN_ITEMS SQLITE_N_HIDDEN("items", "item_key", "first_item")

/* What a row's kind says, and what all of a user's interactions with an item say. */
#define SQLITE_EFFECT "k.weight * (1 - 2 * k.negative)"
#define SQLITE_TAKER_WEIGHT                                                                                  \
    "(SELECT sum(o.weight * " SQLITE_EFFECT ") FROM interactions o CROSS JOIN kinds k ON k.kind = o.kind "   \
    "WHERE o.user_key = i.user_key AND o.item_key = i.item_key)"

/* Of a user's interactions with an item the newest stands for all, and only if they say something good. */
#define SQLITE_IS_TAKER                                                                                      \
    "NOT EXISTS (SELECT 1 FROM interactions o WHERE o.user_key = i.user_key AND o.item_key = i.item_key "    \
    "AND (o.timestamp > i.timestamp OR (o.timestamp = i.timestamp AND o.kind > i.kind))) "                   \
    "AND " SQLITE_TAKER_WEIGHT " > 0"

/* The time of a row's first event, of two rows that become one. */
#define SQLITE_FIRST(t) "CASE " t "first_time WHEN 0 THEN " t "timestamp ELSE " t "first_time END"
#define SQLITE_FIRST_OF(a, b)                                                                                \
    "CASE WHEN (" a ") = 0 THEN (" b ") WHEN (" b ") = 0 THEN (" a ") ELSE min(" a ", " b ") END"
#define SQLITE_COUNT_OF(a, b) "min(" a " + " b ", 1000000000)"
_Static_assert(LIMIT_EVENT_COUNT == 1000000000, "as in SQLITE_COUNT_OF");

/* What becomes of an interaction that is there, where the new one is not older. */
#define SQLITE_PUT_OVER                                                                                      \
    "ON CONFLICT (user_key, item_key, kind) DO UPDATE SET "                                                  \
    "first_time = " SQLITE_FIRST_OF(                                                                         \
        SQLITE_FIRST("interactions."),                                                                       \
        SQLITE_FIRST("excluded.")) ", "                                                                      \
                                   "count = " SQLITE_COUNT_OF(                                               \
                                       "interactions.count",                                                 \
                                       "excluded.count") ", "                                                \
                                                         "weight = excluded.weight, rating = "               \
                                                         "excluded.rating, timestamp = excluded.timestamp, " \
                                                         "position = excluded.position, followed = "         \
                                                         "excluded.followed WHERE excluded.timestamp >= "    \
                                                         "interactions.timestamp"

/* Whether an interaction is too old at ?2, by its kind or by ?3. */
#define SQLITE_IS_OLD                                                                                        \
    "timestamp > 0 AND timestamp < ?2 - ifnull(min(ifnull(?3, t.ttl), ifnull(t.ttl, ?3)), 9000000000000000)"

#define SQLITE_STATEMENTS(X)                                                                                 \
    X(BEGIN, "BEGIN")                                                                                        \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                                        \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(USER_OF, "SELECT user_key, profile, " SQLITE_REVISION("") " AS r FROM users WHERE id = ?1 AND r >= 0") \
    X(CONTEXT_OF, "SELECT revision, given, embedding FROM contexts "                                         \
                  "WHERE id = ?1 AND kind = ?2 AND model = ?3 AND model_version = ?4")                       \
    X(EACH_CONTEXT, "SELECT id, revision, embedding FROM contexts "                                          \
                    "WHERE kind = ?1 AND model = ?2 AND model_version = ?3")                                 \
    X(CONTEXTS_OF_TASK, "SELECT model, model_version, embedding FROM contexts "                              \
                        "WHERE id = ?1 AND kind = 'task' ORDER BY model, model_version")                     \
    X(USER_AND_CONTEXT,                                                                                      \
      "SELECT " SQLITE_REVISION(                                                                             \
          "u.") ", c.revision, c.embedding, c.given, c.taken, u.user_key FROM users u, contexts c "          \
                "WHERE u.id = ?1 AND c.id = ?1 AND c.kind = ?2 AND c.model = ?3 AND c.model_version = ?4")   \
    X(INTERACTIONS_OF,                                                                                       \
      "SELECT item_key, weight, rating, timestamp, position, kind, count, first_time FROM interactions "     \
      "WHERE user_key = ?1")                                                                                 \
    X(REVISION_OF, "SELECT " SQLITE_REVISION("") " FROM users WHERE user_key = ?1")                          \
    X(REVISION_OF_ID, "SELECT user_key, " SQLITE_REVISION("") " AS r FROM users WHERE id = ?1 AND r >= 0")   \
    X(USER_KEY_OF, "SELECT user_key, " SQLITE_IS_THERE("") ", revision FROM users WHERE id = ?1")            \
    X(ITEM_KEY_OF,                                                                                           \
      "SELECT item_key, " SQLITE_IS_THERE("") ", revision, followed, deleted FROM items WHERE id = ?1")      \
    X(EACH_ITEM,                                                                                             \
      "SELECT item_key, id, title, categories, metadata, " SQLITE_REVISION(                                  \
          "") " AS r, deleted, hidden, available_from, available_until, created FROM items WHERE r > ?1 "    \
              "ORDER BY item_key")                                                                           \
    X(ITEM_OF, "SELECT item_key, id, title, categories, metadata, " SQLITE_REVISION(                         \
                   "") " AS r, deleted, hidden, available_from, available_until, created FROM items WHERE "  \
                       "id = ?1 AND r >= 0")                                                                 \
    X(LIST_ITEMS, "SELECT item_key, id FROM items WHERE id >= ?1 ORDER BY id")                               \
    X(LIST_USERS, "SELECT user_key, id FROM users WHERE id >= ?1 ORDER BY id")                               \
    X(LISTED_ITEM,                                                                                           \
      "SELECT item_key, id, title, categories, metadata, " SQLITE_REVISION(                                  \
          "") " AS r, deleted, hidden, available_from, available_until, created FROM items WHERE "           \
              "item_key = ?1 AND r >= 0 AND deleted = 0")                                                    \
    X(LISTED_USER, "SELECT user_key, id, profile, " SQLITE_REVISION(                                         \
                       "") " AS r FROM users WHERE user_key = ?1 AND r >= 0")                                \
    X(EACH_TAKER,                                                                                            \
      "SELECT c.embedding, " SQLITE_TAKER_WEIGHT                                                             \
      " FROM interactions i JOIN users u ON u.user_key = i.user_key "                                        \
      "JOIN contexts c ON c.id = u.id AND c.kind = ?2 AND c.model = ?3 AND c.model_version = ?4 "            \
      "WHERE i.item_key = ?1 AND i.followed = 1 AND " SQLITE_IS_TAKER                                        \
      " ORDER BY i.timestamp DESC, i.user_key LIMIT ?5")                                                     \
    X(EACH_TAKER_UNFOLLOWED,                                                                                 \
      "SELECT c.embedding, " SQLITE_TAKER_WEIGHT                                                             \
      " FROM interactions i JOIN users u ON u.user_key = i.user_key "                                        \
      "JOIN contexts c ON c.id = u.id AND c.kind = ?2 AND c.model = ?3 AND c.model_version = ?4 "            \
      "WHERE i.item_key = ?1 AND " SQLITE_IS_TAKER " ORDER BY i.timestamp DESC, i.user_key LIMIT ?5")        \
    X(TAKEN_ABOVE, "SELECT 1 FROM interactions WHERE item_key > ?1 AND followed = 1 LIMIT 1")                \
    X(TAKEN_ABOVE_UNFOLLOWED, "SELECT 1 FROM interactions WHERE item_key > ?1 LIMIT 1")                      \
    X(ANY_UNFOLLOWED_ABOVE,                                                                                  \
      "SELECT 1 FROM items WHERE item_key > ?1 AND followed = 0 AND " SQLITE_IS_THERE_OF_MANY " LIMIT 1")    \
    X(IS_ITEM, "SELECT deleted = 0 AND " SQLITE_IS_THERE("") " FROM items WHERE item_key = ?1")              \
    X(IS_FOLLOWED, "SELECT followed FROM items WHERE item_key = ?1")                                         \
    X(FOLLOW_ITEM, "UPDATE items SET followed = 1 WHERE item_key = ?1")                                      \
    X(FOLLOW_INTERACTION, "UPDATE interactions SET followed = 1 WHERE user_key = ?1 AND item_key = ?2")      \
    X(UNMARKED_FROM, "SELECT user_key, item_key FROM interactions WHERE user_key >= ?1 AND followed = 0 "    \
                     "ORDER BY user_key, item_key")                                                          \
    X(UNMARKED_CHANGED, "SELECT i.user_key, i.item_key FROM users u "                                        \
                        "CROSS JOIN interactions i ON i.user_key = u.user_key "                              \
                        "WHERE u.revision > ?1 AND i.followed = 0")                                          \
    X(SCHEMA_VERSION, "PRAGMA schema_version")                                                               \
    X(EACH_USER, "SELECT user_key, id, profile, " SQLITE_REVISION(                                           \
                     "") " AS r FROM users WHERE r >= 0 ORDER BY user_key")                                  \
    X(EACH_INTERACTION, "SELECT user_key, item_key, weight, rating, timestamp, position, kind, count, "      \
                        "first_time FROM interactions ORDER BY user_key")                                    \
    X(COUNT_SERVED, "SELECT (SELECT count(*) FROM users) - " SQLITE_N_HIDDEN_USERS ", "                      \
                    "(SELECT count(*) FROM items WHERE deleted = 0) - " SQLITE_N_HIDDEN_ITEMS ", "           \
                    "(SELECT count(*) FROM tasks)")                                                          \
    X(COUNT, "SELECT (SELECT count(*) FROM users) - " SQLITE_N_HIDDEN_USERS                                  \
             ", (SELECT count(*) FROM items) - " SQLITE_N_HIDDEN_ITEMS ", "                                  \
             "(SELECT count(*) FROM interactions), (SELECT count(*) FROM contexts), "                        \
             "(SELECT count(*) FROM tasks), (SELECT ifnull(sum(n_rows), 0) FROM tasks)")                     \
    X(PING, "SELECT 1 FROM sqlite_master LIMIT 1")                                                           \
    X(NEW_CHANGE, "INSERT INTO changes (kind, row_key) VALUES (?1, ?2)")                                     \
    X(CHANGE_OF, "UPDATE changes SET row_key = ?2 WHERE change = ?1")                                        \
    X(TRIM_CHANGES, "DELETE FROM changes WHERE change <= ?1")                                                \
    X(INSERT_USER, "INSERT INTO users (id, profile, revision) VALUES (?1, ?2, ?3)")                          \
    X(UPDATE_USER, "UPDATE users SET profile = ?2, revision = ?3 WHERE user_key = ?1")                       \
    X(TOUCH_USER, "UPDATE users SET revision = ?2 WHERE user_key = ?1")                                      \
    X(DELETE_USER, "DELETE FROM users WHERE user_key = ?1")                                                  \
    X(CLEAR_INTERACTIONS, "DELETE FROM interactions WHERE user_key = ?1")                                    \
    X(CLEAR_CONTEXTS, "DELETE FROM contexts WHERE id = ?1 AND kind = 'user'")                                \
    X(PUT_INTERACTION,                                                                                       \
      "INSERT INTO interactions (user_key, item_key, weight, rating, timestamp, position, followed, kind, "  \
      "count, first_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) " SQLITE_PUT_OVER)                \
    X(NEW_INTERACTION,                                                                                       \
      "INSERT INTO interactions (user_key, item_key, weight, rating, timestamp, position, followed, kind, "  \
      "count, first_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING")          \
    X(COUNT_OLDER,                                                                                           \
      "UPDATE interactions SET count = " SQLITE_COUNT_OF(                                                    \
          "count", "?4") ", "                                                                                \
                         "first_time = " SQLITE_FIRST_OF(                                                    \
                             SQLITE_FIRST(""), "?5") " "                                                     \
                                                     "WHERE user_key = ?1 AND item_key = ?2 AND kind = ?3")  \
    X(COUNT_OLDER_OF,                                                                                        \
      "UPDATE interactions SET count = " SQLITE_COUNT_OF(                                                    \
          "interactions.count",                                                                              \
          "o.count") ", "                                                                                    \
                     "first_time = " SQLITE_FIRST_OF(                                                        \
                         SQLITE_FIRST("interactions."),                                                      \
                         SQLITE_FIRST(                                                                       \
                             "o.")) " "                                                                      \
                                    "FROM interactions o WHERE interactions.user_key = ?2 AND o.user_key = " \
                                    "?1 "                                                                    \
                                    "AND o.item_key = interactions.item_key AND o.kind = interactions.kind " \
                                    "AND o.timestamp < interactions.timestamp")                              \
    X(ADD_INTERACTIONS_OF,                                                                                   \
      "INSERT INTO interactions (user_key, item_key, weight, rating, timestamp, position, followed, kind, "  \
      "count, first_time) SELECT ?2, item_key, weight, rating, timestamp, position + ?3, followed, kind, "   \
      "count, first_time FROM interactions WHERE user_key = ?1 " SQLITE_PUT_OVER)                            \
    X(ADD_EVENT_IDS_OF, "INSERT INTO event_ids (user_key, id) SELECT ?2, id FROM event_ids o "               \
                        "WHERE user_key = ?1 AND NOT EXISTS "                                                \
                        "(SELECT 1 FROM event_ids WHERE user_key = ?2 AND id = o.id) ORDER BY number")       \
    X(REMOVE_INTERACTIONS,                                                                                   \
      "DELETE FROM interactions WHERE user_key = ?1 AND item_key = ?2 AND (?3 < 0 OR kind = ?3)")            \
    X(NEW_EVENT_ID, "INSERT INTO event_ids (user_key, id) SELECT ?1, ?2 WHERE NOT EXISTS "                   \
                    "(SELECT 1 FROM event_ids WHERE user_key = ?1 AND id = ?2)")                             \
    X(KNOWS_EVENT_ID, "SELECT 1 FROM event_ids e JOIN users u ON u.user_key = e.user_key "                   \
                      "WHERE u.id = ?1 AND e.id = ?2")                                                       \
    X(TRIM_EVENT_IDS, "DELETE FROM event_ids WHERE number <= ?1")                                            \
    X(CLEAR_EVENT_IDS, "DELETE FROM event_ids WHERE user_key = ?1")                                          \
    X(STRETCH_END, "SELECT user_key FROM interactions WHERE user_key >= ?1 ORDER BY user_key LIMIT 1 "       \
                   "OFFSET ?2")                                                                              \
    X(EXPIRED_USERS, "SELECT DISTINCT user_key FROM interactions i CROSS JOIN kinds t ON t.kind = i.kind "   \
                     "WHERE user_key >= ?1 AND user_key < ?4 AND " SQLITE_IS_OLD)                            \
    X(EXPIRE, "DELETE FROM interactions WHERE user_key = ?1 AND EXISTS "                                     \
              "(SELECT 1 FROM kinds t WHERE t.kind = interactions.kind AND " SQLITE_IS_OLD ") "              \
              "RETURNING item_key")                                                                          \
    X(EACH_KIND, "SELECT kind, name, weight, negative, unseen, ttl FROM kinds ORDER BY kind")                \
    X(PUT_KIND, "INSERT INTO kinds (kind, name, weight, negative, unseen, ttl) "                             \
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kind) DO UPDATE SET "                          \
                "weight = excluded.weight, negative = excluded.negative, unseen = excluded.unseen, "         \
                "ttl = excluded.ttl")                                                                        \
    X(TOUCH_KIND, "UPDATE users SET revision = ?2 WHERE revision >= 0 AND "                                  \
                  "user_key IN (SELECT user_key FROM interactions WHERE kind = ?1)")                         \
    X(LAST_POSITION, "SELECT max(position) FROM interactions WHERE user_key = ?1")                           \
    X(HISTORY_OF, "SELECT count(*), max(timestamp), max(position) FROM interactions WHERE user_key = ?1")    \
    X(INSERT_ITEM, "INSERT INTO items (id, title, categories, metadata, revision, followed, created) "       \
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, unixepoch())")                                           \
    X(UPDATE_ITEM,                                                                                           \
      "UPDATE items SET title = ?2, categories = ?3, metadata = ?4, revision = ?5, deleted = 0 "             \
      "WHERE item_key = ?1")                                                                                 \
    X(TAKE_ITEM,                                                                                             \
      "UPDATE items SET title = ?2, categories = ?3, metadata = ?4, revision = ?5, followed = ?6 "           \
      "WHERE item_key = ?1")                                                                                 \
    X(UPDATE_ITEM_TEXTS, "UPDATE items SET title = ?2, categories = ?3, metadata = ?4, revision = ?5 "       \
                         "WHERE item_key = ?1")                                                              \
    X(SET_ITEM_LIFE, "UPDATE items SET hidden = ?2, available_from = ?3, available_until = ?4, created = "   \
                     "?5 WHERE id = ?1 AND " SQLITE_IS_THERE(""))                                            \
    X(ITEMS_NOT_DELETED, "SELECT item_key FROM items WHERE deleted = 0 AND " SQLITE_IS_THERE(""))            \
    X(DELETE_ITEM, "UPDATE items SET deleted = 1, revision = ?2 WHERE item_key = ?1")                        \
    X(TOUCH_ITEM, "UPDATE items SET revision = ?2 WHERE item_key = ?1")                                      \
    X(DROP_CONTEXTS,                                                                                         \
      "DELETE FROM contexts WHERE kind = ?1 AND model = ?2 AND model_version = ?3 AND given = 0")            \
    X(EACH_VERSION, "SELECT model, model_version, count(*), "                                                \
                    "sum(given OR (kind = 'task' AND " SQLITE_IS_WITHOUT_ROWS ")), "                         \
                    "sum(length(embedding) + ifnull(length(taken), 0)), max(context_key) FROM contexts "     \
                    "GROUP BY model, model_version ORDER BY model, max(context_key)")                        \
    X(TRIM_VERSION, "DELETE FROM contexts WHERE context_key IN (SELECT context_key FROM contexts "           \
                    "WHERE model = ?1 AND model_version = ?2 AND given = 0 "                                 \
                    "AND NOT (kind = 'task' AND " SQLITE_IS_WITHOUT_ROWS ") LIMIT ?3)")                      \
    X(PUT_CONTEXT,                                                                                           \
      "INSERT INTO contexts (id, kind, model, model_version, revision, given, embedding, taken) "            \
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id, kind, model, model_version) DO UPDATE "      \
      "SET revision = excluded.revision, given = excluded.given, embedding = excluded.embedding, "           \
      "taken = excluded.taken WHERE excluded.revision >= revision AND (given = 0 OR excluded.given = 1)")    \
    X(TRIM_TASK, "DELETE FROM contexts WHERE " SQLITE_IS_OF_TASK " AND NOT " SQLITE_IS_WITHOUT_ROWS          \
                 " AND context_key NOT IN (SELECT context_key FROM contexts WHERE " SQLITE_IS_OF_TASK        \
                 " ORDER BY revision DESC, context_key DESC LIMIT ?3)")                                      \
    X(TASK_KEY_OF, "SELECT task_key, 1, revision FROM tasks WHERE id = ?1")                                  \
    X(TASK_OF, "SELECT task_key, revision, keeps_rows, n_rows, profile FROM tasks WHERE id = ?1")            \
    X(HAS_TASK_CONTEXT, "SELECT 1 FROM contexts WHERE id = ?1 AND kind = 'task' LIMIT 1")                    \
    X(EACH_TASK, "SELECT task_key, id, revision, profile FROM tasks ORDER BY task_key")                      \
    X(TASK_ROWS_OF, "SELECT number, content FROM task_rows WHERE task_key = ?1 ORDER BY number")             \
    X(INSERT_TASK, "INSERT INTO tasks (id, profile, keeps_rows, revision, n_rows) "                          \
                   "VALUES (?1, ?2, ?3, ?4, 0)")                                                             \
    X(UPDATE_TASK, "UPDATE tasks SET profile = ?2, keeps_rows = ?3, revision = ?4 WHERE task_key = ?1")      \
    X(TOUCH_TASK, "UPDATE tasks SET revision = ?2 WHERE task_key = ?1")                                      \
    X(DELETE_TASK, "DELETE FROM tasks WHERE task_key = ?1")                                                  \
    X(COUNT_TASK_ROW, "UPDATE tasks SET n_rows = n_rows + 1 WHERE task_key = ?1")                            \
    X(COUNT_NO_TASK_ROWS, "UPDATE tasks SET n_rows = 0 WHERE task_key = ?1")                                 \
    X(ADD_TASK_ROW, "INSERT INTO task_rows (task_key, number, content) "                                     \
                    "SELECT task_key, n_rows, ?2 FROM tasks WHERE task_key = ?1")                            \
    X(CLEAR_TASK_ROWS, "DELETE FROM task_rows WHERE task_key = ?1")                                          \
    X(CLEAR_TASK_CONTEXTS, "DELETE FROM contexts WHERE id = ?1 AND kind = 'task'")                           \
    X(NOTE_UNFINISHED, "INSERT OR REPLACE INTO unfinished (first_change, last_change) VALUES (?1, ?2)")      \
    X(END_UNFINISHED, "DELETE FROM unfinished WHERE first_change = ?1")                                      \
    X(EACH_UNFINISHED, "SELECT first_change, last_change FROM unfinished ORDER BY first_change")             \
    X(LAST_CHANGE, "SELECT seq FROM sqlite_sequence WHERE name = 'changes'")                                 \
    X(FIRST_CHANGE, "SELECT min(change) FROM changes")                                                       \
    X(CHANGES_AFTER, "SELECT change, kind, row_key, "                                                        \
                     "CASE kind WHEN 'user' THEN (SELECT id FROM users WHERE user_key = row_key) "           \
                     "WHEN 'item' THEN (SELECT id FROM items WHERE item_key = row_key) "                     \
                     "WHEN 'task' THEN (SELECT id FROM tasks WHERE task_key = row_key) END "                 \
                     "FROM changes WHERE change > ?1 ORDER BY change")                                       \
    X(DATA_VERSION, "PRAGMA data_version")

/* The same as EACH_TAKER, of what sqlite_takers_begin set aside; prepared when that is there. */
#define SQLITE_EACH_TAKER_ASIDE                                                                              \
    "SELECT c.embedding, i.weight FROM temp.takers i JOIN users u ON u.user_key = i.user_key "               \
    "JOIN contexts c ON c.id = u.id AND c.kind = ?2 AND c.model = ?3 AND c.model_version = ?4 "              \
    "WHERE i.item_key = ?1 ORDER BY i.timestamp DESC, i.user_key LIMIT ?5"

enum sqlite_statement {
#define X(name, sql) SQL_##name,
    SQLITE_STATEMENTS(X)
#undef X
        SQL_COUNT_OF_STATEMENTS
};

/* How a store that is opened for reading is read; see file.c. */
enum sqlite_reading {
    READING_TIDIES,     /* what SQLite makes beside the file it takes away again */
    READING_LEAVES_LOG, /* there is a log, which stays */
    READING_AS_IT_IS    /* nothing can be made there */
};

enum { SQLITE_FILES = 3 }; /* the first of what belongs to a store */

struct sqlite_file_id {
    dev_t device;
    ino_t inode;
};

struct sqlite_store {
    struct store base;
    char *path; /* as it was given */
    char *file; /* without symbolic links: what lies beside the file has its name */
    char *uri;  /* what SQLite opens instead of the path; NULL: the path */
    bool read_only;
    bool made;                   /* by this opening */
    enum sqlite_reading reading; /* when read_only */
    atomic_bool erased;          /* the log may hold something of a person that was deleted since */
    atomic_bool guarded;         /* from here on the next two stay */
    char *names[SQLITE_FILES];   /* the file, its log, the log's index */
    struct sqlite_file_id opened[SQLITE_FILES];
};

/* What a kind of events says. */
struct sqlite_kind {
    double effect;
    bool there, unseen;
};

/* An interaction on its way to its place in time. */
struct sqlite_interaction {
    struct store_interaction x;
    int64_t position;
};

/* A row by its id: what a write transaction looked up last. One write names the same user again and again. */
struct sqlite_known {
    int64_t key;      /* 0: nothing */
    int64_t hidden;   /* 0, or the key of a row that is not there yet, for a load writes it */
    int64_t revision; /* as it is written, below 0: of a load */
    bool followed;    /* items */
    bool deleted;     /* items */
    size_t len;
    char id[LIMIT_ID_BYTES];
};

/* The interactions of the user whom a write transaction is at. */
struct sqlite_history {
    int64_t user; /* 0: nobody's */
    int64_t n;    /* -1: not known */
    int64_t newest, next_arrival;
};

struct sqlite_conn {
    struct store_conn base;
    struct sqlite_store *store;
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT_OF_STATEMENTS];
    int64_t data_version; /* of the last look for changes; 0: none yet */
    int64_t last_change;  /* as it was then */
    bool writing;         /* inside store_begin .. commit */
    bool stuck;  /* a rollback had no memory, to be prepared anew after a table was made: it is tried again */
    bool erases; /* this transaction deletes something of a person */
    int checkpoint_at;                    /* so many pages in the log, after a commit, go into the file */
    struct sqlite_known user, item, task; /* within a write */
    int busy_ms;                          /* how long it waits for another's lock */
    int64_t busy_since_ns;
    struct sqlite_history history;   /* within a write */
    struct sqlite_interaction *sort; /* scratch of reads; see read.c */
    size_t sort_capacity;
    struct buf taken;                      /* scratch of contexts.c */
    struct sqlite_kind kinds[LIMIT_KINDS]; /* as they were last read, kinds.c */
    int follow_ms;                         /* SQLITE_FOLLOW_MS, but in tests */
    struct sqlite_following
        *following;             /* how far a call of sqlite_follow_items came; NULL: none is to go on */
    bool always_blocks;         /* its file has no reads that do not wait */
    sqlite3_stmt *takers_aside; /* who took items that are not followed, between sqlite_takers_begin and its
                                   end; else NULL */
};

/* Texts and codes of SQLite's last error on c, with the path; `what` says what was being done. */
enum err_code sqlite_fail(struct sqlite_conn *c, int rc, const char *what, struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_code(int rc);

/* The same for what is done while opening. Our texts are right: one that SQLite refuses meets a file of a
 * format it does not know, or without our tables. */
enum err_code sqlite_fail_opening(struct sqlite_conn *c, int rc, const char *what,
                                  struct err *e) ERR_MUST_CHECK;

/* New: a path with a suffix, or NULL; freed by mem_free. */
char *sqlite_beside(const char *path, const char *suffix);

/* Makes an empty file that only its owner may read, whatever the umask; SQLite gives its log and index the
 * same mode. One that is there stays as it is. *made tells which. */
enum err_code sqlite_make_file(const char *path, bool *made, struct err *e) ERR_MUST_CHECK;

/* What belongs to a store: its file, and what lies beside it. */
enum { SQLITE_OWN_FILES = 4 };
extern const char *const sqlite_own_suffixes[SQLITE_OWN_FILES];

/* The suffix of that own file of the store at path which was found, by whatever name; NULL: it is none of
 * them. */
const char *sqlite_own_suffix(const char *path, const struct stat *found);

/* Takes the file for this process, by SQLite's locks: pending, reserved, shared (sqlite.org/lockingv3.html).
 * *fd: -1 when there is no file; else other openings wait until it is closed. what: is being done, for a
 * message. ERR_BUSY: somebody has it open. */
enum err_code sqlite_take_file(const char *what, const char *path, int *fd, struct err *e) ERR_MUST_CHECK;

/* Refuses what SQLite would take for an empty file, or that is not there and may not be made. */
enum err_code sqlite_check_size(const char *path, enum store_mode mode, struct err *e) ERR_MUST_CHECK;

/* Refuses what is neither empty nor a store of ours, and what a newer program made; its version. */
enum err_code sqlite_check_identity(struct sqlite_conn *c, enum store_mode mode, int64_t *version,
                                    struct err *e) ERR_MUST_CHECK;

/* Fills s->file. */
enum err_code sqlite_find_file(struct sqlite_store *s, struct err *e) ERR_MUST_CHECK;

/* Finds how a store that is opened for reading can be read; before its first connection. */
enum err_code sqlite_choose_reading(struct sqlite_store *s, struct err *e) ERR_MUST_CHECK;

/* sqlite3_open_v2 as the store's mode wants it. */
int sqlite_open_handle(struct sqlite_conn *c, int flags) ERR_MUST_CHECK;

/* A database handle as all of ours are set up, with `flags` of sqlite3_open_v2 more; and its statements. A
 * failed one is closed too. */
enum err_code sqlite_open_db(struct sqlite_conn *c, int flags, struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_prepare_all(struct sqlite_conn *c, struct err *e) ERR_MUST_CHECK;
void sqlite_close_db(struct sqlite_conn *c);

/* From here on c waits so long for another's lock; 0: not at all. */
void sqlite_wait(struct sqlite_conn *c, int wait_ms);

/* Runs SQL that gives no rows, while opening. */
enum err_code sqlite_run_text(struct sqlite_conn *c, const char *sql, const char *what,
                              struct err *e) ERR_MUST_CHECK;

/* The statement, reset and without bindings. */
sqlite3_stmt *sqlite_statement(struct sqlite_conn *c, enum sqlite_statement which);

/* Binds text; NULL data binds NULL. The text must live until the statement is reset. */
void sqlite_bind_text_view(sqlite3_stmt *s, int column, struct text text);

/* The text of a column, borrowed until the next step. NULL data when it is NULL, which `required` columns are
 * in a damaged file only: ERR_CORRUPT. */
enum err_code sqlite_column_view(struct sqlite_conn *c, sqlite3_stmt *s, int column, bool required,
                                 struct text *out, struct err *e) ERR_MUST_CHECK;

/* Copies the bytes of a column, none where they are more than the limit: out->failed. */
void sqlite_copy_column(sqlite3_stmt *s, int column, size_t limit, struct buf *out);

/* Steps a statement that returns no row, and resets it. */
enum err_code sqlite_run(struct sqlite_conn *c, sqlite3_stmt *s, const char *what,
                         struct err *e) ERR_MUST_CHECK;

/* Resets a statement after its last step, which gave rc: ERR_OK where that was a row or the end. */
enum err_code sqlite_stepped(struct sqlite_conn *c, sqlite3_stmt *s, int rc, const char *what,
                             struct err *e) ERR_MUST_CHECK;

/* Ends a transaction where nothing can be done about a failure: a read, or a write that is given up. */
void sqlite_end_quietly(struct sqlite_conn *c, enum sqlite_statement which);

void sqlite_following_free(struct sqlite_following *f); /* NULL is allowed */

/* The key of a user, an item or a task; 0, which is no key, when there is none. */
enum err_code sqlite_find_user(struct sqlite_conn *c, struct text id, int64_t *key,
                               struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_find_item(struct sqlite_conn *c, struct text id, int64_t *key,
                               struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_find_task(struct sqlite_conn *c, struct text id, int64_t *key,
                               struct err *e) ERR_MUST_CHECK;

/* The same of a user, with its revision. */
enum err_code sqlite_find_revision(struct sqlite_conn *c, struct text id, int64_t *key, int64_t *revision,
                                   struct err *e) ERR_MUST_CHECK;

/* The same with whether its interactions go to the index of takers, see schema/0003. */
enum err_code sqlite_find_followed(struct sqlite_conn *c, struct text id, int64_t *key, bool *followed,
                                   struct err *e) ERR_MUST_CHECK;

/* Whether an item is there that is not followed. */
enum err_code sqlite_is_unfollowed(struct sqlite_conn *c, int64_t key, bool *is,
                                   struct err *e) ERR_MUST_CHECK;

/* The key of a user, of a task; ERR_NOTFOUND names the id. */
enum err_code sqlite_user_key(struct sqlite_conn *c, struct text id, int64_t *key,
                              struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_task_key(struct sqlite_conn *c, struct text id, int64_t *key,
                              struct err *e) ERR_MUST_CHECK;

/* The bytes of a context, its revision and whether it was given; what is there stays when there is none. */
enum err_code sqlite_context_of(struct sqlite_conn *c, struct text id, const struct store_context_key *key,
                                struct buf *bytes, int64_t *revision, bool *given,
                                struct err *e) ERR_MUST_CHECK;

/* store_read_user; ERR_LIMIT when the user has more than `most` interactions. */
enum err_code sqlite_read_user_within(struct sqlite_conn *c, struct text id,
                                      const struct store_context_key *key, size_t most,
                                      struct store_user *out, struct err *e) ERR_MUST_CHECK;

/* ERR_INTERNAL unless a write transaction is open. SQLite gives one up by itself after some failures; a write
 * that came after that would be committed on its own. */
enum err_code sqlite_check_writing(struct sqlite_conn *c, struct err *e) ERR_MUST_CHECK;

/* Runs a statement whose one parameter is a key. */
enum err_code sqlite_run_with_key(struct sqlite_conn *c, enum sqlite_statement which, int64_t key,
                                  const char *what, struct err *e) ERR_MUST_CHECK;

/* Binds what NEW_INTERACTION and PUT_INTERACTION take. */
void sqlite_bind_event(sqlite3_stmt *s, int64_t user_key, int64_t item_key, const struct store_event *x,
                       int64_t position, bool followed);

/* Counts an event that is older than what is there. */
enum err_code sqlite_count_older(struct sqlite_conn *c, int64_t user_key, int64_t item_key,
                                 const struct store_event *x, struct err *e) ERR_MUST_CHECK;

/* Fills in what the kinds of interactions say, in the caller's snapshot. */
enum err_code sqlite_tell_kinds(struct sqlite_conn *c, struct sqlite_interaction *rows, size_t n,
                                struct err *e) ERR_MUST_CHECK;

/* ERR_INVALID: no kind has this number. */
enum err_code sqlite_check_kind(struct sqlite_conn *c, int32_t number, struct err *e) ERR_MUST_CHECK;

/* Writes the row of a user; key 0: a new one. */
enum err_code sqlite_write_user(struct sqlite_conn *c, struct text id, int64_t key, struct text profile,
                                int64_t revision, struct err *e) ERR_MUST_CHECK;

/* An item as the row of a statement with the columns of ITEM_OF has it; its texts are borrowed until the next
 * step. */
enum err_code sqlite_item_of_row(struct sqlite_conn *c, sqlite3_stmt *s, struct store_item *item,
                                 struct err *e) ERR_MUST_CHECK;

/* Writes an item, by a statement of (key or id, title, categories, metadata, revision), and of whether
 * it is followed where `followed` is not below 0. */
enum err_code sqlite_write_item(struct sqlite_conn *c, enum sqlite_statement which, int64_t key,
                                const struct store_item *item, int64_t revision, int followed,
                                struct err *e) ERR_MUST_CHECK;

/* Gives an item a new revision; nothing where it is deleted or not there yet. */
enum err_code sqlite_touch_item_with_key(struct sqlite_conn *c, int64_t key, struct err *e) ERR_MUST_CHECK;

/* Appends a change of the row with this key to the log, and trims it now and then. Of a row that is yet to be
 * made the key is 0, and sqlite_change_of tells it when it is. */
enum err_code sqlite_new_change(struct sqlite_conn *c, const char *kind, int64_t row_key, int64_t *change,
                                struct err *e) ERR_MUST_CHECK;
enum err_code sqlite_change_of(struct sqlite_conn *c, int64_t change, int64_t row_key,
                               struct err *e) ERR_MUST_CHECK;

/* The log, log.c. Once in the process, before any connection; for each connection that is open; and its
 * end. */
void sqlite_log_install(void);
void sqlite_log_follow(struct sqlite_conn *c);
void sqlite_log_close(struct sqlite_conn *c);

/* Brings the log into the file and cuts it to nothing; SQLITE_BUSY where a reader or writer stands in the way
 * for so long. */
int sqlite_empty_log(struct sqlite_conn *c, int wait_ms) ERR_MUST_CHECK;

/* Marks the log as that of the file, unless it is marked; once a connection to a store that may be written to
 * has read. */
void sqlite_mark_log(const struct sqlite_store *s);

/* ERR_CONFLICT when the log beside the file is marked as that of another file; before anything is opened.
 * s->file is needed. */
enum err_code sqlite_check_log(const struct sqlite_store *s, struct err *e) ERR_MUST_CHECK;

/* ERR_LOST when the files of a guarded store are not at its path any more. Cost: three calls of the
 * system. */
enum err_code sqlite_check_place(const struct sqlite_store *s, struct err *e);

/* Reads that do not wait, nonblocking.c. Once in the process, before any connection. */
void sqlite_nonblocking_install(void);

/* From here on the thread's reads on c fail where they would wait; false: they cannot be made so. Ended in
 * the same thread. */
bool sqlite_nonblocking_begin(struct sqlite_conn *c);
void sqlite_nonblocking_end(struct sqlite_conn *c);

/* The parts of the backend, each in its file. */
enum err_code sqlite_open(const char *, enum store_mode, struct store **, struct err *);
void sqlite_discard_new(struct store *);
bool sqlite_owns_file(const char *, const char *);
enum err_code sqlite_backup_file(const char *, const char *, bool, struct err *);
enum err_code sqlite_restore_file(const char *, const char *, struct err *);
enum err_code sqlite_guard(struct store_conn *, struct err *);
enum err_code sqlite_store_check_place(struct store *, struct err *);
bool sqlite_let_go(struct store_conn *);
enum err_code sqlite_settle(struct store_conn *, struct err *);
enum err_code sqlite_backup(struct store_conn *, const char *, const struct store_patience *, struct err *);
enum err_code sqlite_read_user(struct store_conn *, struct text, const struct store_context_key *,
                               struct store_user *, struct err *);
enum err_code sqlite_read_context(struct store_conn *, struct text, const struct store_context_key *,
                                  struct store_user_context *, bool *, struct err *);
enum err_code sqlite_read_context_nonblocking(struct store_conn *, struct text,
                                              const struct store_context_key *, struct store_user_context *,
                                              bool *, struct err *);
enum err_code sqlite_read_user_nonblocking(struct store_conn *, struct text, const struct store_context_key *,
                                           size_t, struct store_user *, struct err *);
bool sqlite_reads_nonblocking(const struct store_conn *);
enum err_code sqlite_read_profile(struct store_conn *, struct text, struct buf *, struct err *);
enum err_code sqlite_item_key_of(struct store_conn *, struct text, int64_t *, struct err *);
enum err_code sqlite_each_item(struct store_conn *, int64_t, store_item_fn *, void *, struct err *);
enum err_code sqlite_list_items(struct store_conn *, struct text, store_look_fn *, store_item_fn *, void *,
                                struct err *);
enum err_code sqlite_list_users(struct store_conn *, struct text, store_look_fn *, store_user_fn *, void *,
                                struct err *);
enum err_code sqlite_each_user(struct store_conn *, store_user_fn *, void *, struct err *);
enum err_code sqlite_each_interaction(struct store_conn *, store_interaction_fn *, void *, struct err *);
enum err_code sqlite_count(struct store_conn *, struct store_counts *, struct err *);
enum err_code sqlite_count_served(struct store_conn *, struct store_counts *, struct err *);
enum err_code sqlite_begin(struct store_conn *, struct err *);
enum err_code sqlite_commit(struct store_conn *, struct err *);
void sqlite_rollback(struct store_conn *);
enum err_code sqlite_put_user(struct store_conn *, struct text, struct text, int64_t *, bool *, struct err *);
enum err_code sqlite_clear_user(struct store_conn *, struct text, enum store_clear, struct err *);
enum err_code sqlite_touch_user(struct store_conn *, struct text, int64_t *, struct err *);
enum err_code sqlite_read_history(struct store_conn *, struct text, struct store_history *, struct err *);
enum err_code sqlite_touch_user_read(struct store_conn *, struct text, const struct store_history *,
                                     int64_t *, struct err *);
enum err_code sqlite_delete_user(struct store_conn *, struct text, struct err *);
enum err_code sqlite_knows_event(struct store_conn *, struct text, struct text, bool *, struct err *);
enum err_code sqlite_put_event(struct store_conn *, struct text, struct text, const struct store_event *,
                               enum store_put *, struct err *);
enum err_code sqlite_remove_interactions(struct store_conn *, struct text, struct text, int32_t, int64_t *,
                                         struct err *);
enum err_code sqlite_add_interactions_of(struct store_conn *, struct text, struct text, struct err *);
enum err_code sqlite_expire(struct store_conn *, const struct store_expiry *, int64_t *, int64_t *,
                            struct err *);
enum err_code sqlite_put_kind(struct store_conn *, const struct store_kind *, bool *, struct err *);
enum err_code sqlite_each_kind(struct store_conn *, store_kind_fn *, void *, struct err *);
enum err_code sqlite_count_interactions(struct store_conn *, struct text, size_t *, struct err *);
enum err_code sqlite_newest_time(struct store_conn *, struct text, int64_t *, struct err *);
enum err_code sqlite_put_item(struct store_conn *, const struct store_item *, bool *, struct err *);
enum err_code sqlite_set_item_life(struct store_conn *, struct text, const struct store_item_life *,
                                   struct err *);
enum err_code sqlite_delete_item(struct store_conn *, struct text, struct err *);
enum err_code sqlite_touch_item(struct store_conn *, struct text, struct err *);
enum err_code sqlite_read_item(struct store_conn *, struct text, store_item_fn *, void *, struct err *);
enum err_code sqlite_each_taker(struct store_conn *, int64_t, const struct store_context_key *, size_t,
                                store_taker_fn *, void *, struct err *);
enum err_code sqlite_taken_above(struct store_conn *, int64_t, bool *, struct err *);
enum err_code sqlite_takers_begin(struct store_conn *, const int64_t *, size_t, bool *, struct err *);
void sqlite_takers_end(struct store_conn *);
enum err_code sqlite_follow_items(struct store_conn *, const int64_t *, size_t, struct err *);
enum err_code sqlite_read_task(struct store_conn *, struct text, const struct store_context_key *,
                               struct store_task *, struct err *);
enum err_code sqlite_each_task(struct store_conn *, store_task_fn *, void *, struct err *);
enum err_code sqlite_each_context(struct store_conn *, const struct store_context_key *, store_context_fn *,
                                  void *, struct err *);
enum err_code sqlite_each_task_context(struct store_conn *, struct text, store_task_context_fn *, void *,
                                       struct err *);
enum err_code sqlite_each_task_row(struct store_conn *, struct text, store_task_row_fn *, void *,
                                   struct err *);
enum err_code sqlite_put_task(struct store_conn *, struct text, struct text, bool, int64_t *, bool *,
                              struct err *);
enum err_code sqlite_clear_task(struct store_conn *, struct text, enum store_clear, struct err *);
enum err_code sqlite_touch_task(struct store_conn *, struct text, int64_t *, struct err *);
enum err_code sqlite_add_task_row(struct store_conn *, struct text, struct text, struct err *);
enum err_code sqlite_delete_task(struct store_conn *, struct text, struct err *);
enum err_code sqlite_put_context(struct store_conn *, const struct store_context_key *, struct text,
                                 const struct store_context *, struct err *);
enum err_code sqlite_note_unfinished(struct store_conn *, int64_t, int64_t, struct err *);
enum err_code sqlite_end_unfinished(struct store_conn *, int64_t, struct err *);
enum err_code sqlite_each_unfinished(struct store_conn *, store_unfinished_fn *, void *, struct err *);
enum err_code sqlite_drop_contexts(struct store_conn *, const struct store_context_key *, struct err *);
enum err_code sqlite_each_version(struct store_conn *, store_version_fn *, void *, struct err *);
enum err_code sqlite_trim_version(struct store_conn *, const struct store_context_key *, int64_t *,
                                  struct err *);
enum err_code sqlite_bulk_begin(struct store_conn *, struct store_bulk **, struct err *);
enum err_code sqlite_bulk_user(struct store_bulk *, struct text, struct text, struct err *);
enum err_code sqlite_bulk_seen_user(struct store_bulk *, struct text, struct text, struct err *);
enum err_code sqlite_bulk_look(struct store_bulk *, struct text, bool *, struct err *);
enum err_code sqlite_bulk_item(struct store_bulk *, const struct store_item *, struct err *);
enum err_code sqlite_bulk_event(struct store_bulk *, struct text, struct text, const struct store_event *,
                                struct err *);
void sqlite_bulk_replace_items(struct store_bulk *);
void sqlite_bulk_count(const struct store_bulk *, struct store_bulk_counts *);
enum err_code sqlite_bulk_keep_item(struct store_bulk *, struct text, struct err *);
int64_t sqlite_bulk_change(const struct store_bulk *);
void sqlite_bulk_made(struct store_bulk *, int64_t load);
enum err_code sqlite_bulk_delete_other_items(struct store_bulk *, int64_t *, struct err *);
enum err_code sqlite_bulk_end(struct store_bulk *, int64_t *, struct err *);
void sqlite_bulk_abandon(struct store_bulk *);
enum err_code sqlite_load_new(struct store_conn *, size_t, struct store_load **, struct err *);
enum err_code sqlite_load_event(struct store_load *, struct text, struct text, const struct store_event *,
                                struct err *);
enum err_code sqlite_load_new_user(struct store_load *, struct text, struct text, struct err *);
enum err_code sqlite_load_new_item(struct store_load *, const struct store_item *, struct err *);
enum err_code sqlite_load_seen_user(struct store_load *, struct text, struct err *);
enum err_code sqlite_load_stage(struct store_load *, struct err *);
bool sqlite_load_is_staged(const struct store_load *);
bool sqlite_load_left_out(const struct store_load *, struct text);
int64_t sqlite_load_repeated(const struct store_load *);
enum err_code sqlite_load_apply(struct store_load *, struct store_bulk *, int64_t *, struct err *);
void sqlite_load_free(struct store_load *);
enum err_code sqlite_last_change(struct store_conn *, int64_t *, struct err *);
enum err_code sqlite_has_changes(struct store_conn *, int64_t, bool *, struct err *);
enum err_code sqlite_changes(struct store_conn *, int64_t, store_change_fn *, void *, struct err *);

#endif
