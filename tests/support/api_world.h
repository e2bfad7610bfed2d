/* api_world - the calls without sockets: a store in a folder of its own, the models `sample` and `linear`
 * (which has no encoder), and the two kinds of threads that answer.
 * Layer: tests/support
 * Threads: confined.
 * Memory: api_world_fini frees all and removes the folder. */
#ifndef TESTS_SUPPORT_API_WORLD_H
#define TESTS_SUPPORT_API_WORLD_H

#include "server/api/api.h"
#include "server/http/http.h"

#define API_WORLD_TOKEN "an admin token of tests"

struct api_world {
    char folder[64], store_path[96]; /* of the SQLite file, where it is one */
    struct store *store;
    struct serving serving;
    struct metrics metrics;
    struct api api;
    struct api_thread *http, *worker;
    size_t n_handed_over; /* requests that went on to the worker */
};

/* Ends the program when it cannot be made: make it before failures are asked for. */
void api_world_init(struct api_world *w);
/* The same over a store in memory (memory_store.h): nothing of it is SQLite's. */
void api_world_init_in_memory(struct api_world *w);
/* The same with the model file at path instead of those two; the store gets its items. */
void api_world_init_model(struct api_world *w, const char *path);
void api_world_fini(struct api_world *w);

/* Answers one request as the server does: headers, then the thread of the connection, then the worker if it
 * must be. type NULL: no Content-Type. The caller frees the request; NULL when there was no memory for it. */
struct request *api_world_call(struct api_world *w, const char *method, const char *target, const char *type,
                               const char *body, size_t n);

/* The same with a JSON body; returns the status. *answer (may be NULL): the answer's text, which the caller
 * frees with mem_free. */
int api_world_json(struct api_world *w, const char *method, const char *target, const char *body,
                   char **answer);

/* Users, interactions and contexts in the store. */
struct store_counts api_world_counts(struct api_world *w);

/* ---- with sockets ---- */

/* A free port of this machine, one thread of each kind, limits that are not met. */
struct http_config api_world_http_config(void);

/* Serves with that; http_stop ends it. A connection to it, which the caller closes. Both end the program
 * where they fail. */
struct http_server *api_world_serve(struct api_world *w);
int api_world_connect(const struct http_server *server);

#endif
