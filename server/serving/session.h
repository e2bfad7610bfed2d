/* session - what one thread has to serve with: a connection to the store, workspaces, and the writer while it
 * writes. Whatever asks (an HTTP thread, a worker, a command, a test) makes one and keeps it.
 * Layer: server/serving
 * Threads: confined to its thread; what it points to is shared.
 * Memory: the workspaces of a recommender (recommender.h). */
#ifndef SERVER_SERVING_SESSION_H
#define SERVER_SERVING_SESSION_H

#include "server/serving/counters.h"
#include "server/serving/recommender.h"
#include "server/serving/served_models.h"

struct session {
    struct serving *serving;
    struct serving_counters *counters;
    struct store_conn *conn;
    struct store_conn *writer; /* within a write: serving's, else NULL */
    struct recommender *recommender;
    struct store_task task; /* room for what is stored of one */
    struct own_history own; /* room for what a user has of whom a filter asks */
};

/* On failure *s is to be given to session_fini all the same. */
enum err_code session_init(struct session *s, struct serving *serving, struct serving_counters *counters,
                           struct err *e) ERR_MUST_CHECK;
void session_fini(struct session *s); /* all zeros are allowed */

/* A write of this thread, from serving_begin_write to serving_end_write: between them there is a writer. Not
 * within another one. */
enum err_code session_begin_write(struct session *s, struct err *e) ERR_MUST_CHECK;
enum err_code session_end_write(struct session *s, enum err_code code, struct err *e) ERR_MUST_CHECK;

/* Asked of a write that is done and not committed yet: whether its answer can be given. What cannot be
 * answered is not kept, for who hears nothing of it would send it again. */
struct session_answerable {
    enum err_code (*call)(void *arg, struct err *e); /* NULL: it can */
    void *arg;
};

enum err_code session_check_answerable(const struct session_answerable *answerable,
                                       struct err *e) ERR_MUST_CHECK;

/* As session_end_write, unless it cannot be answered. answerable: or NULL. */
enum err_code session_end_write_answerable(struct session *s, enum err_code code,
                                           const struct session_answerable *answerable,
                                           struct err *e) ERR_MUST_CHECK;

#endif
