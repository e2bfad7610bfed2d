/* What is known of tasks: PUT and DELETE /v1/admin/tasks/{task}, POST /v1/admin/tasks, POST
 * /v1/tasks/{task}/examples, GET /v1/tasks/{task}. Those that write run on a worker, and name all that is
 * wrong with a body, as those of users do (api_register.c). */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/api/batch.h"
#include "server/api/json_body.h"
#include "server/api/task_body.h"
#include "server/api/task_known.h"
#include "server/fields/field.h"
#include "server/http/problem_list.h"
#include "server/serving/task_contexts.h"
#include "server/serving/task_loss.h"
#include "server/serving/task_updates.h"
#include "server/tasks/task_context.h"
#include "server/tasks/task_measures.h"

#include <math.h>
#include <string.h>

static const char nothing_kept[] = "nothing of the request was kept";

/* ---- bodies ---- */

/* A task of a body. */
struct known_task {
    struct task_registration g;
    struct task_known known;
    bool wants_rows; /* keep_rows was said to be true */
};

static bool read_keep_rows(struct request *r, const json_t *value, const struct json_place *at, bool *out)
{
    const json_t *keep = json_object_get(value, "keep_rows");
    struct json_place place = json_place_key(at, "keep_rows");
    *out = !keep || json_is_true(keep);
    if (!keep || json_is_boolean(keep))
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected true or false");
    return false;
}

/* The id of a task that may be made: a plain one, as in tables, into which it is exported. Others that a
 * store has are read and deleted. at: NULL, in the path. */
static bool check_new_id(struct request *r, struct text id, const struct json_place *at)
{
    struct err e = {0};
    if (!field_check_plain(id, "id of the task", &e))
        return true;
    problem_answer(r, at ? PROBLEM_INVALID_VALUE : PROBLEM_BAD_REQUEST, at ? at->text : NULL, "%s", e.text);
    return false;
}

/* One registration; its id is given (PUT) or a member (POST). */
static bool read_registration(struct task_known_reader *k, const json_t *value, const struct json_place *at,
                              bool with_id, struct known_task *out)
{
    static const char *const keys[] = {"profile", "support", "keep_rows", "adapt_steps", "id", NULL};
    static const char *const keys_without_id[] = {"profile", "support", "keep_rows", "adapt_steps", NULL};
    struct task_registration *g = &out->g;
    bool ok = json_body_object(k->r, value, at, with_id ? keys : keys_without_id);
    if (!json_is_object(value))
        return false;
    const json_t *profile = json_object_get(value, "profile"), *support = json_object_get(value, "support");
    struct json_place profile_at = json_place_key(at, "profile"), support_at = json_place_key(at, "support");
    struct json_place id_at = json_place_key(at, "id");
    ok = (!with_id ||
          (json_body_id(k->r, value, "id", "task", at, &g->id) && check_new_id(k->r, g->id, &id_at))) &&
         ok;
    ok = read_keep_rows(k->r, value, at, &g->keeps_rows) && ok;
    ok = task_body_adapt_steps(k->r, value, at) && ok;
    out->wants_rows = json_is_true(json_object_get(value, "keep_rows"));
    if (profile)
        ok = task_known_profile(k, profile, &profile_at, &g->profile) && ok;
    if (support && !k->r->status)
        ok =
            task_known_rows(k, support, &support_at, json_is_object(profile) ? profile : NULL, &out->known) &&
            ok;
    g->profile_json = profile;
    g->replaces_rows = support != NULL;
    g->known = (struct task_rows_known){out->known.rows, out->known.texts, out->known.n};
    g->handle = k->handle;
    return ok;
}

static void refuse_update(struct api_thread *t, struct request *r, struct batch *b, const struct err *e)
{
    if (b->faults.n && e->code == ERR_INVALID)
        problem_answer_list(r, &b->faults, nothing_kept);
    else if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL, "%s; create=true makes it", e->text);
    else if (e->code == ERR_LIMIT)
        problem_answer(r, PROBLEM_TOO_LARGE, NULL, "%s", e->text);
    else
        api_fail(t, r, e);
}

/* ---- answers ---- */

static void add_warning(struct buf *out, bool *any, const char *type, const char *detail)
{
    buf_adds(out, *any ? "," : ",\"warnings\":[");
    *any = true;
    buf_addf(out, "{\"type\":\"urn:hypernet:warning:%s\",\"detail\":\"%s\"}", type, detail);
}

