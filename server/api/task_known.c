/* A row that is an array becomes an object before it is stored: the order of its columns is the call's
 * alone. */
#include "server/api/task_known.h"

#include "server/api/task_body.h"
#include "server/http/problem.h"
#include "server/http/problem_list.h"
#include "server/serving/task_contexts.h"

#include <string.h>

bool task_known_reader_init(struct task_known_reader *k, struct api_thread *t, struct request *r,
                            struct batch *b)
{
    const struct model_handles *handles = recommender_handles(t->session.recommender);
    struct err e = {0};
    *k = (struct task_known_reader){.r = r, .b = b};
    if (!api_task_model(t, r, &k->handle) || !task_body_unknown_param(r, &k->unknown_is_absent))
        return false;
    for (size_t i = handles->n; i < handles->n + handles->n_tasks; i++)
        if (handles->at[i] != k->handle)
            k->others[k->n_others++] = &handles->at[i]->model->spec;
    if (model_handle_room(k->handle, &k->room, &e) == ERR_OK)
        return true;
    problem_answer_err(r, &e);
    return false;
}

void task_known_fini(struct task_known *known)
{
    for (size_t i = 0; i < known->n; i++)
        json_decref(known->rows[i]);
    *known = (struct task_known){0};
}

/* ---- faults ---- */

struct place {
    struct request *r;
    const struct json_place *at;
    const struct task_list *list; /* NULL: a profile is read */
    size_t row;
};

static void tell(void *arg, const char *column, const char *text)
{
    const struct place *p = arg;
    if (p->r->faults && !problem_list_has_room(p->r->faults)) {
        problem_list_add(p->r->faults, PROBLEM_INVALID_VALUE, NULL, "", 0, 0); /* it is counted */
        return;
    }
    struct json_place at =
        p->list ? task_body_place(p->at, p->list, p->row, column) : json_place_key(p->at, column);
    problem_answer(p->r, PROBLEM_INVALID_VALUE, at.text, "%s", text);
}

static struct task_row_form form_of(const struct task_known_reader *k, struct place *place)
{
    return (struct task_row_form){.spec = &k->handle->model->spec,
                                  .known = place->list != NULL,
                                  .unknown_is_absent = k->unknown_is_absent,
                                  .others = k->others,
                                  .n_others = k->n_others,
                                  .fault = tell,
                                  .arg = place};
}

/* ---- texts ---- */

