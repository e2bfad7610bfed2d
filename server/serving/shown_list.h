/* shown_list - what answers listed, and for whom, so that it can be recorded as events (mark_shown).
 * Layer: server/serving
 * Threads: confined; another may go on with it.
 * Memory: the ids, and 32 bytes an item; at most LIMIT_EVENTS_PER_CALL items. shown_list_fini frees. */
#ifndef SERVER_SERVING_SHOWN_LIST_H
#define SERVER_SERVING_SHOWN_LIST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "server/serving/session.h"

#include <stddef.h>
#include <stdint.h>

/* An item, and who was shown it: places in the texts. */
struct shown_item {
    size_t user, user_len, item, item_len;
};

struct shown_list {
    struct buf texts;
    struct shown_item *items; /* (n) in the order in which they were listed */
    size_t n, capacity;
};

/* Begins with nothing. */
void shown_list_init(struct shown_list *l);
void shown_list_fini(struct shown_list *l);

/* Adds an item that a user was shown; texts are copied. ERR_NOMEM, ERR_LIMIT. */
enum err_code shown_list_add(struct shown_list *l, struct text user, struct text item,
                             struct err *e) ERR_MUST_CHECK;

/* Forgets what was added after the first n. */
void shown_list_cut(struct shown_list *l, size_t n);

/* Records all of it as events of a kind, by its number, at a time (seconds since 1970): one write. *n: how
 * many are recorded. Events of users who are not stored are left out, and why says so of the first; it stays
 * empty where all are recorded. */
enum err_code shown_list_record(struct session *s, const struct shown_list *l, int32_t kind, int64_t time,
                                size_t *n, struct err *why, struct err *e) ERR_MUST_CHECK;

#endif