/* A time that is far off makes all other rows old. */
static void warn_of_age(struct buf *out, bool *any, const struct task_registration *g)
{
    if (g->n_known > 1 && g->rows_worth < 1 + 1e-3 * (double)(g->n_known - 1))
        add_warning(
            out, any, "rows-aged",
            "one row is so much newer than all others that these count for nothing: is its time right?");
}

/* What a caller should know of rows that were taken. */
static void add_warnings(struct buf *out, const struct task_registration *g, const struct known_task *part)
{
    const struct task_spec *t = &g->handle->model->spec.task;
    const struct task_known *known = &part->known;
    bool any = false;
    if (g->lost_rows && part->wants_rows)
        add_warning(out, &any, "rows-forgotten",
                    "the rows of the task were forgotten, so those that come are not kept either: "
                    "keep_rows counts again once support gives all rows anew");
    warn_of_age(out, &any, g);
    if (!g->n_known)
        add_warning(out, &any, "no-rows",
                    "no row of the task is known: it is answered by what all tasks have in common");
    if (task_known_is_constant(known, &g->handle->model->spec))
        add_warning(out, &any, t->n_classes ? "one-class" : "constant-target",
                    t->n_classes
                        ? "all rows are of one class: they say little of the others"
                        : "the target is the same in all rows: they say little of what it depends on");
    if (any)
        buf_addc(out, ']');
}

/* The object is left open. */
static void add_registered(struct buf *out, const struct task_registration *g)
{
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->id.data, g->id.len);
    buf_addf(out, ",\"result\":\"%s\",\"revision\":%lld,\"source\":\"%s\",\"known\":%zu,\"rows\":%zu",
             g->created ? "registered" : "replaced", (long long)g->revision, task_source_name(g->source),
             g->n_known, g->n_rows);
}

static void add_number(struct buf *out, const char *before, double x)
{
    buf_adds(out, before);
    if (isfinite(x))
        buf_addf(out, "%.6g", x);
    else
        buf_adds(out, "null");
}

static void add_loss(struct buf *out, const struct task_registration *g, const struct task_loss *loss)
{
    buf_addf(out, ",\"loss\":{\"measure\":\"%s\"",
             task_measure_name(task_measures_compared(&g->handle->model->spec)));
    add_number(out, ",\"before\":", loss->before);
    add_number(out, ",\"after\":", loss->after);
    add_number(out, ",\"left_out\":", loss->left_out);
    buf_addc(out, '}');
}

/* ---- one task ---- */

static void put_task(struct api_thread *t, struct request *r, struct task_known_reader *k,
                     struct known_task *part)
{
    struct task_loss loss;
    struct err e = {0};
    size_t at;
    enum err_code code = k->b->faults.n ? ERR_INVALID : ERR_OK;
    if (!code) /* beside others who write */
        code = task_loss_make(k->room, part->g.profile_json, part->known.rows, part->known.n, &loss, &e);
    if (!code)
        code = task_updates_register(&t->session, &part->g, 1, &at, &e);
    e.code = code;
    if (code) {
        refuse_update(t, r, k->b, &e);
        return;
    }
    struct buf *out = request_answer(r, part->g.created ? 201 : 200, request_json);
    add_registered(out, &part->g);
    if (part->g.replaces_rows)
        add_loss(out, &part->g, &loss);
    add_warnings(out, &part->g, part);
    buf_addc(out, '}');
}

void api_admin_task_put(struct api_thread *t, struct request *r)
{
    struct batch b;
    struct known_task part = {0};
    struct task_known_reader k;
    struct json_place at = json_place_root();
    if (!api_task_id(r, 3, &part.g.id) || !check_new_id(r, part.g.id, NULL) ||
        !task_known_reader_init(&k, t, r, &b))
        return;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    batch_init(r, &b, PROBLEM_LIST_MOST);
    (void)read_registration(&k, root, &at, false, &part);
    if (!r->status)
        put_task(t, r, &k, &part);
    task_known_fini(&part.known);
    batch_fini(r, &b);
    json_decref(root);
}

void api_admin_task_delete(struct api_thread *t, struct request *r)
{
    api_delete(t, r, api_task_id, task_updates_delete, PROBLEM_UNKNOWN_TASK);
}

