/* input_order - the inputs of rows in the order in which they tell most of the target: a network that reads
 * few of them is to read the first.
 *
 * Given those before it, next comes the column by which a linear regression's error falls most (forward
 * selection). So of columns that say the same the second comes late, however much it says by itself. What
 * a column says that no line does is not seen: networks that read all inputs stay among those that are
 * searched.
 *
 * Or next comes the column of which those before it leave most variance (a Cholesky factor with pivots),
 * whatever the target is: better where all columns are of one kind and scale, as pixels are.
 * Cost: the products of all pairs of inputs over at most INPUT_ORDER_ROWS rows, and D k^2 / 2 for the first
 * k.
 * Layer: engine/train/search
 * Threads: confined to its thread.
 * Memory: the square of the inputs twice while it runs. */
#ifndef ENGINE_TRAIN_SEARCH_INPUT_ORDER_H
#define ENGINE_TRAIN_SEARCH_INPUT_ORDER_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/train/search/candidate.h"

#include <stddef.h>
#include <stdint.h>

enum { INPUT_ORDER_ROWS = 10000 };

enum input_order { INPUT_ORDER_BY_TARGET, INPUT_ORDER_BY_VARIANCE };

/* Writes order (about's columns): which column comes first, second and so on. Behind those that are chosen
 * for half of the inputs the others stand as the table has them. ERR_NOMEM. */
enum err_code input_order_find(enum input_order by, const struct model_spec *about,
                               const struct search_rows *rows, uint32_t *order, struct err *e) ERR_MUST_CHECK;

#endif
