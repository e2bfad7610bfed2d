/* What is known of tasks: PUT, PATCH and DELETE /v1/admin/tasks/{task}, POST /v1/admin/tasks, GET
 * /v1/tasks/{task}. Those that write run on a worker, and name all that is wrong with a body, as those of
 * users do (api_register.c). */
#include "server/api/api.h"

#include "base/limits.h"
#include "server/api/api_image.h"
#include "server/api/batch.h"
#include "server/api/json_body.h"
#include "server/api/task_body.h"
#include "server/api/task_known.h"
#include "server/api/task_told.h"
#include "server/fields/merge_patch.h"
#include "server/http/problem_list.h"
#include "server/serving/task_contexts.h"
#include "server/serving/task_loss.h"
#include "server/serving/task_updates.h"
#include "server/tasks/task_context.h"

#include <string.h>

/* ---- bodies ---- */

static void known_task_fini(struct known_task *part)
{
    task_known_fini(&part->known);
    json_decref(part->stored);
    json_decref(part->merged);
    part->stored = part->merged = NULL;
}

static bool read_keep_rows(struct request *r, const json_t *value, const struct json_place *at,
                           struct known_task *out)
{
    const json_t *keep = json_object_get(value, "keep_rows");
    struct json_place place = json_place_key(at, "keep_rows");
    out->wants_rows = json_is_true(keep);
    out->g.keeps_rows = !keep || out->wants_rows;
    out->g.keeps_as_before = out->patch && !keep;
    if (!keep || json_is_boolean(keep))
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected true or false");
    return false;
}

