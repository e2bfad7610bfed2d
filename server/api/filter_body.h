/* filter_body - the filter of a request: the member of a body, or a parameter whose text is JSON.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: the filter, which item_filter_free frees. */
#ifndef SERVER_API_FILTER_BODY_H
#define SERVER_API_FILTER_BODY_H

#include "server/http/request.h"
#include "server/items/item_filter.h"
#include "server/serving/model_handle.h"
#include "server/serving/session.h"

#include <jansson.h>
#include <stdbool.h>

/* Reads root's member `filter` for the newest items of the model; its faults join those of the body. *out
 * NULL: there is none. False: there are faults. */
bool filter_body_read(struct request *r, struct model_handle *handle, const json_t *root,
                      struct item_filter **out);

/* The same of the parameter `filter`. of_user: of a list that is somebody's. False: answered with a
 * refusal. */
bool filter_param_read(struct request *r, struct model_handle *handle, bool of_user,
                       struct item_filter **out);

/* Whether an answer by the filter (NULL: none) is to be made by who may take time: its bits are not there
 * yet, or it asks for what the user has. */
bool filter_takes_long(struct model_handle *handle, const struct item_filter *filter);

/* ---- of a filter that asks for what the user has (n_own); for who may wait for the store ---- */

/* Finds the kinds that it names in the store. False: answered with a refusal. */
bool filter_kinds_find(struct request *r, struct store_conn *conn, struct item_filter *filter);

/* Adds what is stored of a user to the session's `own`: nothing, where he is unknown. Uses
 * recommender_user_record. */
enum err_code filter_history_add(struct session *s, const struct item_filter *filter, struct text user,
                                 struct err *e) ERR_MUST_CHECK;

#endif
