#include "server/api/api_image.h"

#include "base/limits.h"
#include "server/api/batch.h"
#include "server/api/json_body.h"
#include "server/api/task_body.h"
#include "server/http/problem.h"
#include "server/http/problem_list.h"
#include "server/serving/image_classes.h"
#include "server/serving/image_contexts.h"
#include "server/serving/image_tasks.h"

#include <string.h>

/* ---- what a body has ---- */

static struct json_place place_of(const struct json_place *at, const char *key, size_t i,
                                  const struct image_place *where)
{
    struct json_place place = json_place_key(at, key);
    place = json_place_index(&place, i);
    for (size_t depth = 0; depth < 3 && where && where->at[depth] >= 0; depth++)
        place = json_place_index(&place, (size_t)where->at[depth]);
    return place;
}

/* The array of images at a place, not empty; false: refused. */
static bool read_images(struct request *r, const json_t *value, const struct json_place *at,
                        const json_t **out)
{
    struct json_place place = json_place_key(at, "images");
    if (json_array_size(json_object_get(value, "images")) > LIMIT_TASK_IMAGES) {
        struct problem_list *faults = r->faults;
        r->faults = NULL; /* it is the answer, whatever else there is */
        problem_answer(r, PROBLEM_TOO_LARGE, place.text, "%zu images; at most %d in one call",
                       json_array_size(json_object_get(value, "images")), LIMIT_TASK_IMAGES);
        r->faults = faults;
        return false;
    }
    if (!json_body_array(r, value, "images", at, LIMIT_TASK_IMAGES, true, out))
        return false;
    if (json_array_size(*out))
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected one image or more");
    return false;
}

/* The features of an image to the room's; false: refused at its place. */
static bool read_features(struct request *r, struct image_room *room, const json_t *image,
                          const struct json_place *at, size_t i)
{
    struct image_place where;
    struct err e = {0};
    enum err_code code = image_room_features(room, image, &where, &e);
    if (code == ERR_INVALID) {
        struct json_place place = place_of(at, "images", i, &where);
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "%s", e.text);
    } else if (code) {
        problem_answer_err(r, &e);
    }
    return code == ERR_OK;
}

/* ---- known images ---- */

/* Those of a body, checked and with their features. */
struct known_body {
    struct request *r;
    struct batch *b;
    struct image_room *room;
    const json_t *images, *classes;
    struct known_image *list; /* (n) */
    size_t n;
};

static bool read_class(struct known_body *k, const struct json_place *at, size_t i)
{
    const json_t *value = json_array_get(k->classes, i);
    struct json_place place = place_of(at, "classes", i, NULL);
    return json_body_id_value(k->r, value, "class", &place, &k->list[i].class);
}

