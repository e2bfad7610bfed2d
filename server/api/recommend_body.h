/* recommend_body - the body of POST /v1/recommendations: for whom, and what of the items.
 * Layer: server/api
 * Threads: confined to its thread; another may go on with it.
 * Memory: the document, in which its texts are, and the lists of items; recommend_body_fini frees. */
#ifndef SERVER_API_RECOMMEND_BODY_H
#define SERVER_API_RECOMMEND_BODY_H

#include "server/api/mark_body.h"
#include "server/api/recommend_contexts.h"
#include "server/http/request.h"
#include "server/serving/passing_user.h"
#include "server/serving/recommender.h"

#include <jansson.h>
#include <stdbool.h>

/* For whom a body asks. */
enum recommend_for { FOR_USER, FOR_USERS, FOR_PASSING, FOR_CONTEXTS };

struct recommend_body {
    json_t *document;
    enum recommend_for whom;
    const json_t *users; /* of FOR_USERS: ids, as they were read */
    struct passing_user passing;
    struct recommend_contexts contexts;
    struct update_interaction *interactions; /* its own */
    char *profile;
    struct recommend_query q; /* its rules and more are those below */
    struct list_rules rules;
    struct recommend_more more;
    struct list_page page;
    bool goes_on;      /* it brings the token of a page, which was read to `page` */
    uint64_t question; /* a hash of what decides the list, but for the user */
    bool cold_start;
    enum item_sort fallback[ITEM_SORTS];
    struct text *candidate_ids, *exclude_ids; /* (n of each) each once, and no candidate is excluded */
    size_t n_candidate_ids, n_exclude_ids;
    /* What the ids are in q.items, of this version, as rules and `more` have them: */
    unsigned items_version;
    uint32_t *candidates, *excluded;
    struct text *unknown; /* candidates that no answer has */
    struct text *fields;
    struct item_filter *filter; /* NULL: none */
    struct mark_body mark;
};

/* The hash of the question of a user (NULL data: nobody) of a model. */
uint64_t recommend_body_question(const struct recommend_body *b, const struct siphash_key *key, uint64_t uid,
                                 struct text user);

/* Reads the body of r, which must not move afterwards; its faults are gathered, and all of them are the
 * answer. False: answered. What was read is to be freed in any case. */
bool recommend_body_read(struct request *r, struct model_handle *handle, const struct siphash_key *key,
                         struct recommend_body *out);

/* Looks candidates and excluded ids up in the newest items of the model, which the query's list is then of
 * (recommend_query.items): to be called right before each list. */
void recommend_body_resolve(struct recommend_body *b, struct model_handle *handle);

void recommend_body_fini(struct recommend_body *b);

#endif
