/* Health, readiness, metrics, the contract, and what is at the root. */
#include "server/api/api.h"

#include "schema/schema.h"
#include "server/serving/change_follower.h"

#include <string.h>

void api_health_get(struct api_thread *t, struct request *r)
{
    (void)t;
    buf_adds(request_answer(r, 200, request_json), "{\"status\":\"alive\"}");
}

/* Ready means: models are loaded, the store answers, and nobody asked us to stop. It is answered without a
 * worker: a queue that is full for a moment must not take a replica, and then the next, out of the
 * balance. */
void api_ready_get(struct api_thread *t, struct request *r)
{
    if (atomic_load(&t->api->draining) || !atomic_load(&t->api->ready)) {
        buf_addf(request_answer(r, 503, request_json), "{\"status\":\"%s\"}",
                 atomic_load(&t->api->draining) ? "draining" : "starting");
        return;
    }
    bool lost = atomic_load(&t->api->serving->store_lost),
         answers = !lost && change_follower_store_answers(t->api->serving);
    buf_addf(request_answer(r, answers ? 200 : 503, request_json), "{\"status\":\"%s\"}",
             answers ? "ready"
             : lost  ? "store lost"
                     : "store failed");
}

void api_metrics_get(struct api_thread *t, struct request *r)
{
    metrics_write(t->api->metrics, t->api->serving,
                  request_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8"));
}

void api_openapi_get(struct api_thread *t, struct request *r)
{
    (void)t;
    buf_add(request_answer(r, 200, request_json), schema_openapi_json,
            (size_t)(schema_openapi_json_end - schema_openapi_json));
}

void api_index_get(struct api_thread *t, struct request *r)
{
    struct buf *out = request_answer(r, 200, request_json);
    buf_addf(out, "{\"name\":\"hypernet\",\"version\":\"%s\",\"openapi\":\"/openapi.json\",\"models\":[",
             HYPERNET_VERSION);
    const struct model_handles *handles = recommender_handles(t->session.recommender);
    for (size_t i = 0; i < model_handles_size(handles); i++) {
        const struct model_spec *spec = &handles->at[i]->model->spec;
        buf_adds(out, i ? ",{\"name\":" : "{\"name\":");
        buf_add_json_string(out, spec->name, strlen(spec->name));
        buf_adds(out, ",\"version\":");
        buf_add_json_string(out, spec->version, strlen(spec->version));
        buf_addf(out, ",\"items\":%zu}", spec->n_items);
    }
    buf_adds(out, "]}");
}
