/* Events on their way into the interactions. */
#include "store/sqlite/private.h"

#include "base/limits.h"

#include <math.h>

static struct sqlite_conn *conn_of(struct store_conn *c)
{
    return (struct sqlite_conn *)c;
}

/* The key of an item, made with its id alone when it is not known. */
static enum err_code item_key_or_new(struct sqlite_conn *c, struct text id, int64_t *key, bool *followed,
                                     struct err *e)
{
    enum err_code code = sqlite_find_followed(c, id, key, followed, e);
    if (code || *key)
        return code;
    bool created;
    struct store_item item = {.id = id};
    code = sqlite_put_item(&c->base, &item, &created, e);
    return code ? code : sqlite_find_followed(c, id, key, followed, e);
}

/* Within a write it is remembered, and kept up to date, from one event of a user to the next: it takes a read
 * of all of the user's interactions, and many events on a long history would take the square of it. */
static enum err_code history_of(struct sqlite_conn *c, int64_t user_key, struct sqlite_history *out,
                                struct err *e)
{
    *out = c->history;
    if (c->writing && out->user == user_key && out->n >= 0)
        return ERR_OK;
    sqlite3_stmt *s = sqlite_statement(c, SQL_HISTORY_OF);
    sqlite3_bind_int64(s, 1, user_key);
    int rc = sqlite3_step(s);
    enum err_code code = rc == SQLITE_ROW ? ERR_OK : sqlite_fail(c, rc, "read a user's interactions", e);
    if (!code) /* of no rows: NULL, which reads as 0 */
        *out = (struct sqlite_history){.user = user_key,
                                       .n = sqlite3_column_int64(s, 0),
                                       .newest = sqlite3_column_int64(s, 1),
                                       .next_arrival = sqlite3_column_int64(s, 2) + 1};
    sqlite3_reset(s);
    if (!code && c->writing)
        c->history = *out;
    return code;
}

static enum err_code next_position(struct sqlite_conn *c, int64_t user_key, int64_t *position, struct err *e)
{
    struct sqlite_history history;
    enum err_code code = ERR_OK;
    if (c->history.user != user_key)
        code = history_of(c, user_key, &history, e);
    if (!code)
        *position = c->history.next_arrival++;
    return code;
}

struct interaction {
    int64_t user_key, item_key, position;
    bool followed;
    const struct store_event *is;
};

/* Whether a row was written. */
static enum err_code write_interaction(struct sqlite_conn *c, enum sqlite_statement which,
                                       const struct interaction *x, bool *written, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    sqlite_bind_event(s, x->user_key, x->item_key, x->is, x->position, x->followed);
    enum err_code code = sqlite_run(c, s, "write an interaction", e);
    *written = !code && sqlite3_changes(c->db) > 0;
    return code;
}

void sqlite_bind_event(sqlite3_stmt *s, int64_t user_key, int64_t item_key, const struct store_event *x,
                       int64_t position, bool followed)
{
    sqlite3_bind_int64(s, 1, user_key);
    sqlite3_bind_int64(s, 2, item_key);
    sqlite3_bind_double(s, 3, x->weight);
    if (isnan(x->rating))
        sqlite3_bind_null(s, 4);
    else
        sqlite3_bind_double(s, 4, x->rating);
    sqlite3_bind_int64(s, 5, x->timestamp);
    sqlite3_bind_int64(s, 6, position);
    sqlite3_bind_int(s, 7, followed);
    sqlite3_bind_int(s, 8, x->kind);
    sqlite3_bind_int(s, 9, x->count ? x->count : 1);
    sqlite3_bind_int64(s, 10, x->first == x->timestamp ? 0 : x->first);
}

enum err_code sqlite_count_older(struct sqlite_conn *c, int64_t user_key, int64_t item_key,
                                 const struct store_event *x, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_COUNT_OLDER);
    sqlite3_bind_int64(s, 1, user_key);
    sqlite3_bind_int64(s, 2, item_key);
    sqlite3_bind_int(s, 3, x->kind);
    sqlite3_bind_int(s, 4, x->count ? x->count : 1);
    sqlite3_bind_int64(s, 5, x->first ? x->first : x->timestamp);
    return sqlite_run(c, s, "write an interaction", e);
}

