/* PUT, PATCH and DELETE /v1/admin/users/{user}, POST /v1/admin/users, POST /v1/events: bodies to updates, and
 * what comes of them. All of them write, so all of them run on a worker. Faults of a body's parts are
 * gathered: a refusal names all of them, and with on_error=skip they are what is left out. */
#include "server/api/api.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "server/api/batch.h"
#include "server/api/interaction_body.h"
#include "server/api/json_body.h"
#include "server/api/warnings.h"
#include "server/fields/profile_known.h"
#include "server/http/problem_list.h"
#include "server/serving/user_updates.h"

#include <math.h>
#include <string.h>

/* ---- bodies ---- */

/* Users of a body. */
struct user_batch {
    struct api_thread *t;
    struct request *r;
    struct batch b;
    struct registration *list; /* (n) */
    struct model_handle *handle;
    struct warnings warnings;
    struct kind_names kinds;
    bool skip;
};

static bool read_interactions(struct request *r, struct batch *b, const json_t *list,
                              const struct json_place *at, struct kind_names *kinds, struct registration *g)
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
        ok = interaction_body_read(r, json_array_get(list, i), &element, false, now, kinds, &out[i]) && ok;
    }
    g->interactions = out;
    g->n_interactions = n;
    return ok;
}

static bool read_embedding(struct request *r, struct batch *b, const json_t *list,
                           const struct json_place *at, struct registration *g)
{
    size_t n = json_array_size(list), want = g->handle->model->spec.d_context;
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
        ok = json_body_float(r, json_array_get(list, i), &element, &out[i]) && ok;
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
    g->profile.patch = (struct text){text, n};
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
static bool read_parts(struct request *r, struct batch *b, const json_t *value, const struct json_place *at,
                       struct kind_names *kinds, struct registration *g)
{
    const json_t *list;
    bool none, ok = true;
    const json_t *profile = member(g, value, "profile", &g->profile.none);
    if (profile)
        ok = read_profile(r, b, profile, at, g);
    g->replaces_interactions = member(g, value, "interactions", &none) || none;
    if (g->replaces_interactions && !none)
        ok = json_body_array(r, value, "interactions", at, LIMIT_USER_INTERACTIONS, true, &list) &&
             read_interactions(r, b, list, at, kinds, g) && ok;
    if (member(g, value, "embedding", &g->no_embedding))
        ok = json_body_array(r, value, "embedding", at, LIMIT_DIM, true, &list) &&
             read_embedding(r, b, list, at, g) && ok;
    return ok;
}

/* One registration; its id is given (PUT, PATCH) or a member (POST). */
static bool read_registration(struct request *r, struct batch *b, const json_t *value,
                              const struct json_place *at, bool with_id, struct kind_names *kinds,
                              struct registration *g)
{
    static const char *const keys[] = {"profile", "interactions", "embedding", "id", NULL};
    static const char *const keys_without_id[] = {"profile", "interactions", "embedding", NULL};
    bool ok = json_body_object(r, value, at, with_id ? keys : keys_without_id);
    if (!json_is_object(value))
        return false;
    ok = (!with_id || json_body_id(r, value, "id", "user", at, &g->id)) && ok;
    ok = read_parts(r, b, value, at, kinds, g) && ok;
    const struct model_spec *spec = &g->handle->model->spec;
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
    if (fault->unknown_item || fault->unknown_user || fault->too_many_users)
        at = json_place_key(&at, fault->unknown_item ? "item" : "user");
    problem_answer(r,
                   fault->unknown_item     ? PROBLEM_UNKNOWN_ITEM
                   : fault->unknown_user   ? PROBLEM_UNKNOWN_USER
                   : fault->too_many_users ? PROBLEM_TOO_MANY_USERS
                                           : PROBLEM_INVALID_VALUE,
                   at.text, "%s", text);
}

/* The rules that a registration asks for by on_error and create; false: answered. */
static bool read_rules(struct request *r, struct refusing *refusing, struct update_rules *rules)
{
    *rules = (struct update_rules){.refuse = refuse_part, .arg = refusing};
    return api_on_error_param(r, &rules->skip) && api_bool_param(r, "create", &rules->create_items);
}

/* Those of events, of which anybody's make users unless create=false says otherwise; items are made for who
 * may and says so. */
static bool read_event_rules(struct api_thread *t, struct request *r, struct refusing *refusing,
                             struct update_rules *rules)
{
    bool asked = request_param_of(r, "create").data != NULL, create = true;
    bool limited = !r->by_admin, may_make_items = r->by_admin || t->api->events_create;
    *rules = (struct update_rules){.refuse = refuse_part, .arg = refusing};
    if (!api_on_error_param(r, &rules->skip) || !api_bool_param(r, "create", &create))
        return false;
    rules->create_users = create && (!limited || t->api->new_users.per_minute > 0);
    rules->create_items = create && asked && may_make_items;
    if (create && asked && !may_make_items)
        rules->no_items = "; create=true makes items for the admin token, or with --events-create";
    if (limited)
        rules->allowance = &t->api->new_users;
    return true;
}

static const char nothing_kept[] = "nothing of the request was kept";

/* Answers what failed: the faults that were gathered, or the error that ended the update. */
static void refuse_update(struct api_thread *t, struct request *r, struct batch *b, bool skip,
                          const struct err *e)
{
    if (b->faults.n && (e->code == ERR_INVALID || (e->code == ERR_LIMIT && !skip)))
        problem_answer_list(r, &b->faults, nothing_kept);
    else if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_USER, NULL, "%s", e->text);
    else
        api_fail(t, r, e);
}

