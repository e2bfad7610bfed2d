/* problem - refusals as RFC 9457 problem documents with a stable type; the one table of statuses.
 * Layer: server/http
 * Threads: any.
 * Memory: the answer is the request's. */
#ifndef SERVER_HTTP_PROBLEM_H
#define SERVER_HTTP_PROBLEM_H

#include "server/http/request.h"

/* code, type (urn:hypernet:problem:TYPE), status, title */
#define PROBLEMS(X)                                                                                          \
    X(PROBLEM_BAD_REQUEST, "bad-request", 400, "The request is malformed")                                   \
    X(PROBLEM_MALFORMED_JSON, "malformed-json", 400, "The body is not JSON")                                 \
    X(PROBLEM_UNAUTHORIZED, "unauthorized", 401, "A valid bearer token is needed")                           \
    X(PROBLEM_ADMIN_OFF, "admin-off", 403, "Admin calls are off: the server has no admin token")             \
    X(PROBLEM_FOREIGN_HOST, "foreign-host", 403, "The server is not asked by this name")                     \
    X(PROBLEM_CREATE_OFF, "create-off", 403, "Creating by events needs the admin token")                     \
    X(PROBLEM_BACKUP_OFF, "backup-off", 403, "Backups are off: the server has no folder for them")           \
    X(PROBLEM_UNKNOWN_PATH, "unknown-path", 404, "There is nothing at this path")                            \
    X(PROBLEM_UNKNOWN_USER, "unknown-user", 404, "There is no such user")                                    \
    X(PROBLEM_UNKNOWN_TASK, "unknown-task", 404, "There is no such task")                                    \
    X(PROBLEM_UNKNOWN_MODEL, "unknown-model", 404, "No model of this name is served")                        \
    X(PROBLEM_NO_ITEM, "item-not-found", 404, "There is no such item")                                       \
    X(PROBLEM_WRONG_METHOD, "wrong-method", 405, "The path does not take this method")                       \
    X(PROBLEM_LIST_GONE, "list-gone", 409, "The list cannot go on")                                          \
    X(PROBLEM_BACKUP_RUNS, "backup-runs", 409, "A backup is being made")                                     \
    X(PROBLEM_TOO_LARGE, "too-large", 413, "The request is larger than a limit allows")                      \
    X(PROBLEM_TARGET_TOO_LONG, "target-too-long", 414, "The path and query are longer than a limit allows")  \
    X(PROBLEM_MEDIA_TYPE, "unsupported-media-type", 415, "The body's media type is not understood")          \
    X(PROBLEM_INVALID_VALUE, "invalid-value", 422, "A value in the body is not valid")                       \
    X(PROBLEM_UNKNOWN_ITEM, "unknown-item", 422, "There is no such item")                                    \
    X(PROBLEM_OTHER_MODEL, "other-model", 422, "The model answers other calls")                              \
    X(PROBLEM_ENCODER_MISSING, "encoder-missing", 422, "The model has no encoder; give an embedding")        \
    X(PROBLEM_TOO_MANY_USERS, "too-many-new-users", 429, "More new users than events may make in a minute")  \
    X(PROBLEM_HEAD_TOO_LARGE, "head-too-large", 431, "The request's head is larger than a limit allows")     \
    X(PROBLEM_INTERNAL, "internal", 500, "The server failed")                                                \
    X(PROBLEM_STORE, "store-failed", 500, "The store could not be read or written")                          \
    X(PROBLEM_OVERLOADED, "overloaded", 503, "The server is busy; try again")                                \
    X(PROBLEM_STORE_LOST, "store-lost", 503, "The store's file was removed or replaced")                     \
    X(PROBLEM_HTTP_VERSION, "http-version", 505, "This version of HTTP is not spoken here")                  \
    X(PROBLEM_STORE_FULL, "store-full", 507, "The store's disk is full")

enum problem {
#define X(code, type, status, title) code,
    PROBLEMS(X)
#undef X
};

#define PROBLEM_TYPE_PREFIX "urn:hypernet:problem:"

/* The last part of a problem's type. */
const char *problem_type(enum problem p);

/* Answers r with a problem. pointer: a JSON pointer into the body, or NULL. detail: what is wrong and what to
 * do. While r->faults is a list, a problem with a pointer joins it instead, so that reading can go on. */
void problem_answer(struct request *r, enum problem p, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends such a document about a part of the request, whose other parts are answered. */
void problem_add(struct buf *out, const struct request *r, enum problem p, const char *detail);

/* The same for JSON that does not parse. */
void problem_answer_json(struct request *r, int line, int column, const char *what);

/* Answers with all that was gathered, at least one: type, status, detail and pointer are those of the first,
 * `errors` has them in the order of the request, `n_errors` says how many there are. ending: what to add to
 * the detail, or NULL. */
void problem_answer_list(struct request *r, struct problem_list *l, const char *ending);

/* Answers with what an error of a lower layer means to a caller. Where the server is at fault (5xx) that is a
 * text of its own, and the reason goes to the log with the request's id: it may name files and what is in
 * them. */
void problem_answer_err(struct request *r, const struct err *e);

/* Appends such a document about a part of the request. */
void problem_add_err(struct buf *out, const struct request *r, const struct err *e);

#endif
