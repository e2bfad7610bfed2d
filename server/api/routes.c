/* The table reads like the documentation. To add a call: a row here, a function in a file api_*.c, a path in
 * schema/openapi.yaml. */
#include "server/api/routes.h"

#include "server/api/api.h"

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

static const struct route rows[] = {
    {"GET", "/v1/users/{user}/recommendations", ACCESS_API, BODY_NONE, recommend_params, api_recommend_get,
     false, "explain"},
    {"POST", "/v1/users/{user}/predictions", ACCESS_API, BODY_JSON, predict_params, api_predict_post, false,
     NULL},
    {"POST", "/v1/events", ACCESS_API, BODY_JSON, event_params, api_events_post, true, NULL},
    {"GET", "/v1/users/{user}", ACCESS_API, BODY_NONE, model_params, api_user_get, false, NULL},
    {"PUT", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_JSON, write_one_params, api_admin_user_put, true,
     NULL},
    {"PATCH", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_JSON, write_one_params, api_admin_user_patch, true,
     NULL},
    {"DELETE", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_NONE, no_params, api_admin_user_delete, true,
     NULL},
    {"POST", "/v1/admin/users", ACCESS_ADMIN, BODY_JSON_OR_NDJSON, write_params, api_admin_users_post, true,
     NULL},
    {"GET", "/v1/items/{item}", ACCESS_API, BODY_NONE, model_params, api_item_get, false, NULL},
    {"PUT", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_JSON, model_params, api_admin_item_put, true, NULL},
    {"PATCH", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_JSON, model_params, api_admin_item_patch, true,
     NULL},
    {"DELETE", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_NONE, no_params, api_admin_item_delete, true,
     NULL},
    {"POST", "/v1/admin/items", ACCESS_ADMIN, BODY_JSON_OR_NDJSON, items_params, api_admin_items_post, true,
     NULL},
    {"GET", "/healthz", ACCESS_ALL, BODY_NONE, any_params, api_health_get, false, NULL},
    {"GET", "/readyz", ACCESS_ALL, BODY_NONE, any_params, api_ready_get, false, NULL},
    {"GET", "/metrics", ACCESS_ALL, BODY_NONE, any_params, api_metrics_get, false, NULL},
    {"GET", "/openapi.json", ACCESS_ALL, BODY_NONE, no_params, api_openapi_get, false, NULL},
    {"GET", "/", ACCESS_ALL, BODY_NONE, no_params, api_index_get, false, NULL},
};
_Static_assert(sizeof rows / sizeof *rows <= METRICS_NO_ROUTE,
               "each route has counters of its own, and what is of no route has the last");

const struct route_table routes = {rows, sizeof rows / sizeof *rows};
