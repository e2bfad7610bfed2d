/* api - the calls: each file api_*.c holds one resource; all are pure in that they see a struct request and
 * no socket.
 * Layer: server/api
 * Threads: a struct api_thread is confined to its thread; struct api is shared.
 * Memory: a struct api_thread holds the workspaces of its calls; plans and answers are the request's. */
#ifndef SERVER_API_API_H
#define SERVER_API_API_H

#include "server/api/prometheus.h"
#include "server/http/handler.h"
#include "server/http/hosts.h"
#include "server/http/problem.h"
#include "server/http/request.h"
#include "server/http/route.h"
#include "server/http/tokens.h"
#include "server/serving/backups.h"
#include "server/serving/session.h"
#include "server/serving/user_allowance.h"

#include <stdatomic.h>
#include <stdbool.h>

/* What all threads share. */
struct api {
    struct serving *serving;
    struct metrics *metrics;
    struct tokens tokens; /* no admin token: admin calls are off; no API token: the others need none */
    struct hosts hosts;
    struct backups backups;
    atomic_bool draining;
    atomic_bool ready;
    bool access_log, access_log_ids; /* without the latter no path is logged: it has ids */
    bool events_create; /* who may send events may create items and tasks by them; else the admin token is
                           needed */
    struct user_allowance new_users; /* whom events without the admin token make */
};

/* What one thread has. An HTTP thread reads on the session's connection at once or not at all
 * (recommender_try). */
struct api_thread {
    struct api *api;
    struct session session;
};

/* What the door needs of this API, which is borrowed (http/handler.h). */
struct http_handler api_handler(struct api *api);

/* Called once a request's headers are read: finds the route and checks token and media type; a refusal is
 * answered. */
void api_begin(struct api *api, struct request *r);

/* Called once the body is there, by a thread that others wait for: plans a call that may block, and looks for
 * the weights that it needs. True: this thread is to run it, or it is answered with a refusal; false: a
 * worker. */
bool api_plan(struct api_thread *t, struct request *r);

/* Runs the call, as it was planned where it was. */
void api_run(struct api_thread *t, struct request *r);

/* Counts the finished request and logs it when asked for. */
void api_finish(struct api *api, struct request *r);

enum err_code api_thread_new(struct api *api, struct api_thread **out, struct err *e) ERR_MUST_CHECK;
void api_thread_free(struct api_thread *t);

/* ---- plans ---- */

/* What a request for the answers of a user or task says, read once: by the route's `plan`, for its `run`,
 * which another thread may call. Each call's plan begins with it. */
struct api_plan {
    struct text user;            /* of the request; or its task */
    const char *user_pointer;    /* where the body says so; NULL: the path does */
    bool of_task;                /* it is one, and the model one of tasks */
    bool cold_start;             /* an unknown user or task is answered from the prior */
    bool takes_long;             /* a worker is to run it, whatever is cached */
    bool needs_no_weights;       /* what is asked says all that is to be known */
    struct served_model *served; /* whose weights; alive as long as the models */
    struct model_set *models;    /* a reference, once another thread is to run it; else NULL */
    /* for `run`: */
    struct model_handle *handle; /* of the thread that plans or runs */
    struct weights *weights;     /* a reference; NULL: not there yet */
    bool hit, cold;              /* they were cached; they are the prior's */
};

/* What api_plan_new reads: a user's id and a model for users, or those of a task; or the model alone, where
 * the body says for whom. */
enum api_plan_kind { API_PLAN_USER, API_PLAN_TASK, API_PLAN_TRAINED, API_PLAN_BODY };

/* A new plan of `size` bytes, the first n_zeros of them zeros but for the user and the model, which are read.
 * `end` is api_plan_end or ends with it; it meets plans too whose reading ended with a refusal. NULL:
 * answered. */
void *api_plan_new(struct api_thread *t, struct request *r, enum api_plan_kind kind, size_t size,
                   size_t n_zeros, void (*end)(void *plan));
void api_plan_end(void *plan);

/* ---- parts of calls ---- */

/* The model for users that a request names by ?model=, or the first, as this thread has it; answers 404, or
 * 422 of a model of tasks, and returns false when there is none. */
bool api_model(struct api_thread *t, struct request *r, struct model_handle **handle);

