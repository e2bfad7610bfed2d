/* load_fixture - loads of rows, and what others write meanwhile, for the tests of loads.
 * Layer: tests/support
 * Threads: confined, as the connections are.
 * Memory: none but the loads'. */
#ifndef TESTS_SUPPORT_LOAD_FIXTURE_H
#define TESTS_SUPPORT_LOAD_FIXTURE_H

#include "base/rng.h"
#include "store/store.h"

enum { LOAD_FIXTURE_USERS = 12, LOAD_FIXTURE_ITEMS = 15 }; /* that random rows are of */

struct load_fixture_row {
    char user[24], item[24];
    double weight, rating;
    int64_t timestamp;
};

struct load_fixture_row load_fixture_random(struct rng *r);

/* A load that is staged; its rows in a transaction that stays open; both and the commit. */
struct store_load *load_fixture_stage(struct store_conn *c, const struct load_fixture_row *rows, size_t n);
void load_fixture_apply(struct store_conn *c, struct store_load *l);
void load_fixture_load(struct store_conn *c, const struct load_fixture_row *rows, size_t n);

/* The same rows as a bulk load. */
void load_fixture_bulk(struct store_conn *c, const struct load_fixture_row *rows, size_t n);

bool load_fixture_exists(struct store_conn *c, const char *user);

/* One write of somebody else: an event, a registration that replaces, an item; of users and items that loads
 * have or not. */
void load_fixture_write(struct store_conn *c, struct rng *r);

/* Ends the test unless both stores hold the same. */
void load_fixture_assert_same(struct store_conn *a, struct store_conn *b);

#endif
