#include "server/api/task_body.h"

#include "base/limits.h"
#include "server/api/blended_tasks.h"
#include "server/fields/field.h"
#include "server/http/problem.h"
#include "server/http/problem_list.h"

#include <string.h>

/* ---- places ---- */

/* The member of a row: the name, or in an array the number of the column. */
static struct json_place cell_place(const struct json_place *row, const struct task_list *list,
                                    const char *column)
{
    for (size_t i = 0; i < json_array_size(list->columns); i++) {
        const char *name = json_string_value(json_array_get(list->columns, i));
        if (name && strcmp(name, column) == 0)
            return json_place_index(row, i);
    }
    return list->columns ? *row : json_place_key(row, column);
}

struct json_place task_body_place(const struct json_place *at, const struct task_list *list, size_t row,
                                  const char *column)
{
    struct json_place place = json_place_key(at, row == SIZE_MAX ? "columns" : "rows");
    if (row != SIZE_MAX)
        place = json_place_index(&place, row);
    return column ? cell_place(&place, list, column) : place;
}

/* Faults are listed in the order of profile, support and rows; of a list the columns come first. */
static size_t order_of(enum task_part part, size_t row)
{
    size_t first = part == TASK_PART_PROFILE   ? 0
                   : part == TASK_PART_SUPPORT ? 1
                                               : LIMIT_TASK_ROWS_PER_CALL + 2;
    return row == SIZE_MAX ? first : first + 1 + row;
}

/* Of a struct task_query. */
static void tell(void *arg, enum task_part part, size_t row, const char *column, const char *text)
{
    struct task_body *b = arg;
    struct json_place at = json_place_root();
    b->r->faults->part = order_of(part, row);
    if (part == TASK_PART_PROFILE) {
        at = json_place_key(&at, "profile");
        at = json_place_key(&at, column);
    } else if (part == TASK_PART_SUPPORT) {
        at = json_place_key(&at, "support");
        at = task_body_place(&at, &b->query.support, row, column);
    } else {
        at = task_body_place(&at, &b->query.asked, row, column);
    }
    problem_answer(b->r, PROBLEM_INVALID_VALUE, at.text, "%s", text);
}

/* ---- members ---- */

static bool refuse(struct request *r, const struct json_place *at, const char *key, const char *what)
{
    struct json_place place = json_place_key(at, key);
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "%s", what);
    return false;
}

bool task_body_rows(struct request *r, const json_t *value, const struct json_place *at, size_t most,
                    struct task_list *out)
{
    struct json_place place = json_place_key(at, "rows");
    size_t n = json_array_size(json_object_get(value, "rows"));
    if (n > most) {
        struct problem_list *faults = r->faults;
        r->faults = NULL; /* it is the answer, whatever else there is */
        problem_answer(r, PROBLEM_TOO_LARGE, place.text, "%zu rows; at most %zu in one call", n, most);
        r->faults = faults;
        return false;
    }
    return json_body_array(r, value, "rows", at, most, true, &out->rows) &&
           json_body_array(r, value, "columns", at, LIMIT_COLUMNS + 2, false, &out->columns);
}

bool task_body_list(struct request *r, const json_t *value, const struct json_place *at, size_t most,
                    struct task_list *out)
{
    static const char *const keys[] = {"rows", "columns", NULL};
    static const char *const keys_of_body[] = {"rows", "columns", "adapt_steps", NULL};
    bool ok = json_body_object(r, value, at, at->text[0] ? keys : keys_of_body);
    return json_is_object(value) && task_body_rows(r, value, at, most, out) && ok;
}

static bool read_interval(struct request *r, const json_t *root, const struct json_place *at, double *out)
{
    const json_t *value = json_object_get(root, "interval");
    if (!value)
        return true;
    *out = json_number_value(value);
    return (json_is_number(value) && *out >= 0.01 && *out <= 0.999) ||
           refuse(r, at, "interval", "expected a probability from 0.01 to 0.999");
}

static bool read_bool(struct request *r, const json_t *root, const struct json_place *at, const char *key,
                      bool *out)
{
    const json_t *value = json_object_get(root, key);
    if (!value)
        return true;
    *out = json_is_true(value);
    return json_is_boolean(value) || refuse(r, at, key, "expected true or false");
}

static bool read_unknown(struct request *r, const json_t *root, const struct json_place *at, bool *out)
{
    const json_t *value = json_object_get(root, "unknown_category");
    if (!value)
        return true;
    const char *text = json_string_value(value);
    *out = text && strcmp(text, "ignore") == 0;
    return *out || (text && strcmp(text, "error") == 0) ||
           refuse(r, at, "unknown_category", "expected \"ignore\" or \"error\"");
}

static bool read_profile(struct request *r, const json_t *root, const struct json_place *at,
                         const json_t **out)
{
    *out = json_object_get(root, "profile");
    return !*out || json_is_object(*out) || refuse(r, at, "profile", "expected an object of columns");
}

