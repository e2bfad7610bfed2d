/* What every call has in common: token, media type, model, weights, the log line. */
#include "server/api/api.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/api/routes.h"
#include "server/http/problem.h"
#include "server/serving/task_weights.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- before the body ---- */

static struct text bearer_of(const struct request *r)
{
    static const char scheme[] = "Bearer ";
    size_t n = sizeof scheme - 1;
    if (r->authorization.len <= n || strncasecmp(r->authorization.data, scheme, n) != 0)
        return (struct text){NULL, 0};
    return (struct text){r->authorization.data + n, r->authorization.len - n};
}

static void check_token(struct api *api, struct request *r)
{
    struct text given = bearer_of(r);
    bool admin = r->by_admin = given.data && tokens_are(&api->tokens, TOKEN_ADMIN, given);
    if (r->route->access == ACCESS_ALL || admin)
        return;
    if (r->route->access == ACCESS_ADMIN && !tokens_any(&api->tokens, TOKEN_ADMIN)) {
        problem_answer(r, PROBLEM_ADMIN_OFF, NULL,
                       "start the server with --admin-token-file to allow admin calls");
        return;
    }
    bool open = r->route->access == ACCESS_API && !tokens_any(&api->tokens, TOKEN_API);
    if (open || (r->route->access == ACCESS_API && given.data && tokens_are(&api->tokens, TOKEN_API, given)))
        return;
    COUNTER_ADD(api->metrics, rejected_auth, 1);
    problem_answer(r, PROBLEM_UNAUTHORIZED, NULL,
                   given.data ? "the token is not valid here" : "send Authorization: Bearer TOKEN");
}

/* Probes are asked by whatever name a balancer has for the server, and say nothing of anybody. */
static void check_host(struct api *api, struct request *r)
{
    if (hosts_allow(&api->hosts, r->host) || r->route->run == api_health_get ||
        r->route->run == api_ready_get)
        return;
    COUNTER_ADD(api->metrics, rejected_host, 1);
    problem_answer(
        r, PROBLEM_FOREIGN_HOST, NULL,
        "this server is asked by the names of this machine; --allowed-host NAME allows another one");
}

static void check_type(struct request *r)
{
    if (r->route->body == BODY_NONE || request_type_is(r, "application/json", "+json"))
        return;
    if (r->route->body == BODY_JSON_OR_NDJSON && request_type_is(r, "application/x-ndjson", NULL))
        return;
    problem_answer(r, PROBLEM_MEDIA_TYPE, NULL, "send Content-Type: application/json%s",
                   r->route->body == BODY_JSON_OR_NDJSON ? " or application/x-ndjson" : "");
}

void api_begin(struct api *api, struct request *r)
{
    route_find(&routes, r);
    if (!r->status)
        check_host(api, r);
    if (!r->status)
        check_token(api, r);
    if (!r->status)
        check_type(r);
}

/* ---- plan and run ---- */

static void refuse_weights(struct api_thread *t, struct request *r, const struct api_plan *plan,
                           const struct err *e)
{
    struct text user = plan->user;
    if (e->code == ERR_NOTFOUND && served_model_kind(plan->served) == MODEL_OF_TRAINED) {
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL,
                       "the model has learned no task '%.*s'; GET /v1/models lists those that it has",
                       (int)user.len, user.data);
        return;
    }
    if (e->code == ERR_NOTFOUND && served_model_kind(plan->served) == MODEL_OF_IMAGES) {
        problem_answer(
            r, PROBLEM_UNKNOWN_TASK, NULL,
            "no task '%.*s'; register one with PUT /v1/admin/tasks/{task}, or give some images of each "
            "class as \"support\"",
            (int)user.len, user.data);
        return;
    }
    if (e->code == ERR_NOTFOUND && plan->of_task) {
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL,
                       "no task '%.*s'; register one with PUT /v1/admin/tasks/{task}, give its rows as "
                       "\"support\", or ask with cold_start=true",
                       (int)user.len, user.data);
        return;
    }
    if (e->code == ERR_NOTFOUND) {
        problem_answer(
            r, PROBLEM_UNKNOWN_USER, plan->user_pointer,
            "no user '%.*s'; register one with PUT /v1/admin/users/{user}, or ask with cold_start=true",
            (int)user.len, user.data);
        return;
    }
    if (e->code == ERR_CONFLICT && plan->of_task) { /* from image_contexts_find */
        problem_answer(r, PROBLEM_OTHER_MODEL, NULL, "%s", e->text);
        return;
    }
    if (e->code == ERR_CONFLICT) { /* from context_of_user */
        problem_answer(r, api_context_problem(plan->served->model), NULL, "%s", e->text);
        return;
    }
    api_fail(t, r, e);
}