/* What a number of the answer may differ by from what was known of it before the commit. */
enum { RESULT_BYTES = 64 };

/* ---- one user ---- */

/* A given context is all that its user is known by: then the profile is only kept. The object is left open.
 * */
static void add_registered(struct buf *out, const struct registration *g)
{
    const struct model_spec *spec = &g->handle->model->spec;
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

/* One registration, and who asked for it. */
struct one_user {
    struct api_thread *t;
    struct request *r;
    struct registration g;
    struct kind_names kinds;
};

static enum err_code rehearse_user(void *arg, struct err *e)
{
    struct one_user *u = arg;
    add_registered(request_answer(u->r, 200, request_json), &u->g);
    return batch_rehearsed(u->r, RESULT_BYTES + warnings_most_bytes(u->t, u->g.n_interactions), e);
}

static void answer_registered(struct api_thread *t, struct request *r, const struct registration *g)
{
    struct warnings warnings = {0};
    struct buf *out = request_answer(r, g->created ? 201 : 200, request_json);
    add_registered(out, g);
    warnings_count(&warnings, t, g->interactions, g->n_interactions);
    warnings_add(&warnings, t, out);
    buf_addc(out, '}');
}

static void write_user(struct api_thread *t, struct request *r, bool patch)
{
    struct batch b;
    struct one_user u = {.t = t, .r = r, .g = {.patch = patch}};
    struct registration *g = &u.g;
    struct refusing refusing = {r, NULL};
    struct update_rules rules;
    struct json_place at = json_place_root();
    struct err e = {0};
    if (!api_user_id(r, 3, &g->id) || !api_model(t, r, &g->handle) || !read_rules(r, &refusing, &rules))
        return;
    rules.answerable = (struct session_answerable){rehearse_user, &u};
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return;
    batch_init(r, &b, false);
    kind_names_init(&u.kinds, t->session.conn);
    g->refused = !read_registration(r, &b, root, &at, false, &u.kinds, g);
    if (!r->status && update_register(&t->session, g, 1, &rules, &e))
        refuse_update(t, r, &b, false, &e);
    else if (!r->status)
        answer_registered(t, r, g);
    batch_fini(r, &b);
    json_decref(root);
}

void api_admin_user_put(struct api_thread *t, struct request *r)
{
    write_user(t, r, false);
}

void api_admin_user_patch(struct api_thread *t, struct request *r)
{
    write_user(t, r, true);
}

void api_admin_user_delete(struct api_thread *t, struct request *r)
{
    api_delete(t, r, api_user_id, update_delete, PROBLEM_UNKNOWN_USER);
}

/* ---- POST many ---- */

static bool reserve_users(void *arg, size_t n)
{
    struct user_batch *u = arg;
    u->list = batch_alloc(u->r, &u->b, n, sizeof *u->list);
    return u->list != NULL;
}

/* Reads one user of many; a fault leaves it marked. */
static void read_user(void *arg, size_t i, const json_t *value, const struct json_place *at)
{
    struct user_batch *u = arg;
    struct registration *g = &u->list[i];
    g->handle = u->handle;
    g->refused = !value || !read_registration(u->r, &u->b, value, at, true, &u->kinds, g);
}

/* All but the warnings. */
static struct buf *begin_users(struct user_batch *u)
{
    struct buf *out = request_answer(u->r, 200, request_json);
    bool any = false;
    buf_adds(out, "{\"users\":[");
    for (size_t i = 0; i < u->b.n; i++) {
        if (u->list[i].refused)
            continue;
        if (any)
            buf_addc(out, ',');
        any = true;
        add_registered(out, &u->list[i]);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
    if (u->skip)
        batch_add_refused(&u->b, out);
    return out;
}

static enum err_code rehearse_users(void *arg, struct err *e)
{
    struct user_batch *u = arg;
    size_t n_interactions = 0;
    for (size_t i = 0; i < u->b.n; i++)
        n_interactions += u->list[i].n_interactions;
    (void)begin_users(u);
    return batch_rehearsed(u->r, u->b.n * RESULT_BYTES + warnings_most_bytes(u->t, n_interactions), e);
}

static void answer_users(struct user_batch *u)
{
    struct buf *out = begin_users(u);
    for (size_t i = 0; i < u->b.n; i++)
        if (!u->list[i].refused)
            warnings_count(&u->warnings, u->t, u->list[i].interactions, u->list[i].n_interactions);
    warnings_add(&u->warnings, u->t, out);
    buf_addc(out, '}');
}

void api_admin_users_post(struct api_thread *t, struct request *r)
{
    struct user_batch u = {.t = t, .r = r};
    struct refusing refusing = {r, "users"};
    struct update_rules rules;
    struct err e = {0};
    if (!api_model(t, r, &u.handle) || !read_rules(r, &refusing, &rules))
        return;
    u.skip = rules.skip;
    kind_names_init(&u.kinds, t->session.conn);
    rules.answerable = (struct session_answerable){rehearse_users, &u};
    batch_init(r, &u.b, u.skip);
    struct batch_parts parts = {.name = "users",
                                .mark = "id",
                                .most = LIMIT_USERS_PER_CALL,
                                .lines = request_type_is(r, "application/x-ndjson", NULL),
                                .arg = &u,
                                .reserve = reserve_users,
                                .read = read_user};
    if (batch_read(r, &u.b, &parts)) {
        if (update_register(&t->session, u.list, u.b.n, &rules, &e))
            refuse_update(t, r, &u.b, u.skip, &e);
        else
            answer_users(&u);
    }
    batch_fini(r, &u.b);
}

/* ---- events ---- */

/* The events of a body and what became of them. */
struct event_batch {
    struct api_thread *t;
    struct request *r;
    const struct update_rules *rules;
    struct batch b;
    struct kind_names kinds;
    struct update_interaction *events; /* (b.n) */
    struct update_touched *touched;    /* (n_touched) of b.n */
    size_t n_touched;
    int64_t now;
    struct update_made made;
    bool says_created; /* that nothing was made too */
};

static bool reserve_events(void *arg, size_t n)
{
    struct event_batch *events = arg;
    events->events = batch_alloc(events->r, &events->b, n, sizeof *events->events);
    if (events->events)
        events->touched = batch_alloc(events->r, &events->b, n, sizeof *events->touched);
    return events->touched != NULL;
}

static void read_event(void *arg, size_t i, const json_t *value, const struct json_place *at)
{
    struct event_batch *events = arg;
    struct update_interaction *x = &events->events[i];
    x->refused = !interaction_body_read(events->r, value, at, true, events->now, &events->kinds, x);
}

/* All but the warnings. */
static struct buf *begin_events(struct event_batch *events)
{
    struct buf *out = request_answer(events->r, 200, request_json);
    size_t accepted = 0;
    for (size_t i = 0; i < events->b.n; i++)
        accepted += !events->events[i].refused && !events->events[i].repeated;
    buf_addf(out, "{\"accepted\":%zu,\"older\":%zu", accepted, events->made.n_older);
    if (events->made.n_repeated)
        buf_addf(out, ",\"repeated\":%zu", events->made.n_repeated);
    buf_adds(out, ",\"users\":[");
    for (size_t i = 0; i < events->n_touched; i++) {
        buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
        buf_add_json_string(out, events->touched[i].user.data, events->touched[i].user.len);
        buf_addf(out, ",\"revision\":%lld}", (long long)events->touched[i].revision);
    }
    buf_addc(out, ']');
    if (events->says_created || events->made.n_users)
        buf_addf(out, ",\"created\":{\"users\":%zu,\"items\":%zu}", events->made.n_users,
                 events->made.n_items);
    if (events->rules->skip)
        batch_add_refused(&events->b, out);
    return out;
}

static enum err_code rehearse_events(void *arg, struct err *e)
{
    struct event_batch *events = arg;
    (void)begin_events(events);
    return batch_rehearsed(events->r, 2 * RESULT_BYTES + warnings_most_bytes(events->t, events->b.n), e);
}

static void answer_events(struct event_batch *events)
{
    struct buf *out = begin_events(events);
    struct warnings warnings = {0};
    warnings_count(&warnings, events->t, events->events, events->b.n);
    warnings_add(&warnings, events->t, out);
    buf_addc(out, '}');
}

void api_events_post(struct api_thread *t, struct request *r)
{
    struct update_rules rules;
    struct event_batch events = {.t = t, .r = r, .rules = &rules, .now = clock_unix_s()};
    struct refusing refusing = {r, "events"};
    struct err e = {0};
    if (!read_event_rules(t, r, &refusing, &rules))
        return;
    rules.answerable = (struct session_answerable){rehearse_events, &events};
    events.says_created = request_param_of(r, "create").data && rules.create_users;
    kind_names_init(&events.kinds, t->session.conn);
    batch_init(r, &events.b, rules.skip);
    struct batch_parts parts = {.name = "events",
                                .mark = "item",
                                .most = LIMIT_EVENTS_PER_CALL,
                                .arg = &events,
                                .reserve = reserve_events,
                                .read = read_event};
    if (batch_read(r, &events.b, &parts)) {
        if (update_events(&t->session, events.events, events.b.n, &rules, events.touched, &events.n_touched,
                          &events.made, &e))
            refuse_update(t, r, &events.b, rules.skip, &e);
        else
            answer_events(&events);
        if (r->status == 429)
            r->retry_after_s = events.made.wait_s;
    }
    batch_fini(r, &events.b);
}
