/* POST /v1/users/{user}/predictions: scores of given items, or of the caller's own input rows. */
#include "server/api.h"

#include "base/limits.h"
#include "base/mem.h"
#include "engine/catalogue.h"
#include "server/json_in.h"
#include "server/problem.h"

/* Beyond this many rows, or bytes to parse, the call goes to a worker, so that others on the connection's thread do
 * not wait. */
enum { MOST_ROWS_AT_ONCE = 512, MOST_BYTES_AT_ONCE = 32 * 1024 };

static bool read_items(struct api_thread *t, struct request *r, size_t slot, const json_t *items,
                       uint32_t *indices)
{
    const struct model *m = t->api->serving->models[slot].model;
    const struct item_table *table = personal_items(t->personal, slot);
    struct json_place root = json_place_root(), list = json_place_key(&root, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *id = json_array_get(items, i);
        if (!json_is_string(id)) {
            struct json_place at = json_place_index(&list, i);
            problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "an item's id is a string");
            return false;
        }
        long index =
            item_table_find(table, (struct store_text){json_string_value(id), json_string_length(id)});
        if (index < 0) {
            struct json_place at = json_place_index(&list, i);
            problem_answer(r, PROBLEM_UNKNOWN_ITEM, at.text, "model '%s' has no item '%.200s'", m->spec.name,
                           json_string_value(id));
            return false;
        }
        indices[i] = (uint32_t)index;
    }
    return true;
}

static bool read_rows(struct request *r, const json_t *inputs, size_t d, float *x)
{
    struct json_place root = json_place_root(), list = json_place_key(&root, "inputs");
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        const json_t *row = json_array_get(inputs, i);
        struct json_place at = json_place_index(&list, i);
        if (!json_is_array(row) || json_array_size(row) != d) {
            problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "an input row is an array of %zu numbers", d);
            return false;
        }
        for (size_t j = 0; j < d; j++) {
            struct json_place cell = json_place_index(&at, j);
            if (!json_in_float(r, json_array_get(row, j), &cell, &x[i * d + j]))
                return false;
        }
    }
    return true;
}

/* One of the two lists, with what was read from it. */
struct rows {
    const json_t *items, *inputs;
    size_t n;
    void *values; /* indices (n) or inputs (n, D) */
};

static bool read_body(struct api_thread *t, struct request *r, size_t slot, const json_t *root,
                      struct rows *rows)
{
    static const char *const keys[] = {"items", "inputs", NULL};
    struct json_place at = json_place_root();
    size_t d = t->api->serving->models[slot].model->spec.d_item;
    if (!json_in_object(r, root, &at, keys) ||
        !json_in_array(r, root, "items", &at, LIMIT_PREDICTION_ROWS, false, &rows->items) ||
        !json_in_array(r, root, "inputs", &at, LIMIT_PREDICTION_ROWS, false, &rows->inputs))
        return false;
    if (!rows->items == !rows->inputs) {
        problem_answer(r, PROBLEM_INVALID_VALUE, "", "give either items or inputs");
        return false;
    }
    rows->n = json_array_size(rows->items ? rows->items : rows->inputs);
    rows->values = mem_alloc_array(rows->n, rows->items ? sizeof(uint32_t) : d * sizeof(float));
    if (!rows->values) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for %zu rows", rows->n);
        return false;
    }
    return rows->items ? read_items(t, r, slot, rows->items, rows->values)
                       : read_rows(r, rows->inputs, d, rows->values);
}

/* ---- the usual body, read without a document ---- */

struct scanner {
    const char *at, *end;
};

/* What such a body lists: the items, and their ids as they stand there. */
struct scanned {
    size_t n;
    uint32_t indices[MOST_ROWS_AT_ONCE];
    struct store_text texts[MOST_ROWS_AT_ONCE];
};

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

