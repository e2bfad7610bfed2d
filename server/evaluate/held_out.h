/* held_out - the test of an evaluation in memory: held-out rows by user, and candidates.
 * Items are indices in one model, UINT32_MAX: it has no such item.
 * Layer: server/evaluate
 * Threads: immutable once read.
 * Memory: the ids of the users, 24 bytes a row, 4 a candidate. */
#ifndef SERVER_EVALUATE_HELD_OUT_H
#define SERVER_EVALUATE_HELD_OUT_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/model.h"
#include "server/evaluate/row_kinds.h"
#include "server/fields/id_meeting.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evaluation_test_user {
    size_t id, id_len;                    /* in texts */
    size_t first, n;                      /* in rows */
    size_t first_candidate, n_candidates; /* in candidates */
};

struct evaluation_test_row {
    size_t id, id_len; /* in texts */
    uint32_t item;
    float rating; /* NAN: none */
};

struct evaluation_test {
    const struct model *model; /* borrowed */
    struct buf texts;
    struct id_meeting items;          /* holds the ids of the items */
    struct evaluation_test_row *rows; /* (n_rows) by user, then by item, each pair once */
    size_t n_rows, row_capacity;
    uint32_t *candidates; /* (n_candidates) */
    size_t n_candidates, candidate_capacity;
    struct evaluation_test_user *users; /* (n_users) sorted by id */
    size_t n_users;
    struct row_kinds kinds;
    const char *path;   /* of the rows, while they are read */
    size_t n_not_taken; /* rows left out: their kind pushes down, or says nothing */
};

/* Reads `user item [rating] [kind]` rows, those whose kind says by the store that the item was taken, and,
 * unless the path is NULL, a line of candidates for each user. ERR_INVALID: a bad line, an unknown kind, no
 * rows, a user without candidates; with ratings, a row without one. On failure too evaluation_test_fini
 * frees. */
enum err_code evaluation_test_read(struct store_conn *c, const struct model *m, const char *test_path,
                                   const char *candidates_path, bool ratings, struct evaluation_test *out,
                                   struct err *e) ERR_MUST_CHECK;
void evaluation_test_fini(struct evaluation_test *t); /* of a zeroed one as well */

struct text evaluation_test_id(const struct evaluation_test *t, size_t user);

/* The number of a user of the test, or SIZE_MAX. */
size_t evaluation_test_find(const struct evaluation_test *t, struct text id);

#endif