/* The oldest of too many go, a few at a time; after n ids were remembered, which have the numbers in front of
 * the last one. An id that is known takes no number: numbers that were passed over would pass over the
 * multiples, too, and would count as ids where these are bounded. */
static enum err_code trim_ids(struct sqlite_conn *c, int64_t n, struct err *e)
{
    int64_t number = sqlite3_last_insert_rowid(c->db);
    if (!n || number / SQLITE_TRIM_EVERY == (number - n) / SQLITE_TRIM_EVERY)
        return ERR_OK;
    return sqlite_run_with_key(c, SQL_TRIM_EVENT_IDS, number - LIMIT_EVENT_IDS, "trim the ids of events", e);
}

/* Remembers an event's id; *repeated: it was put before. */
static enum err_code know_id(struct sqlite_conn *c, int64_t user_key, struct text id, bool *repeated,
                             struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_NEW_EVENT_ID);
    sqlite3_bind_int64(s, 1, user_key);
    sqlite_bind_text_view(s, 2, id);
    enum err_code code = sqlite_run(c, s, "remember an event's id", e);
    *repeated = !code && sqlite3_changes(c->db) == 0;
    return code ? code : trim_ids(c, !*repeated, e);
}

enum err_code sqlite_knows_event(struct store_conn *conn, struct text user, struct text id, bool *known,
                                 struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    sqlite3_stmt *s = sqlite_statement(c, SQL_KNOWS_EVENT_ID);
    sqlite_bind_text_view(s, 1, user);
    sqlite_bind_text_view(s, 2, id);
    int rc = sqlite3_step(s);
    *known = rc == SQLITE_ROW;
    enum err_code code =
        *known || rc == SQLITE_DONE ? ERR_OK : sqlite_fail(c, rc, "look for an event's id", e);
    sqlite3_reset(s);
    return code;
}

/* Writes the event; *put says what became of it. */
static enum err_code write_event(struct sqlite_conn *c, struct interaction *x, bool asked,
                                 enum store_put *put, struct err *e)
{
    bool is_new = false, written = false;
    enum err_code code = next_position(c, x->user_key, &x->position, e);
    if (!code && asked) /* most are new, and then no row need be looked for first */
        code = write_interaction(c, SQL_NEW_INTERACTION, x, &is_new, e);
    if (!code && !is_new)
        code = write_interaction(c, SQL_PUT_INTERACTION, x, &written, e);
    if (!code && !is_new && !written)
        code = sqlite_count_older(c, x->user_key, x->item_key, x->is, e);
    if (code)
        return code;
    if ((is_new || written) && x->is->timestamp > c->history.newest)
        c->history.newest = x->is->timestamp;
    if (!asked)
        c->history.n = -1; /* nobody looked whether it is one more */
    else if (is_new && c->history.n >= 0)
        c->history.n++;
    *put = is_new ? STORE_PUT_NEW : written ? STORE_PUT_REPLACED : STORE_PUT_OLDER;
    return ERR_OK;
}

enum err_code sqlite_put_event(struct store_conn *conn, struct text user, struct text item,
                               const struct store_event *event, enum store_put *put, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    struct interaction x = {.is = event};
    enum store_put became = STORE_PUT_REPEATED;
    bool repeated = false;
    enum err_code code = sqlite_check_writing(c, e);
    if (!code)
        code = sqlite_user_key(c, user, &x.user_key, e);
    if (!code)
        code = sqlite_check_kind(c, event->kind, e);
    if (!code && event->id.data)
        code = know_id(c, x.user_key, event->id, &repeated, e);
    if (!code && !repeated)
        code = item_key_or_new(c, item, &x.item_key, &x.followed, e);
    if (!code && !repeated)
        code = write_event(c, &x, put != NULL, &became, e);
    if (!code && put)
        *put = became;
    return code;
}

