/* added_items - items beyond a model's own: their rows in the tables of items, and their part of the
 * catalogue.
 * Cost: finish is one pass over the items. Item k of them is index I + k wherever items are numbered. Scores
 * come from the kernels of the catalogue, so an extra item with a trained item's row has its score to the
 * last bit.
 * Layer: engine
 * Threads: immutable after added_items_finish.
 * Memory: R reals an item, and what a catalogue of them keeps. */
#ifndef ENGINE_ADDED_ITEMS_H
#define ENGINE_ADDED_ITEMS_H

#include "base/err.h"
#include "engine/model.h"
#include "engine/rank/catalogue.h"

#include <stddef.h>
#include <stdint.h>

struct added_items;

/* New, with rows of zero; the model is borrowed. Sets of zero items are allowed. */
enum err_code added_items_new(const struct model *m, size_t n, struct added_items **out,
                              struct err *e) ERR_MUST_CHECK;
void added_items_free(struct added_items *x); /* NULL is allowed */

/* Writes and reads a row (R, see engine/network/cold_items.h); writing ends with finish. */
void added_items_set(struct added_items *x, size_t k, const real *row);
void added_items_get(const struct added_items *x, size_t k, real *row);
enum err_code added_items_finish(struct added_items *x, struct err *e) ERR_MUST_CHECK;

/* ---- use; NULL stands for none ---- */

size_t added_items_count(const struct added_items *x);

/* The rows as the encoder takes them; NULL when there are none. */
const struct model_params *added_items_params(const struct added_items *x);

/* catalogue_top_k, catalogue_top_k_each and catalogue_score over the model's items and these. */
void added_items_top_k(const struct model *m, const struct added_items *x, const real *theta,
                       const struct catalogue_filter *filter, real *workspace, struct topk *top);
void added_items_top_k_each(const struct model *m, const struct added_items *x,
                            const struct catalogue_query *queries, size_t n, real *workspace);
void added_items_score(const struct model *m, const struct added_items *x, const real *theta,
                       const uint32_t *indices, size_t n, real *workspace, real *scores);

/* The embedding (D) of an item, whose index may be of either. */
const real *added_items_embedding(const struct model *m, const struct added_items *x, uint32_t index);

/* The items most similar to one, whose index may be of either, over both (engine/rank/similar_items.h). */
void added_items_similar(const struct model *m, const struct added_items *x, uint32_t index,
                         const struct catalogue_filter *filter, struct topk *top);

#endif
