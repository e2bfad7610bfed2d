/* item_fixture - items and their users, for the tests of what a store says of them.
 * Layer: tests/support
 * Threads: confined, as the connection is.
 * Memory: fixed. */
#ifndef TESTS_SUPPORT_ITEM_FIXTURE_H
#define TESTS_SUPPORT_ITEM_FIXTURE_H

#include "store/store.h"

/* An item that was read; its own texts are gone, but the title. */
struct item_seen {
    struct store_item item;
    char title[32];
};

struct item_seen item_fixture_read(struct store_conn *c, const char *id);

/* A context of one byte, of version 1 of a model. */
void item_fixture_context(struct store_conn *c, const char *user, const char *model, char embedding);

/* Items `a` and `b` of an import, which ann took by it; bob takes `a` singly. Both have a context of `m`,
 * `A` and `B`. */
void item_fixture_import(struct store_conn *c);

/* The newest `most` users of an item who have a context of the model: its byte and the weight, "A*1,B*2,". */
void item_fixture_assert_takers(struct store_conn *c, int64_t item_key, const struct store_context_key *key,
                                size_t most, const char *expected);

#endif
