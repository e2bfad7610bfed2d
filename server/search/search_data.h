/* search_data - what a search learns from, chooses by and is measured on: a table, or images with their
 * classes; and its rows in these three parts.
 *
 * Images are tables too, whose columns are the numbers of an image, p0, p1 and so on, all on one scale:
 * the least of all is 0, the largest 1. Rows are drawn into the parts, or where the table says of which
 * task each is, tasks: then what is measured is how good a network is for tasks that it never met. A table
 * or images of their own may take the place of the third part.
 * Layer: server/search
 * Threads: confined to its thread.
 * Memory: the numbers once, and of a table its cells while it is read. */
#ifndef SERVER_SEARCH_SEARCH_DATA_H
#define SERVER_SEARCH_SEARCH_DATA_H

#include "base/err.h"
#include "engine/format/objective.h"
#include "engine/train/search/candidate.h"
#include "server/data/task_columns.h"
#include "server/data/task_rows.h"

#include <stdint.h>

/* Where it comes from: rows, or images with classes. Paths are borrowed. */
struct search_source {
    const char *rows, *test_rows;
    struct task_rows_options columns;  /* of rows */
    const struct objective *objective; /* of rows; NULL: by the target */
    const char *const *categorical;    /* (n_categorical) columns of rows whose numbers are categories */
    size_t n_categorical;
    task_column_fn *tell; /* of columns that are left out; may be NULL */
    const char *images, *classes, *test_images, *test_classes;
    bool all_inputs; /* networks read all of a row */
};

/* Numbers of rows, with their targets as they are learned, or classes. */
struct search_table {
    size_t n;
    real *x;        /* (n, D) */
    double *y;      /* (n) */
    uint32_t *at;   /* (n) their places, in the order in which the parts take them */
    uint32_t *task; /* (n) whose row each is, where the table says so; else NULL */
};

struct search_data {
    struct model_spec about;               /* owned: inputs, outputs, columns, target */
    bool of_images;                        /* columns are pixels, on one scale */
    struct architecture_inputs inputs;     /* what of a row a network may read */
    struct search_table all, apart;        /* apart: rows to measure on that came as files of their own */
    struct search_rows train, valid, test; /* views */
};

/* ERR_INVALID names the file and what is wrong with it, ERR_LIMIT too large an image. Zero-initialise;
 * search_data_fini frees whatever is returned. */
enum err_code search_data_read(const struct search_source *s, uint64_t seed, struct search_data *out,
                               struct err *e) ERR_MUST_CHECK;
void search_data_fini(struct search_data *d);

/* The part of it that orders columns by what the rows to learn from say, and finds how many a network may
 * read. ERR_NOMEM. */
enum err_code search_inputs_order(struct search_data *d, bool all, struct err *e) ERR_MUST_CHECK;

/* The part of it that reads images: columns and classes, and the two tables. */
enum err_code search_images_read(const struct search_source *s, struct search_data *out,
                                 struct err *e) ERR_MUST_CHECK;

#endif
