/* POST /v1/tasks/{task}/examples: labelled rows of a task as they come. Runs on a worker; names all that is
 * wrong with a body, or with on_error=skip leaves out the rows that are wrong. */
#include "server/api/api.h"

#include "server/api/api_image.h"
#include "server/api/batch.h"
#include "server/api/json_body.h"
#include "server/api/task_body.h"
#include "server/api/task_known.h"
#include "server/api/task_told.h"
#include "server/http/problem_list.h"
#include "server/serving/task_updates.h"

/* Rows to be added, and what they are checked with. */
struct adding {
    struct batch b;
    struct task_known_reader k;
    struct known_task part;
    bool create, skip;
};

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

/* ---- answers ---- */

enum { RESULT_BYTES = 256 }; /* what numbers may differ by from what was known of them before the commit */

static void answer_examples(struct request *r, struct adding *a)
{
    const struct task_registration *g = &a->part.g;
    struct buf *out = request_answer(r, g->created ? 201 : 200, request_json);
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->id.data, g->id.len);
    buf_addf(out, ",\"accepted\":%zu,\"revision\":", g->known.n);
    if (g->revision)
        buf_add_int(out, g->revision);
    else
        buf_adds(out, "null");
    buf_addf(out, ",\"created\":%s,\"source\":\"%s\",\"known\":%zu,\"rows\":%zu",
             g->created ? "true" : "false", task_source_name(g->source), g->n_known, g->n_rows);
    if (a->skip)
        batch_add_refused(&a->b, out);
    task_told_added(g, out);
    buf_addc(out, '}');
}

static enum err_code rehearse_examples(void *arg, struct err *e)
{
    struct adding *a = arg;
    answer_examples(a->k.r, a);
    return batch_rehearsed(a->k.r, RESULT_BYTES, e);
}

/* ---- rows ---- */

/* Reads the stored profile, and the rows with it. False: answered. */
static bool read_examples(struct api_thread *t, struct adding *a, const json_t *root)
{
    struct request *r = a->k.r;
    struct task_registration *g = &a->part.g;
    struct json_place at = json_place_root();
    json_t *profile;
    bool ok = task_known_stored(&a->k, t, g->id, &profile, &g->profile_before);
    if (ok && task_body_adapt_steps(r, root, &at))
        (void)task_known_rows(&a->k, root, &at, profile, &a->part.known);
    json_decref(profile);
    g->known = (struct task_rows_known){a->part.known.rows, a->part.known.texts, a->part.known.n};
    g->handle = a->k.handle;
    g->expects_profile = true;
    g->must_be_there = !a->create;
    g->only_with_rows = a->b.faults.n > 0;
    return r->status == 0;
}

/* Checks the rows with the profile that is stored, and adds them if it still is when they are; else checks
 * them anew. Each time somebody else has made a change. */
static void add_examples(struct api_thread *t, struct adding *a, const json_t *root)
{
    const struct session_answerable answerable = {rehearse_examples, a};
    struct err e = {0};
    enum err_code code = ERR_CONFLICT;
    for (int i = 0; i < TASK_KNOWN_TRIES && code == ERR_CONFLICT && !a->part.g.unreadable; i++) {
        task_known_fini(&a->part.known);
        batch_forget_faults(&a->b);
        err_clear(&e);
        if (!read_examples(t, a, root))
            return;
        bool refused = a->b.faults.n && !(a->skip && a->part.known.whole);
        code = refused ? ERR_INVALID : task_updates_examples(&t->session, &a->part.g, &answerable, &e);
    }
    e.code = code == ERR_CONFLICT && !a->part.g.unreadable ? ERR_BUSY : code;
    if (code)
        task_told_refusal(t, a->k.r, &a->b, "create=true makes it", &e);
    else
        answer_examples(a->k.r, a);
}

void api_task_examples_post(struct api_thread *t, struct request *r)
{
    struct adding a = {.part = {.known = {0}}};
    struct model_handle *handle;
    if (!api_task_id(r, 2, &a.part.g.id) || !api_any_task_model(t, r, &handle) ||
        !may_create(t, r, &a.create) || !api_on_error_param(r, &a.skip) ||
        (a.create && !task_body_new_id(r, a.part.g.id, NULL)))
        return;
    if (api_image_model(handle)) {
        api_image_examples(t, r, handle, a.part.g.id, a.create);
        return;
    }
    if (!task_known_reader_init(&a.k, t, r, &a.b))
        return;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    batch_init(r, &a.b, a.skip);
    a.k.parts_are_rows = true;
    add_examples(t, &a, root);
    task_known_fini(&a.part.known);
    batch_fini(r, &a.b);
    json_decref(root);
}
