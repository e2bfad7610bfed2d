/* POST /v1/users/{user}/predictions: scores of given items, or of the caller's own input rows. */
#include "server/api/api.h"

#include "base/limits.h"
#include "base/mem.h"
#include "engine/rank/catalogue.h"
#include "server/api/json_body.h"
#include "server/http/problem_list.h"

#include <math.h>
#include <stddef.h>

/* Beyond this many rows the call goes to a worker, so that others on the connection's thread do not wait. */
enum { MAX_ROWS_AT_ONCE = 512 };

/* What a body lists: items or input rows. */
struct rows {
    const json_t *items, *inputs;
    size_t n;
    void *values;         /* indices (n_known) or inputs (n, D) */
    struct text *unknown; /* (n) ids of items that the model does not have, where they are answered with null;
                             else NULL */
    size_t n_known;
};

/* What the usual body lists: the items, and their ids as they stand there. */
struct scanned {
    size_t n;
    uint32_t indices[MAX_ROWS_AT_ONCE];
    struct text texts[MAX_ROWS_AT_ONCE];
};

struct predict_plan {
    struct api_plan of;
    bool null_for_unknown;
    json_t *document; /* NULL: the body was scanned. Unknown ids are texts of it */
    struct rows rows; /* of the document */
    struct scanned scanned;
};

/* One item of the list: a known one's index goes to the indices. */
static void read_item(struct request *r, struct model_handle *handle, const json_t *id, size_t i,
                      struct rows *rows)
{
    struct json_place root = json_place_root(), list = json_place_key(&root, "items"),
                      at = json_place_index(&list, i);
    struct text text;
    if (!json_is_string(id)) {
        (void)json_body_id_value(r, id, "item", &at, &text);
        return;
    }
    text = (struct text){json_string_value(id), json_string_length(id)};
    long index = item_snapshot_find_ranked(model_handle_items(handle), text);
    if (index >= 0)
        ((uint32_t *)rows->values)[rows->n_known++] = (uint32_t)index;
    else if (rows->unknown)
        rows->unknown[i] = text;
    else
        problem_answer(
            r, PROBLEM_UNKNOWN_ITEM, at.text,
            "no answer of model '%s' has item '%.200s'; GET /v1/items/{item} says whether it is known",
            handle->model->spec.name, text.data);
}

static void read_row(struct request *r, const json_t *row, size_t i, size_t d, float *x)
{
    struct json_place root = json_place_root(), list = json_place_key(&root, "inputs"),
                      at = json_place_index(&list, i);
    if (!json_is_array(row) || json_array_size(row) != d) {
        problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "an input row is an array of %zu numbers", d);
        return;
    }
    for (size_t j = 0; j < d; j++) {
        struct json_place cell = json_place_index(&at, j);
        (void)json_body_float(r, json_array_get(row, j), &cell, &x[j]);
    }
}

/* Reads the lists' elements; faults of them are gathered. */
static void read_elements(struct request *r, struct model_handle *handle, struct rows *rows)
{
    size_t d = handle->model->spec.d_item;
    for (size_t i = 0; i < rows->n; i++) {
        r->faults->part = i;
        if (rows->items)
            read_item(r, handle, json_array_get(rows->items, i), i, rows);
        else
            read_row(r, json_array_get(rows->inputs, i), i, d, (float *)rows->values + i * d);
    }
}

static bool reserve_rows(struct request *r, struct rows *rows, size_t d, bool null_for_unknown)
{
    rows->n = json_array_size(rows->items ? rows->items : rows->inputs);
    rows->values = mem_alloc_array(rows->n, rows->items ? sizeof(uint32_t) : d * sizeof(float));
    if (rows->items && null_for_unknown)
        rows->unknown = mem_zalloc_array(rows->n, sizeof *rows->unknown);
    if (rows->values && (rows->unknown || !rows->items || !null_for_unknown))
        return true;
    problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for %zu rows", rows->n);
    return false;
}

/* False: refused, in the answer or in r->faults. */
static bool read_body(struct request *r, struct model_handle *handle, const json_t *root,
                      bool null_for_unknown, struct rows *rows)
{
    static const char *const keys[] = {"items", "inputs", NULL};
    struct json_place at = json_place_root();
    if (!json_body_object(r, root, &at, keys) ||
        !json_body_array(r, root, "items", &at, LIMIT_PREDICTION_ROWS, false, &rows->items) ||
        !json_body_array(r, root, "inputs", &at, LIMIT_PREDICTION_ROWS, false, &rows->inputs))
        return false;
    if (!rows->items == !rows->inputs) {
        problem_answer(r, PROBLEM_INVALID_VALUE, "", "give either items or inputs");
        return false;
    }
    if (!reserve_rows(r, rows, handle->model->spec.d_item, null_for_unknown))
        return false;
    read_elements(r, handle, rows);
    return r->faults->n == 0;
}

/* ---- the usual body, read without a document ---- */

