/* row_builder - a row in the making: values are set one by one, checked, and finished into a struct
 * table_row. Every error is ERR_INVALID with the reason alone, or ERR_NOMEM; the caller adds file and line.
 * Layer: server/tables
 * Threads: confined to its thread.
 * Memory: buffers that are used again for every row; table_row_builder_fini frees. */
#ifndef SERVER_TABLES_ROW_BUILDER_H
#define SERVER_TABLES_ROW_BUILDER_H

#include "base/buf.h"
#include "server/tables/format.h"

struct table_row_builder {
    bool any_text; /* ids may have control characters, as those of JSON and of HTTP may */
    bool exact;    /* texts are taken as they are, as JSON has them: spaces around them count */
    enum table_kind kind;
    int64_t now;       /* the clock's seconds, by which times are judged */
    bool takes_images; /* of TABLE_ROWS (table_take_images) */
    struct table_row row;
    struct buf categories, object; /* JSON in the making; len 0: none yet */
    size_t n_categories;
    float *embedding; /* (embedding_capacity) */
    size_t embedding_capacity;
    struct table_cell *cells; /* (cell_capacity) */
    size_t cell_capacity;
};

void table_row_builder_init(struct table_row_builder *b, enum table_kind kind);
void table_row_builder_fini(struct table_row_builder *b);

/* Forgets the row before. */
void table_row_start(struct table_row_builder *b);

/* Sets the value of a column; views are kept. Empty text is an absent value. name is that of the column.
 * quoted: quotes stood around it, so that an id that reads as a word for nothing (NULL, nan) is meant. */
enum err_code table_row_set(struct table_row_builder *b, enum table_role role, const char *name,
                            struct text text, bool quoted, struct err *e) ERR_MUST_CHECK;

/* Sets what a value of one of these roles says: a time, 0 for none; of ROLE_HIDDEN 1 or 0. */
void table_row_set_life(struct table_row_builder *b, enum table_role role, int64_t value);

/* Refuses an id that is a word for nothing and was not quoted. what is "user" or "item". */
enum err_code table_row_check_word(struct text id, bool quoted, const char *what,
                                   struct err *e) ERR_MUST_CHECK;

/* Checks an id by the rules for all ids, and that it is plain. what is "user" or "item". */
enum err_code table_row_check_id(struct text id, const char *what, struct err *e) ERR_MUST_CHECK;

/* The parts of table_row_set that NDJSON needs by themselves: one category, one number of an embedding, and a
 * member of the profile or metadata whose value is the JSON text that the caller appends to b->object. */
enum err_code table_row_add_category(struct table_row_builder *b, struct text text,
                                     struct err *e) ERR_MUST_CHECK;
enum err_code table_row_add_component(struct table_row_builder *b, double x, struct err *e) ERR_MUST_CHECK;
void table_row_add_member(struct table_row_builder *b, const char *name);

/* Adds a cell of TABLE_ROWS; ERR_NOMEM. */
enum err_code table_row_add_cell(struct table_row_builder *b, const struct table_cell *cell,
                                 struct err *e) ERR_MUST_CHECK;

/* Checks that all is there that the kind needs, and fills *out with views that hold until the next start. */
enum err_code table_row_finish(struct table_row_builder *b, uint64_t line, struct table_row *out,
                               struct err *e) ERR_MUST_CHECK;

#endif
