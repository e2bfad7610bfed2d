#include "server/api/api_image.h"

#include "base/limits.h"
#include "server/api/batch.h"
#include "server/api/image_known.h"
#include "server/api/json_body.h"
#include "server/api/task_body.h"
#include "server/http/problem.h"
#include "server/http/problem_list.h"
#include "server/serving/image_classes.h"
#include "server/serving/image_contexts.h"
#include "server/serving/image_tasks.h"

#include <string.h>

/* ---- registrations ---- */

static const char nothing_kept[] = "nothing of the request was kept";

/* What keeps a stored task from a call. */
static void refuse_task(struct api_thread *t, struct request *r, const struct err *e)
{
    if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL, "%s", e->text);
    else if (e->code == ERR_LIMIT)
        problem_answer(r, PROBLEM_TOO_LARGE, NULL, "%s", e->text);
    else if (e->code == ERR_CONFLICT)
        problem_answer(r, PROBLEM_OTHER_MODEL, NULL, "%s", e->text);
    else
        api_fail(t, r, e);
}

static void refuse(struct api_thread *t, struct request *r, struct batch *b, bool creates,
                   const struct err *e)
{
    if (b->faults.n && e->code == ERR_INVALID)
        problem_answer_list(r, &b->faults, nothing_kept);
    else if (e->code == ERR_NOTFOUND && creates)
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL, "%s; create=true makes it", e->text);
    else
        refuse_task(t, r, e);
}

/* A registration of a body. */
struct part {
    struct image_registration g;
    bool patch, wants_rows;
};

static void write_registered(const struct part *p, struct buf *out)
{
    const struct image_registration *g = &p->g;
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->id.data, g->id.len);
    if (g->profile_stays && !p->patch)
        buf_addf(out, ",\"accepted\":%zu,\"created\":%s", g->n, g->created ? "true" : "false");
    else
        buf_addf(out, ",\"result\":\"%s\"", p->patch ? "updated" : g->created ? "registered" : "replaced");
    buf_addf(out, ",\"revision\":%lld,\"source\":\"%s\",\"known\":%zu,\"rows\":%zu,\"classes\":%zu",
             (long long)g->revision, g->n_known ? "rows" : "prior", g->n_known, g->n_rows, g->n_classes);
    if (g->lost_rows && p->wants_rows)
        buf_adds(
            out,
            ",\"warnings\":[{\"type\":\"urn:hypernet:warning:rows-forgotten\",\"detail\":\"the images of "
            "the task were forgotten: keep_rows counts again once support gives all of them anew\"}]");
    buf_addc(out, '}');
}

/* What the update refuses is in the way it is said that images are kept. */
struct refusing {
    struct request *r;
    bool many; /* it is one of a list */
};

static void refuse_part(void *arg, size_t i, const char *text)
{
    const struct refusing *refusing = arg;
    struct json_place at = json_place_root();
    if (refusing->many) {
        at = json_place_key(&at, "tasks");
        at = json_place_index(&at, i);
        refusing->r->faults->part = i;
    }
    at = json_place_key(&at, "keep_rows");
    problem_answer(refusing->r, PROBLEM_INVALID_VALUE, at.text, "%s", text);
}

static void store_known(struct api_thread *t, struct image_known *k, struct part *p)
{
    struct err e = {0};
    struct refusing refusing = {.r = k->r};
    const struct task_update_rules rules = {.refuse = refuse_part, .arg = &refusing};
    enum err_code code =
        k->b->faults.n ? ERR_INVALID : image_tasks_register(&t->session, &p->g, 1, &rules, &e);
    e.code = code;
    if (code)
        refuse(t, k->r, k->b, !p->patch, &e);
    else
        write_registered(p, request_answer(k->r, p->g.created ? 201 : 200, request_json));
}

static bool read_keep_rows(struct request *r, const json_t *root, const struct json_place *at, struct part *p)
{
    const json_t *keep = json_object_get(root, "keep_rows");
    struct json_place place = json_place_key(at, "keep_rows");
    p->wants_rows = json_is_true(keep);
    p->g.keeps_rows = !keep || p->wants_rows;
    p->g.keeps_as_before = p->patch && !keep;
    if (!keep || json_is_boolean(keep))
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected true or false");
    return false;
}

