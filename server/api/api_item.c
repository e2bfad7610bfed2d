/* GET /v1/items/{item}, PUT, PATCH and DELETE /v1/admin/items/{item}, POST /v1/admin/items. Faults of a
 * body's parts are gathered, as in api_register.c. */
#include "server/api/api_lists.h"

#include "base/limits.h"
#include "server/api/batch.h"
#include "server/api/item_life_body.h"
#include "server/api/json_body.h"
#include "server/http/problem_list.h"
#include "server/serving/item_updates.h"

#include <string.h>

/* Items of a body. */
struct item_batch {
    struct request *r;
    struct batch b;
    struct item_registration *list; /* (n) */
    size_t n;
    struct model_handle *handle;
    bool skip;
    struct session_answerable answerable;
};

/* ---- bodies ---- */

/* A value as JSON text of at most so many bytes. */
static bool dump(struct request *r, struct batch *b, const json_t *value, const struct json_place *at,
                 size_t most, struct text *out)
{
    size_t n = json_dumpb(value, NULL, 0, JSON_COMPACT);
    if (n > most) {
        problem_answer(r, PROBLEM_INVALID_VALUE, at->text, "it may have %zu bytes, not %zu", most, n);
        return false;
    }
    char *text = batch_alloc(r, b, n + 1, 1);
    if (!text)
        return false;
    (void)json_dumpb(value, text, n, JSON_COMPACT);
    *out = (struct text){text, n};
    return true;
}

static bool read_title(struct request *r, const json_t *title, const struct json_place *parent,
                       struct text *out)
{
    struct json_place at = json_place_key(parent, "title");
    size_t n = json_string_length(title);
    if (!json_is_string(title) || n > LIMIT_TITLE_BYTES || memchr(json_string_value(title), 0, n)) {
        problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "a title is a string of at most %d bytes",
                       LIMIT_TITLE_BYTES);
        return false;
    }
    *out = (struct text){json_string_value(title), n};
    return true;
}

static bool read_categories(struct request *r, struct batch *b, const json_t *list,
                            const struct json_place *parent, struct text *out)
{
    struct json_place at = json_place_key(parent, "categories");
    bool ok = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *name = json_array_get(list, i);
        struct json_place element = json_place_index(&at, i);
        size_t n = json_string_length(name);
        if (!json_is_string(name) || n == 0 || n > LIMIT_ID_BYTES || memchr(json_string_value(name), 0, n)) {
            problem_answer(r, PROBLEM_INVALID_VALUE, element.text, "a category is a string of 1 to %d bytes",
                           LIMIT_ID_BYTES);
            ok = false;
        }
    }
    return ok && dump(r, b, list, &at, (size_t)LIMIT_CATEGORIES * (LIMIT_ID_BYTES + 4) * 6, out);
}

static bool read_metadata(struct request *r, struct batch *b, const json_t *metadata,
                          const struct json_place *parent, struct text *out)
{
    struct json_place at = json_place_key(parent, "metadata");
    if (json_is_object(metadata))
        return dump(r, b, metadata, &at, LIMIT_METADATA_BYTES, out);
    problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "metadata is an object");
    return false;
}

/* The value of a key, and whether it is null, which a patch may say to take away what there is. */
static const json_t *member(const struct item_registration *g, const json_t *value, const char *key,
                            bool *none)
{
    const json_t *m = json_object_get(value, key);
    *none = g->patch && json_is_null(m);
    return *none ? NULL : m;
}

/* One item; its id is given (PUT, PATCH) or a member (POST). */
static bool read_item(struct request *r, struct batch *b, const json_t *value, const struct json_place *at,
                      bool with_id, struct item_registration *g)
{
    static const char *const keys[] = {
        "title",           "categories", "metadata", "hidden", "available_from",
        "available_until", "created",    "id",       NULL};
    static const char *const keys_without_id[] = {"title",          "categories",      "metadata", "hidden",
                                                  "available_from", "available_until", "created",  NULL};
    const json_t *list;
    bool ok = json_body_object(r, value, at, with_id ? keys : keys_without_id);
    if (!json_is_object(value))
        return false;
    ok = (!with_id || json_body_id(r, value, "id", "item", at, &g->item.id)) && ok;
    ok = item_life_body_read(r, value, at, g) && ok;
    const json_t *title = member(g, value, "title", &g->no_title);
    const json_t *categories = member(g, value, "categories", &g->no_categories);
    const json_t *metadata = member(g, value, "metadata", &g->no_metadata);
    ok = (!title || read_title(r, title, at, &g->item.title)) && ok;
    if (categories)
        ok = json_body_array(r, value, "categories", at, LIMIT_CATEGORIES, true, &list) &&
             read_categories(r, b, list, at, &g->item.categories) && ok;
    return (!metadata || read_metadata(r, b, metadata, at, &g->item.metadata)) && ok;
}

