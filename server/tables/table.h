/* table - rows of users, items, interactions, contexts, candidates and examples out of text files.
 *
 * CSV (RFC 4180) and TSV with a header, NDJSON, MovieLens `::` files, u.data, u.user and u.item; gzip is seen
 * through; "-" is standard input. Columns are found by name; case, and ` `, `-` or `.` for `_`, make no
 * difference:
 *   user        user user_id userid uid customer customer_id customerid visitor_id visitorid
 *   item        item item_id itemid movie_id movieid iid product product_id productid book_id track_id
 *   rating      rating score stars
 *   weight      weight count; with a kind, a count is how many events it is of
 *   kind        kind
 *   timestamp   timestamp ts time date datetime       seconds, milli-, micro-, nanoseconds, or text
 *               (server/fields/time_text.h); with a kind, last too, where no other column is one
 *   title       title name
 *   categories  categories category genres genre tags `a|b|c`; in NDJSON an array too
 *   hidden      hidden                                true or false, 1 or 0, yes or no
 *   available_from, available_until, created          times, which may lie ahead; in NDJSON null: none
 *   embedding   embedding context vector              a JSON array, or numbers with spaces between
 * A candidates file has no header: each line is a user and any number of items. Of TABLE_ROWS no column is
 * known by name: the caller says which is what.
 * Layer: server/tables
 * Threads: confined to its thread.
 * Memory: one line and its fields, whatever the size of the file. */
#ifndef SERVER_TABLES_TABLE_H
#define SERVER_TABLES_TABLE_H

#include "base/err.h"
#include "base/text.h"
#include "server/fields/field.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum table_kind {
    TABLE_INTERACTIONS, /* user item [rating] [weight] [timestamp] */
    TABLE_USERS,        /* user + profile */
    TABLE_ITEMS,        /* item [title] [categories] + metadata */
    TABLE_CONTEXTS,     /* user embedding */
    TABLE_CANDIDATES,   /* user, then items */
    TABLE_ROWS          /* whatever columns there are, as cells */
};

enum table_format {
    TABLE_AUTO,
    TABLE_CSV,
    TABLE_TSV,
    TABLE_NDJSON,
    TABLE_DAT,    /* MovieLens ratings.dat, users.dat, movies.dat: `::` between fields */
    TABLE_U_DATA, /* user, item, rating, timestamp; tabs, no header */
    TABLE_U_USER, /* user|age|gender|occupation|zip */
    TABLE_U_ITEM  /* item|title|release date|video release date|URL|19 genre flags; Latin-1 */
};

/* What a row of TABLE_ROWS has in a column. Absent is what is empty, or without quotes one of the
 * words that programs write for none (server/fields/field.h). */
struct table_cell {
    const char *name; /* of the column */
    struct text text; /* as it stands there; NULL data: a number of JSON */
    bool none;        /* null in JSON: said to be none, not only left out */
    bool is_image;    /* the text is the JSON of an image (table_take_images) */
    bool is_number;   /* it is one, or reads as one and is no code (02139): */
    double number;    /* true and false are 1 and 0 */
    int64_t whole;    /* a whole number of JSON with all its digits; else 0 */
};

/* When answers may have an item: what of it a row says. */
enum { TABLE_HIDDEN = 1, TABLE_FROM = 2, TABLE_UNTIL = 4, TABLE_CREATED = 8 };
struct table_life {
    unsigned given; /* bits of these; the rest is 0 */
    bool hidden;
    int64_t from, until, created; /* seconds since 1970, at least 1; 0: said to be none */
};

/* One row; everything is borrowed until the next call of table_next. Texts are UTF-8 without zero bytes, and
 * within the limits of base/limits.h; NULL data: absent. */