/* {"class", "image"} as text, for the store. */
static bool make_row(struct known_body *k, const struct json_place *at, size_t i)
{
    json_t *row = json_object();
    bool ok = row && json_object_set(row, "class", json_array_get(k->classes, i)) == 0 &&
              json_object_set(row, "image", json_array_get(k->images, i)) == 0;
    size_t n = ok ? json_dumpb(row, NULL, 0, JSON_COMPACT) : 0;
    struct json_place place = place_of(at, "images", i, NULL);
    char *text = NULL;
    if (n > LIMIT_TASK_ROW_BYTES)
        problem_answer(k->r, PROBLEM_INVALID_VALUE, place.text,
                       "%zu bytes of JSON; at most %d: send it as a PNG", n, LIMIT_TASK_ROW_BYTES);
    else
        text = batch_alloc(k->r, k->b, n + 1, 1);
    ok = text && n && json_dumpb(row, text, n, JSON_COMPACT) == n;
    if (text && !ok)
        problem_answer(k->r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
    k->list[i].row = (struct text){text, n};
    json_decref(row);
    return ok;
}

static bool read_known_image(struct known_body *k, const struct json_place *at, size_t i)
{
    struct known_image *one = &k->list[i];
    size_t f = k->room->context.d_features;
    bool ok = read_class(k, at, i);
    k->b->faults.part = i;
    one->image = json_array_get(k->images, i);
    if (!read_features(k->r, k->room, one->image, at, i) || !make_row(k, at, i))
        return false;
    real *features = batch_alloc(k->r, k->b, f, sizeof *features);
    if (features)
        memcpy(features, k->room->features, f * sizeof *features);
    one->features = features;
    return features && ok;
}

static bool check_lengths(struct known_body *k, const struct json_place *at)
{
    struct json_place place = json_place_key(at, "classes");
    size_t n = json_array_size(k->images), n_classes = json_array_size(k->classes);
    if (n == n_classes)
        return true;
    problem_answer(k->r, PROBLEM_INVALID_VALUE, place.text, "%zu classes of %zu images; expected one of each",
                   n_classes, n);
    return false;
}

/* Reads {"images", "classes"} at a place. False: refused. */
static bool read_known(struct known_body *k, const json_t *value, const struct json_place *at)
{
    static const char *const keys[] = {"images", "classes", NULL};
    bool ok = json_body_object(k->r, value, at, keys);
    if (!json_is_object(value))
        return false;
    ok = read_images(k->r, value, at, &k->images) && ok;
    if (k->r->status)
        return false;
    ok = json_body_array(k->r, value, "classes", at, LIMIT_TASK_IMAGES, true, &k->classes) && ok;
    if (!ok || !check_lengths(k, at))
        return false;
    size_t n = json_array_size(k->images);
    k->list = batch_alloc(k->r, k->b, n, sizeof *k->list);
    for (size_t i = 0; i < n && k->list && !k->r->status; i++)
        ok = read_known_image(k, at, i) && ok;
    k->n = n;
    return ok && k->list && !k->r->status;
}

/* A task tells classes apart; one has nothing to be told from. */
static bool check_two_classes(struct known_body *k, const struct json_place *at)
{
    struct json_place place = json_place_key(at, "classes");
    for (size_t i = 1; i < k->n; i++)
        if (text_compare(k->list[0].class, k->list[i].class) != 0)
            return true;
    problem_answer(k->r, PROBLEM_INVALID_VALUE, place.text,
                   "all images are of one class; expected two classes or more, each with an image");
    return false;
}

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

static void refuse(struct api_thread *t, struct request *r, struct batch *b, const struct err *e)
{
    if (b->faults.n && e->code == ERR_INVALID)
        problem_answer_list(r, &b->faults, nothing_kept);
    else if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL, "%s; create=true makes it", e->text);
    else
        refuse_task(t, r, e);
}

static void answer_registered(struct request *r, const struct image_registration *g)
{
    struct buf *out = request_answer(r, g->created ? 201 : 200, request_json);
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->id.data, g->id.len);
    if (g->replaces)
        buf_addf(out, ",\"result\":\"%s\"", g->created ? "registered" : "replaced");
    else
        buf_addf(out, ",\"accepted\":%zu,\"created\":%s", g->n, g->created ? "true" : "false");
    buf_addf(out, ",\"revision\":%lld,\"source\":\"rows\",\"known\":%zu,\"rows\":%zu,\"classes\":%zu}",
             (long long)g->revision, g->n_known, g->n_rows, g->n_classes);
}

/* What the update refuses is in the way it is said that images are kept. */
static void refuse_part(void *arg, size_t i, const char *text)
{
    struct request *r = arg;
    struct json_place at = json_place_root();
    (void)i;
    at = json_place_key(&at, "keep_rows");
    problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "%s", text);
}

static void store_known(struct api_thread *t, struct known_body *k, struct image_registration *g)
{
    struct err e = {0};
    g->known = k->list;
    g->n = k->n;
    const struct task_update_rules rules = {.refuse = refuse_part, .arg = k->r};
    enum err_code code = k->b->faults.n ? ERR_INVALID : image_tasks_register(&t->session, g, 1, &rules, &e);
    e.code = code;
    if (code)
        refuse(t, k->r, k->b, &e);
    else
        answer_registered(k->r, g);
}

static bool read_keep_rows(struct request *r, const json_t *root, const struct json_place *at, bool *out)
{
    const json_t *keep = json_object_get(root, "keep_rows");
    struct json_place place = json_place_key(at, "keep_rows");
    *out = !keep || json_is_true(keep);
    if (!keep || json_is_boolean(keep))
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected true or false");
    return false;
}