static bool reserve_items(void *arg, size_t n)
{
    struct item_batch *items = arg;
    items->n = n;
    items->list = batch_alloc(items->r, &items->b, n, sizeof *items->list);
    return items->list != NULL;
}

/* Reads one item of many; a fault leaves it marked. */
static void read_one(void *arg, size_t i, const json_t *value, const struct json_place *at)
{
    struct item_batch *items = arg;
    struct item_registration *g = &items->list[i];
    g->handle = items->handle;
    g->refused = !value || !read_item(items->r, &items->b, value, at, true, g);
}

/* ---- answers ---- */

/* The end of an answer about an item. */
static void add_ranking(struct buf *out, const char *source, const char *unranked)
{
    buf_addf(out, ",\"source\":\"%s\",\"ranked\":%s", source, unranked ? "false" : "true");
    if (unranked)
        buf_addf(out, ",\"reason\":\"%s\"", unranked);
    buf_addc(out, '}');
}

static void add_registered(struct buf *out, const struct item_registration *g, const char *source)
{
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->item.id.data, g->item.id.len);
    buf_addf(out, ",\"result\":\"%s\",\"revision\":%lld",
             g->patch     ? "updated"
             : g->created ? "registered"
                          : "replaced",
             (long long)g->item.revision);
    add_ranking(out, source, g->unranked);
}

/* An error against one item, or a member of it (NULL: none), joins the faults; false: it is against the
 * whole. */
static bool blame(struct request *r, const char *list, size_t index, const char *member, const struct err *e)
{
    struct json_place at = json_place_root();
    if (list) {
        at = json_place_key(&at, list);
        at = json_place_index(&at, index);
    }
    if (member)
        at = json_place_key(&at, member);
    r->faults->part = index;
    bool blamed = e->code == ERR_INVALID || e->code == ERR_LIMIT;
    if (blamed)
        problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "%s", e->text);
    return blamed;
}

static void refuse_missing(struct api_thread *t, struct request *r, struct text id, const struct err *e)
{
    if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_NO_ITEM, NULL, "%s%s", e->text, update_missing_item(&t->session, id));
    else
        api_fail(t, r, e);
}

/* Writes what was read. With skip, what is refused is left out; else a fault refuses all. False: answered. */
static bool write_items(struct api_thread *t, struct item_batch *items, const char *list)
{
    struct request *r = items->r;
    bool blamed = items->b.faults.n > 0;
    struct err e = {0};
    while (items->skip || !blamed) {
        size_t at;
        err_clear(&e);
        if (update_items(&t->session, items->list, items->n, &items->answerable, &at, &e) == ERR_OK)
            return true;
        if (at == items->n) {
            api_fail(t, r, &e);
            return false;
        }
        if (!blame(r, list, at, items->list[at].fault, &e)) {
            refuse_missing(t, r, items->list[at].item.id, &e);
            return false;
        }
        blamed = items->list[at].refused = true;
    }
    problem_answer_list(r, &items->b.faults, "nothing of the request was kept");
    return false;
}

/* ---- the calls ---- */

/* What is known of an item after the commit alone: where its row is from, and why it is not ranked. */
enum { RANKING_BYTES = 256 };

static enum err_code rehearse_item(void *arg, struct err *e)
{
    struct item_batch *items = arg;
    add_registered(request_answer(items->r, 200, request_json), items->list, "");
    return batch_rehearsed(items->r, RANKING_BYTES, e);
}