/* The next thing is this character: takes it. */
static bool take(struct scanner *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* A string that stands for itself: no escapes, and nothing that needs one. What else is wrong with it shows when no item has
 * that id. */
static bool take_string(struct scanner *s, struct store_text *out)
{
    if (!take(s, '"'))
        return false;
    const char *from = s->at;
    while (s->at < s->end && *s->at != '"' && *s->at != '\\' && (unsigned char)*s->at >= 0x20)
        s->at++;
    *out = (struct store_text){from, (size_t)(s->at - from)};
    return s->at < s->end && *s->at++ == '"';
}

/* Reads {"items": [known ids]} and nothing else; false: any other body, also a wrong one, whose reading says why. A
 * document of a hundred strings takes longer to build and free than their scores to compute. */
static bool scan_items(const struct model *m, const struct item_table *table, const struct request *r,
                       struct scanned *out)
{
    struct scanner s = {r->body.data, r->body.data + r->body.len};
    struct store_text text;
    if (!r->body.data || !take(&s, '{') || !take_string(&s, &text) || !text_is(text, "items") ||
        !take(&s, ':') || !take(&s, '['))
        return false;
    bool more = true;
    for (out->n = 0; more && out->n < MOST_ROWS_AT_ONCE; more = take(&s, ',')) {
        long index = take_string(&s, &text) ? item_table_find(table, text) : -1;
        if (index < 0)
            return false;
        out->texts[out->n] = text;
        out->indices[out->n++] = (uint32_t)index;
        if ((size_t)index < m->spec.n_items)
            catalogue_fetch(m->catalogue, (size_t)index);
    }
    bool ended = !more && take(&s, ']') && take(&s, '}');
    skip_space(&s);
    return ended && s.at == s.end;
}

/* ---- the call ---- */

/* Whose scores are asked for, of which model. */
struct asked {
    size_t slot;
    struct store_text user;
    bool may_block;
};

static enum route_next answer_scanned(struct api_thread *t, struct request *r, const struct asked *asked,
                                      const struct scanned *items)
{
    struct weights *w = NULL;
    struct err e = {0};
    bool cold;
    enum route_next next = api_weights(t, r, asked->slot, asked->user, asked->may_block, &w, &cold);
    if (next != ROUTE_NEEDS_WORKER && w &&
        personal_predict_items(t->personal, asked->slot, w, asked->user, cold, items->indices, items->texts,
                               items->n, request_answer(r, 200, request_json), &e))
        problem_answer_err(r, &e);
    weights_unref(w);
    return next;
}

static enum route_next answer_document(struct api_thread *t, struct request *r, const struct asked *asked)
{
    struct rows rows = {0};
    struct weights *w = NULL;
    bool cold;
    enum route_next next = ROUTE_DONE;
    json_t *root = json_in_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root || !read_body(t, r, asked->slot, root, &rows))
        goto out;
    next = rows.n > MOST_ROWS_AT_ONCE && !asked->may_block
               ? ROUTE_NEEDS_WORKER
               : api_weights(t, r, asked->slot, asked->user, asked->may_block, &w, &cold);
    if (next == ROUTE_NEEDS_WORKER || !w)
        goto out;
    struct err e = {0};
    struct buf *out = request_answer(r, 200, request_json);
    enum err_code code = rows.items ? personal_predict_items(t->personal, asked->slot, w, asked->user, cold,
                                                             rows.values, NULL, rows.n, out, &e)
                                    : personal_predict_rows(t->personal, asked->slot, w, asked->user, cold,
                                                            rows.values, rows.n, out, &e);
    if (code)
        problem_answer_err(r, &e);
out:
    weights_unref(w);
    mem_free(rows.values);
    json_decref(root);
    return next;
}

enum route_next api_predict_post(struct api_thread *t, struct request *r, bool may_block)
{
    struct asked asked = {.may_block = may_block};
    struct scanned items;
    if (!may_block && r->body.len > MOST_BYTES_AT_ONCE)
        return ROUTE_NEEDS_WORKER;
    if (!api_user_id(r, 2, &asked.user) || !api_model_slot(t, r, &asked.slot))
        return ROUTE_DONE;
    const struct model *m = t->api->serving->models[asked.slot].model;
    return scan_items(m, personal_items(t->personal, asked.slot), r, &items)
               ? answer_scanned(t, r, &asked, &items)
               : answer_document(t, r, &asked);
}
