/* PUT, PATCH and DELETE /v1/admin/users/{user}, POST /v1/admin/users, POST /v1/events: bodies to updates, and what
 * comes of them. All of them write, so all of them run on a worker. Faults of a body's parts are gathered: a refusal names all of
 * them, and with on_error=skip they are what is left out. */
#include "server/api.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/json_in.h"
#include "server/json_lines.h"
#include "server/problem_list.h"
#include "server/profile_known.h"
#include "server/update.h"
#include "server/warnings.h"

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
    struct problem_list faults;
    struct warnings warnings;
};

/* Begins to gather faults. */
static void batch_init(struct request *r, struct batch *b, size_t most_faults)
{
    *b = (struct batch){0};
    problem_list_init(&b->faults, most_faults);
    r->faults = &b->faults;
}

static void batch_fini(struct request *r, struct batch *b)
{
    r->faults = NULL;
    problem_list_fini(&b->faults);
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
    bool ok = json_in_object(r, value, at, of_event ? event_keys : keys);
    if (!json_is_object(value))
        return false;
    ok = (!of_event || json_in_id(r, value, "user", at, &out->user)) && ok;
    ok = json_in_id(r, value, "item", at, &out->item) && ok;
    ok = json_in_weight(r, value, at, &out->weight) && ok;
    ok = json_in_rating(r, value, at, &out->rating) && ok;
    return json_in_timestamp(r, value, at, now, &out->timestamp, &out->timed) && ok;
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
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        struct json_place element = json_place_index(&place, i);
        ok = read_interaction(r, json_array_get(list, i), &element, false, now, &out[i]) && ok;
    }
    g->interactions = out;
    g->n_interactions = n;
    return ok;
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
    bool ok = out != NULL;
    for (size_t i = 0; out && i < n; i++) {
        struct json_place element = json_place_index(&place, i);
        ok = json_in_float(r, json_array_get(list, i), &element, &out[i]) && ok;
    }
    g->embedding = out;
    return ok;
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
    g->profile.patch = (struct store_text){text, n};
    return true;
}

/* The value of a key, and whether it is null, which a patch may say to take away what there is. */
static const json_t *member(const struct registration *g, const json_t *value, const char *key, bool *none)
{
    const json_t *m = json_object_get(value, key);
    *none = g->patch && json_is_null(m);
    return *none ? NULL : m;
}

/* What a registration has: profile, interactions, embedding, each by itself. */
static bool read_parts(struct api_thread *t, struct request *r, struct batch *b, const json_t *value,
                       const struct json_place *at, struct registration *g)
{
    const json_t *list;
    bool none, ok = true;
    const json_t *profile = member(g, value, "profile", &g->profile.none);
    if (profile)
        ok = read_profile(r, b, profile, at, g);
    g->replaces_interactions = member(g, value, "interactions", &none) || none;
    if (g->replaces_interactions && !none)
        ok = json_in_array(r, value, "interactions", at, LIMIT_USER_INTERACTIONS, true, &list) &&
             read_interactions(r, b, list, at, g) && ok;
    if (member(g, value, "embedding", &g->no_embedding))
        ok = json_in_array(r, value, "embedding", at, LIMIT_DIM, true, &list) &&
             read_embedding(t, r, b, list, at, g) && ok;
    return ok;
}

/* One registration; its id is given (PUT, PATCH) or a member (POST). */
static bool read_registration(struct api_thread *t, struct request *r, struct batch *b, const json_t *value,
                              const struct json_place *at, bool with_id, struct registration *g)
{
    static const char *const keys[] = {"profile", "interactions", "embedding", "id", NULL};
    static const char *const keys_without_id[] = {"profile", "interactions", "embedding", NULL};
    bool ok = json_in_object(r, value, at, with_id ? keys : keys_without_id);
    if (!json_is_object(value))
        return false;
    ok = (!with_id || json_in_id(r, value, "id", at, &g->id)) && ok;
    ok = read_parts(t, r, b, value, at, g) && ok;
    const struct model_spec *spec = &t->api->serving->models[g->slot].model->spec;
    if (ok && !g->patch && !g->embedding && !spec->encoder.present) {
        problem_answer(r, PROBLEM_ENCODER_MISSING, at->text,
                       "model '%s' makes no contexts; give an embedding of %zu numbers", spec->name,
                       spec->d_context);
        return false;
    }
    return ok;
}