struct scanner {
    const char *at, *end;
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

/* A string that stands for itself: no escapes, and nothing that needs one. What else is wrong with it shows
 * when no item has that id. */
static bool take_string(struct scanner *s, struct text *out)
{
    if (!take(s, '"'))
        return false;
    const char *from = s->at;
    while (s->at < s->end && *s->at != '"' && *s->at != '\\' && (unsigned char)*s->at >= 0x20)
        s->at++;
    *out = (struct text){from, (size_t)(s->at - from)};
    return s->at < s->end && *s->at++ == '"';
}

/* Reads {"items": [known ids]} and nothing else; false: any other body, also a wrong one, whose reading says
 * why. A document of a hundred strings takes longer to build and free than their scores to compute. */
static bool scan_items(const struct model *m, const struct item_snapshot *table, const struct request *r,
                       struct scanned *out)
{
    struct scanner s = {r->body.data, r->body.data + r->body.len};
    struct text text;
    if (!r->body.data || !take(&s, '{') || !take_string(&s, &text) || !text_is(text, "items") ||
        !take(&s, ':') || !take(&s, '['))
        return false;
    bool more = true;
    for (out->n = 0; more && out->n < MAX_ROWS_AT_ONCE; more = take(&s, ',')) {
        long index = take_string(&s, &text) ? item_snapshot_find_ranked(table, text) : -1;
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

/* ---- plan ---- */

/* A body that is not the usual one; faults of its values are gathered, and all of them are the answer. */
static void read_document(struct request *r, struct predict_plan *plan)
{
    struct problem_list faults;
    plan->document = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!plan->document)
        return;
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = &faults;
    (void)read_body(r, plan->of.handle, plan->document, plan->null_for_unknown, &plan->rows);
    r->faults = NULL;
    if (faults.n)
        problem_answer_list(r, &faults, NULL);
    problem_list_fini(&faults);
    plan->of.takes_long = plan->rows.n > MAX_ROWS_AT_ONCE;
}

static void end_plan(void *plan)
{
    struct predict_plan *p = plan;
    mem_free(p->rows.values);
    mem_free(p->rows.unknown);
    json_decref(p->document);
    api_plan_end(plan);
}

void api_predict_plan(struct api_thread *t, struct request *r)
{
    struct predict_plan *plan =
        api_plan_new(t, r, API_PLAN_USER, sizeof *plan, offsetof(struct predict_plan, scanned), end_plan);
    if (!plan || !api_unknown_param(r, &plan->null_for_unknown))
        return;
    struct model_handle *handle = plan->of.handle;
    if (!scan_items(handle->model, model_handle_items(handle), r, &plan->scanned))
        read_document(r, plan);
}

/* ---- run ---- */

/* Whose numbers are too large for the network is told so by row; false: answered. */
static bool rows_finite(struct request *r, const float *scores, size_t n, size_t d_output)
{
    struct json_place root = json_place_root(), list = json_place_key(&root, "inputs");
    struct problem_list faults;
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = &faults;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < d_output && isfinite(scores[i * d_output + k]))
            k++;
        if (k == d_output)
            continue;
        struct json_place at = json_place_index(&list, i);
        faults.part = i;
        problem_answer(r, PROBLEM_INVALID_VALUE, at.text,
                       "its numbers are too large for the model: a result would not be finite");
    }
    r->faults = NULL;
    bool finite = faults.n == 0;
    if (!finite)
        problem_answer_list(r, &faults, NULL);
    problem_list_fini(&faults);
    return finite;
}

static enum err_code answer_rows(struct api_thread *t, struct request *r, const struct predict_plan *plan,
                                 struct err *e)
{
    const struct api_plan *of = &plan->of;
    const float *scores;
    size_t n = plan->rows.n;
    enum err_code code = recommender_score_rows(t->session.recommender, of->handle, of->weights,
                                                plan->rows.values, n, &scores, e);
    if (code || !rows_finite(r, scores, n, of->handle->model->spec.d_output))
        return code;
    return recommender_predict_rows(of->handle, of->weights, of->user, of->cold, scores, n,
                                    request_answer(r, 200, request_json), e);
}

/* The items of either kind of body. */
static struct predict_items items_of(const struct predict_plan *plan)
{
    const struct rows *rows = &plan->rows;
    const struct scanned *scanned = &plan->scanned;
    if (plan->document)
        return (struct predict_items){.indices = rows->values,
                                      .unknown = rows->unknown,
                                      .n = rows->n,
                                      .n_known = rows->n_known,
                                      .count_unknown = plan->null_for_unknown};
    return (struct predict_items){.indices = scanned->indices,
                                  .texts = scanned->texts,
                                  .n = scanned->n,
                                  .n_known = scanned->n,
                                  .count_unknown = plan->null_for_unknown};
}

void api_predict_post(struct api_thread *t, struct request *r)
{
    const struct predict_plan *plan = r->plan;
    const struct api_plan *of = &plan->of;
    const struct predict_items items = items_of(plan);
    struct err e = {0};
    enum err_code code =
        plan->rows.inputs
            ? answer_rows(t, r, plan, &e)
            : recommender_predict_items(t->session.recommender, of->handle, of->weights, of->user, of->cold,
                                        &items, request_answer(r, 200, request_json), &e);
    if (code)
        problem_answer_err(r, &e);
}
