/* user_record - the record of a user whose rows are being written, as the store would read it back; so a
 * registration is encoded from what it has in memory.
 * Layer: server/serving
 * Threads: confined, as the record is.
 * Memory: the record's own, which it keeps for the next user. */
#ifndef SERVER_SERVING_USER_RECORD_H
#define SERVER_SERVING_USER_RECORD_H

#include "base/err.h"
#include "base/text.h"
#include "store/store.h"

/* Begins the record of a user who has no interactions and no context yet, with room for n interactions. */
enum err_code user_record_begin(struct store_user *u, int64_t revision, struct text profile, size_t n,
                                struct err *e) ERR_MUST_CHECK;

/* Adds an interaction, in the order of arrival; one of n at most. */
void user_record_add(struct store_user *u, const struct store_interaction *x);

/* Leaves one interaction an item and kind, as the store merges them, in the order of time and arrival. */
enum err_code user_record_end(struct store_user *u, struct err *e) ERR_MUST_CHECK;

#endif
