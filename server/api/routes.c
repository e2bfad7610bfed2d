/* The table reads like the documentation. To add a call: a row here, a function in a file api_*.c, a path in
 * schema/openapi.yaml. */
#include "server/api/routes.h"

#include "server/api/api.h"

static const char *const no_params[] = {NULL};
/* Probes and scrapers add what they like, a time against caches for one. */
static const char *const any_params[] = {"*", NULL};
static const char *const recommend_params[] = {
    "limit",   "offset", "exclude_seen", "category",  "model",  "cold_start", "explain",
    "samples", "seed",   "exclude",      "min_score", "filter", NULL};
static const char *const similar_params[] = {"limit", "category", "model", "filter", NULL};
static const char *const item_users_params[] = {"limit", "exclude_seen", "model", NULL};
static const char *const long_recommend_params[] = {"explain", "samples", NULL};
static const char *const predict_params[] = {"model", "cold_start", "unknown", NULL};
static const char *const task_params[] = {"model", "cold_start", "unknown_category", NULL};
static const char *const tasks_params[] = {"model", "cold_start", "unknown", "unknown_category", NULL};
static const char *const guess_params[] = {"model", "unknown_category", NULL};
static const char *const example_params[] = {"model", "create", "on_error", "unknown_category", NULL};
static const char *const put_task_params[] = {"model", "unknown_category", NULL};
static const char *const put_tasks_params[] = {"model", "on_error", "unknown_category", NULL};
static const char *const model_params[] = {"model", NULL};
static const char *const item_list_params[] = {"sort",   "limit",  "category", "model",       "filter",
                                               "cursor", "prefix", "q",        "window_days", NULL};
static const char *const user_list_params[] = {"limit", "cursor", "prefix", NULL};
static const char *const item_scan_params[] = {"sort", "category", "filter", "q", NULL};
static const char *const limit_params[] = {"limit", "model", NULL};
static const char *const always_long[] = {"*", NULL};
static const char *const write_params[] = {"model", "on_error", "create", NULL};
static const char *const event_params[] = {"on_error", "create", NULL};
static const char *const remove_params[] = {"kind", NULL};
static const char *const write_one_params[] = {"model", "create", NULL};
static const char *const items_params[] = {"model", "on_error", NULL};

