/* What is JSON in the store goes out as it lies there. */
#include "server/data/store_export.h"

#include "base/limits.h"
#include "base/value_text.h"
#include "server/data/key_ids.h"
#include "server/data/table_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { LINE_BYTES = LIMIT_PROFILE_BYTES + LIMIT_METADATA_BYTES + LIMIT_LINE_BYTES };

/* A kind of events, read before the interactions. */
struct exported_kind {
    int32_t number;
    char name[LIMIT_KIND_BYTES + 1];
};

struct exporting {
    const struct store_export_options *o;
    struct store_export_report *report;
    struct store_conn *conn;
    struct key_ids users, items;
    struct exported_kind kinds[LIMIT_KINDS]; /* (n_kinds) */
    size_t n_kinds;
    struct buf line;
    enum err_code code;
    struct err *e;
};

static void add_number(struct buf *line, double x)
{
    char text[VALUE_TEXT_ROOM];
    value_text_of_number(x, text);
    buf_adds(line, text);
}

static void add_text(struct buf *line, const char *before, struct text text)
{
    buf_adds(line, before);
    buf_add_json_string(line, text.data, text.len);
}

/* A value that is JSON already. */
static void add_json(struct buf *line, const char *before, struct text json)
{
    if (!json.len)
        return;
    buf_adds(line, before);
    buf_add(line, json.data, json.len);
}

/* Ends the line and writes it; whether to go on. */
static bool write_line(struct exporting *x, enum store_export_table table)
{
    buf_adds(&x->line, "}\n");
    x->code = buf_check(&x->line, "a line of a table", x->e);
    if (!x->code)
        x->code = table_out_write(x->o->tables[table], x->line.data, x->line.len, x->e);
    x->report->n_rows[table] += !x->code;
    buf_reset(&x->line);
    return !x->code;
}

/* What there is to say of when answers may have an item. */
static void add_life(struct buf *line, const struct store_item_life *life)
{
    if (life->hidden)
        buf_adds(line, ",\"hidden\":true");
    if (life->from != STORE_ALWAYS_FROM)
        buf_addf(line, ",\"available_from\":%" PRId64, life->from);
    if (life->until != STORE_ALWAYS_UNTIL)
        buf_addf(line, ",\"available_until\":%" PRId64, life->until);
    if (life->created)
        buf_addf(line, ",\"created\":%" PRId64, life->created);
}

/* ---- rows ---- */

static bool write_item(void *arg, const struct store_item *item)
{
    struct exporting *x = arg;
    if (x->o->tables[EXPORT_INTERACTIONS])
        x->code = key_ids_add(&x->items, item->key, item->id, x->e);
    if (x->code || !x->o->tables[EXPORT_ITEMS])
        return !x->code;
    add_text(&x->line, "{\"item\":", item->id);
    if (item->title.data)
        add_text(&x->line, ",\"title\":", item->title);
    add_json(&x->line, ",\"categories\":", item->categories);
    add_json(&x->line, ",\"metadata\":", item->metadata);
    if (item->deleted)
        buf_adds(&x->line, ",\"deleted\":true");
    add_life(&x->line, &item->life);
    x->report->n_deleted += item->deleted;
    return write_line(x, EXPORT_ITEMS);
}

static bool write_user(void *arg, int64_t user_key, struct text id, struct text profile, int64_t revision)
{
    struct exporting *x = arg;
    (void)revision;
    if (x->o->tables[EXPORT_INTERACTIONS] || x->o->tables[EXPORT_CONTEXTS])
        x->code = key_ids_add(&x->users, user_key, id, x->e);
    if (x->code || !x->o->tables[EXPORT_USERS])
        return !x->code;
    add_text(&x->line, "{\"user\":", id);
    add_json(&x->line, ",\"profile\":", profile);
    return write_line(x, EXPORT_USERS);
}

void store_export_add_interaction(struct buf *line, const struct store_interaction *i, const char *kind)
{
    if (kind) {
        buf_adds(line, ",\"kind\":");
        buf_add_json_string(line, kind, strlen(kind));
        buf_addf(line, ",\"count\":%d", i->count ? (int)i->count : 1);
    }
    if (kind && (i->first || i->timestamp)) {
        buf_adds(line, ",\"first\":");
        buf_add_int(line, i->first ? i->first : i->timestamp);
    }
    if (i->weight != 1) {
        buf_adds(line, ",\"weight\":");
        add_number(line, i->weight);
    }
    if (!isnan(i->rating)) {
        buf_adds(line, ",\"rating\":");
        add_number(line, i->rating);
    }
    if (i->timestamp) {
        buf_adds(line, kind ? ",\"last\":" : ",\"timestamp\":");
        buf_add_int(line, i->timestamp);
    }
}

/* The name of the kind, where there is more to say than what every interaction says; else NULL. */
static const char *kind_to_say(const struct exporting *x, const struct store_interaction *i)
{
    bool plain = i->kind == STORE_KIND_NONE && i->count <= 1 && (!i->first || i->first == i->timestamp);
    for (size_t k = 0; !plain && k < x->n_kinds; k++)
        if (x->kinds[k].number == i->kind)
            return x->kinds[k].name;
    return NULL;
}