static void write_item(struct api_thread *t, struct request *r, bool patch)
{
    struct item_registration g = {.patch = patch};
    struct item_batch items = {.r = r, .list = &g, .n = 1};
    struct json_place at = json_place_root();
    if (!api_item_id(r, 3, &g.item.id) || !api_model(t, r, &g.handle))
        return;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    items.answerable = (struct session_answerable){rehearse_item, &items};
    batch_init(r, &items.b, false);
    (void)read_item(r, &items.b, root, &at, false, &g); /* what is wrong is gathered */
    if (!r->status && write_items(t, &items, NULL))
        add_registered(request_answer(r, g.created ? 201 : 200, request_json), &g, g.source);
    batch_fini(r, &items.b);
    json_decref(root);
}

void api_admin_item_put(struct api_thread *t, struct request *r)
{
    write_item(t, r, false);
}

void api_admin_item_patch(struct api_thread *t, struct request *r)
{
    write_item(t, r, true);
}

/* known: where the items' rows are from. */
static void answer_items(struct item_batch *items, bool known)
{
    struct buf *out = request_answer(items->r, 200, request_json);
    bool any = false;
    buf_adds(out, "{\"items\":[");
    for (size_t i = 0; i < items->n; i++) {
        if (items->list[i].refused)
            continue;
        if (any)
            buf_addc(out, ',');
        any = true;
        add_registered(out, &items->list[i], known ? items->list[i].source : "");
    }
    buf_addc(out, ']');
    if (items->skip)
        batch_add_refused(&items->b, out);
    buf_addc(out, '}');
}

static enum err_code rehearse_items(void *arg, struct err *e)
{
    struct item_batch *items = arg;
    answer_items(items, false);
    return batch_rehearsed(items->r, items->n * RANKING_BYTES, e);
}

void api_admin_items_post(struct api_thread *t, struct request *r)
{
    struct item_batch items = {.r = r};
    if (!api_model(t, r, &items.handle) || !api_on_error_param(r, &items.skip))
        return;
    items.answerable = (struct session_answerable){rehearse_items, &items};
    batch_init(r, &items.b, items.skip);
    struct batch_parts parts = {.name = "items",
                                .mark = "id",
                                .most = LIMIT_ITEMS_PER_CALL,
                                .lines = request_type_is(r, "application/x-ndjson", NULL),
                                .arg = &items,
                                .reserve = reserve_items,
                                .read = read_one};
    if (batch_read(r, &items.b, &parts) && write_items(t, &items, "items"))
        answer_items(&items, true);
    batch_fini(r, &items.b);
}

void api_admin_item_delete(struct api_thread *t, struct request *r)
{
    struct text id;
    struct err e = {0};
    if (!api_item_id(r, 3, &id))
        return;
    if (update_delete_item(&t->session, id, &e) == ERR_OK)
        (void)request_answer(r, 204, NULL);
    else
        refuse_missing(t, r, id, &e);
}

struct showing {
    struct buf *out;
    struct request *r;
    bool deleted;
};

static void add_json(struct buf *out, const char *key, struct text json)
{
    if (!json.data)
        return;
    buf_addf(out, ",\"%s\":", key);
    buf_add(out, json.data, json.len);
}

void api_item_add_known(struct buf *out, const struct store_item *item)
{
    if (item->title.data) {
        buf_adds(out, ",\"title\":");
        buf_add_json_string(out, item->title.data, item->title.len);
    }
    add_json(out, "categories", item->categories);
    add_json(out, "metadata", item->metadata);
    item_life_body_add(out, &item->life);
}

static bool show(void *arg, const struct store_item *item)
{
    struct showing *s = arg;
    s->deleted = item->deleted;
    if (item->deleted)
        return true;
    struct buf *out = s->out = request_answer(s->r, 200, request_json);
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, item->id.data, item->id.len);
    buf_addf(out, ",\"revision\":%lld", (long long)item->revision);
    api_item_add_known(out, item);
    return true;
}

void api_item_get(struct api_thread *t, struct request *r)
{
    struct text id;
    struct model_handle *handle;
    struct err e = {0};
    struct showing s = {.r = r};
    if (!api_item_id(r, 2, &id) || !api_model(t, r, &handle))
        return;
    if (store_read_item(t->session.conn, id, show, &s, &e) == ERR_OK && s.deleted)
        (void)err_set(&e, ERR_NOTFOUND, "item '%.*s' was deleted", (int)id.len, id.data);
    if (e.code)
        refuse_missing(t, r, id, &e);
    else
        add_ranking(s.out, update_item_source(handle, id), update_item_unranked(handle, id));
}