/* ---- refusals ---- */

/* Whose parts an update refuses: the list's name, or NULL for the one of the body. */
struct refusing {
    struct request *r;
    const char *list;
};

/* Of a struct update_rules. */
static void refuse_part(void *arg, const struct update_fault *fault, const char *text)
{
    struct refusing *refusing = arg;
    struct request *r = refusing->r;
    struct json_place at = json_place_root();
    r->faults->part = fault->index;
    if (refusing->list) {
        at = json_place_key(&at, refusing->list);
        at = json_place_index(&at, fault->index);
    }
    if (fault->interaction != SIZE_MAX) {
        at = json_place_key(&at, "interactions");
        at = json_place_index(&at, fault->interaction);
    }
    if (fault->unknown_item || fault->unknown_user)
        at = json_place_key(&at, fault->unknown_item ? "item" : "user");
    problem_answer(r,
                   fault->unknown_item   ? PROBLEM_UNKNOWN_ITEM
                   : fault->unknown_user ? PROBLEM_UNKNOWN_USER
                                         : PROBLEM_INVALID_VALUE,
                   at.text, "%s", text);
}

/* The rules that a request asks for by on_error and create; false: answered. */
static bool read_rules(struct api_thread *t, struct request *r, struct refusing *refusing,
                       struct update_rules *rules)
{
    *rules = (struct update_rules){.refuse = refuse_part, .arg = refusing};
    if (!api_on_error_param(r, &rules->skip) || !api_bool_param(r, "create", &rules->create))
        return false;
    if (!rules->create || r->by_admin || t->api->events_create)
        return true;
    problem_answer(
        r, PROBLEM_CREATE_OFF, NULL,
        "create=true makes users and items: send the admin token, or start the server with --events-create");
    return false;
}

static const char nothing_kept[] = "nothing of the request was kept";

/* Answers what failed: the faults that were gathered, or the error that ended the update. */
static void refuse_update(struct api_thread *t, struct request *r, struct batch *b, const struct err *e)
{
    if (b->faults.n && (e->code == ERR_INVALID || e->code == ERR_LIMIT))
        problem_answer_list(r, &b->faults, nothing_kept);
    else if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_USER, NULL, "%s", e->text);
    else
        api_fail(t, r, e);
}

/* What was left out, in an answer. */
static void add_refused(struct buf *out, struct batch *b, bool skip)
{
    if (!skip)
        return;
    problem_list_sort(&b->faults);
    buf_adds(out, ",\"refused\":");
    problem_list_write(&b->faults, true, out);
}

/* ---- one user ---- */

/* A given context is all that its user is known by: then the profile is only kept. The object is left open. */
static void add_registered(struct api_thread *t, struct buf *out, const struct registration *g)
{
    const struct model_spec *spec = &t->api->serving->models[g->slot].model->spec;
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->id.data, g->id.len);
    buf_addf(out, ",\"result\":\"%s\",\"revision\":%lld,\"source\":\"%s\"",
             g->patch     ? "updated"
             : g->created ? "registered"
                          : "replaced",
             (long long)g->revision, g->source);
    if (g->profile.patch.data && strcmp(g->source, "embedding") != 0) {
        buf_adds(out, ",\"unknown_profile\":");
        profile_add_unknown(spec, g->profile.patch, out);
    }
}

static void answer_registered(struct api_thread *t, struct request *r, struct batch *b)
{
    struct buf *out = request_answer(r, b->list[0].created ? 201 : 200, request_json);
    add_registered(t, out, &b->list[0]);
    warnings_count(&b->warnings, t, b->list[0].interactions, b->list[0].n_interactions);
    warnings_add(&b->warnings, t, out);
    buf_addc(out, '}');
}

