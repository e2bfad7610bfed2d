/* image_quality_table - a model of images measured by episodes: its generated layer beside prototypes and
 * ridge regression on the same features, and how that is printed.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: the accuracy of each episode. */
#ifndef SERVER_CLI_IMAGE_QUALITY_TABLE_H
#define SERVER_CLI_IMAGE_QUALITY_TABLE_H

#include "base/buf.h"
#include "engine/train/image/image_quality.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { IMAGE_LAYERS = 3, IMAGE_TABLE_COUNTS = 8, IMAGE_TABLE_ROWS = IMAGE_TABLE_COUNTS * IMAGE_TABLE_COUNTS };

/* What is measured: every number of classes with every number of known images that the set has room for. */
struct image_table_plan {
    size_t from, to; /* classes of the set */
    size_t ways[IMAGE_TABLE_COUNTS], shots[IMAGE_TABLE_COUNTS];
    size_t n_ways, n_shots;
    size_t asked, episodes;
    uint64_t seed;
};

/* A mean over episodes with its 95 % interval. */
struct image_figure {
    double mean, low, high;
};

struct image_table_row {
    size_t ways, shots;
    struct image_figure accuracy[IMAGE_LAYERS]; /* by enum image_layer */
    struct image_figure gain[IMAGE_LAYERS];     /* of the generated layer over it, paired by episode */
};

struct image_table {
    struct image_table_row rows[IMAGE_TABLE_ROWS];
    size_t n;
};

/* The usual plan for classes [from, to) of a set: 5 and 20 classes with 1 and 5 known images as far as there
 * are so many. n 0 when there are too few. */
struct image_table_plan image_table_usual(const struct image_set *set, size_t from, size_t to);

/* Measures. ERR_INVALID: there are too few classes or images; ERR_NOMEM. */
enum err_code image_table_measure(const struct image_model *m, const struct image_set *set,
                                  const struct image_table_plan *plan, struct parallel *team,
                                  struct image_table *out, struct err *e) ERR_MUST_CHECK;

void image_table_json(const struct image_table *t, struct buf *out); /* an array */
void image_table_print(const struct image_table *t, FILE *to);

#endif
