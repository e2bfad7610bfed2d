/* change_fixture - the log of changes as a line of text, for the tests of stores.
 * Layer: tests/support
 * Threads: confined.
 * Memory: none. */
#ifndef TESTS_SUPPORT_CHANGE_FIXTURE_H
#define TESTS_SUPPORT_CHANGE_FIXTURE_H

#include "tests/support/store_fixture.h"

struct seen_changes {
    size_t n, stop_at;
    int64_t since, last;
    char line[256]; /* "user:ann item:i all: " */
};

/* One look, whether others wrote. */
bool change_fixture_any(struct store_conn *c, int64_t since);

int64_t change_fixture_last(struct store_conn *c);

/* The changes after `since`, stop_at at the most (0: all); they must rise. */
struct seen_changes change_fixture_since(struct store_conn *c, int64_t since, size_t stop_at);

#endif