/* ---- many ---- */

struct task_batch {
    struct request *r;
    struct batch b;
    struct task_known_reader k;
    struct known_task *parts;       /* (n) */
    struct task_registration *list; /* (n) of them, as updates take it */
};

static bool reserve_tasks(void *arg, size_t n)
{
    struct task_batch *u = arg;
    u->parts = batch_alloc(u->r, &u->b, n, sizeof *u->parts);
    u->list = u->parts ? batch_alloc(u->r, &u->b, n, sizeof *u->list) : NULL;
    return u->list != NULL;
}

static void read_task(void *arg, size_t i, const json_t *value, const struct json_place *at)
{
    struct task_batch *u = arg;
    bool ok = value && read_registration(&u->k, value, at, true, &u->parts[i]);
    u->list[i] = u->parts[i].g;
    u->list[i].refused = !ok;
}

static void answer_tasks(struct task_batch *u, bool skip)
{
    struct buf *out = request_answer(u->r, 200, request_json);
    bool any = false;
    buf_adds(out, "{\"tasks\":[");
    for (size_t i = 0; i < u->b.n; i++) {
        if (u->list[i].refused)
            continue;
        if (any)
            buf_addc(out, ',');
        any = true;
        add_registered(out, &u->list[i]);
        add_warnings(out, &u->list[i], &u->parts[i]);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
    if (skip) {
        problem_list_sort(&u->b.faults);
        buf_adds(out, ",\"refused\":");
        problem_list_write(&u->b.faults, true, out);
    }
    buf_addc(out, '}');
}

static void put_tasks(struct api_thread *t, struct task_batch *u, bool skip)
{
    struct err e = {0};
    size_t at;
    enum err_code code = u->b.faults.n && !skip ? ERR_INVALID : ERR_OK;
    if (!code)
        code = task_updates_register(&t->session, u->list, u->b.n, &at, &e);
    e.code = code;
    if (code)
        refuse_update(t, u->r, &u->b, &e);
    else
        answer_tasks(u, skip);
}

void api_admin_tasks_post(struct api_thread *t, struct request *r)
{
    struct task_batch u = {.r = r};
    bool skip;
    if (!task_known_reader_init(&u.k, t, r, &u.b) || !api_on_error_param(r, &skip))
        return;
    batch_init(r, &u.b, skip ? SIZE_MAX : PROBLEM_LIST_MOST);
    struct batch_parts parts = {.name = "tasks",
                                .mark = "id",
                                .most = LIMIT_TASKS_PER_CALL,
                                .lines = request_type_is(r, "application/x-ndjson", NULL),
                                .arg = &u,
                                .reserve = reserve_tasks,
                                .read = read_task};
    if (batch_read(r, &u.b, &parts))
        put_tasks(t, &u, skip);
    for (size_t i = 0; i < u.b.n; i++)
        task_known_fini(&u.parts[i].known);
    batch_fini(r, &u.b);
}

/* ---- examples ---- */

/* Whether the request may make tasks; false: answered. */
static bool may_create(struct api_thread *t, struct request *r, bool *create)
{
    *create = false;
    if (!api_bool_param(r, "create", create))
        return false;
    if (!*create || r->by_admin || t->api->events_create)
        return true;
    problem_answer(r, PROBLEM_CREATE_OFF, NULL,
                   "create=true makes tasks: send the admin token, or start the server with --events-create");
    return false;
}

/* Rows to be added, and what they are checked with. */
struct adding {
    struct batch b;
    struct task_known_reader k;
    struct known_task part;
    bool create;
};

static void answer_examples(struct request *r, const struct adding *a)
{
    const struct task_registration *g = &a->part.g;
    bool any = false;
    struct buf *out = request_answer(r, g->created ? 201 : 200, request_json);
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->id.data, g->id.len);
    buf_addf(
        out,
        ",\"accepted\":%zu,\"revision\":%lld,\"created\":%s,\"source\":\"%s\",\"known\":%zu,\"rows\":%zu",
        a->part.known.n, (long long)g->revision, g->created ? "true" : "false", task_source_name(g->source),
        g->n_known, g->n_rows);
    warn_of_age(out, &any, g);
    buf_adds(out, any ? "]}" : "}");
}