enum err_code sqlite_remove_interactions(struct store_conn *conn, struct text user, struct text item,
                                         int32_t kind, int64_t *n, struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    int64_t user_key, item_key;
    *n = 0;
    enum err_code code = sqlite_check_writing(c, e);
    if (!code)
        code = sqlite_user_key(c, user, &user_key, e);
    if (!code)
        code = sqlite_find_item(c, item, &item_key, e);
    if (code || !item_key)
        return code;
    c->history.user = 0;
    c->erases = true;
    sqlite3_stmt *s = sqlite_statement(c, SQL_REMOVE_INTERACTIONS);
    sqlite3_bind_int64(s, 1, user_key);
    sqlite3_bind_int64(s, 2, item_key);
    sqlite3_bind_int(s, 3, kind);
    code = sqlite_run(c, s, "take interactions away", e);
    if (!code)
        *n = sqlite3_changes(c->db);
    return code;
}

/* Runs a statement of (from, to). */
static enum err_code run_with_two(struct sqlite_conn *c, enum sqlite_statement which, int64_t from,
                                  int64_t to, int64_t position, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, which);
    sqlite3_bind_int64(s, 1, from);
    sqlite3_bind_int64(s, 2, to);
    if (position)
        sqlite3_bind_int64(s, 3, position);
    return sqlite_run(c, s, "add a user's interactions to another's", e);
}

/* What arrived of the other user arrived after what is there; a row that is older than the one of its key is
 * counted before the newer ones are put. */
enum err_code sqlite_add_interactions_of(struct store_conn *conn, struct text from, struct text to,
                                         struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    struct sqlite_history history;
    int64_t from_key, to_key;
    enum err_code code = sqlite_check_writing(c, e);
    if (!code)
        code = sqlite_user_key(c, from, &from_key, e);
    if (!code)
        code = sqlite_user_key(c, to, &to_key, e);
    c->history.user = 0;
    if (!code)
        code = history_of(c, to_key, &history, e);
    if (!code)
        code = run_with_two(c, SQL_COUNT_OLDER_OF, from_key, to_key, 0, e);
    if (!code)
        code = run_with_two(c, SQL_ADD_INTERACTIONS_OF, from_key, to_key, history.next_arrival, e);
    if (!code)
        code = run_with_two(c, SQL_ADD_EVENT_IDS_OF, from_key, to_key, 0, e);
    if (!code)
        code = trim_ids(c, sqlite3_changes64(c->db), e);
    c->history.user = 0;
    return code;
}

static enum err_code history_of_id(struct sqlite_conn *c, struct text user, struct sqlite_history *out,
                                   struct err *e)
{
    int64_t key;
    enum err_code code = sqlite_user_key(c, user, &key, e);
    return code ? code : history_of(c, key, out, e);
}

enum err_code sqlite_count_interactions(struct store_conn *conn, struct text user, size_t *n, struct err *e)
{
    struct sqlite_history history;
    enum err_code code = history_of_id(conn_of(conn), user, &history, e);
    if (!code)
        *n = (size_t)history.n;
    return code;
}

enum err_code sqlite_newest_time(struct store_conn *conn, struct text user, int64_t *timestamp, struct err *e)
{
    struct sqlite_history history;
    enum err_code code = history_of_id(conn_of(conn), user, &history, e);
    if (!code)
        *timestamp = history.newest;
    return code;
}

enum err_code sqlite_read_history(struct store_conn *conn, struct text id, struct store_history *out,
                                  struct err *e)
{
    struct sqlite_conn *c = conn_of(conn);
    struct sqlite_history history;
    int64_t key, revision;
    enum err_code code = sqlite_find_revision(c, id, &key, &revision, e);
    if (!code)
        code = history_of(c, key, &history, e);
    if (!code)
        *out = (struct store_history){revision, history.n, history.newest, history.next_arrival};
    return code;
}
