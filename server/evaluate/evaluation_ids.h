/* evaluation_ids - whether the ids of a test are those of the model and of the store.
 * Layer: server/evaluate
 * Threads: confined to its thread.
 * Memory: that of server/id_meeting, during the call. */
#ifndef SERVER_EVALUATE_EVALUATION_IDS_H
#define SERVER_EVALUATE_EVALUATION_IDS_H

#include "server/evaluate/held_out.h"

/* What is to be said of the items of the test beside the model's; left empty when all are the model's.
 * ERR_NOMEM. */
enum err_code evaluation_ids_items(struct evaluation_test *t, const char *test_path, struct err *note,
                                   struct err *e) ERR_MUST_CHECK;

/* The same of the users beside the store's. Cost: a look at all users of the store where one of the test is
 * not there. */
enum err_code evaluation_ids_users(struct store_conn *c, const struct evaluation_test *t,
                                   const char *test_path, struct err *note, struct err *e) ERR_MUST_CHECK;

#endif