/* The same among the models of tasks that read rows; among those and then the ones of images; and among the
 * latter alone. */
bool api_task_model(struct api_thread *t, struct request *r, struct model_handle **handle);
bool api_any_task_model(struct api_thread *t, struct request *r, struct model_handle **handle);
bool api_image_only_model(struct api_thread *t, struct request *r, struct model_handle **handle);

/* Of calls that models of trained tasks answer too: the one that the request names, or the first where no
 * other model of tasks is served; NULL: it is not of one. */
struct model_handle *api_trained_model(struct api_thread *t, const struct request *r);

/* Whether a text of a target may be an id, and what one is. */
bool api_is_id(struct text id);
extern const char api_id_rule[];

/* The {user} segment; answers 400 and returns false when it is no id. */
bool api_user_id(struct request *r, size_t segment, struct text *id);

/* The {item}, {task} and {class} segments likewise. */
bool api_item_id(struct request *r, size_t segment, struct text *id);
bool api_task_id(struct request *r, size_t segment, struct text *id);
bool api_class_id(struct request *r, size_t segment, struct text *id);

/* A whole number in [least, most] given as a query parameter; absent: *out stays. */
bool api_count_param(struct request *r, const char *name, size_t least, size_t most, size_t *out);

/* The parameters `category` (n, at most RECOMMENDER_MAX_CATEGORIES). */
bool api_category_params(struct request *r, struct text *categories, size_t *n);

/* A query parameter that must be true or false; absent: *out stays. */
bool api_bool_param(struct request *r, const char *name, bool *out);

/* ?unknown=null: what is not known is answered with null; error, or absent: it is refused. False:
 * answered. */
bool api_unknown_param(struct request *r, bool *null_for_unknown);

/* ?on_error=skip: what is refused of a batch is left out; fail, or absent: then nothing is kept. */
bool api_on_error_param(struct request *r, bool *skip);

/* Forgets what the path names: 204, or what there is not. */
typedef bool api_id_fn(struct request *r, size_t segment, struct text *id);
typedef enum err_code api_forget_fn(struct session *s, struct text id, struct err *e);
void api_delete(struct api_thread *t, struct request *r, api_id_fn *read_id, api_forget_fn *forget,
                enum problem unknown);

/* What ERR_CONFLICT of context_of_user means of a model: that it makes no contexts, or that the user's was
 * given for another one. */
enum problem api_context_problem(const struct model *m);

/* Answers with what an error of a lower layer means, and counts it when the store failed. */
void api_fail(struct api_thread *t, struct request *r, const struct err *e);

/* Replaces a plan's weights by those of the user as the store has him now, for what must be of one state
 * (recommender_reread). False: answered with a refusal. */
bool api_reread(struct api_thread *t, struct request *r, struct api_plan *plan);

/* The calls, by file. */
route_fn api_recommend_plan, api_recommend_get, api_recommendations_plan, api_recommendations_post,
    api_predict_plan, api_predict_post, api_events_post, api_user_get, api_users_get, api_user_export_get,
    api_similar_users_get, api_item_lists_get, api_merge_post, api_admin_user_put, api_admin_user_patch,
    api_admin_user_delete, api_admin_users_post, api_item_get, api_item_users_get, api_similar_get,
    api_admin_item_put, api_admin_item_patch, api_admin_item_delete, api_admin_items_post, api_health_get,
    api_ready_get, api_metrics_get, api_openapi_get, api_index_get, api_models_get, api_task_predict_plan,
    api_task_predict_post, api_tasks_predict_post, api_tasks_guess_post, api_task_examples_post, api_task_get,
    api_task_weights_get, api_admin_task_put, api_admin_task_patch, api_admin_task_delete,
    api_admin_tasks_post, api_admin_class_delete, api_kinds_get, api_kinds_put, api_interaction_delete,
    api_backup_post;

/* The calls for tasks, of a model of trained ones (api_trained.c). */
void api_trained_predict_plan(struct api_thread *t, struct request *r);
void api_trained_predict(struct api_thread *t, struct request *r);
void api_trained_get(struct api_thread *t, struct request *r, struct model_handle *handle);
void api_trained_weights_get(struct api_thread *t, struct request *r, struct model_handle *handle);
void api_trained_guess_post(struct api_thread *t, struct request *r, struct model_handle *handle);

#endif