/* Reads the stored profile, and the rows with it. False: answered. */
static bool read_examples(struct api_thread *t, struct adding *a, const json_t *root)
{
    struct request *r = a->k.r;
    struct task_registration *g = &a->part.g;
    struct json_place at = json_place_root();
    struct err e = {0};
    json_t *profile = NULL;
    if (task_contexts_stored_profile(t->session.conn, g->id, &t->session.task, &profile, &e)) {
        api_fail(t, r, &e);
        return false;
    }
    const struct buf *stored = &t->session.task.profile;
    g->profile = (struct text){NULL, 0};
    char *copy = profile ? batch_alloc(r, &a->b, stored->len, 1) : NULL;
    if (copy) {
        memcpy(copy, stored->data, stored->len);
        g->profile = (struct text){copy, stored->len};
    }
    if (!r->status && task_body_adapt_steps(r, root, &at))
        (void)task_known_rows(&a->k, root, &at, profile, &a->part.known);
    json_decref(profile);
    g->known = (struct task_rows_known){a->part.known.rows, a->part.known.texts, a->part.known.n};
    g->handle = a->k.handle;
    return r->status == 0;
}

/* Checks the rows with the profile that is stored, and adds them if it still is when they are; else checks
 * them anew. Each time somebody else has made a change. */
static void add_examples(struct api_thread *t, struct adding *a, const json_t *root)
{
    enum { MOST_TRIES = 10 };
    struct err e = {0};
    enum err_code code = ERR_CONFLICT;
    for (int i = 0; i < MOST_TRIES && code == ERR_CONFLICT; i++) {
        task_known_fini(&a->part.known);
        err_clear(&e);
        if (!read_examples(t, a, root))
            return;
        code = a->b.faults.n ? ERR_INVALID : task_updates_examples(&t->session, &a->part.g, a->create, &e);
    }
    e.code = code == ERR_CONFLICT ? ERR_BUSY : code;
    if (code)
        refuse_update(t, a->k.r, &a->b, &e);
    else
        answer_examples(a->k.r, a);
}

void api_task_examples_post(struct api_thread *t, struct request *r)
{
    struct adding a = {.part = {.known = {0}}};
    if (!api_task_id(r, 2, &a.part.g.id) || !task_known_reader_init(&a.k, t, r, &a.b) ||
        !may_create(t, r, &a.create) || (a.create && !check_new_id(r, a.part.g.id, NULL)))
        return;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    batch_init(r, &a.b, PROBLEM_LIST_MOST);
    add_examples(t, &a, root);
    task_known_fini(&a.part.known);
    batch_fini(r, &a.b);
    json_decref(root);
}

/* ---- what is known ---- */

/* What is stored and what the model makes of it, of one moment. */
static enum err_code read_task_of(struct api_thread *t, struct model_handle *handle, struct text id,
                                  struct task_room **room, struct err *e)
{
    enum err_code code = store_snapshot_begin(t->session.conn, e);
    if (code)
        return code;
    code = task_contexts_load(t->session.conn, handle, id, TASK_NOW, NULL, &t->session.task, room, e);
    store_snapshot_end(t->session.conn);
    return code;
}

void api_task_get(struct api_thread *t, struct request *r)
{
    struct text id;
    struct model_handle *handle;
    struct task_room *room;
    struct err e = {0};
    const struct store_task *record = &t->session.task;
    if (!api_task_id(r, 2, &id) || !api_task_model(t, r, &handle))
        return;
    enum err_code code = read_task_of(t, handle, id, &room, &e);
    if (code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL, "%s", e.text);
    else if (code)
        api_fail(t, r, &e);
    if (code)
        return;
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"task\":");
    buf_add_json_string(out, id.data, id.len);
    buf_addf(out,
             ",\"revision\":%lld,\"source\":\"%s\",\"known\":%zu,\"rows\":%lld,\"keep_rows\":%s,\"profile\":",
             (long long)record->revision, task_source_name(task_contexts_source(room)),
             (size_t)room->context[TASK_CONTEXT_ROWS], (long long)record->n_rows,
             record->keeps_rows ? "true" : "false");
    if (record->profile.len)
        buf_add(out, record->profile.data, record->profile.len);
    else
        buf_adds(out, "null");
    buf_addc(out, '}');
}
