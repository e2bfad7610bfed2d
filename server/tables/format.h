/* format - which format a table file has, how its lines fall into fields and what its columns mean.
 * Layer: server/tables
 * Threads: any.
 * Memory: struct table_fields and struct table_columns own growing arrays; their _fini frees. */
#ifndef SERVER_TABLES_FORMAT_H
#define SERVER_TABLES_FORMAT_H

#include "base/buf.h"
#include "base/err.h"
#include "server/tables/naming.h"
#include "server/tables/table.h"

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_MAX_COLUMNS = 1024, TABLE_GENRE_FLAGS = 19, TABLE_U_ITEM_COLUMNS = 5 + TABLE_GENRE_FLAGS };

/* What a column is to the program. */
enum table_role {
    ROLE_EXTRA, /* profile or metadata; left out elsewhere */
    ROLE_USER,
    ROLE_ITEM,
    ROLE_RATING,
    ROLE_WEIGHT,
    ROLE_TIME,
    ROLE_KIND,  /* of event */
    ROLE_COUNT, /* of events, where there is a kind */
    ROLE_FIRST, /* the time of the first of them, where there is a kind */
    ROLE_TITLE,
    ROLE_CATEGORIES,
    ROLE_EMBEDDING,
    ROLE_DELETED, /* of NDJSON: true or false */
    ROLE_HIDDEN,  /* an item is in no list */
    ROLE_FROM,    /* when it is available, and was created */
    ROLE_UNTIL,
    ROLE_CREATED,
    ROLE_GENRE,   /* one of the flags of u.item */
    ROLE_IGNORED, /* left out because it was asked for, or because another column has its name */
    N_ROLES
};

struct table_column {
    enum table_role role;
    char *name;   /* as the header has it, trimmed, or as a naming has it; */
    char *called; /* then what the header has; NULL: the same */
    unsigned
        n_dates; /* of the first rows, those whose value is an ISO 8601 date, where the column is ignored */
};

struct table_columns {
    struct table_column *list; /* (n) */
    size_t n;
    size_t least; /* fields that a line must have; fewer than n when the format lets the last ones out */
};

void table_columns_fini(struct table_columns *c);

/* The fields of one line, views into it. */
struct table_fields {
    struct text *list; /* (n) */
    bool *quoted;      /* (n) whether quotes stood around it */
    size_t n, capacity;
};

void table_fields_fini(struct table_fields *f);

/* The format by the file's name (path, `.gz` aside), or else by its first line; *by_name tells which it
 * was. */
enum table_format table_format_detect(const char *path, enum table_kind kind, struct text first_line,
                                      bool *by_name);

/* "csv", "u.data", ... */
const char *table_format_name(enum table_format format);

/* Splits a line. quoted: the separator of a format whose fields may be quoted as in CSV, or '\0'; such fields
 * lose their quotes in place, so the line is written to. ERR_INVALID: broken quoting, or more than `most`
 * fields (TABLE_MAX_COLUMNS, or as many as the caller takes); ERR_NOMEM. */
enum err_code table_split(enum table_format format, char quoted, char *line, size_t len, size_t most,
                          struct table_fields *out, struct err *e) ERR_MUST_CHECK;

/* Whether the format's files begin with a line of column names. */
bool table_format_has_header(enum table_format format);

/* Takes the quotes off a field of a TSV whose header has none, where it must have been quoted by a writer
 * that quotes what needs it, as pandas does: quotes at both ends, and inside each quote twice. Writes into
 * the field. */
bool table_unquote_tsv(struct text *field);

/* The canonical name of a role; "" for those without. */
const char *table_role_name(enum table_role role);

/* The columns that a header names, with what is called otherwise (NULL: nothing); ERR_INVALID when one of
 * those that the kind needs is missing or named twice. A column whose name another one is given is left
 * out. */
enum err_code table_columns_by_header(enum table_kind kind, const struct table_fields *header,
                                      const struct table_naming *naming, struct table_columns *out,
                                      struct err *e) ERR_MUST_CHECK;

/* The columns of a file without a header, whose first line has n_fields: those that are named by their
 * numbers; others are left out. ERR_INVALID as above. */
enum err_code table_columns_by_number(enum table_kind kind, size_t n_fields,
                                      const struct table_naming *naming, struct table_columns *out,
                                      struct err *e) ERR_MUST_CHECK;

/* The columns of a format without a header; n_fields is what the first line has. ERR_INVALID when the format
 * has no such kind of table. */
enum err_code table_columns_fixed(enum table_kind kind, enum table_format format, size_t n_fields,
                                  struct table_columns *out, struct err *e) ERR_MUST_CHECK;

/* Whether a table of this kind cannot do without a column of the role. */
bool table_role_needed(enum table_kind kind, enum table_role role);

/* The role that a name has in a table of this kind. rank (may be NULL): 0 for the canonical name, rising for
 * its synonyms. */
enum table_role table_role_of(enum table_kind kind, struct text name, size_t *rank);

/* What a column of that role and name is beside one that says the kind of event: a count is of events then,
 * and `last` a time, for which the caller looks whether there is another. */
enum table_role table_role_with_kind(enum table_role role, const char *name);

/* Whether of several columns with this role the one with the lowest rank has it, and the others are extra
 * ones; else two synonyms beside each other are refused. rank is that of the last of them: a timestamp of
 * another event (created_at) stands back for a plain one. */
bool table_role_by_rank(enum table_role role, size_t rank);

/* Whether one of them has this name, to the letter. */
bool table_columns_have(const struct table_columns *c, const char *name);

/* Of columns among which one is missing: "its fields are separated by ';', ..." where a name looks like
 * several. NULL: none does. */
const char *table_columns_other_separator(const struct table_columns *c);

/* Adds a column to a list; ERR_NOMEM. */
enum err_code table_columns_add(struct table_columns *c, enum table_role role, struct text name,
                                struct err *e) ERR_MUST_CHECK;

#endif
