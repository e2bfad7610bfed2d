#include "server/serving/session.h"

#include <assert.h>

enum err_code session_init(struct session *s, struct serving *serving, struct serving_counters *counters,
                           struct err *e)
{
    *s = (struct session){.serving = serving, .counters = counters};
    enum err_code code = store_connect(serving->store, &s->conn, e);
    return code ? code : recommender_new(serving, s->conn, &s->recommender, e);
}

enum err_code session_begin_write(struct session *s, struct err *e)
{
    assert(!s->writer); /* this thread would wait for itself */
    return serving_begin_write(s->serving, &s->writer, e);
}

enum err_code session_end_write(struct session *s, enum err_code code, struct err *e)
{
    assert(s->writer);
    s->writer = NULL;
    return serving_end_write(s->serving, code, e);
}

enum err_code session_check_answerable(const struct session_answerable *answerable, struct err *e)
{
    return answerable && answerable->call ? answerable->call(answerable->arg, e) : ERR_OK;
}

enum err_code session_end_write_answerable(struct session *s, enum err_code code,
                                           const struct session_answerable *answerable, struct err *e)
{
    return session_end_write(s, code ? code : session_check_answerable(answerable, e), e);
}

void session_fini(struct session *s)
{
    recommender_free(s->recommender);
    store_task_fini(&s->task);
    own_history_fini(&s->own);
    store_disconnect(s->conn);
}
