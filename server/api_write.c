/* PUT and DELETE /v1/admin/users/{user}, POST /v1/admin/users, POST /v1/events: bodies to updates, and what
 * comes of them. All of them write, so all of them run on a worker. */
#include "server/api.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/json_in.h"
#include "server/json_lines.h"
#include "server/problem.h"
#include "server/profile_known.h"
#include "server/update.h"

#include <math.h>
#include <string.h>

/* ---- bodies ---- */

/* What a body was read into; the texts live in its JSON values. */
struct batch {
    json_t **roots; /* (n_roots) parsed documents */
    size_t n_roots;
    struct registration *list; /* (n) */
    size_t n;
    void **blocks; /* (n_blocks) memory of the lists */
    size_t n_blocks;
};

static void batch_fini(struct batch *b)
{
    for (size_t i = 0; i < b->n_roots; i++)
        json_decref(b->roots[i]);
    for (size_t i = 0; i < b->n_blocks; i++)
        mem_free(b->blocks[i]);
    mem_free(b->roots);
    mem_free(b->blocks);
    mem_free(b->list);
}

/* Room for n users: lists, and three blocks each (profile text, interactions, embedding). */
static bool batch_reserve(struct request *r, struct batch *b, size_t n)
{
    b->list = mem_zalloc_array(n, sizeof *b->list);
    b->blocks = mem_zalloc_array(3 * n, sizeof *b->blocks);
    if (b->list && b->blocks)
        return true;
    problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for %zu users", n);
    return false;
}

static void *batch_alloc(struct request *r, struct batch *b, size_t count, size_t size)
{
    void *block = mem_zalloc_array(count, size);
    if (!block)
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
    else
        b->blocks[b->n_blocks++] = block;
    return block;
}

static bool read_interaction(struct request *r, const json_t *value, const struct json_place *at,
                             bool of_event, int64_t now, struct update_interaction *out)
{
    static const char *const event_keys[] = {"item", "weight", "rating", "timestamp", "user", NULL};
    static const char *const keys[] = {"item", "weight", "rating", "timestamp", NULL};
    *out = (struct update_interaction){.weight = 1, .rating = (double)NAN, .timestamp = now};
    return json_in_object(r, value, at, of_event ? event_keys : keys) &&
           (!of_event || json_in_id(r, value, "user", at, &out->user)) &&
           json_in_id(r, value, "item", at, &out->item) && json_in_weight(r, value, at, &out->weight) &&
           json_in_rating(r, value, at, &out->rating) &&
           json_in_timestamp(r, value, at, now, &out->timestamp, &out->timed);
}

static bool read_interactions(struct request *r, struct batch *b, const json_t *list,
                              const struct json_place *at, struct registration *g)
{
    size_t n = json_array_size(list);
    int64_t now = clock_unix_s();
    struct update_interaction *out = batch_alloc(r, b, n, sizeof *out);
    if (!out)
        return false;
    struct json_place place = json_place_key(at, "interactions");
    for (size_t i = 0; i < n; i++) {
        struct json_place element = json_place_index(&place, i);
        if (!read_interaction(r, json_array_get(list, i), &element, false, now, &out[i]))
            return false;
    }
    g->interactions = out;
    g->n_interactions = n;
    return true;
}

static bool read_embedding(struct api_thread *t, struct request *r, struct batch *b, const json_t *list,
                           const struct json_place *at, struct registration *g)
{
    size_t n = json_array_size(list), want = t->api->serving->models[g->slot].model->spec.d_context;
    struct json_place place = json_place_key(at, "embedding");
    if (n != want) {
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text,
                       "%zu numbers; the model's context embedding has %zu", n, want);
        return false;
    }
    float *out = batch_alloc(r, b, n, sizeof *out);
    for (size_t i = 0; out && i < n; i++) {
        struct json_place element = json_place_index(&place, i);
        if (!json_in_float(r, json_array_get(list, i), &element, &out[i]))
            return false;
    }
    g->embedding = out;
    return out != NULL;
}

static bool read_profile(struct request *r, struct batch *b, const json_t *profile,
                         const struct json_place *at, struct registration *g)
{
    struct json_place place = json_place_key(at, "profile");
    if (!json_is_object(profile)) {
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "a profile is an object");
        return false;
    }
    size_t n = json_dumpb(profile, NULL, 0, JSON_COMPACT);
    if (n > LIMIT_PROFILE_BYTES) {
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "a profile may have %d bytes, not %zu",
                       LIMIT_PROFILE_BYTES, n);
        return false;
    }
    char *text = batch_alloc(r, b, n + 1, 1);
    if (!text)
        return false;
    (void)json_dumpb(profile, text, n, JSON_COMPACT);
    g->profile = (struct store_text){text, n};
    return true;
}

