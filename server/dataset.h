/* dataset - the store's users, items, interactions and profiles as arrays for the trainer.
 * Layer: server; depends on store, engine, base.   Threads: confined to its thread.
 * Memory: about 32 bytes an interaction.
 * Items and users are in the order of their keys. A profile value enters the vocabulary when at least
 * DATASET_LEAST_USERS users have it; a field with more than DATASET_MOST_VALUES of such values is left out. Categories of
 * items alike.
 */
#ifndef SERVER_DATASET_H
#define SERVER_DATASET_H

#include "base/err.h"
#include "engine/train/train.h"
#include "store/store.h"

enum { DATASET_LEAST_USERS = 5, DATASET_MOST_VALUES = 1000 };

struct dataset {
    struct train_data data; /* views of what follows */
    struct dataset_private *private;
};

/* Reads everything in one snapshot. */
enum err_code dataset_load(struct store_conn *c, struct dataset *out, struct err *e) ERR_MUST_CHECK;
void dataset_free(struct dataset *d);

#endif
