/* encoder_rows - the store's interactions as the encoder, the trainer and the baselines take them.
 *
 * A weight or rating from before there were limits is the nearest one within them, so that one such row stops
 * neither answers nor a training.
 * Layer: server/items
 * Threads: any; a snapshot is immutable.
 * Memory: the caller's. */
#ifndef SERVER_ITEMS_ENCODER_ROWS_H
#define SERVER_ITEMS_ENCODER_ROWS_H

#include "engine/network/encoder.h"
#include "server/items/item_snapshot.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An interaction with the item of an index. */
struct encoder_interaction encoder_row(uint32_t item, const struct store_interaction *x);

/* The same by the index that a snapshot has for the item; false: it has none, and *out stays. */
bool encoder_row_of(const struct item_snapshot *items, const struct store_interaction *x,
                    struct encoder_interaction *out);

/* Those of n interactions whose items a snapshot has, to out (room for n), in their order; returns how
 * many. */
size_t encoder_rows(const struct item_snapshot *items, const struct store_interaction *x, size_t n,
                    struct encoder_interaction *out);

/* Whether the store had the items of all n interactions when the snapshot was made. Where it had not, a
 * context would lack them: none is stored, and it is made at first use. */
bool encoder_rows_known(const struct item_snapshot *items, const struct store_interaction *x, size_t n);

#endif
