/* new_users - what is given of test users who are not in the store: interactions and profiles from files. A
 * user is made from it as a registration over HTTP makes one, but nothing is stored.
 * Layer: server/evaluate
 * Threads: immutable once read.
 * Memory: 40 bytes an interaction, the text of the profiles. */
#ifndef SERVER_EVALUATE_NEW_USERS_H
#define SERVER_EVALUATE_NEW_USERS_H

#include "base/err.h"
#include "server/evaluate/held_out.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct evaluation_known;

/* Reads the interactions of the test's users, and their profiles unless that path is NULL; rows of others are
 * passed over. Of an item that a user has twice the first row counts; items the store does not have are left
 * out and counted. The test is borrowed. ERR_INVALID: a bad line, or a user who is in the store. */
enum err_code evaluation_known_read(struct store_conn *c, const struct evaluation_test *test,
                                    const char *known_path, const char *users_path,
                                    struct evaluation_known **out, struct err *e) ERR_MUST_CHECK;
void evaluation_known_free(struct evaluation_known *k);

size_t evaluation_known_left_out(const struct evaluation_known *k);

/* All interactions of a user in the order of the file. */
const struct store_interaction *evaluation_known_rows(const struct evaluation_known *k, size_t user,
                                                      size_t *n);

/* Fills out with the user's profile and the first `count` interactions, oldest first. ERR_NOMEM. */
enum err_code evaluation_known_user(const struct evaluation_known *k, size_t user, size_t count,
                                    struct store_user *out, struct err *e) ERR_MUST_CHECK;

#endif
