/* kind_names - kinds of events by the names that bodies and answers have for them.
 * Layer: server/api
 * Threads: confined to its thread; for the life of one call.
 * Memory: none. */
#ifndef SERVER_API_KIND_NAMES_H
#define SERVER_API_KIND_NAMES_H

#include "base/limits.h"
#include "server/api/json_body.h"
#include "server/serving/user_updates.h"

struct kind_names {
    struct store_conn *conn;
    bool read; /* once a call, when the first name is met */
    size_t n;
    int32_t numbers[LIMIT_KINDS];                  /* (n) */
    char names[LIMIT_KINDS][LIMIT_KIND_BYTES + 1]; /* (n) */
};

/* The kinds that the store has when the first is asked for. */
void kind_names_init(struct kind_names *k, struct store_conn *conn);

/* Gives an interaction of a body the number of its kind. False: refused, with the kinds that there are. */
bool kind_names_find(struct kind_names *k, struct request *r, const struct json_place *at,
                     struct update_interaction *x);

/* The name of a kind, for an answer. */
enum err_code kind_names_of(struct kind_names *k, int32_t number, const char **out,
                            struct err *e) ERR_MUST_CHECK;

#endif