struct table_row {
    uint64_t line;
    struct text user, item;
    double weight;                  /* as server/fields/field.h has it; 1 when none is given */
    double rating;                  /* the same; NAN when none is given */
    int64_t timestamp;              /* seconds; 0 when none is given */
    bool timed;                     /* one is given, */
    enum field_time_form time_form; /* written so */
    struct text kind;               /* of event, as the file says it; NULL data: none */
    int32_t count;                  /* of events; 0 when none is given */
    int64_t first;                  /* of them, seconds; 0 when none is given */
    struct text title;
    struct text categories; /* a JSON array of strings */
    /* a JSON object: the profile of a user, the metadata of an item; a null in it, of NDJSON, says that there
     * is no such member (RFC 7396) */
    struct text object;
    bool marked, deleted;   /* of an item, in NDJSON: it says whether it is taken out of answers */
    struct table_life life; /* of an item */
    bool no_title, no_categories, no_object; /* without a value: said to be none, not only left out */
    const float *embedding;                  /* (n_embedding) within LIMIT_COMPONENT */
    size_t n_embedding;
    const struct text *items; /* (n_items) of a candidates line */
    size_t n_items;
    const struct table_cell *cells; /* (n_cells) of TABLE_ROWS, those that have a value, or null */
    size_t n_cells;
};

struct table;
struct table_naming;

/* Opens a file and reads its header. Errors name the file: ERR_NOTFOUND, ERR_IO, ERR_CORRUPT, ERR_NOMEM;
 * ERR_INVALID when the header lacks a column that the kind needs, or the format has no such kind. An empty
 * file is a table without rows. A file of another kind (UTF-16, an archive, Parquet, a JSON array, ...) is
 * ERR_INVALID too. */
enum err_code table_open(const char *path, enum table_kind kind, enum table_format format, struct table **out,
                         struct err *e) ERR_MUST_CHECK;
void table_close(struct table *t); /* NULL is allowed */

/* The same for a file whose columns are called otherwise (server/tables/naming.h), or that has no header;
 * naming is borrowed until table_close. ERR_INVALID: also two columns that are to be called the same, and
 * a format that always has, or never has, names. */
enum err_code table_open_named(const char *path, enum table_kind kind, enum table_format format,
                               const struct table_naming *naming, struct table **out,
                               struct err *e) ERR_MUST_CHECK;

/* The next row; *got is false at the end. ERR_INVALID, `file:line: reason`, is a bad line: the next call goes
 * on behind it, which is the next line of the file also where a quote was not closed. Every other error is
 * final. */
enum err_code table_next(struct table *t, struct table_row *row, bool *got, struct err *e) ERR_MUST_CHECK;

/* Names, letter case aside, of columns and fields that are left out. */
struct table_ignored {
    const char *const *names; /* (n) */
    bool *seen;               /* (n) set where a table has it */
    size_t n;
};

/* Leaves them out from here on; borrowed until table_close. ERR_INVALID: the kind cannot do without one of
 * them. */
enum err_code table_ignore(struct table *t, const struct table_ignored *ignored,
                           struct err *e) ERR_MUST_CHECK;

/* From here on a member "image" of a line of TABLE_ROWS may be an image, an array of rows of numbers, or of
 * arrays of them. */
void table_take_images(struct table *t);

/* Whether a name is one of them (NULL: none are); marks it as seen. */
bool table_is_ignored(const struct table_ignored *ignored, const char *name);

struct table_columns;

/* How a file is read, and what its columns are taken for (server/tables/format.h). */
struct table_about {
    enum table_format format;
    bool by_name;                        /* the format was told by the file's name, else by its first line */
    bool quoted;                         /* a TSV with quotes as in CSV */
    uint64_t n_unquoted;                 /* other fields of TSV that had quotes taken off */
    const struct table_columns *columns; /* of NDJSON those met so far. Borrowed until table_close */
};
void table_about(const struct table *t, struct table_about *out);

/* Lines of the file that the row of the last table_next was, and that are lost when it was bad. */
uint64_t table_lost(const struct table *t);

/* "auto", "csv", ... as --format has them; false when there is no such format. */
bool table_format_parse(const char *name, enum table_format *out);

/* Opens a table in the format that its name or first line tells, and gives fn each row; ends at the first
 * error, of a bad line too. */
enum err_code table_each(const char *path, enum table_kind kind,
                         enum err_code (*fn)(void *arg, const struct table_row *row, struct err *e),
                         void *arg, struct err *e) ERR_MUST_CHECK;

#endif