bool task_body_options(struct request *r, const json_t *root, struct task_query *q)
{
    struct json_place at = json_place_root();
    bool ok = read_interval(r, root, &at, &q->interval);
    ok = read_bool(r, root, &at, "clamp", &q->clamp) && ok;
    ok = read_bool(r, root, &at, "uncertainty", &q->uncertainty) && ok;
    return read_unknown(r, root, &at, &q->unknown_is_absent) && ok;
}

bool task_body_adapt_steps(struct request *r, const json_t *value, const struct json_place *at)
{
    const json_t *steps = json_object_get(value, "adapt_steps");
    json_int_t n = json_integer_value(steps);
    if (!steps || (json_is_integer(steps) && n == 0))
        return true;
    if (json_is_integer(steps) && n > 0 && n <= LIMIT_TASK_ADAPT_STEPS)
        return refuse(r, at, "adapt_steps",
                      "the model solves a task's layer from its rows at once, which no step can better: "
                      "leave adapt_steps out");
    struct json_place place = json_place_key(at, "adapt_steps");
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected a whole number from 0 to %d",
                   LIMIT_TASK_ADAPT_STEPS);
    return false;
}

/* A whole number from 0 to `most`; absent: *out stays. */
static bool read_whole(struct request *r, const json_t *root, const char *key, json_int_t most, uint64_t *out)
{
    const json_t *value = json_object_get(root, key);
    struct json_place at = json_place_root(), place = json_place_key(&at, key);
    if (!value)
        return true;
    if (json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= most) {
        *out = (uint64_t)json_integer_value(value);
        return true;
    }
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected a whole number from 0 to %lld",
                   (long long)most);
    return false;
}

static bool read_samples(struct request *r, const json_t *root, struct task_query *q)
{
    uint64_t n = 0;
    struct json_place at = json_place_root();
    bool ok = read_whole(r, root, "samples", LIMIT_TASK_SAMPLES, &n);
    ok = read_whole(r, root, "seed", INT64_MAX, &q->seed) && ok;
    q->n_samples = (size_t)n;
    if (!ok || n * json_array_size(q->asked.rows) <= LIMIT_TASK_DRAWS)
        return ok;
    struct json_place place = json_place_key(&at, "samples");
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "%zu samples of %zu rows; at most %d all together",
                   q->n_samples, json_array_size(q->asked.rows), LIMIT_TASK_DRAWS);
    return false;
}

/* What is known of the task is said in one way. */
static bool read_contexts(struct request *r, const json_t *root, struct task_body *b)
{
    struct json_place at = json_place_root();
    if (!blended_tasks_read(r, root, &at, &b->contexts))
        return false;
    return !b->contexts || !json_object_get(root, "support") ||
           refuse(r, &at, "contexts", "expected contexts or support, not both");
}

static bool read_members(struct request *r, const json_t *root, struct task_body *b)
{
    static const char *const keys[] = {"rows",    "columns",  "support",     "contexts",
                                       "profile", "interval", "clamp",       "unknown_category",
                                       "samples", "seed",     "adapt_steps", "uncertainty",
                                       NULL};
    struct task_query *q = &b->query;
    struct json_place at = json_place_root(), support = json_place_key(&at, "support");
    bool ok = json_body_object(r, root, &at, keys);
    if (!json_is_object(root))
        return false;
    ok = task_body_rows(r, root, &at, LIMIT_TASK_ROWS_ASKED, &q->asked) && ok;
    if (!r->status && json_object_get(root, "support"))
        ok = task_body_list(r, json_object_get(root, "support"), &support, LIMIT_TASK_ROWS_PER_CALL,
                            &q->support) &&
             ok;
    ok = read_contexts(r, root, b) && ok;
    ok = task_body_adapt_steps(r, root, &at) && ok;
    ok = read_profile(r, root, &at, &q->profile) && ok;
    ok = read_samples(r, root, q) && ok;
    return task_body_options(r, root, q) && ok;
}

bool task_body_new_id(struct request *r, struct text id, const struct json_place *at)
{
    struct err e = {0};
    if (!field_check_plain(id, "id of the task", &e))
        return true;
    problem_answer(r, at ? PROBLEM_INVALID_VALUE : PROBLEM_BAD_REQUEST, at ? at->text : NULL, "%s", e.text);
    return false;
}

bool task_body_unknown_param(struct request *r, bool *ignored)
{
    struct text value = request_param_of(r, "unknown_category");
    *ignored = value.data && text_is(value, "ignore");
    if (!value.data || *ignored || text_is(value, "error"))
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "unknown_category takes ignore or error, not '%.*s'",
                   (int)value.len, value.data);
    return false;
}

bool task_body_read(struct request *r, struct task_body *out)
{
    struct problem_list faults;
    *out = (struct task_body){.r = r, .query = {.clamp = true, .interval = 0.9, .fault = tell, .arg = out}};
    if (!task_body_unknown_param(r, &out->query.unknown_is_absent))
        return false;
    out->document = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!out->document)
        return false;
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = &faults;
    (void)read_members(r, out->document, out);
    r->faults = NULL;
    if (faults.n && !r->status)
        problem_answer_list(r, &faults, NULL);
    problem_list_fini(&faults);
    return r->status == 0;
}

void task_body_fini(struct task_body *b)
{
    json_decref(b->document);
    b->document = NULL;
}
