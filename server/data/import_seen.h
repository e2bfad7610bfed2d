/* import_seen - users whom a table of contexts names and who were there when the import read it: who is
 * gone when their context is written was deleted meanwhile, and does not come back by it.
 * Layer: server/data
 * Threads: confined.
 * Memory: the ids, and one profile. */
#ifndef SERVER_DATA_IMPORT_SEEN_H
#define SERVER_DATA_IMPORT_SEEN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "store/id_table.h"
#include "store/store.h"

#include <stdbool.h>

struct import_seen {
    struct id_table users;
    struct buf profile; /* of one of them, which is read to know that he is there */
};

void import_seen_init(struct import_seen *s);
void import_seen_fini(struct import_seen *s);

/* Notes the user, also in what is staged, when the store has him. */
enum err_code import_seen_note(struct import_seen *s, struct store_conn *conn, struct store_load *load,
                               struct text user, struct err *e) ERR_MUST_CHECK;
bool import_seen_has(const struct import_seen *s, struct text user);

#endif