static enum route_next write_user(struct api_thread *t, struct request *r, bool patch)
{
    struct batch b;
    struct registration g = {.patch = patch};
    struct refusing refusing = {r, NULL};
    struct update_rules rules;
    struct json_place at = json_place_root();
    struct err e = {0};
    if (!api_user_id(r, 3, &g.id) || !api_model_slot(t, r, &g.slot) || !read_rules(t, r, &refusing, &rules))
        return ROUTE_DONE;
    json_t *root = json_in_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return ROUTE_DONE;
    batch_init(r, &b, PROBLEM_LIST_MOST);
    if (batch_reserve(r, &b, 1)) {
        b.list[0] = g;
        b.list[0].refused = !read_registration(t, r, &b, root, &at, false, &b.list[0]);
        if (!r->status && update_register(t, b.list, 1, &rules, &e))
            refuse_update(t, r, &b, &e);
        else if (!r->status)
            answer_registered(t, r, &b);
    }
    batch_fini(r, &b);
    json_decref(root);
    return ROUTE_DONE;
}

enum route_next api_admin_user_put(struct api_thread *t, struct request *r, bool may_block)
{
    return may_block ? write_user(t, r, false) : ROUTE_NEEDS_WORKER;
}

enum route_next api_admin_user_patch(struct api_thread *t, struct request *r, bool may_block)
{
    return may_block ? write_user(t, r, true) : ROUTE_NEEDS_WORKER;
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

/* Reads one user of many; a fault leaves it marked. False: answered. */
static bool read_user(struct api_thread *t, struct request *r, struct batch *b, const json_t *value,
                      size_t slot)
{
    struct json_place root = json_place_root(), list = json_place_key(&root, "users"),
                      at = json_place_index(&list, b->n);
    struct registration *g = &b->list[b->n];
    r->faults->part = b->n++;
    g->slot = slot;
    g->refused = !value || !read_registration(t, r, b, value, &at, true, g);
    return r->status == 0;
}

static bool read_users_json(struct api_thread *t, struct request *r, struct batch *b, size_t slot)
{
    const json_t *users;
    if (!(b->roots = mem_zalloc_array(1, sizeof *b->roots))) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        return false;
    }
    r->faults = NULL; /* what is wrong with the whole is an answer */
    if (!(b->roots[0] = json_in_parse(r, r->body.data ? r->body.data : "", r->body.len, 0)))
        return false;
    b->n_roots = 1;
    if (!json_in_parts(r, b->roots[0], "users", "id", LIMIT_USERS_PER_CALL, &users) ||
        !batch_reserve(r, b, json_array_size(users)))
        return false;
    r->faults = &b->faults;
    while (b->n < json_array_size(users))
        if (!read_user(t, r, b, json_array_get(users, b->n), slot))
            return false;
    return true;
}

/* Each line that is not empty is one user; a pointer then begins with the number of the user. */
static bool read_users_ndjson(struct api_thread *t, struct request *r, struct batch *b, size_t slot)
{
    const char *text = r->body.data ? r->body.data : "", *end = text + r->body.len, *line;
    size_t n_users = json_lines_count(text, end), n;
    if (n_users > LIMIT_USERS_PER_CALL) {
        r->faults = NULL;
        problem_answer(r, PROBLEM_INVALID_VALUE, "", "%zu users; at most %d in one call", n_users,
                       LIMIT_USERS_PER_CALL);
        return false;
    }
    if (!(b->roots = mem_zalloc_array(n_users, sizeof *b->roots)) || !batch_reserve(r, b, n_users)) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        return false;
    }
    for (int number = 0; json_lines_next(&text, end, &line, &n); number++) {
        if (json_lines_empty(line, n))
            continue;
        r->faults->part = b->n;
        json_t *value = b->roots[b->n_roots++] = json_in_parse(r, line, n, number);
        if (!read_user(t, r, b, value, slot))
            return false;
    }
    return true;
}

static void answer_users(struct api_thread *t, struct request *r, struct batch *b, bool skip)
{
    struct buf *out = request_answer(r, 200, request_json);
    bool any = false;
    buf_adds(out, "{\"users\":[");
    for (size_t i = 0; i < b->n; i++) {
        if (b->list[i].refused)
            continue;
        if (any)
            buf_addc(out, ',');
        any = true;
        add_registered(t, out, &b->list[i]);
        buf_addc(out, '}');
        warnings_count(&b->warnings, t, b->list[i].interactions, b->list[i].n_interactions);
    }
    buf_addc(out, ']');
    add_refused(out, b, skip);
    warnings_add(&b->warnings, t, out);
    buf_addc(out, '}');
}

