/* sparse - a matrix of few entries, by rows, times a narrow dense one.
 * Layer: engine/train/linear
 * Threads: immutable once made; products use the given team and do not depend on its size.
 * Memory: eight bytes an entry. */
#ifndef ENGINE_TRAIN_LINEAR_SPARSE_H
#define ENGINE_TRAIN_LINEAR_SPARSE_H

#include "base/err.h"
#include "base/parallel.h"
#include "engine/kernels/real.h"

#include <stddef.h>
#include <stdint.h>

struct sparse {
    size_t n_rows, n_columns;
    size_t *start; /* (n_rows + 1) entries of row r are [start[r], start[r + 1]) */
    uint32_t *column;
    float *value;
};

/* Room for n entries; start is zero, the rest is the caller's to fill. */
enum err_code sparse_init(struct sparse *m, size_t n_rows, size_t n_columns, size_t n,
                          struct err *e) ERR_MUST_CHECK;
void sparse_fini(struct sparse *m);

/* out = m turned round; its rows' entries rise. */
enum err_code sparse_transpose(const struct sparse *m, struct sparse *out, struct err *e) ERR_MUST_CHECK;

/* y (n_rows, d) = m x for x (n_columns, d). */
void sparse_times(const struct sparse *m, struct parallel *team, size_t d, const real *x, real *y);

#endif
