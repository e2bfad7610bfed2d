/* train_dataset - the store's users, items, interactions and profiles as arrays for the trainer. Items and
 * users are in the order of their keys. What of profiles and categories is learned: server/data/vocabulary.h.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: about 32 bytes an interaction. */
#ifndef SERVER_DATA_TRAIN_DATASET_H
#define SERVER_DATA_TRAIN_DATASET_H

#include "base/err.h"
#include "engine/train/train.h"
#include "server/data/dataset_check.h"
#include "store/store.h"

enum {
    DATASET_LEAST_USERS = 5,
    DATASET_LEAST_ITEMS = 5
}; /* by default, who must have a profile value or category */

struct dataset {
    struct train_data data; /* views of what follows */
    /* of profiles, of which nothing is learned: "name, email"; "": none. Borrowed; NULL: too many */
    const char *unknown_fields;
    struct dataset_check check; /* values that were brought within limits */
    struct dataset_private *private;
};

/* Reads everything in one snapshot. A profile value is learned when min_users users have it. */
enum err_code dataset_load(struct store_conn *c, size_t min_users, struct dataset *out,
                           struct err *e) ERR_MUST_CHECK;
void dataset_free(struct dataset *d);

#endif