/* The images of a registration, which a patch may leave out. False: refused. */
static bool read_support(struct image_known *k, const json_t *value, const struct json_place *at,
                         struct part *p)
{
    const json_t *support = json_object_get(value, "support");
    struct json_place place = json_place_key(at, "support");
    k->list = NULL;
    k->n = 0;
    p->g.replaces = support || !p->patch;
    if (!support && p->patch)
        return true;
    if (!support) {
        problem_answer(k->r, PROBLEM_INVALID_VALUE, place.text,
                       "expected {\"images\": [...], \"classes\": [...]}: some images of each class");
        return false;
    }
    bool ok = image_known_read(k, support, &place) && image_known_two_classes(k, &place);
    p->g.known = k->list;
    p->g.n = k->n;
    return ok;
}

/* One registration; its id is given (PUT, PATCH) or a member (POST). False: refused. */
static bool read_registration(struct image_known *k, const json_t *value, const struct json_place *at,
                              bool with_id, struct part *p)
{
    static const char *const keys[] = {"support", "keep_rows", "id", NULL};
    static const char *const keys_without_id[] = {"support", "keep_rows", NULL};
    struct json_place id_at = json_place_key(at, "id");
    bool ok = json_body_object(k->r, value, at, with_id ? keys : keys_without_id);
    if (!json_is_object(value))
        return false;
    p->g.create = !p->patch;
    p->g.profile_stays = p->patch;
    ok = (!with_id || (json_body_id(k->r, value, "id", "task", at, &p->g.id) &&
                       task_body_new_id(k->r, p->g.id, &id_at))) &&
         ok;
    ok = read_keep_rows(k->r, value, at, p) && ok;
    return read_support(k, value, at, p) && ok;
}

static void put(struct api_thread *t, struct image_known *k, const json_t *root, struct part *p)
{
    struct json_place at = json_place_root();
    (void)read_registration(k, root, &at, false, p); /* faults say it */
    if (!k->r->status)
        store_known(t, k, p);
}

/* What both calls that write have in common. */
typedef void write_fn(struct api_thread *t, struct image_known *k, const json_t *root, struct part *p);

static void write_task(struct api_thread *t, struct request *r, struct part *p, write_fn *run)
{
    struct batch b;
    struct image_known k = {.r = r, .b = &b};
    struct err e = {0};
    bool ignored; /* images have no categories; what is no value is told all the same */
    if (!task_body_unknown_param(r, &ignored))
        return;
    if (model_handle_images(p->g.handle, &k.room, &e)) {
        problem_answer_err(r, &e);
        return;
    }
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    batch_init(r, &b, false);
    run(t, &k, root, p);
    batch_fini(r, &b);
    json_decref(root);
}

void api_image_put(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id)
{
    struct part p = {.g = {.id = id, .handle = handle}};
    write_task(t, r, &p, put);
}

void api_image_patch(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id)
{
    struct part p = {.patch = true, .g = {.id = id, .handle = handle}};
    write_task(t, r, &p, put);
}

static void add_examples(struct api_thread *t, struct image_known *k, const json_t *root, struct part *p)
{
    struct json_place at = json_place_root();
    (void)image_known_read(k, root, &at); /* faults say it */
    p->g.known = k->list;
    p->g.n = k->n;
    if (!k->r->status)
        store_known(t, k, p);
}

void api_image_examples(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id,
                        bool create)
{
    struct part p = {.g = {.id = id,
                           .handle = handle,
                           .create = create,
                           .keeps_rows = true,
                           .keeps_as_before = true,
                           .profile_stays = true}};
    write_task(t, r, &p, add_examples);
}

/* ---- many ---- */

struct image_batch {
    struct request *r;
    struct batch b;
    struct model_handle *handle;
    struct image_known k;
    struct part *parts;              /* (n) */
    struct image_registration *list; /* (n) of them, as the update takes it */
    bool skip;
};

static bool reserve_tasks(void *arg, size_t n)
{
    struct image_batch *u = arg;
    u->parts = batch_alloc(u->r, &u->b, n, sizeof *u->parts);
    u->list = u->parts ? batch_alloc(u->r, &u->b, n, sizeof *u->list) : NULL;
    return u->list != NULL;
}

static void read_task(void *arg, size_t i, const json_t *value, const struct json_place *at)
{
    struct image_batch *u = arg;
    u->parts[i].g.handle = u->handle;
    bool ok = value && read_registration(&u->k, value, at, true, &u->parts[i]);
    u->list[i] = u->parts[i].g;
    u->list[i].refused = !ok;
}