/* Weights that need no wait. */
static bool find_weights(struct api_thread *t, struct api_plan *plan)
{
    if (plan->needs_no_weights)
        return true;
    if (plan->of_task) {
        plan->weights = recommender_cached(t->session.recommender, plan->handle, WEIGHTS_OF_TASK, plan->user);
        plan->hit = plan->weights != NULL;
        return plan->hit;
    }
    plan->weights = recommender_try(t->session.recommender, plan->handle, plan->user, &plan->hit);
    if (plan->weights && !plan->hit)
        COUNTER_ADD(t->session.counters, misses_at_once, 1);
    return plan->weights;
}

/* Reads the request for a user's answers, by the thread that first has all of it. */
static void make_plan(struct api_thread *t, struct request *r)
{
    recommender_refresh(t->session.recommender);
    r->route->plan(t, r);
    struct api_plan *plan = r->plan;
    if (!r->status)
        (void)api_bool_param(r, "cold_start", &plan->cold_start);
}

bool api_plan(struct api_thread *t, struct request *r)
{
    if (r->route->class != ROUTE_MAY_BLOCK || route_is_for_worker(r))
        return !route_is_for_worker(r);
    make_plan(t, r);
    struct api_plan *plan = r->plan;
    if (r->status || (!plan->takes_long && find_weights(t, plan)))
        return true;
    plan->models = recommender_models(t->session.recommender);
    return false;
}

/* Those of the user or task, or of the prior; waits for them. */
static enum err_code acquire(struct api_thread *t, struct api_plan *plan, bool prior, struct err *e)
{
    struct text whose = prior ? (struct text){NULL, 0} : plan->user;
    if (plan->of_task)
        return task_weights_acquire(&t->session, plan->handle, prior ? WEIGHTS_OF_PRIOR : WEIGHTS_OF_TASK,
                                    whose, &plan->weights, &plan->hit, e);
    return recommender_acquire(t->session.recommender, plan->handle,
                               prior ? WEIGHTS_OF_PRIOR : WEIGHTS_OF_USER, whose, &plan->weights, &plan->hit,
                               e);
}

/* The weights that the plan did not find. False: answered with a refusal. */
static bool make_weights(struct api_thread *t, struct request *r, struct api_plan *plan)
{
    struct err e = {0};
    if (plan->needs_no_weights)
        return true;
    enum err_code code = acquire(t, plan, false, &e);
    if (code == ERR_NOTFOUND && plan->cold_start) {
        err_clear(&e);
        plan->cold = true;
        code = acquire(t, plan, true, &e);
    }
    if (code)
        refuse_weights(t, r, plan, &e);
    return code == ERR_OK;
}

/* A plan of another thread goes on with the models that it began with. False: answered with a refusal. */
static bool take_over(struct api_thread *t, struct request *r, struct api_plan *plan)
{
    struct err e = {0};
    if (!plan->models || recommender_take_over(t->session.recommender, plan->models, plan->served,
                                               &plan->handle, &e) == ERR_OK)
        return true;
    api_fail(t, r, &e);
    return false;
}

static void run_plan(struct api_thread *t, struct request *r)
{
    if (!r->end_plan)
        make_plan(t, r); /* its body was a worker's to read */
    struct api_plan *plan = r->plan;
    if (!r->status && take_over(t, r, plan) && (plan->weights || make_weights(t, r, plan))) {
        r->cache = plan->needs_no_weights ? NULL : plan->hit ? "hit" : "miss";
        r->route->run(t, r);
    }
    request_end_plan(r);
}

