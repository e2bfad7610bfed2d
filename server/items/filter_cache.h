/* filter_cache - the bits of filters that were asked for, by the filters' texts: those of one state of the
 * items, which its snapshots share. The one asked for longest ago goes first.
 * Cost: a look-up of the text under a lock; none where no filter is asked for.
 * Layer: server/items
 * Threads: any.
 * Memory: at most LIMIT_FILTER_CACHE bytes of bits and texts. */
#ifndef SERVER_ITEMS_FILTER_CACHE_H
#define SERVER_ITEMS_FILTER_CACHE_H

#include "base/err.h"
#include "base/text.h"
#include "server/items/filter_bits.h"

#include <stddef.h>

struct filter_cache;

/* One reference; NULL: no memory. */
struct filter_cache *filter_cache_new(void);
struct filter_cache *filter_cache_ref(struct filter_cache *c);
void filter_cache_unref(struct filter_cache *c); /* NULL is allowed */

/* A reference to the bits of a filter's text, or NULL. */
struct filter_bits *filter_cache_get(struct filter_cache *c, struct text text);

/* Keeps bits, with a reference of its own, where there is room and memory. */
void filter_cache_keep(struct filter_cache *c, struct text text, struct filter_bits *bits);

/* Bytes in use, and how many filters there are. */
size_t filter_cache_bytes(struct filter_cache *c, size_t *n);

#endif
