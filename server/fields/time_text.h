/* time_text - times as programs write them, to seconds since 1970.
 *
 * The year comes first (`2025-12-31`, `2025/12/31`, `20251231T100000Z`) or the month is a name (`Wed, 31 Dec
 * 2025 10:00:00 GMT`, `Wed Dec 31 2025 10:00:00 GMT+0000 (...)`), so that nothing is guessed. A clock may
 * follow (`T` or a space, `10:00`, `10:00:00.25`), and a zone, with spaces before it or without: `Z`, `UTC`,
 * `GMT`, `+01`, `+0100`, `+01:00`, `+00:19:32`, `+0000 UTC`. Without a zone it is UTC.
 * Layer: server/fields
 * Threads: any.
 * Memory: none; texts are static. */
#ifndef SERVER_FIELDS_TIME_TEXT_H
#define SERVER_FIELDS_TIME_TEXT_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970, a fraction is cut; false: no such time, or one before 1970. */
bool time_text_seconds(struct text text, int64_t *out);

/* Why a text that is no time may have been meant as one, and what to write instead; NULL: nothing to say. */
const char *time_text_fault(struct text text);

#endif