static void put(struct api_thread *t, struct known_body *k, const json_t *root, struct image_registration *g)
{
    static const char *const keys[] = {"support", "keep_rows", NULL};
    struct json_place at = json_place_root(), support_at = json_place_key(&at, "support");
    const json_t *support = json_object_get(root, "support");
    bool ok = json_body_object(k->r, root, &at, keys);
    if (json_is_object(root)) {
        ok = read_keep_rows(k->r, root, &at, &g->keeps_rows) && ok;
        if (!support)
            problem_answer(k->r, PROBLEM_INVALID_VALUE, support_at.text,
                           "expected {\"images\": [...], \"classes\": [...]}: some images of each class");
        else if (read_known(k, support, &support_at))
            ok = check_two_classes(k, &support_at) && ok;
    }
    (void)ok; /* faults say it */
    if (!k->r->status)
        store_known(t, k, g);
}

/* What both calls that write have in common. */
typedef void write_fn(struct api_thread *t, struct known_body *k, const json_t *root,
                      struct image_registration *g);

static void write_task(struct api_thread *t, struct request *r, struct image_registration *g, write_fn *run)
{
    struct batch b;
    struct known_body k = {.r = r, .b = &b};
    struct err e = {0};
    bool ignored; /* images have no categories; what is no value is told all the same */
    if (!task_body_unknown_param(r, &ignored))
        return;
    if (model_handle_images(g->handle, &k.room, &e)) {
        problem_answer_err(r, &e);
        return;
    }
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    batch_init(r, &b, false);
    run(t, &k, root, g);
    batch_fini(r, &b);
    json_decref(root);
}

void api_image_put(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id)
{
    struct image_registration g = {.id = id, .handle = handle, .replaces = true, .create = true};
    write_task(t, r, &g, put);
}

static void add_examples(struct api_thread *t, struct known_body *k, const json_t *root,
                         struct image_registration *g)
{
    struct json_place at = json_place_root();
    (void)read_known(k, root, &at); /* faults say it */
    if (!k->r->status)
        store_known(t, k, g);
}

