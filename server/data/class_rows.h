/* class_rows - rows and the class of each from two array files: inputs (n, ...), which are flattened, and n
 * whole numbers, by which classes are called.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: every number once, as a real; bounded by the size of the files (server/tables/array.h). */
#ifndef SERVER_DATA_CLASS_ROWS_H
#define SERVER_DATA_CLASS_ROWS_H

#include "base/err.h"
#include "engine/format/trained_spec.h"
#include "engine/train/continual/minibatch.h"

#include <stddef.h>
#include <stdint.h>

struct class_rows {
    size_t n, d;
    real *x;                   /* (n, d) divided by about.unit */
    uint32_t *y;               /* (n) numbers of classes of about.tasks[0] */
    struct trained_spec about; /* of the rows: their shape, their unit and the classes of their one task */
};

enum { CLASS_ROWS_NEW = -1 };

/* Reads both. like NULL: the unit is 255 of bytes, else the largest size of a number, 1 at least; else it
 * is that of `like`, whose shape the inputs must have. task CLASS_ROWS_NEW: the classes are those of the
 * file, in the order of their numbers; else those of that task of `like`. ERR_INVALID: arrays that do not
 * fit each other or `like`, numbers of another scale than its unit, one class alone, a class that the task
 * has not; errors of the files as they are. Zero-initialise out; class_rows_fini frees. */
enum err_code class_rows_read(const char *inputs, const char *classes, const struct trained_spec *like,
                              long task, struct class_rows *out, struct err *e) ERR_MUST_CHECK;
void class_rows_fini(struct class_rows *r);

/* Moves every so-manieth row, drawn by seed, behind the others, and says how many are before them. At least
 * one row of each class stays before; a share of 0 moves none. */
size_t class_rows_hold_out(struct class_rows *r, double share, uint64_t seed);

/* Views of a run of rows. */
struct labelled_rows class_rows_part(const struct class_rows *r, size_t first, size_t n);

#endif
