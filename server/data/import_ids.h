/* import_ids - whether the ids of an import's tables are those of each other, or of the store.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: that of server/id_meeting. */
#ifndef SERVER_DATA_IMPORT_IDS_H
#define SERVER_DATA_IMPORT_IDS_H

#include "server/data/import.h"
#include "server/fields/id_meeting.h"

/* Users or items: who is in the interactions beside who is in a table of their own. Where one of the two is
 * not imported the store's stand for it, unless it has very many. */
struct import_id_side {
    struct id_meeting meeting;
    const char *held, *other; /* where the ids are; NULL: not compared */
    bool by_store;            /* the store's are held */
};

struct import_ids {
    const struct import_options *options;
    struct import_id_side users, items;
};

void import_ids_init(struct import_ids *ids, const struct import_options *options);
void import_ids_fini(struct import_ids *ids);

/* Tells of a row, in the order: interactions, import_ids_store, the others. ERR_NOMEM. */
enum err_code import_ids_row(struct import_ids *ids, enum table_kind kind, const struct table_row *row,
                             struct err *e) ERR_MUST_CHECK;

/* Takes what the store has, before the import adds to it. Errors of the store, and ERR_NOMEM. */
enum err_code import_ids_store(struct import_ids *ids, struct store_conn *c,
                               const struct store_counts *before, struct err *e) ERR_MUST_CHECK;

/* Adds to the report's notes what is to be said. */
void import_ids_say(const struct import_ids *ids, struct import_report *report);

#endif
