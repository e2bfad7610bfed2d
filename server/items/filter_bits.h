/* filter_bits - a filter as bits: the items of a catalogue of which it holds, for who has none of them.
 * Cost: a comparison is done once for each distinct value of its field, and a look an item (figures:
 *   docs/results.md).
 * Layer: server/items
 * Threads: immutable once made; references are atomic.
 * Memory: a bit an item. */
#ifndef SERVER_ITEMS_FILTER_BITS_H
#define SERVER_ITEMS_FILTER_BITS_H

#include "base/err.h"
#include "server/items/item_filter.h"
#include "server/items/item_index.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct filter_bits {
    atomic_size_t refs;
    size_t n_words;
    uint64_t words[]; /* (n_words) bits by index; items that no answer may have are among them */
};

/* One reference. columns: NULL when there are none. ERR_NOMEM. */
enum err_code filter_bits_make(const struct item_filter *f, const struct item_index *texts,
                               const struct item_columns *columns, struct filter_bits **out,
                               struct err *e) ERR_MUST_CHECK;
struct filter_bits *filter_bits_ref(struct filter_bits *b);
void filter_bits_unref(struct filter_bits *b); /* NULL is allowed */

#endif
