/* similar_items - the items of a catalogue that are most similar to one.
 *
 * similarity of i and j = e_i . e_j / sqrt(|e_i| |e_j|)
 *
 * The inner product of two embeddings is what the linear part of the target network would say of item j to
 * somebody whose weights are e_i, so it knows what people take next; but it grows with an item's length,
 * which grows with how many took it. The cosine forgets that wholly. This stands half way between
 * (docs/experiments.md has the figures). Cost: one pass over the embeddings.
 * Layer: engine/rank
 * Threads: immutable once made.
 * Memory: one real an item. */
#ifndef ENGINE_RANK_SIMILAR_ITEMS_H
#define ENGINE_RANK_SIMILAR_ITEMS_H

#include "base/err.h"
#include "engine/format/model_spec.h"
#include "engine/rank/catalogue.h"
#include "engine/rank/topk.h"

struct similar_items;

/* New, of a model with items, which are counted from `first`. spec and params are borrowed for its life.
 * ERR_NOMEM. */
enum err_code similar_items_new(const struct model_spec *spec, const struct model_params *params,
                                size_t first, struct similar_items **out, struct err *e) ERR_MUST_CHECK;
void similar_items_free(struct similar_items *s); /* NULL is allowed */

/* The square root of the length of an embedding (D); an item without a length is like no other. */
real similar_items_root(const real *embedding, size_t d_item);

/* Pushes the similarity of every admitted item to an item with this embedding (D). */
void similar_items_top_k(const struct similar_items *s, const real *embedding,
                         const struct catalogue_filter *filter, struct topk *top);

#endif
