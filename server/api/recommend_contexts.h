/* recommend_contexts - the member `contexts` of POST /v1/recommendations: those that are answered as one, and
 * how much of each.
 * Layer: server/api
 * Threads: confined to its thread; another may go on with it.
 * Memory: the list and its embeddings; recommend_contexts_fini frees. Ids are the document's. */
#ifndef SERVER_API_RECOMMEND_CONTEXTS_H
#define SERVER_API_RECOMMEND_CONTEXTS_H

#include "base/siphash.h"
#include "server/http/request.h"
#include "server/serving/recommender.h"

#include <jansson.h>
#include <stdbool.h>

struct recommend_contexts {
    struct blended_context *list; /* (n) */
    size_t n;
    float *embeddings; /* (n, C) of those that are numbers */
};

/* Reads the member of root. False: answered, or faults were gathered. To be freed in any case. */
bool recommend_contexts_read(struct request *r, struct model_handle *handle, const json_t *root,
                             struct recommend_contexts *out);
void recommend_contexts_fini(struct recommend_contexts *c);

/* A number above 0 that tells the revisions that were found from others. */
int64_t recommend_contexts_revision(const struct recommend_contexts *c, const struct siphash_key *key);

#endif
