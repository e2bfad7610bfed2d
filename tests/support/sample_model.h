/* sample_model - small models with known random numbers, for tests.
 * Layer: tests/support
 * Threads: confined.
 * Memory: sample_model_fini frees all. */
#ifndef TESTS_SUPPORT_SAMPLE_MODEL_H
#define TESTS_SUPPORT_SAMPLE_MODEL_H

#include "engine/format/model_write.h"
#include "engine/model.h"

enum sample_model_kind {
    SAMPLE_RANKING, /* items, encoder with all blocks, linear part with a head, layers core, low_rank, full,
                       shared */
    SAMPLE_LINEAR,  /* items, linear part alone, no encoder */
    SAMPLE_TASKS,   /* no items, classification */
    SAMPLE_NEIGHBOURS, /* the first, with item-item weights */
    SAMPLE_CHUNKED,    /* no items, classification, weights in chunks, trained tasks */
    N_SAMPLE_MODELS
};

struct sample_model {
    struct model_spec spec;
    struct model_params params;
    struct model_ids ids;
    void *blocks[MODEL_MAX_TENSORS + 3];
    size_t n_blocks;
    char **id_texts;
};

/* Ends the program when there is no memory: allocate before failures are asked for. */
void sample_model_init(struct sample_model *m, enum sample_model_kind kind, unsigned seed);
void sample_model_fini(struct sample_model *m);

#endif
