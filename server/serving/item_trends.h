/* item_trends - how much each item is taken, by everybody: all in all, and of late.
 *
 * popular of i  = sum over its interactions of weight x the weight of their kind
 * trending of i = the same over the last TREND_WINDOW_DAYS before as_of, each x TREND_DECAY ^ its age in days
 *
 * Both may be asked for over a window of another length. as_of is the time of the newest interaction, so a
 * store of another year, or one whose times are an order and no dates, has trends too. Somebody's interaction
 * with an item counts once a kind, however often he came. The sums are this process's, made when they are
 * first asked for, and made anew by who asks after the store changed, for a twentieth of the time at most;
 * those over the last few windows that were asked for are kept, and who makes them holds up nobody who asks
 * for the usual ones.
 * Layer: server/serving
 * Threads: any; one at a time has the usual sums, and one those over a window.
 * Memory: two numbers for each key of an item, and the same for each of TREND_WINDOWS windows. */
#ifndef SERVER_SERVING_ITEM_TRENDS_H
#define SERVER_SERVING_ITEM_TRENDS_H

#include "base/err.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

enum { TREND_WINDOW_DAYS = 14, TREND_WINDOWS = 3 };
#define TREND_DECAY 0.9

struct item_trends;

/* The sums by keys of items, of one moment. */
struct item_sums {
    const double *popular, *trending; /* (n_keys) */
    size_t n_keys;
    int64_t as_of; /* 0: no interaction has a time */
};

enum err_code item_trends_new(struct item_trends **out, struct err *e) ERR_MUST_CHECK;
void item_trends_free(struct item_trends *t); /* NULL is allowed */

/* The sums, borrowed until item_trends_leave of the same window, which nobody else has meanwhile.
 * window_days: for which both of them count; 0: as above. Cost: nothing, or two reads of all interactions. */
enum err_code item_trends_enter(struct item_trends *t, struct store_conn *c, size_t window_days,
                                struct item_sums *out, struct err *e) ERR_MUST_CHECK;
void item_trends_leave(struct item_trends *t, size_t window_days);

#endif
