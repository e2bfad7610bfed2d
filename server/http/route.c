/* A linear search over a dozen patterns: less than a microsecond, and the table reads like the documentation.
 */
#include "server/http/route.h"

#include "server/api/api.h"
#include "server/http/problem.h"

#include <stdio.h>
#include <string.h>

static const char *const no_params[] = {NULL};
/* Probes and scrapers add what they like, a time against caches for one. */
static const char *const any_params[] = {"*", NULL};
static const char *const recommend_params[] = {"limit", "offset",     "exclude_seen", "category",
                                               "model", "cold_start", "explain",      NULL};
static const char *const predict_params[] = {"model", "cold_start", "unknown", NULL};
static const char *const model_params[] = {"model", NULL};
static const char *const write_params[] = {"model", "on_error", "create", NULL};
static const char *const event_params[] = {"on_error", "create", NULL};
static const char *const write_one_params[] = {"model", "create", NULL};
static const char *const items_params[] = {"model", "on_error", NULL};

const struct route routes[] = {
    {"GET", "/v1/users/{user}/recommendations", ACCESS_API, BODY_NONE, recommend_params, api_recommend_get},
    {"POST", "/v1/users/{user}/predictions", ACCESS_API, BODY_JSON, predict_params, api_predict_post},
    {"POST", "/v1/events", ACCESS_API, BODY_JSON, event_params, api_events_post},
    {"GET", "/v1/users/{user}", ACCESS_API, BODY_NONE, model_params, api_user_get},
    {"PUT", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_JSON, write_one_params, api_admin_user_put},
    {"PATCH", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_JSON, write_one_params, api_admin_user_patch},
    {"DELETE", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_NONE, no_params, api_admin_user_delete},
    {"POST", "/v1/admin/users", ACCESS_ADMIN, BODY_JSON_OR_NDJSON, write_params, api_admin_users_post},
    {"GET", "/v1/items/{item}", ACCESS_API, BODY_NONE, model_params, api_item_get},
    {"PUT", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_JSON, model_params, api_admin_item_put},
    {"PATCH", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_JSON, model_params, api_admin_item_patch},
    {"DELETE", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_NONE, no_params, api_admin_item_delete},
    {"POST", "/v1/admin/items", ACCESS_ADMIN, BODY_JSON_OR_NDJSON, items_params, api_admin_items_post},
    {"GET", "/healthz", ACCESS_ALL, BODY_NONE, any_params, api_health_get},
    {"GET", "/readyz", ACCESS_ALL, BODY_NONE, any_params, api_ready_get},
    {"GET", "/metrics", ACCESS_ALL, BODY_NONE, any_params, api_metrics_get},
    {"GET", "/openapi.json", ACCESS_ALL, BODY_NONE, no_params, api_openapi_get},
    {"GET", "/", ACCESS_ALL, BODY_NONE, no_params, api_index_get},
};
const size_t n_routes = sizeof routes / sizeof *routes;

/* Whether the segments of a request fit a pattern. */
static bool fits(const char *pattern, const struct request *r)
{
    size_t i = 0;
    for (const char *p = pattern; *p; i++) {
        p++; /* the slash */
        size_t n = strcspn(p, "/");
        if (n == 0)
            break; /* "/" */
        if (i >= r->n_segments)
            return false;
        struct store_text s = r->segments[i];
        if (*p == '{' ? s.len == 0 : s.len != n || memcmp(s.data, p, n) != 0)
            return false;
        p += n;
    }
    return i == r->n_segments;
}

static bool is_head_of(const struct request *r, const struct route *route)
{
    return strcmp(r->method, "HEAD") == 0 && strcmp(route->method, "GET") == 0;
}

/* Writes the methods of the path of r, for Allow. */
static void list_methods(struct request *r)
{
    size_t n = 0;
    for (size_t i = 0; i < n_routes; i++)
        if (fits(routes[i].pattern, r) && n < sizeof r->allow)
            n += (size_t)snprintf(r->allow + n, sizeof r->allow - n, "%s, %s", routes[i].method,
                                  strcmp(routes[i].method, "GET") == 0 ? "HEAD, " : "");
    if (n < sizeof r->allow)
        (void)snprintf(r->allow + n, sizeof r->allow - n, "OPTIONS");
}

static void refuse_target(struct request *r)
{
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL,
                   "the path or the query is not well formed (percent-encoding, length)");
}

static bool params_known(struct request *r)
{
    if (r->route->params == any_params)
        return true;
    if (r->bad_query) {
        refuse_target(r);
        return false;
    }
    for (size_t i = 0; i < r->n_params; i++) {
        size_t k = 0;
        while (r->route->params[k] && !text_is(r->params[i].name, r->route->params[k]))
            k++;
        if (!r->route->params[k]) {
            problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "no query parameter '%.*s' here",
                           (int)r->params[i].name.len, r->params[i].name.data);
            return false;
        }
    }
    return true;
}

void route_find(struct request *r)
{
    bool path_known = false;
    if (r->bad_path) {
        refuse_target(r);
        return;
    }
    for (size_t i = 0; i < n_routes; i++) {
        if (!fits(routes[i].pattern, r))
            continue;
        path_known = true;
        if (strcmp(r->method, routes[i].method) == 0 || is_head_of(r, &routes[i])) {
            r->route = &routes[i];
            (void)params_known(r);
            return;
        }
    }
    if (!path_known) {
        problem_answer(r, PROBLEM_UNKNOWN_PATH, NULL, "the calls are listed at /openapi.json");
        return;
    }
    list_methods(r);
    if (strcmp(r->method, "OPTIONS") == 0)
        (void)request_answer(r, 204, NULL);
    else
        problem_answer(r, PROBLEM_WRONG_METHOD, NULL, "this path takes %s", r->allow);
}

/* GET reads; of POST, what is neither the admin's nor an event. */
static bool reads(const struct route *route)
{
    return strcmp(route->method, "GET") == 0 ||
           (strcmp(route->method, "POST") == 0 && route->access != ACCESS_ADMIN &&
            strcmp(route->pattern, "/v1/events") != 0);
}

enum route_queue route_queue(const struct request *r)
{
    enum { LONG_BODY_BYTES = 32 * 1024 };
    bool is_large = r->body.len > LONG_BODY_BYTES;
    if (!reads(r->route))
        return is_large ? QUEUE_BULK : QUEUE_WRITE;
    return is_large || request_param_of(r, "explain").data ? QUEUE_LONG : QUEUE_READ;
}

size_t route_number(const struct route *route)
{
    return route ? (size_t)(route - routes) : n_routes;
}
