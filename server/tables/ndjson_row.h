/* ndjson_row - one line of NDJSON as a table row.
 * Layer: server/tables
 * Threads: confined to its thread.
 * Memory: the parsed line, until the next call or _fini. */
#ifndef SERVER_TABLES_NDJSON_ROW_H
#define SERVER_TABLES_NDJSON_ROW_H

#include "server/tables/naming.h"
#include "server/tables/row_builder.h"

#include <jansson.h>

enum { TABLE_JSON_ID_BYTES = 24, TABLE_JSON_NUMBER_BYTES = 64 };

struct table_json {
    json_t *line;
    const struct table_naming *naming;   /* NULL: members are called as they are meant */
    const struct table_ignored *ignored; /* members of a line, or of its profile or metadata; NULL: none */
    char user[TABLE_JSON_ID_BYTES], item[TABLE_JSON_ID_BYTES]; /* ids that were whole numbers */
    char kind[TABLE_JSON_NUMBER_BYTES];                        /* a kind that was a number */
};

void table_json_fini(struct table_json *j);

/* The role that a member has beside the others of the line. *as (may be NULL): what it is called then. */
enum table_role table_json_role(const struct table_json *j, const char *name, enum table_kind kind,
                                const char **as);

/* Sets the values of a line in a started row. Names are those of columns; the members of an object "profile"
 * (users) or "metadata" (items) stand beside the other fields. null is an absent value. ERR_INVALID with the
 * reason, ERR_NOMEM. */
enum err_code table_json_row(struct table_json *j, const char *line, size_t len, struct table_row_builder *b,
                             struct err *e) ERR_MUST_CHECK;

#endif