static void answer_tasks(struct image_batch *u)
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
        write_registered(&u->parts[i], out);
    }
    buf_addc(out, ']');
    if (u->skip)
        batch_add_refused(&u->b, out);
    buf_addc(out, '}');
}

static enum err_code rehearse_tasks(void *arg, struct err *e)
{
    enum { RESULT_BYTES = 64 };
    struct image_batch *u = arg;
    answer_tasks(u);
    return batch_rehearsed(u->r, u->b.n * RESULT_BYTES, e);
}

static void put_tasks(struct api_thread *t, struct image_batch *u)
{
    struct refusing refusing = {u->r, true};
    const struct task_update_rules rules = {
        .skip = u->skip, .refuse = refuse_part, .arg = &refusing, .answerable = {rehearse_tasks, u}};
    struct err e = {0};
    enum err_code code = u->b.faults.n && !u->skip ? ERR_INVALID : ERR_OK;
    if (!code)
        code = image_tasks_register(&t->session, u->list, u->b.n, &rules, &e);
    e.code = code;
    if (code)
        refuse(t, u->r, &u->b, false, &e);
    else
        answer_tasks(u);
}

void api_image_post_many(struct api_thread *t, struct request *r, struct model_handle *handle)
{
    struct image_batch u = {.r = r, .handle = handle, .k = {.r = r, .parts_are_tasks = true}};
    struct err e = {0};
    bool ignored; /* images have no categories; what is no value is told all the same */
    u.k.b = &u.b;
    if (!task_body_unknown_param(r, &ignored) || !api_on_error_param(r, &u.skip))
        return;
    if (model_handle_images(handle, &u.k.room, &e)) {
        problem_answer_err(r, &e);
        return;
    }
    batch_init(r, &u.b, u.skip);
    struct batch_parts parts = {.name = "tasks",
                                .mark = "id",
                                .most = LIMIT_TASKS_PER_CALL,
                                .lines = request_type_is(r, "application/x-ndjson", NULL),
                                .arg = &u,
                                .reserve = reserve_tasks,
                                .read = read_task};
    if (batch_read(r, &u.b, &parts) && !r->status)
        put_tasks(t, &u);
    batch_fini(r, &u.b);
}

/* ---- what is known ---- */

void api_image_get(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id)
{
    struct image_room *room;
    struct err e = {0};
    enum err_code code = store_snapshot_begin(t->session.conn, &e);
    if (!code) {
        code = image_contexts_load(t->session.conn, handle, id, &t->session.task, &room, &e);
        store_snapshot_end(t->session.conn);
    }
    if (code && code != ERR_LIMIT) {
        refuse_task(t, r, &e);
        return;
    }
    if (code)
        image_context_clear(&room->context); /* of too many classes there is none */
    const struct store_task *record = &t->session.task;
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"task\":");
    buf_add_json_string(out, id.data, id.len);
    buf_addf(out, ",\"revision\":%lld,\"source\":\"%s\",\"known\":%zu,\"rows\":%lld,\"keep_rows\":%s",
             (long long)record->revision, room->context.n ? "rows" : "prior",
             image_context_known(&room->context), (long long)record->n_rows,
             record->keeps_rows ? "true" : "false");
    buf_adds(out, ",\"profile\":");
    if (record->profile.len)
        buf_add(out, record->profile.data, record->profile.len);
    else
        buf_adds(out, "null");
    buf_adds(out, ",\"classes\":{");
    for (size_t k = 0; k < room->context.n; k++) {
        if (k)
            buf_addc(out, ',');
        buf_add_json_string(out, room->context.classes[k].name, room->context.classes[k].name_len);
        buf_addf(out, ":%.0f", room->context.classes[k].n);
    }
    buf_addc(out, '}');
    if (code) {
        buf_adds(out, ",\"warnings\":[{\"type\":\"urn:hypernet:warning:too-many-classes\",\"detail\":");
        buf_add_json_string(out, e.text, strlen(e.text));
        buf_adds(out, "}]");
    }
    buf_addc(out, '}');
}

void api_admin_class_delete(struct api_thread *t, struct request *r)
{
    struct text id, class;
    struct model_handle *handle;
    struct err e = {0};
    if (!api_task_id(r, 3, &id) || !api_class_id(r, 5, &class) || !api_image_only_model(t, r, &handle))
        return;
    enum err_code code = image_classes_forget(&t->session, id, class, &e);
    if (code)
        refuse_task(t, r, &e);
    else
        (void)request_answer(r, 204, NULL);
}
