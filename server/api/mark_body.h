/* mark_body - the member `mark_shown` of POST /v1/recommendations: what the answer lists is recorded as
 * events, at once or after a while, and the answer says what became of that.
 * Layer: server/api
 * Threads: confined to its thread; another may go on with it.
 * Memory: what is listed (shown_list.h), until mark_body_fini. */
#ifndef SERVER_API_MARK_BODY_H
#define SERVER_API_MARK_BODY_H

#include "server/api/api.h"
#include "server/serving/shown_list.h"

#include <jansson.h>
#include <stdbool.h>

struct mark_body {
    bool asked;       /* else nothing below is of use */
    struct text kind; /* as the caller says it */
    int32_t number;   /* its number, once mark_body_find_kind found it */
    size_t delay_s;
    struct shown_list shown;
};

/* Reads the member of root, which is for lists of users with n_items all in all at most. False: answered, or
 * faults were gathered. To be given to mark_body_fini in any case. */
bool mark_body_read(struct request *r, const json_t *root, bool of_users, size_t n_items,
                    struct mark_body *out);
void mark_body_fini(struct mark_body *m);

/* Finds the kind in the store. False: answered with a refusal. */
bool mark_body_find_kind(struct api_thread *t, struct request *r, struct mark_body *m);

/* Records what was shown, or has it wait, and adds to the answer, an object that is not ended yet, what
 * became of it. */
void mark_body_end(struct api_thread *t, const struct request *r, struct mark_body *m, struct buf *out);

#endif
