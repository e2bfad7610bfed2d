/* guess_body - what the calls that ask whose something is have in common: whom they compare, how many they
 * name, and the head of the answer.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: borrows from the document. */
#ifndef SERVER_API_GUESS_BODY_H
#define SERVER_API_GUESS_BODY_H

#include "base/buf.h"
#include "engine/format/model_spec.h"
#include "server/api/json_body.h"
#include "server/http/request.h"
#include "server/serving/guess_candidates.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* How many tasks are named: the member `limit`. False: refused. */
bool guess_body_limit(struct request *r, const json_t *root, const struct json_place *at, size_t *out);

/* The members `candidates`, `after` and `limit`; and who answers for them, of the request. False: refused. */
bool guess_body_read(struct request *r, const json_t *root, const struct json_place *at,
                     struct guess_candidates *out);

/* From now on, as long as a call may look at candidates. */
int64_t guess_body_until(void);

/* {"model"... "complete", and where the call had no time for all of them "next". */
void guess_body_head(struct buf *out, const struct model_spec *spec, const char *by,
                     const struct guess_candidates *c);

#endif