void api_image_examples(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id,
                        bool create)
{
    struct image_registration g = {.id = id,
                                   .handle = handle,
                                   .create = create,
                                   .keeps_rows = true,
                                   .keeps_as_before = true,
                                   .profile_stays = true};
    write_task(t, r, &g, add_examples);
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
    if (code) {
        refuse_task(t, r, &e);
        return;
    }
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
    buf_adds(out, "}}");
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

/* ---- predictions ---- */

/* Of images, and of a body with them, which a PNG may have more of than numbers; beyond either the call
 * goes to a worker. */
enum { MAX_NUMBERS_AT_ONCE = 8 * 28 * 28, MAX_BYTES_AT_ONCE = 4 * MAX_NUMBERS_AT_ONCE };

json_t *api_image_read(struct request *r, struct api_plan *plan)
{
    static const char *const keys[] = {"images", "support", NULL};
    struct json_place at = json_place_root();
    const json_t *images = NULL;
    bool ignored; /* images have no categories; what is no value is told all the same */
    if (!task_body_unknown_param(r, &ignored))
        return NULL;
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return NULL;
    (void)(json_body_object(r, root, &at, keys) && read_images(r, root, &at, &images));
    const json_t *support = json_object_get(root, "support");
    size_t n = json_array_size(images) + json_array_size(json_object_get(support, "images"));
    plan->needs_no_weights = support != NULL;
    plan->takes_long =
        n * plan->handle->model->spec.d_item > MAX_NUMBERS_AT_ONCE || r->body.len > MAX_BYTES_AT_ONCE;
    return root;
}

/* The layer of the images that the call says are known. */
static bool solve_support(struct known_body *k, const json_t *support, struct image_layer *out)
{
    struct json_place at = json_place_root();
    struct err e = {0};
    enum err_code code = ERR_OK;
    at = json_place_key(&at, "support");
    if (!read_known(k, support, &at) || !check_two_classes(k, &at))
        return false;
    image_context_clear(&k->room->context);
    for (size_t i = 0; i < k->n && !code; i++)
        code = image_context_add(&k->room->context, k->list[i].class, k->list[i].features, &e);
    if (!code)
        code = image_room_own_layer(k->room, out, &e);
    if (code)
        problem_answer_err(k->r, &e);
    return code == ERR_OK;
}

static void write_answer(const struct image_layer *l, const double *probabilities,
                         const struct image_answer *a, struct buf *out)
{
    struct text best = image_layer_name(l, a->best);
    buf_adds(out, "{\"class\":");
    buf_add_json_string(out, best.data, best.len);
    buf_adds(out, ",\"probabilities\":{");
    for (size_t k = 0; k < l->n_classes; k++) {
        struct text name = image_layer_name(l, k);
        if (k)
            buf_addc(out, ',');
        buf_add_json_string(out, name.data, name.len);
        buf_addf(out, ":%.6g", probabilities[k]);
    }
    buf_addf(out, "},\"entropy\":%.6g,\"novelty\":%.6g}", a->entropy, a->novelty);
}

static void write_head(const struct api_plan *plan, const struct image_layer *l, struct buf *out)
{
    const struct model_spec *spec = &plan->handle->model->spec;
    buf_adds(out, "{\"task\":");
    buf_add_json_string(out, plan->user.data, plan->user.len);
    buf_adds(out, ",\"model\":");
    buf_add_json_string(out, spec->name, strlen(spec->name));
    buf_adds(out, ",\"model_version\":");
    buf_add_json_string(out, spec->version, strlen(spec->version));
    buf_adds(out, ",\"context_revision\":");
    if (plan->weights)
        buf_add_int(out, plan->weights->revision);
    else
        buf_adds(out, "null");
    buf_addf(out, ",\"source\":\"%s\",\"known\":%zu,\"predictions\":[", plan->weights ? "rows" : "support",
             l->n_known);
}

/* All images, or none: what was written of the others goes when one is refused. */
static void answer_images(struct known_body *k, const struct api_plan *plan, const struct image_layer *l,
                          const json_t *images)
{
    struct request *r = k->r;
    struct json_place at = json_place_root();
    struct err e = {0};
    struct buf answers;
    double *probabilities = batch_alloc(r, k->b, l->n_classes, sizeof *probabilities);
    if (!probabilities)
        return;
    buf_init(&answers, LIMIT_RESPONSE_BYTES);
    for (size_t i = 0; i < json_array_size(images) && !r->status; i++) {
        struct image_answer a;
        k->b->faults.part = i;
        if (!read_features(r, k->room, json_array_get(images, i), &at, i))
            continue;
        if (!image_layer_answer(&k->room->view, l, k->room->features, probabilities, &a)) {
            struct json_place place = place_of(&at, "images", i, NULL);
            problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "the model's answer is not finite");
            continue;
        }
        if (i)
            buf_addc(&answers, ',');
        write_answer(l, probabilities, &a, &answers);
    }
    if (buf_check(&answers, "the answer", &e)) {
        r->faults = NULL;
        problem_answer_err(r, &e);
    }
    if (!r->status && !k->b->faults.n) {
        r->faults = NULL;
        struct buf *out = request_answer(r, 200, request_json);
        write_head(plan, l, out);
        buf_add(out, answers.data, answers.len);
        buf_adds(out, "]}");
    }
    buf_fini(&answers);
}

void api_image_predict(struct api_thread *t, struct request *r, const struct api_plan *plan,
                       const json_t *document)
{
    struct batch b;
    struct known_body k = {.r = r, .b = &b};
    struct image_layer layer;
    struct err e = {0};
    const json_t *support = json_object_get(document, "support");
    (void)t;
    if (model_handle_images(plan->handle, &k.room, &e)) {
        problem_answer_err(r, &e);
        return;
    }
    batch_init(r, &b, false);
    if (!support)
        image_layer_read(&k.room->view, plan->weights->theta, &layer);
    if (!support || solve_support(&k, support, &layer))
        answer_images(&k, plan, &layer, json_object_get(document, "images"));
    if (!r->status && b.faults.n)
        problem_answer_list(r, &b.faults, NULL);
    batch_fini(r, &b);
}
