/* Kinds of events. What a kind says is read with the interactions, in their snapshot, so no process ever
 * reads them by what it said before; of interactions without a kind nothing need be read. */
#include "store/sqlite/private.h"

#include <string.h>

/* Fills c->kinds with what is there now. */
static enum err_code read_kinds(struct sqlite_conn *c, struct err *e)
{
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_KIND);
    int rc;
    memset(c->kinds, 0, sizeof c->kinds);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(s, 0);
        bool negative = sqlite3_column_int(s, 3) != 0;
        if (number < 0 || number >= LIMIT_KINDS)
            continue;
        c->kinds[number] = (struct sqlite_kind){
            .there = true, .unseen = sqlite3_column_int(s, 4) != 0, .effect = sqlite3_column_double(s, 2)};
        if (negative)
            c->kinds[number].effect = -c->kinds[number].effect;
    }
    return sqlite_stepped(c, s, rc, "read the kinds of events", e);
}

enum err_code sqlite_tell_kinds(struct sqlite_conn *c, struct sqlite_interaction *rows, size_t n,
                                struct err *e)
{
    size_t i = 0;
    while (i < n && rows[i].x.kind == STORE_KIND_NONE)
        i++;
    enum err_code code = i < n ? read_kinds(c, e) : ERR_OK;
    for (; i < n && !code; i++) {
        const struct sqlite_kind *kind = &c->kinds[rows[i].x.kind];
        if (rows[i].x.kind == STORE_KIND_NONE)
            continue;
        if (!kind->there)
            code = sqlite_fail(c, SQLITE_CORRUPT, "an interaction of a kind that is not there", e);
        rows[i].x.effect = kind->effect;
        rows[i].x.unseen = kind->unseen;
    }
    return code;
}

enum err_code sqlite_check_kind(struct sqlite_conn *c, int32_t number, struct err *e)
{
    if (number == STORE_KIND_NONE || c->kinds[number].there) /* and none ever goes */
        return ERR_OK;
    enum err_code code = read_kinds(c, e);
    if (!code && !c->kinds[number].there)
        code = err_set(e, ERR_INVALID, "no kind of events has the number %d", (int)number);
    return code;
}

enum err_code sqlite_each_kind(struct store_conn *conn, store_kind_fn *fn, void *arg, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    sqlite3_stmt *s = sqlite_statement(c, SQL_EACH_KIND);
    enum err_code code = ERR_OK;
    bool wanted = true;
    int rc = SQLITE_DONE;
    while (!code && wanted && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct store_kind kind = {.number = sqlite3_column_int64(s, 0),
                                  .weight = sqlite3_column_double(s, 2),
                                  .negative = sqlite3_column_int(s, 3) != 0,
                                  .unseen = sqlite3_column_int(s, 4) != 0,
                                  .ttl = sqlite3_column_int64(s, 5)};
        code = sqlite_column_view(c, s, 1, true, &kind.name, e);
        wanted = !code && fn(arg, &kind);
    }
    enum err_code ended = sqlite_stepped(c, s, rc, "read the kinds of events", e);
    return code ? code : ended;
}

/* ---- changes ---- */

/* The kind of this name, its number -1 when there is none, and the next free number. */
struct sought {
    const struct store_kind *wanted;
    struct store_kind found;
    int64_t next;
};

static bool look(void *arg, const struct store_kind *kind)
{
    struct sought *s = arg;
    s->next = kind->number + 1;
    if (text_compare(kind->name, s->wanted->name) == 0)
        s->found = *kind; /* its name is not looked at again */
    return true;
}

/* Whoever has interactions of the kind is another one from here on, and so is what others cached. */
static enum err_code touch_all(struct sqlite_conn *c, int64_t number, struct err *e)
{
    int64_t change;
    enum err_code code = sqlite_new_change(c, "all", 0, &change, e);
    if (code)
        return code;
    sqlite3_stmt *s = sqlite_statement(c, SQL_TOUCH_KIND);
    sqlite3_bind_int64(s, 1, number);
    sqlite3_bind_int64(s, 2, change);
    return sqlite_run(c, s, "write the users of a kind of events", e);
}

enum err_code sqlite_put_kind(struct store_conn *conn, const struct store_kind *kind, bool *changed,
                              struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)conn;
    struct sought s = {.wanted = kind, .found.number = -1};
    enum err_code code = sqlite_check_writing(c, e);
    if (!code)
        code = sqlite_each_kind(conn, look, &s, e);
    if (code)
        return code;
    const struct store_kind *was = &s.found;
    bool is_new = was->number < 0;
    bool says = is_new || was->weight < kind->weight || was->weight > kind->weight ||
                was->negative != kind->negative || was->unseen != kind->unseen;
    *changed = says || was->ttl != kind->ttl;
    if (is_new && s.next >= LIMIT_KINDS)
        return err_set(e, ERR_LIMIT, "a store has at most %d kinds of events", LIMIT_KINDS);
    if (was->number == STORE_KIND_NONE && says)
        return err_set(e, ERR_CONFLICT, "'%.*s' is what has no kind: its weight is 1, and it counts as seen",
                       (int)kind->name.len, kind->name.data);
    if (!*changed)
        return ERR_OK;
    sqlite3_stmt *put = sqlite_statement(c, SQL_PUT_KIND);
    sqlite3_bind_int64(put, 1, is_new ? s.next : was->number);
    sqlite_bind_text_view(put, 2, kind->name);
    sqlite3_bind_double(put, 3, kind->weight);
    sqlite3_bind_int(put, 4, kind->negative);
    sqlite3_bind_int(put, 5, kind->unseen);
    if (kind->ttl)
        sqlite3_bind_int64(put, 6, kind->ttl);
    code = sqlite_run(c, put, "write a kind of events", e);
    return code || is_new || !says ? code : touch_all(c, was->number, e);
}