/* One registration; its id is given (PUT) or a member (POST). */
static bool read_registration(struct api_thread *t, struct request *r, struct batch *b, const json_t *value,
                              const struct json_place *at, bool with_id, struct registration *g)
{
    static const char *const keys[] = {"profile", "interactions", "embedding", "id", NULL};
    static const char *const keys_without_id[] = {"profile", "interactions", "embedding", NULL};
    const json_t *interactions, *embedding, *profile;
    if (!json_in_object(r, value, at, with_id ? keys : keys_without_id) ||
        (with_id && !json_in_id(r, value, "id", at, &g->id)) ||
        !json_in_array(r, value, "interactions", at, LIMIT_USER_INTERACTIONS, false, &interactions) ||
        !json_in_array(r, value, "embedding", at, LIMIT_DIM, false, &embedding))
        return false;
    profile = json_object_get(value, "profile");
    if ((interactions && !read_interactions(r, b, interactions, at, g)) ||
        (profile && !read_profile(r, b, profile, at, g)) ||
        (embedding && !read_embedding(t, r, b, embedding, at, g)))
        return false;
    const struct model_spec *spec = &t->api->serving->models[g->slot].model->spec;
    if (!embedding && !spec->encoder.present) {
        problem_answer(r, PROBLEM_ENCODER_MISSING, at->text,
                       "model '%s' makes no contexts; give an embedding of %zu numbers", spec->name,
                       spec->d_context);
        return false;
    }
    return true;
}

/* ---- answers ---- */

static void refuse_update(struct api_thread *t, struct request *r, const char *list,
                          const struct update_fault *fault, const struct err *e)
{
    struct json_place at = json_place_root();
    if (list) {
        at = json_place_key(&at, list);
        at = json_place_index(&at, fault->index);
    }
    if (fault->interaction != SIZE_MAX) {
        at = json_place_key(&at, "interactions");
        at = json_place_index(&at, fault->interaction);
    }
    if (fault->unknown_item) {
        at = json_place_key(&at, "item");
        problem_answer(r, PROBLEM_UNKNOWN_ITEM, at.text, "%s; nothing of the request was kept", e->text);
    } else if (fault->unknown_user) {
        at = json_place_key(&at, "user");
        problem_answer(r, PROBLEM_UNKNOWN_USER, at.text, "%s; nothing of the request was kept", e->text);
    } else if (e->code == ERR_INVALID || e->code == ERR_LIMIT) {
        problem_answer(r, PROBLEM_INVALID_VALUE, at.text, "%s; nothing of the request was kept", e->text);
    } else {
        api_fail(t, r, e);
    }
}

/* A given context is all that its user is known by: then the profile is only kept. */
static void add_registered(struct api_thread *t, struct buf *out, const struct registration *g)
{
    const struct model_spec *spec = &t->api->serving->models[g->slot].model->spec;
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->id.data, g->id.len);
    buf_addf(out, ",\"result\":\"%s\",\"revision\":%lld,\"source\":\"%s\"",
             g->created ? "registered" : "replaced", (long long)g->revision, g->source);
    if (g->profile.data && !g->embedding) {
        buf_adds(out, ",\"unknown_profile\":");
        profile_add_unknown(spec, g->profile, out);
    }
    buf_addc(out, '}');
}

/* ---- PUT one ---- */

enum route_next api_admin_user_put(struct api_thread *t, struct request *r, bool may_block)
{
    if (!may_block)
        return ROUTE_NEEDS_WORKER;
    struct batch b = {0};
    struct store_text id;
    size_t slot;
    struct json_place at = json_place_root();
    struct update_fault fault;
    struct err e = {0};
    if (!api_user_id(r, 3, &id) || !api_model_slot(t, r, &slot))
        return ROUTE_DONE;
    json_t *root = json_in_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (root && batch_reserve(r, &b, 1)) {
        b.list[0] = (struct registration){.id = id, .slot = slot};
        if (read_registration(t, r, &b, root, &at, false, &b.list[0])) {
            if (update_register(t, b.list, 1, &fault, &e))
                refuse_update(t, r, NULL, &fault, &e);
            else
                add_registered(t, request_answer(r, b.list[0].created ? 201 : 200, request_json), &b.list[0]);
        }
    }
    batch_fini(&b);
    json_decref(root);
    return ROUTE_DONE;
}

enum route_next api_admin_user_delete(struct api_thread *t, struct request *r, bool may_block)
{
    if (!may_block)
        return ROUTE_NEEDS_WORKER;
    struct store_text id;
    struct err e = {0};
    if (!api_user_id(r, 3, &id))
        return ROUTE_DONE;
    if (update_delete(t, id, &e) == ERR_OK)
        (void)request_answer(r, 204, NULL);
    else if (e.code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_USER, NULL, "%s", e.text);
    else
        api_fail(t, r, &e);
    return ROUTE_DONE;
}

/* ---- POST many ---- */

static bool read_users_json(struct api_thread *t, struct request *r, struct batch *b, size_t slot)
{
    static const char *const keys[] = {"users", NULL};
    struct json_place root = json_place_root(), list = json_place_key(&root, "users");
    const json_t *users;
    if (!(b->roots = mem_zalloc_array(1, sizeof *b->roots))) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        return false;
    }
    if (!(b->roots[0] = json_in_parse(r, r->body.data ? r->body.data : "", r->body.len, 0)))
        return false;
    b->n_roots = 1;
    if (!json_in_object(r, b->roots[0], &root, keys) ||
        !json_in_array(r, b->roots[0], "users", &root, LIMIT_USERS_PER_CALL, true, &users) ||
        !batch_reserve(r, b, json_array_size(users)))
        return false;
    for (; b->n < json_array_size(users); b->n++) {
        struct json_place at = json_place_index(&list, b->n);
        b->list[b->n].slot = slot;
        if (!read_registration(t, r, b, json_array_get(users, b->n), &at, true, &b->list[b->n]))
            return false;
    }
    return true;
}

