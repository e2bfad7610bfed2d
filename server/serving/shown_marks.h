/* shown_marks - lists that are to be recorded as shown after a while (mark_shown with a delay). They wait in
 * memory, and a thread of their own writes each when its time has come. At an orderly stop all that wait are
 * written at once; of a process that is killed they are lost, and then the items count as not shown. A write
 * that fails is tried again.
 * Layer: server/serving
 * Threads: any may add; the thread is made by shown_marks_start.
 * Memory: LIMIT_MARKS_BYTES at most; a list for which there is no room is refused. */
#ifndef SERVER_SERVING_SHOWN_MARKS_H
#define SERVER_SERVING_SHOWN_MARKS_H

#include "base/err.h"
#include "server/serving/counters.h"
#include "server/serving/served_models.h"
#include "server/serving/shown_list.h"

#include <stdint.h>

struct shown_marks;

/* Begins to take lists (serving->marks) and to write them. */
enum err_code shown_marks_start(struct serving *serving, struct serving_counters *counters,
                                struct err *e) ERR_MUST_CHECK;

/* Writes what waits, whatever its time, and ends. Nobody adds any more. Not started: does nothing. */
void shown_marks_stop(struct serving *serving);

/* Takes over a list, which is empty afterwards, to be recorded at `due` (seconds since 1970). ERR_LIMIT: too
 * many wait. ERR_NOMEM. */
enum err_code shown_marks_add(struct shown_marks *m, struct shown_list *l, int32_t kind, int64_t due,
                              struct err *e) ERR_MUST_CHECK;

/* Writes those that are due at a time now; the thread does it again and again. */
void shown_marks_write(struct shown_marks *m, int64_t now);

/* How many items wait. */
size_t shown_marks_waiting(struct shown_marks *m);

#endif
