#include "server/serving/session.h"

enum err_code session_init(struct session *s, struct serving *serving, struct serving_counters *counters,
                           struct err *e)
{
    *s = (struct session){.serving = serving, .counters = counters};
    enum err_code code = store_connect(serving->store, &s->conn, e);
    return code ? code : recommender_new(serving, s->conn, &s->recommender, e);
}

void session_fini(struct session *s)
{
    recommender_free(s->recommender);
    store_disconnect(s->conn);
}