/* Each line that is not empty is one user; a pointer then begins with the number of the user. */
static bool read_users_ndjson(struct api_thread *t, struct request *r, struct batch *b, size_t slot)
{
    const char *text = r->body.data ? r->body.data : "", *end = text + r->body.len;
    size_t n_users = json_lines_count(text, end), n;
    if (n_users > LIMIT_USERS_PER_CALL) {
        problem_answer(r, PROBLEM_INVALID_VALUE, "", "%zu users; at most %d in one call", n_users,
                       LIMIT_USERS_PER_CALL);
        return false;
    }
    if (!(b->roots = mem_zalloc_array(n_users, sizeof *b->roots)) || !batch_reserve(r, b, n_users)) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        return false;
    }
    struct json_place root = json_place_root(), list = json_place_key(&root, "users");
    const char *line;
    for (int number = 0; json_lines_next(&text, end, &line, &n); number++) {
        if (json_lines_empty(line, n))
            continue;
        if (!(b->roots[b->n_roots] = json_in_parse(r, line, n, number)))
            return false;
        struct json_place at = json_place_index(&list, b->n);
        b->list[b->n].slot = slot;
        if (!read_registration(t, r, b, b->roots[b->n_roots++], &at, true, &b->list[b->n]))
            return false;
        b->n++;
    }
    return true;
}

enum route_next api_admin_users_post(struct api_thread *t, struct request *r, bool may_block)
{
    if (!may_block)
        return ROUTE_NEEDS_WORKER;
    struct batch b = {0};
    struct update_fault fault;
    struct err e = {0};
    size_t slot;
    if (!api_model_slot(t, r, &slot))
        return ROUTE_DONE;
    bool lines = request_type_is(r, "application/x-ndjson", NULL);
    if (buf_text(&r->body) && (lines ? read_users_ndjson(t, r, &b, slot) : read_users_json(t, r, &b, slot))) {
        if (update_register(t, b.list, b.n, &fault, &e)) {
            refuse_update(t, r, "users", &fault, &e);
        } else {
            struct buf *out = request_answer(r, 200, request_json);
            buf_adds(out, "{\"users\":[");
            for (size_t i = 0; i < b.n; i++) {
                if (i)
                    buf_addc(out, ',');
                add_registered(t, out, &b.list[i]);
            }
            buf_adds(out, "]}");
        }
    }
    batch_fini(&b);
    return ROUTE_DONE;
}

/* ---- events ---- */

static void answer_events(struct request *r, size_t n, size_t n_older, const struct update_touched *touched,
                          size_t n_touched)
{
    struct buf *out = request_answer(r, 200, request_json);
    buf_addf(out, "{\"accepted\":%zu,\"older\":%zu,\"users\":[", n, n_older);
    for (size_t i = 0; i < n_touched; i++) {
        buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
        buf_add_json_string(out, touched[i].user.data, touched[i].user.len);
        buf_addf(out, ",\"revision\":%lld}", (long long)touched[i].revision);
    }
    buf_adds(out, "]}");
}

static bool read_events(struct request *r, const json_t *list, struct update_interaction *events)
{
    struct json_place root = json_place_root(), place = json_place_key(&root, "events");
    int64_t now = clock_unix_s();
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct json_place at = json_place_index(&place, i);
        if (!read_interaction(r, json_array_get(list, i), &at, true, now, &events[i]))
            return false;
    }
    return true;
}

enum route_next api_events_post(struct api_thread *t, struct request *r, bool may_block)
{
    static const char *const keys[] = {"events", NULL};
    if (!may_block)
        return ROUTE_NEEDS_WORKER;
    struct json_place at = json_place_root();
    const json_t *list;
    json_t *root = json_in_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    struct update_interaction *events = NULL;
    struct update_touched *touched = NULL;
    if (!root || !json_in_object(r, root, &at, keys) ||
        !json_in_array(r, root, "events", &at, LIMIT_EVENTS_PER_CALL, true, &list))
        goto out;
    size_t n = json_array_size(list), n_touched, n_older;
    events = mem_alloc_array(n, sizeof *events);
    touched = mem_alloc_array(n, sizeof *touched);
    struct update_fault fault;
    struct err e = {0};
    if (!events || !touched)
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for %zu events", n);
    else if (!read_events(r, list, events))
        goto out;
    else if (update_events(t, events, n, touched, &n_touched, &n_older, &fault, &e))
        refuse_update(t, r, "events", &fault, &e);
    else
        answer_events(r, n, n_older, touched, n_touched);
out:
    mem_free(events);
    mem_free(touched);
    json_decref(root);
    return ROUTE_DONE;
}