enum route_next api_admin_users_post(struct api_thread *t, struct request *r, bool may_block)
{
    if (!may_block)
        return ROUTE_NEEDS_WORKER;
    struct batch b;
    struct refusing refusing = {r, "users"};
    struct update_rules rules;
    struct err e = {0};
    size_t slot;
    if (!api_model_slot(t, r, &slot) || !read_rules(t, r, &refusing, &rules))
        return ROUTE_DONE;
    batch_init(r, &b, rules.skip ? SIZE_MAX : PROBLEM_LIST_MOST);
    bool lines = request_type_is(r, "application/x-ndjson", NULL);
    if (buf_text(&r->body) && (lines ? read_users_ndjson(t, r, &b, slot) : read_users_json(t, r, &b, slot))) {
        if (update_register(t, b.list, b.n, &rules, &e))
            refuse_update(t, r, &b, &e);
        else
            answer_users(t, r, &b, rules.skip);
    }
    batch_fini(r, &b);
    return ROUTE_DONE;
}

/* ---- events ---- */

/* The events of a body and what became of them. */
struct event_batch {
    struct update_interaction *events; /* (n) */
    struct update_touched *touched;    /* (n_touched) of n */
    size_t n, n_touched;
    struct update_made made;
};

static void read_events(struct request *r, const json_t *list, struct event_batch *events)
{
    struct json_place root = json_place_root(), place = json_place_key(&root, "events");
    int64_t now = clock_unix_s();
    for (size_t i = 0; i < events->n; i++) {
        struct json_place at = json_place_index(&place, i);
        r->faults->part = i;
        events->events[i].refused =
            !read_interaction(r, json_array_get(list, i), &at, true, now, &events->events[i]);
    }
}

static void answer_events(struct api_thread *t, struct request *r, struct batch *b,
                          const struct event_batch *events, const struct update_rules *rules)
{
    struct buf *out = request_answer(r, 200, request_json);
    size_t accepted = 0;
    for (size_t i = 0; i < events->n; i++)
        accepted += !events->events[i].refused;
    buf_addf(out, "{\"accepted\":%zu,\"older\":%zu,\"users\":[", accepted, events->made.n_older);
    for (size_t i = 0; i < events->n_touched; i++) {
        buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
        buf_add_json_string(out, events->touched[i].user.data, events->touched[i].user.len);
        buf_addf(out, ",\"revision\":%lld}", (long long)events->touched[i].revision);
    }
    buf_addc(out, ']');
    if (rules->create)
        buf_addf(out, ",\"created\":{\"users\":%zu,\"items\":%zu}", events->made.n_users,
                 events->made.n_items);
    add_refused(out, b, rules->skip);
    warnings_count(&b->warnings, t, events->events, events->n);
    warnings_add(&b->warnings, t, out);
    buf_addc(out, '}');
}

static void run_events(struct api_thread *t, struct request *r, struct batch *b, const json_t *list,
                       const struct update_rules *rules)
{
    struct err e = {0};
    struct event_batch events = {.n = json_array_size(list)};
    events.events = mem_zalloc_array(events.n, sizeof *events.events);
    events.touched = mem_zalloc_array(events.n, sizeof *events.touched);
    if (!events.events || !events.touched) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for %zu events", events.n);
    } else {
        read_events(r, list, &events);
        if (update_events(t, events.events, events.n, rules, events.touched, &events.n_touched, &events.made,
                          &e))
            refuse_update(t, r, b, &e);
        else
            answer_events(t, r, b, &events, rules);
    }
    mem_free(events.events);
    mem_free(events.touched);
}

enum route_next api_events_post(struct api_thread *t, struct request *r, bool may_block)
{
    if (!may_block)
        return ROUTE_NEEDS_WORKER;
    struct batch b;
    struct refusing refusing = {r, "events"};
    struct update_rules rules;
    const json_t *list;
    if (!read_rules(t, r, &refusing, &rules))
        return ROUTE_DONE;
    json_t *root = json_in_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (root && json_in_parts(r, root, "events", "item", LIMIT_EVENTS_PER_CALL, &list)) {
        batch_init(r, &b, rules.skip ? SIZE_MAX : PROBLEM_LIST_MOST);
        run_events(t, r, &b, list, &rules);
        batch_fini(r, &b);
    }
    json_decref(root);
    return ROUTE_DONE;
}
