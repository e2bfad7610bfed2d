/* list_page - where a list goes on: what a caller gets as an opaque token with one page, and brings for the
 * next.
 *
 * Pages of a list never repeat an item nor lose one: the token names what was shown, and a page is the best
 * of the rest, by the weights of the first page (page_weights.h). So events between pages change nothing;
 * items that come meanwhile may be listed, those that are deleted are not.
 * The token is authenticated by a key of this process: a changed one, or one of another server or start, is
 * refused. It is bound to the question, that is to the user, the model and all that decides the list.
 * Layer: server/serving
 * Threads: any.
 * Memory: the items shown; list_page_fini frees. */
#ifndef SERVER_SERVING_LIST_PAGE_H
#define SERVER_SERVING_LIST_PAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/siphash.h"
#include "base/text.h"
#include "engine/rank/topk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIST_PAGE_OF_PRIOR = -1, LIST_PAGE_OF_NOBODY = 0 }; /* revisions of weights that are no user's */

/* All zeros: nothing was shown. */
struct list_page {
    uint64_t question; /* a hash of it */
    int64_t revision;  /* of the context whose weights decide, or one of those above */
    uint32_t *shown;   /* (n_shown) rising indices of items */
    size_t n_shown;
    size_t n_unknown; /* candidates shown that no answer has, the first ones of theirs */
};

void list_page_fini(struct list_page *p);

/* Adds listed items to what was shown. ERR_NOMEM. */
enum err_code list_page_add(struct list_page *p, const struct topk_entry *entries, size_t n,
                            struct err *e) ERR_MUST_CHECK;

/* Appends the token, of letters, digits, '-' and '_'. */
void list_page_write(const struct list_page *p, const struct siphash_key *key, struct buf *out);

/* Reads a token to *out. ERR_INVALID: it is none that this key wrote. */
enum err_code list_page_read(struct text token, const struct siphash_key *key, struct list_page *out,
                             struct err *e) ERR_MUST_CHECK;

#endif
