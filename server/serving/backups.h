/* backups - copies of the whole store in one folder, made by a process that serves, one at a time.
 * Layer: server/serving
 * Threads: any; the copy is made by the thread that asks, on its own connection, and holds up nobody who
 *   reads or writes.
 * Memory: a path. */
#ifndef SERVER_SERVING_BACKUPS_H
#define SERVER_SERVING_BACKUPS_H

#include "base/clock.h"
#include "base/err.h"
#include "server/serving/session.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct backups {
    const char *folder; /* borrowed; NULL: none are made */
    atomic_bool running;
};

enum { BACKUP_NAME_BYTES = CLOCK_STAMP_BYTES + 16 };

struct backup {
    char name[BACKUP_NAME_BYTES]; /* in the folder */
    int64_t bytes, ns;            /* of the file; that it took */
};

/* Whether copies can be made in the folder. ERR_INVALID with a text that names the option. */
enum err_code backups_check(const char *option, const char *folder, struct err *e) ERR_MUST_CHECK;

/* Makes one: whole, checked, on the disk. ERR_CONFLICT: another one is being made. Else as store_backup, and
 * then nothing of it is left. */
enum err_code backups_make(struct backups *b, struct session *s, const struct store_patience *patience,
                           struct backup *out, struct err *e) ERR_MUST_CHECK;

#endif