/* What a patch leaves of the stored profile. False: refused. */
static bool merge_profile(struct task_known_reader *k, struct text patch, const struct json_place *at,
                          struct known_task *out)
{
    struct task_registration *g = &out->g;
    struct buf merged;
    struct err e = {0};
    json_error_t why;
    buf_init(&merged, LIMIT_PROFILE_BYTES);
    enum err_code code = merge_patch(g->profile_before, patch, "profile", &merged, &e);
    if (code == ERR_INVALID)
        problem_answer(k->r, PROBLEM_INVALID_VALUE, at->text, "%s", e.text);
    else if (code)
        problem_answer_err(k->r, &e);
    char *text = code || !merged.len ? NULL : batch_alloc(k->r, k->b, merged.len, 1);
    if (text) {
        memcpy(text, merged.data, merged.len);
        g->profile = (struct text){text, merged.len};
        out->merged = json_loadb(text, merged.len, 0, &why);
        if (!out->merged)
            problem_answer(k->r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        g->profile_json = out->merged;
    }
    buf_fini(&merged);
    return !code && !k->r->status;
}

/* The profile as it will be: what is said, and of a patch what that leaves of the stored one. */
static bool read_profile(struct task_known_reader *k, const json_t *said, const struct json_place *at,
                         struct known_task *out)
{
    struct task_registration *g = &out->g;
    struct json_place place = json_place_key(at, "profile");
    struct text patch;
    g->profile_stays = out->patch && !said;
    g->profile_json = g->profile_stays ? out->stored : out->patch ? NULL : said;
    g->profile = g->profile_stays ? g->profile_before : (struct text){NULL, 0};
    if (!said || (out->patch && json_is_null(said)))
        return true;
    if (!task_known_profile(k, said, &place, out->patch ? &patch : &g->profile))
        return false;
    return !out->patch || merge_profile(k, patch, &place, out);
}

/* The rows that replace those that were; of a patch null stands for none. */
static bool read_support(struct task_known_reader *k, const json_t *support, const struct json_place *at,
                         struct known_task *out)
{
    struct task_registration *g = &out->g;
    struct json_place place = json_place_key(at, "support");
    bool ok = true;
    g->replaces_rows = support != NULL;
    if (support && !(out->patch && json_is_null(support)) && !k->r->status)
        ok = task_known_rows(k, support, &place, json_is_object(g->profile_json) ? g->profile_json : NULL,
                             &out->known);
    g->known = (struct task_rows_known){out->known.rows, out->known.texts, out->known.n};
    return ok;
}

/* One registration; its id is given (PUT, PATCH) or a member (POST). */
static bool read_registration(struct task_known_reader *k, const json_t *value, const struct json_place *at,
                              bool with_id, struct known_task *out)
{
    static const char *const keys[] = {"profile", "support", "keep_rows", "adapt_steps", "id", NULL};
    static const char *const keys_without_id[] = {"profile", "support", "keep_rows", "adapt_steps", NULL};
    struct task_registration *g = &out->g;
    bool ok = json_body_object(k->r, value, at, with_id ? keys : keys_without_id);
    if (!json_is_object(value))
        return false;
    struct json_place id_at = json_place_key(at, "id");
    g->handle = k->handle;
    ok = (!with_id ||
          (json_body_id(k->r, value, "id", "task", at, &g->id) && task_body_new_id(k->r, g->id, &id_at))) &&
         ok;
    ok = read_keep_rows(k->r, value, at, out) && ok;
    ok = task_body_adapt_steps(k->r, value, at) && ok;
    ok = read_profile(k, json_object_get(value, "profile"), at, out) && ok;
    return read_support(k, json_object_get(value, "support"), at, out) && ok;
}

/* What the update refuses is in the way it is said that rows are kept. */
struct refusing {
    struct request *r;
    bool many; /* it is one of a list */
};

static void refuse_part(void *arg, size_t i, const char *text)
{
    const struct refusing *refusing = arg;
    struct json_place at = json_place_root();
    refusing->r->faults->part = i;
    if (refusing->many) {
        at = json_place_key(&at, "tasks");
        at = json_place_index(&at, i);
    }
    at = json_place_key(&at, "keep_rows");
    problem_answer(refusing->r, PROBLEM_INVALID_VALUE, at.text, "%s", text);
}

/* ---- one task ---- */

static void answer_task(struct request *r, const struct known_task *part, const struct task_loss *loss)
{
    struct buf *out = request_answer(r, part->g.created ? 201 : 200, request_json);
    task_told_registered(part, out);
    if (part->g.replaces_rows)
        task_told_loss(&part->g, loss, out);
    task_told_warnings(part, out);
    buf_addc(out, '}');
}

enum { RESULT_BYTES = 64 }; /* what numbers may differ by from what was known of them before the commit */

/* An answer that is to be given. */
struct one_task {
    struct request *r;
    const struct known_task *part;
    const struct task_loss *loss;
};

static enum err_code rehearse_task(void *arg, struct err *e)
{
    const struct one_task *one = arg;
    answer_task(one->r, one->part, one->loss);
    return batch_rehearsed(one->r, RESULT_BYTES, e);
}

static enum err_code register_task(struct api_thread *t, struct task_known_reader *k, struct known_task *part,
                                   struct task_loss *loss, struct err *e)
{
    struct refusing refusing = {.r = k->r};
    struct one_task one = {k->r, part, loss};
    const struct task_update_rules rules = {
        .refuse = refuse_part, .arg = &refusing, .answerable = {rehearse_task, &one}};
    if (k->b->faults.n)
        return ERR_INVALID;
    /* beside others who write */
    enum err_code code =
        task_loss_make(k->room, part->g.profile_json, part->known.rows, part->known.n, loss, e);
    return code ? code : task_updates_register(&t->session, &part->g, 1, &rules, e);
}

/* Of a patch the stored profile, which is to be there still when the update comes to it. */
static bool read_stored(struct api_thread *t, struct task_known_reader *k, struct known_task *part)
{
    part->g.must_be_there = part->g.expects_profile = part->patch;
    return !part->patch || task_known_stored(k, t, part->g.id, &part->stored, &part->g.profile_before);
}

/* Each time anew for which somebody else has changed the profile meanwhile. */
static void write_known_task(struct api_thread *t, struct task_known_reader *k, const json_t *root,
                             struct known_task *part)
{
    struct json_place at = json_place_root();
    struct task_loss loss;
    struct err e = {0};
    enum err_code code = ERR_CONFLICT;
    for (int i = 0; i < TASK_KNOWN_TRIES && code == ERR_CONFLICT; i++) {
        known_task_fini(part);
        batch_forget_faults(k->b);
        err_clear(&e);
        if (!read_stored(t, k, part))
            return;
        (void)read_registration(k, root, &at, false, part);
        if (k->r->status)
            return;
        code = register_task(t, k, part, &loss, &e);
    }
    e.code = code == ERR_CONFLICT ? ERR_BUSY : code;
    if (code)
        task_told_refusal(t, k->r, k->b, NULL, &e);
    else
        answer_task(k->r, part, &loss);
}

static void write_task(struct api_thread *t, struct request *r, bool patch)
{
    struct batch b;
    struct known_task part = {.patch = patch};
    struct task_known_reader k;
    struct model_handle *handle;
    if (!api_task_id(r, 3, &part.g.id) || (!patch && !task_body_new_id(r, part.g.id, NULL)))
        return;
    if (!api_any_task_model(t, r, &handle))
        return;
    if (api_image_model(handle)) {
        (patch ? api_image_patch : api_image_put)(t, r, handle, part.g.id);
        return;
    }
    if (!task_known_reader_init(&k, t, r, &b))
        return;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    batch_init(r, &b, false);
    write_known_task(t, &k, root, &part);
    known_task_fini(&part);
    batch_fini(r, &b);
    json_decref(root);
}

void api_admin_task_put(struct api_thread *t, struct request *r)
{
    write_task(t, r, false);
}

void api_admin_task_patch(struct api_thread *t, struct request *r)
{
    write_task(t, r, true);
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
    bool skip;
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

static void answer_tasks(struct task_batch *u)
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
        u->parts[i].g = u->list[i];
        task_told_registered(&u->parts[i], out);
        task_told_warnings(&u->parts[i], out);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
    if (u->skip)
        batch_add_refused(&u->b, out);
    buf_addc(out, '}');
}

static enum err_code rehearse_tasks(void *arg, struct err *e)
{
    struct task_batch *u = arg;
    answer_tasks(u);
    return batch_rehearsed(u->r, u->b.n * RESULT_BYTES, e);
}

static void put_tasks(struct api_thread *t, struct task_batch *u)
{
    struct refusing refusing = {u->r, true};
    const struct task_update_rules rules = {
        .skip = u->skip, .refuse = refuse_part, .arg = &refusing, .answerable = {rehearse_tasks, u}};
    struct err e = {0};
    enum err_code code = u->b.faults.n && !u->skip ? ERR_INVALID : ERR_OK;
    if (!code)
        code = task_updates_register(&t->session, u->list, u->b.n, &rules, &e);
    e.code = code;
    if (code)
        task_told_refusal(t, u->r, &u->b, NULL, &e);
    else
        answer_tasks(u);
}

void api_admin_tasks_post(struct api_thread *t, struct request *r)
{
    struct task_batch u = {.r = r};
    struct model_handle *handle;
    if (!api_any_task_model(t, r, &handle))
        return;
    if (api_image_model(handle)) {
        api_image_post_many(t, r, handle);
        return;
    }
    if (!task_known_reader_init(&u.k, t, r, &u.b) || !api_on_error_param(r, &u.skip))
        return;
    batch_init(r, &u.b, u.skip);
    struct batch_parts parts = {.name = "tasks",
                                .mark = "id",
                                .most = LIMIT_TASKS_PER_CALL,
                                .lines = request_type_is(r, "application/x-ndjson", NULL),
                                .arg = &u,
                                .reserve = reserve_tasks,
                                .read = read_task};
    if (batch_read(r, &u.b, &parts))
        put_tasks(t, &u);
    for (size_t i = 0; i < u.b.n; i++)
        known_task_fini(&u.parts[i]);
    batch_fini(r, &u.b);
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
    if ((handle = api_trained_model(t, r))) {
        api_trained_get(t, r, handle);
        return;
    }
    if (!api_task_id(r, 2, &id) || !api_any_task_model(t, r, &handle))
        return;
    if (api_image_model(handle)) {
        api_image_get(t, r, handle, id);
        return;
    }
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
    task_told_waiting(room->waits, out);
    buf_addc(out, '}');
}
