/* POST /v1/recommendations: the best items, of those and in the way that the body says. A user whose weights
 * need no wait is answered where the request was read, as GET /v1/users/{user}/recommendations is. */
#include "server/api/api.h"

#include "server/api/recommend_body.h"

#include <stddef.h>

struct recommendations_plan {
    struct api_plan of;
    struct recommend_body body;
};

static void end_plan(void *plan)
{
    struct recommendations_plan *p = plan;
    recommend_body_fini(&p->body);
    api_plan_end(plan);
}

void api_recommendations_plan(struct api_thread *t, struct request *r)
{
    struct recommendations_plan *plan =
        api_plan_new(t, r, API_PLAN_BODY, sizeof *plan, sizeof *plan, end_plan);
    if (!plan || !recommend_body_read(r, plan->of.handle, &plan->body))
        return;
    const struct recommend_query *q = &plan->body.q;
    plan->of.user = q->user;
    plan->of.user_pointer = "/user";
    plan->of.cold_start = plan->body.cold_start;
    r->takes_long = q->explain || q->samples;
    plan->of.takes_long = r->takes_long || q->more->with_metadata;
}

void api_recommendations_post(struct api_thread *t, struct request *r)
{
    struct recommendations_plan *plan = r->plan;
    api_recommend(t, r, &plan->of, &plan->body.q);
}