void api_run(struct api_thread *t, struct request *r)
{
    if (r->route->class == ROUTE_MAY_BLOCK) {
        run_plan(t, r);
        return;
    }
    recommender_refresh(t->session.recommender);
    r->route->run(t, r);
}

/* ---- after the answer ---- */

/* Methods are of letters; anything else a caller may have sent is not repeated. */
static const char *printed_method(const struct request *r)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return r->method && r->method[strspn(r->method, letters)] == '\0' ? r->method : "";
}

/* The path as it was sent, still percent-encoded, without its query; long ones are cut. */
static void log_path(struct buf *line, const struct request *r)
{
    enum { MAX_PATH_BYTES = 1024 };
    size_t n = strcspn(r->raw_target, "?");
    buf_adds(line, ",\"path\":\"");
    for (size_t i = 0; i < n && i < MAX_PATH_BYTES; i++) {
        char c = r->raw_target[i];
        buf_addc(line, c > ' ' && c < 127 && c != '"' && c != '\\' ? c : '?');
    }
    buf_addc(line, '"');
}

static void log_access(const struct request *r, bool with_path, int64_t ns)
{
    struct buf line;
    buf_init(&line, LOG_LINE_BYTES - 1);
    buf_addf(&line, "{\"time\":%.3f,\"request_id\":", (double)clock_unix_ms() / 1e3);
    buf_add_json_string(&line, r->id, strlen(r->id));
    buf_addf(&line, ",\"method\":\"%s\"", printed_method(r));
    if (with_path)
        log_path(&line, r);
    buf_addf(&line, ",\"route\":\"%s\",\"status\":%d,\"bytes\":%zu,\"seconds\":%.6f,\"cache\":%s%s%s}",
             r->route ? r->route->pattern : "", r->status, r->answer_bytes, (double)ns / 1e9,
             r->cache ? "\"" : "", r->cache ? r->cache : "null", r->cache ? "\"" : "");
    const char *text = buf_text(&line);
    if (text)
        log_raw(text, line.len);
    buf_fini(&line);
}

void api_finish(struct api *api, struct request *r)
{
    int64_t ns = clock_monotonic_ns() - r->start_ns;
    if (r->status)
        metrics_request(api->metrics, r->route ? route_number(&routes, r->route) : METRICS_NO_ROUTE,
                        r->status, ns);
    if (api->access_log)
        log_access(r, api->access_log_ids, ns);
}

/* ---- threads ---- */

enum err_code api_thread_new(struct api *api, struct api_thread **out, struct err *e)
{
    struct api_thread *t = mem_zalloc_array(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for a thread's workspace");
    t->api = api;
    enum err_code code = session_init(&t->session, api->serving, &api->metrics->serving, e);
    if (code) {
        api_thread_free(t);
        return code;
    }
    *out = t;
    return ERR_OK;
}

void api_thread_free(struct api_thread *t)
{
    if (!t)
        return;
    session_fini(&t->session);
    mem_free(t);
}

static enum err_code thread_new(void *of, struct api_thread **out, struct err *e)
{
    return api_thread_new(of, out, e);
}

static void begin(void *of, struct request *r)
{
    api_begin(of, r);
}

static void finish(void *of, struct request *r)
{
    api_finish(of, r);
}

struct http_handler api_handler(struct api *api)
{
    return (struct http_handler){.of = api,
                                 .counters = &api->metrics->http,
                                 .draining = &api->draining,
                                 .thread_new = thread_new,
                                 .thread_free = api_thread_free,
                                 .begin = begin,
                                 .plan = api_plan,
                                 .run = api_run,
                                 .finish = finish};
}

/* ---- parts of calls ---- */

void api_plan_end(void *plan)
{
    struct api_plan *p = plan;
    weights_unref(p->weights);
    model_set_unref(p->models);
}

void *api_plan_new(struct api_thread *t, struct request *r, enum api_plan_kind kind, size_t size,
                   size_t n_zeros, void (*end)(void *plan))
{
    struct api_plan *plan = request_plan(r, size, end);
    if (!plan) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the request");
        return NULL;
    }
    memset(plan, 0, n_zeros);
    plan->of_task = kind == API_PLAN_TASK || kind == API_PLAN_TRAINED;
    if (kind == API_PLAN_TRAINED)
        plan->handle = api_trained_model(t, r);
    if (plan->of_task
            ? !api_task_id(r, 2, &plan->user) || (!plan->handle && !api_any_task_model(t, r, &plan->handle))
            : (kind == API_PLAN_USER && !api_user_id(r, 2, &plan->user)) || !api_model(t, r, &plan->handle))
        return NULL;
    plan->served = plan->handle->served;
    return plan;
}

