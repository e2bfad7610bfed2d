/* dataset_check - what a store holds from before its values had limits: counted while a training reads, and
 * said before it begins. Such values are no failure: they are taken at the nearest limit (encoder_rows).
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: none. */
#ifndef SERVER_DATA_DATASET_CHECK_H
#define SERVER_DATA_DATASET_CHECK_H

#include "base/err.h"
#include "store/store.h"

#include <stdint.h>

/* How many rows there are of a kind, and the first of them. */
struct dataset_oddity {
    int64_t n, user_key;
    struct store_interaction first;
};

struct dataset_check {
    int64_t now;
    struct dataset_oddity outside; /* a weight or rating beyond the limits */
    struct dataset_oddity ahead;   /* times more than a day ahead of now */
};

void dataset_check_init(struct dataset_check *k);
void dataset_check_row(struct dataset_check *k, int64_t user_key, const struct store_interaction *x);

/* Tells talk, once a kind that occurred, how many rows there are and which is the first, by the ids of its
 * user and item. */
enum err_code dataset_check_say(const struct dataset_check *k, struct store_conn *c,
                                void (*talk)(const char *text), struct err *e) ERR_MUST_CHECK;

#endif
