/* page_weights - the weights by which lists began that go on page by page: a list goes on by them although
 * its user changed. The least recently asked for go first; all go with their user.
 * Layer: server/serving
 * Threads: any.
 * Memory: past that of the cache, a PAGE_WEIGHTS_SHARE-th of its bytes. */
#ifndef SERVER_SERVING_PAGE_WEIGHTS_H
#define SERVER_SERVING_PAGE_WEIGHTS_H

#include "server/serving/served_models.h"

enum { PAGE_WEIGHTS_SHARE = 16 };

/* Keeps a reference to a user's weights, if there is room. */
void page_weights_keep(struct serving *s, uint64_t uid, struct text user, struct weights *w);

/* A reference to the weights that a user had at a revision, or NULL: they are not kept any more. */
struct weights *page_weights_get(struct serving *s, uint64_t uid, struct text user, int64_t revision);

#endif