typedef struct model_handle *find_model_fn(struct recommender *p, const char *name);

static find_model_fn *const find_of[MODEL_KINDS] = {recommender_find, recommender_find_task,
                                                    recommender_find_images, recommender_find_trained};

/* There is a model, and it answers other calls. */
static void refuse_other_model(struct request *r, const char *name, bool for_users, enum model_kind found)
{
    static const char *const other[MODEL_KINDS] = {
        "one for users: ask GET /v1/users/{user}/recommendations of it",
        "one of tasks: ask POST /v1/tasks/{task}/predictions of it",
        "one of images: ask POST /v1/tasks/{task}/predictions of it",
        ("one of trained tasks, which reads no rows and learns by `hypernet train --continue` alone: ask "
         "POST /v1/tasks/{task}/predictions of it, with inputs")};
    if (*name)
        problem_answer(r, PROBLEM_OTHER_MODEL, NULL, "model '%s' is %s", name, other[found]);
    else
        problem_answer(r, PROBLEM_OTHER_MODEL, NULL,
                       "no model %s is served; GET /v1/models lists those that are",
                       for_users ? "for users" : "of tasks");
}

/* Why none of the wanted kinds was found. */
static void refuse_model(struct api_thread *t, struct request *r, const char *named, bool for_users)
{
    struct recommender *p = t->session.recommender;
    struct text name = request_param_of(r, "model");
    if (recommender_lacks(p, named)) {
        struct err e = {0};
        (void)err_set(&e, ERR_NOMEM, "no memory for a thread's workspace of the model");
        problem_answer_err(r, &e);
        return;
    }
    for (int kind = 0; kind < MODEL_KINDS; kind++)
        if (find_of[kind](p, named)) {
            refuse_other_model(r, named ? named : "", for_users, (enum model_kind)kind);
            return;
        }
    problem_answer(r, PROBLEM_UNKNOWN_MODEL, NULL, "no model '%.*s' is served", (int)name.len, name.data);
}

/* The name of a model that a request asks for, in text; NULL: it names none. */
static const char *read_name(const struct request *r, char text[LIMIT_NAME_BYTES + 1])
{
    struct text name = request_param_of(r, "model");
    text[0] = '\0';
    if (name.data && name.len <= LIMIT_NAME_BYTES && !memchr(name.data, 0, name.len)) {
        memcpy(text, name.data, name.len); /* else it stays empty, which no model is named */
        text[name.len] = '\0';
    }
    return name.data ? text : NULL;
}

/* A model of one of the kinds from first to last. */
static bool find_model(struct api_thread *t, struct request *r, enum model_kind first, enum model_kind last,
                       struct model_handle **handle)
{
    char text[LIMIT_NAME_BYTES + 1];
    const char *named = read_name(r, text);
    *handle = NULL;
    for (int kind = (int)first; kind <= (int)last && !*handle; kind++)
        *handle = find_of[kind](t->session.recommender, named);
    if (!*handle)
        refuse_model(t, r, named, first == MODEL_FOR_USERS);
    return *handle != NULL;
}

bool api_model(struct api_thread *t, struct request *r, struct model_handle **handle)
{
    return find_model(t, r, MODEL_FOR_USERS, MODEL_FOR_USERS, handle);
}

bool api_task_model(struct api_thread *t, struct request *r, struct model_handle **handle)
{
    return find_model(t, r, MODEL_OF_TASKS, MODEL_OF_TASKS, handle);
}

bool api_any_task_model(struct api_thread *t, struct request *r, struct model_handle **handle)
{
    return find_model(t, r, MODEL_OF_TASKS, MODEL_OF_IMAGES, handle);
}