static bool take_kind(void *arg, const struct store_kind *kind)
{
    struct exporting *x = arg;
    struct exported_kind *k = &x->kinds[x->n_kinds++];
    k->number = (int32_t)kind->number;
    (void)snprintf(k->name, sizeof k->name, "%.*s", (int)kind->name.len, kind->name.data);
    return x->n_kinds < LIMIT_KINDS;
}

static bool write_kind(void *arg, const struct store_kind *kind)
{
    struct exporting *x = arg;
    add_text(&x->line, "{\"name\":", kind->name);
    buf_adds(&x->line, ",\"weight\":");
    add_number(&x->line, kind->weight);
    buf_addf(&x->line, ",\"negative\":%s,\"seen\":%s,\"ttl_seconds\":", kind->negative ? "true" : "false",
             kind->unseen ? "false" : "true");
    if (kind->ttl)
        buf_add_int(&x->line, kind->ttl);
    else
        buf_adds(&x->line, "null");
    return write_line(x, EXPORT_KINDS);
}

static bool write_interaction(void *arg, int64_t user_key, const struct store_interaction *i)
{
    struct exporting *x = arg;
    struct text user = key_ids_text(&x->users, user_key), item = key_ids_text(&x->items, i->item_key);
    if (!user.data || !item.data) {
        x->code = err_set(x->e, ERR_CORRUPT, "an interaction names a user or an item that there is not");
        return false;
    }
    add_text(&x->line, "{\"user\":", user);
    add_text(&x->line, ",\"item\":", item);
    store_export_add_interaction(&x->line, i, kind_to_say(x, i));
    return write_line(x, EXPORT_INTERACTIONS);
}

/* ---- contexts ---- */

/* Little-endian float32, as the store's contexts are. */
static float component(const char *bytes)
{
    uint32_t bits = 0;
    float x;
    for (unsigned j = 0; j < 4; j++)
        bits |= (uint32_t)(unsigned char)bytes[j] << (8 * j);
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool write_context(struct exporting *x, struct text user, const struct buf *embedding)
{
    add_text(&x->line, "{\"user\":", user);
    buf_adds(&x->line, ",\"embedding\":");
    for (size_t i = 0; i + 4 <= embedding->len; i += 4) {
        buf_addc(&x->line, i ? ',' : '[');
        buf_add_float(&x->line, component(embedding->data + i));
    }
    buf_addc(&x->line, ']');
    return write_line(x, EXPORT_CONTEXTS);
}

/* A given context is good whatever its user did since. */
static enum err_code write_contexts(struct exporting *x, struct err *e)
{
    const struct store_context_key key = {x->o->model, x->o->model_version, "user"};
    struct store_user user = {0};
    enum err_code code = ERR_OK;
    for (size_t k = 1; k < x->users.n_keys && !code; k++) {
        struct text id = key_ids_text(&x->users, (int64_t)k);
        if (!id.data)
            continue;
        code = store_read_user(x->conn, id, &key, &user, e);
        if (!code && user.embedding_given && user.embedding.len && !write_context(x, id, &user.embedding))
            code = x->code;
    }
    store_user_fini(&user);
    return code;
}

/* ---- all ---- */

static enum err_code write_tables(struct exporting *x, struct err *e)
{
    FILE *const *tables = x->o->tables;
    enum err_code code = ERR_OK;
    if (tables[EXPORT_ITEMS] || tables[EXPORT_INTERACTIONS])
        code = store_each_item(x->conn, 0, write_item, x, e);
    bool users = tables[EXPORT_USERS] || tables[EXPORT_INTERACTIONS] || tables[EXPORT_CONTEXTS];
    if (!code && !x->code && users)
        code = store_each_user(x->conn, write_user, x, e);
    if (!code && !x->code && tables[EXPORT_INTERACTIONS])
        code = store_each_kind(x->conn, take_kind, x, e);
    if (!code && !x->code && tables[EXPORT_INTERACTIONS])
        code = store_each_interaction(x->conn, write_interaction, x, e);
    if (!code && !x->code && tables[EXPORT_CONTEXTS])
        code = write_contexts(x, e);
    if (!code && !x->code && tables[EXPORT_KINDS])
        code = store_each_kind(x->conn, write_kind, x, e);
    return x->code ? x->code : code;
}

enum err_code store_export_run(struct store_conn *c, const struct store_export_options *o,
                               struct store_export_report *report, struct err *e)
{
    struct exporting x = {.o = o, .report = report, .conn = c, .e = e};
    *report = (struct store_export_report){0};
    buf_init(&x.line, LINE_BYTES);
    enum err_code code = store_snapshot_begin(c, e);
    if (!code) {
        code = write_tables(&x, e);
        store_snapshot_end(c);
    }
    buf_fini(&x.line);
    key_ids_fini(&x.users);
    key_ids_fini(&x.items);
    return code;
}