/* The JSON of an object, at most so many bytes. */
static bool to_text(struct task_known_reader *k, const json_t *object, const struct json_place *at,
                    size_t most, struct text *out)
{
    size_t n = json_dumpb(object, NULL, 0, JSON_COMPACT);
    if (n > most) {
        problem_answer(k->r, PROBLEM_INVALID_VALUE, at->text, "%zu bytes; at most %zu", n, most);
        return false;
    }
    char *text = batch_alloc(k->r, k->b, n + 1, 1);
    if (!text)
        return false;
    if (n == 0 || json_dumpb(object, text, n, JSON_COMPACT) != n) {
        problem_answer(k->r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        return false;
    }
    *out = (struct text){text, n};
    return true;
}

bool task_known_profile(struct task_known_reader *k, const json_t *profile, const struct json_place *at,
                        struct text *out)
{
    struct place place = {.r = k->r, .at = at};
    const struct task_row_form form = form_of(k, &place);
    if (!json_is_object(profile)) {
        problem_answer(k->r, PROBLEM_INVALID_VALUE, at->text, "a profile is an object");
        return false;
    }
    bool ok = task_profile_read(&form, profile, &k->room->profile);
    return to_text(k, profile, at, LIMIT_PROFILE_BYTES, out) && ok;
}

/* ---- rows ---- */

/* A new reference to a row as an object; NULL: no memory. */
static json_t *to_object(const struct task_list *list, json_t *row)
{
    if (!list->columns)
        return json_incref(row);
    json_t *object = json_object();
    for (size_t i = 0; i < json_array_size(list->columns) && object; i++) {
        json_t *value = json_array_get(row, i);
        const char *name = json_string_value(json_array_get(list->columns, i));
        if (!name || json_is_null(value) || json_object_set(object, name, value) == 0)
            continue;
        json_decref(object);
        object = NULL;
    }
    return object;
}

static bool keep(struct task_known_reader *k, const struct task_list *list, json_t *row,
                 const struct json_place *at, struct task_known *out)
{
    json_t *object = to_object(list, row);
    if (!object) {
        problem_answer(k->r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        return false;
    }
    if (!to_text(k, object, at, LIMIT_TASK_ROW_BYTES, &out->texts[out->n])) {
        json_decref(object);
        return false;
    }
    out->rows[out->n++] = object;
    return true;
}

/* Reads the rows of a list whose columns are in place; those that are right are kept. */
static bool read_rows(struct task_known_reader *k, const struct task_row_form *form,
                      const struct task_list *list, struct place *place, struct task_known *out)
{
    bool ok = true;
    for (size_t i = 0; i < json_array_size(list->rows) && !k->r->status; i++) {
        struct task_row_values values = task_room_next(k->room);
        json_t *row = json_array_get(list->rows, i);
        place->row = i;
        if (k->parts_are_rows)
            k->r->faults->part = i;
        struct json_place at = task_body_place(place->at, list, i, NULL);
        ok = task_row_read(form, row, &values) && keep(k, list, row, &at, out) && ok;
    }
    return ok && !k->r->status;
}

bool task_known_rows(struct task_known_reader *k, const json_t *value, const struct json_place *at,
                     const json_t *profile, struct task_known *out)
{
    struct task_list list;
    struct task_row_layout layout = {0};
    struct place place = {k->r, at, &list, SIZE_MAX};
    struct err e = {0};
    if (!task_body_list(k->r, value, at, LIMIT_TASK_ROWS_PER_CALL, &list))
        return false;
    size_t n = json_array_size(list.rows);
    struct task_row_form form = form_of(k, &place);
    task_contexts_profile(k->room, profile);
    task_room_start(k->room, NULL);
    form.profile = &k->room->profile;
    bool ok = true;
    if (list.columns && task_row_layout_make(&form, list.columns, &layout, &ok, &e))
        problem_answer(k->r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
    form.layout = list.columns ? &layout : NULL;
    out->rows = batch_alloc(k->r, k->b, n, sizeof(json_t *));
    out->texts = out->rows ? batch_alloc(k->r, k->b, n, sizeof *out->texts) : NULL;
    out->whole = ok && out->texts;
    ok = out->texts && read_rows(k, &form, &list, &place, out) && ok;
    task_row_layout_fini(&layout);
    return ok;
}

bool task_known_stored(struct task_known_reader *k, struct api_thread *t, struct text id, json_t **profile,
                       struct text *text)
{
    struct err e = {0};
    *text = (struct text){NULL, 0};
    if (task_contexts_stored_profile(t->session.conn, id, &t->session.task, profile, &e)) {
        api_fail(t, k->r, &e);
        return false;
    }
    const struct buf *stored = &t->session.task.profile;
    char *copy = *profile ? batch_alloc(k->r, k->b, stored->len, 1) : NULL;
    if (copy) {
        memcpy(copy, stored->data, stored->len);
        *text = (struct text){copy, stored->len};
    }
    return k->r->status == 0;
}

/* 5 and 5.0 are one number. */
static bool same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return !(json_number_value(a) < json_number_value(b) || json_number_value(a) > json_number_value(b));
    return json_equal((json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b);
}

bool task_known_is_constant(const struct task_known *known, const struct model_spec *spec)
{
    size_t i = 1;
    if (known->n < 2)
        return false;
    const json_t *first = json_object_get(known->rows[0], spec->task.target);
    while (i < known->n && same(first, json_object_get(known->rows[i], spec->task.target)))
        i++;
    return i == known->n;
}