bool api_image_only_model(struct api_thread *t, struct request *r, struct model_handle **handle)
{
    return find_model(t, r, MODEL_OF_IMAGES, MODEL_OF_IMAGES, handle);
}

struct model_handle *api_trained_model(struct api_thread *t, const struct request *r)
{
    char text[LIMIT_NAME_BYTES + 1];
    const char *named = read_name(r, text);
    struct recommender *p = t->session.recommender;
    if (!named && (recommender_find_task(p, NULL) || recommender_find_images(p, NULL)))
        return NULL;
    return recommender_find_trained(p, named);
}

const char api_id_rule[] = "1 to 256 bytes of percent-encoded UTF-8";
_Static_assert(LIMIT_ID_BYTES == 256, "which the text above says");

bool api_is_id(struct text id)
{
    return id.len >= 1 && id.len <= LIMIT_ID_BYTES && utf8_valid(id.data, id.len) &&
           !memchr(id.data, 0, id.len);
}

static bool path_id(struct request *r, size_t segment, const char *whose, struct text *id)
{
    assert(segment < r->n_segments); /* the route's pattern has it */
    *id = r->segments[segment];
    if (api_is_id(*id))
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "%s id in the path has %s", whose, api_id_rule);
    return false;
}

bool api_user_id(struct request *r, size_t segment, struct text *id)
{
    return path_id(r, segment, "a user's", id);
}

bool api_item_id(struct request *r, size_t segment, struct text *id)
{
    return path_id(r, segment, "an item's", id);
}

bool api_task_id(struct request *r, size_t segment, struct text *id)
{
    return path_id(r, segment, "a task's", id);
}

bool api_class_id(struct request *r, size_t segment, struct text *id)
{
    return path_id(r, segment, "a class's", id);
}

bool api_bool_param(struct request *r, const char *name, bool *out)
{
    struct text value = request_param_of(r, name);
    if (!value.data)
        return true;
    if (text_is(value, "true") || text_is(value, "false")) {
        *out = value.len == 4;
        return true;
    }
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "%s takes true or false, not '%.*s'", name, (int)value.len,
                   value.data);
    return false;
}

bool api_unknown_param(struct request *r, bool *null_for_unknown)
{
    struct text value = request_param_of(r, "unknown");
    *null_for_unknown = value.data && text_is(value, "null");
    if (!value.data || *null_for_unknown || text_is(value, "error"))
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "unknown takes null or error, not '%.*s'", (int)value.len,
                   value.data);
    return false;
}

bool api_on_error_param(struct request *r, bool *skip)
{
    struct text value = request_param_of(r, "on_error");
    *skip = value.data && text_is(value, "skip");
    if (!value.data || *skip || text_is(value, "fail"))
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "on_error takes fail or skip, not '%.*s'", (int)value.len,
                   value.data);
    return false;
}

void api_delete(struct api_thread *t, struct request *r, api_id_fn *read_id, api_forget_fn *forget,
                enum problem unknown)
{
    struct text id;
    struct err e = {0};
    if (!read_id(r, 3, &id))
        return;
    enum err_code code = forget(&t->session, id, &e);
    if (!code)
        (void)request_answer(r, 204, NULL);
    else if (code == ERR_NOTFOUND)
        problem_answer(r, unknown, NULL, "%s", e.text);
    else
        api_fail(t, r, &e);
}

enum problem api_context_problem(const struct model *m)
{
    return m->spec.encoder.present ? PROBLEM_OTHER_MODEL : PROBLEM_ENCODER_MISSING;
}

void api_fail(struct api_thread *t, struct request *r, const struct err *e)
{
    COUNTER_ADD(t->session.counters, store_errors,
                e->code == ERR_IO || e->code == ERR_CORRUPT || e->code == ERR_FULL || e->code == ERR_BUSY ||
                    e->code == ERR_LOST);
    problem_answer_err(r, e);
}

bool api_reread(struct api_thread *t, struct request *r, struct api_plan *plan)
{
    struct err e = {0};
    if (recommender_reread(t->session.recommender, plan->handle, plan->user, &plan->weights, &e) == ERR_OK)
        return true;
    r->cache = NULL;
    refuse_weights(t, r, plan, &e);
    return false;
}