static const struct route rows[] = {
    {"GET", "/v1/users/{user}/recommendations", ACCESS_API, BODY_NONE, recommend_params, ROUTE_MAY_BLOCK,
     api_recommend_plan, api_recommend_get, long_recommend_params},
    {"POST", "/v1/users/{user}/predictions", ACCESS_API, BODY_JSON, predict_params, ROUTE_MAY_BLOCK,
     api_predict_plan, api_predict_post, NULL},
    {"POST", "/v1/recommendations", ACCESS_API, BODY_JSON, model_params, ROUTE_MAY_BLOCK,
     api_recommendations_plan, api_recommendations_post, NULL},
    {"POST", "/v1/events", ACCESS_API, BODY_JSON, event_params, ROUTE_WRITES, NULL, api_events_post, NULL},
    {"DELETE", "/v1/users/{user}/interactions/{item}", ACCESS_API, BODY_NONE, remove_params, ROUTE_WRITES,
     NULL, api_interaction_delete, NULL},
    {"GET", "/v1/admin/event-kinds", ACCESS_ADMIN, BODY_NONE, no_params, ROUTE_READS, NULL, api_kinds_get,
     NULL},
    {"PUT", "/v1/admin/event-kinds", ACCESS_ADMIN, BODY_JSON, no_params, ROUTE_WRITES, NULL, api_kinds_put,
     NULL},
    {"POST", "/v1/admin/backup", ACCESS_ADMIN, BODY_NONE, no_params, ROUTE_COPIES, NULL, api_backup_post,
     NULL},
    /* Who asks for one must know whom; all of them are for the admin alone. */
    {"GET", "/v1/users", ACCESS_ADMIN, BODY_NONE, user_list_params, ROUTE_READS, NULL, api_users_get, NULL},
    {"GET", "/v1/users/{user}", ACCESS_API, BODY_NONE, model_params, ROUTE_READS, NULL, api_user_get, NULL},
    {"GET", "/v1/users/{user}/export", ACCESS_API, BODY_NONE, no_params, ROUTE_READS, NULL,
     api_user_export_get, always_long},
    {"GET", "/v1/users/{user}/similar", ACCESS_API, BODY_NONE, limit_params, ROUTE_SCANS, NULL,
     api_similar_users_get, NULL},
    {"POST", "/v1/users/{user}/merge", ACCESS_ADMIN, BODY_JSON, model_params, ROUTE_WRITES, NULL,
     api_merge_post, NULL},
    {"PUT", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_JSON, write_one_params, ROUTE_WRITES, NULL,
     api_admin_user_put, NULL},
    {"PATCH", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_JSON, write_one_params, ROUTE_WRITES, NULL,
     api_admin_user_patch, NULL},
    {"DELETE", "/v1/admin/users/{user}", ACCESS_ADMIN, BODY_NONE, no_params, ROUTE_WRITES, NULL,
     api_admin_user_delete, NULL},
    {"POST", "/v1/admin/users", ACCESS_ADMIN, BODY_JSON_OR_NDJSON, write_params, ROUTE_WRITES, NULL,
     api_admin_users_post, NULL},
    {"GET", "/v1/items", ACCESS_API, BODY_NONE, item_list_params, ROUTE_SCANS, NULL, api_item_lists_get,
     item_scan_params},
    {"GET", "/v1/items/{item}", ACCESS_API, BODY_NONE, model_params, ROUTE_READS, NULL, api_item_get, NULL},
    {"GET", "/v1/items/{item}/similar", ACCESS_API, BODY_NONE, similar_params, ROUTE_READS, NULL,
     api_similar_get, NULL},
    /* It names people nobody asked for, as the list of all does. */
    {"GET", "/v1/items/{item}/users", ACCESS_ADMIN, BODY_NONE, item_users_params, ROUTE_SCANS, NULL,
     api_item_users_get, NULL},
    {"PUT", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_JSON, model_params, ROUTE_WRITES, NULL,
     api_admin_item_put, NULL},
    {"PATCH", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_JSON, model_params, ROUTE_WRITES, NULL,
     api_admin_item_patch, NULL},
    {"DELETE", "/v1/admin/items/{item}", ACCESS_ADMIN, BODY_NONE, no_params, ROUTE_WRITES, NULL,
     api_admin_item_delete, NULL},
    {"POST", "/v1/admin/items", ACCESS_ADMIN, BODY_JSON_OR_NDJSON, items_params, ROUTE_WRITES, NULL,
     api_admin_items_post, NULL},
    {"POST", "/v1/tasks/{task}/predictions", ACCESS_API, BODY_JSON, task_params, ROUTE_MAY_BLOCK,
     api_task_predict_plan, api_task_predict_post, NULL},
    {"POST", "/v1/predictions", ACCESS_API, BODY_JSON, tasks_params, ROUTE_READS, NULL,
     api_tasks_predict_post, NULL},
    {"POST", "/v1/tasks/predictions", ACCESS_API, BODY_JSON, guess_params, ROUTE_SCANS, NULL,
     api_tasks_guess_post, NULL},
    {"POST", "/v1/tasks/{task}/examples", ACCESS_API, BODY_JSON, example_params, ROUTE_WRITES, NULL,
     api_task_examples_post, NULL},
    {"GET", "/v1/tasks/{task}", ACCESS_API, BODY_NONE, model_params, ROUTE_READS, NULL, api_task_get, NULL},
    {"GET", "/v1/tasks/{task}/weights", ACCESS_API, BODY_NONE, model_params, ROUTE_READS, NULL,
     api_task_weights_get, NULL},
    {"PUT", "/v1/admin/tasks/{task}", ACCESS_ADMIN, BODY_JSON, put_task_params, ROUTE_WRITES, NULL,
     api_admin_task_put, NULL},
    {"PATCH", "/v1/admin/tasks/{task}", ACCESS_ADMIN, BODY_JSON, put_task_params, ROUTE_WRITES, NULL,
     api_admin_task_patch, NULL},
    {"DELETE", "/v1/admin/tasks/{task}", ACCESS_ADMIN, BODY_NONE, no_params, ROUTE_WRITES, NULL,
     api_admin_task_delete, NULL},
    {"DELETE", "/v1/admin/tasks/{task}/classes/{class}", ACCESS_ADMIN, BODY_NONE, model_params, ROUTE_WRITES,
     NULL, api_admin_class_delete, NULL},
    {"POST", "/v1/admin/tasks", ACCESS_ADMIN, BODY_JSON_OR_NDJSON, put_tasks_params, ROUTE_WRITES, NULL,
     api_admin_tasks_post, NULL},
    {"GET", "/v1/models", ACCESS_API, BODY_NONE, no_params, ROUTE_INLINE, NULL, api_models_get, NULL},
    {"GET", "/healthz", ACCESS_ALL, BODY_NONE, any_params, ROUTE_INLINE, NULL, api_health_get, NULL},
    {"GET", "/readyz", ACCESS_ALL, BODY_NONE, any_params, ROUTE_INLINE, NULL, api_ready_get, NULL},
    {"GET", "/metrics", ACCESS_ALL, BODY_NONE, any_params, ROUTE_INLINE, NULL, api_metrics_get, NULL},
    {"GET", "/openapi.json", ACCESS_ALL, BODY_NONE, no_params, ROUTE_INLINE, NULL, api_openapi_get, NULL},
    {"GET", "/", ACCESS_ALL, BODY_NONE, no_params, ROUTE_INLINE, NULL, api_index_get, NULL},
};
_Static_assert(sizeof rows / sizeof *rows <= METRICS_NO_ROUTE,
               "each route has counters of its own, and what is of no route has the last");

const struct route_table routes = {rows, sizeof rows / sizeof *rows};
