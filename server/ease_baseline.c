/* The store hands its interactions out user by user, so the runs of the users are found as they pass. */
#include "server/ease_baseline.h"

#include "base/mem.h"
#include "engine/blas.h"
#include "engine/train/ease.h"
#include "engine/train/split.h"

#include <math.h>
#include <string.h>

struct ease_baseline {
    size_t n_items;
    struct encoder_interaction *interactions; /* (n) */
    size_t n, capacity;
    size_t *start; /* (n_users + 1) */
    size_t n_users, start_capacity;
    int64_t user_key; /* of the last row */
    real *weights;    /* (n_items, n_items) */
};

enum err_code ease_baseline_new(size_t n_items, struct ease_baseline **out, struct err *e)
{
    *out = mem_zalloc_array(1, sizeof **out);
    if (!*out)
        return err_set(e, ERR_NOMEM, "no memory for EASE");
    (*out)->n_items = n_items;
    return ERR_OK;
}

void ease_baseline_free(struct ease_baseline *b)
{
    if (!b)
        return;
    mem_free(b->interactions);
    mem_free(b->start);
    mem_free(b->weights);
    mem_free(b);
}

static enum err_code grow(void **array, size_t *capacity, size_t n, size_t size, struct err *e)
{
    if (n <= *capacity)
        return ERR_OK;
    size_t most = *capacity ? *capacity * 2 : 1024;
    void *at = mem_realloc_array(*array, most, size);
    if (!at)
        return err_set(e, ERR_NOMEM, "no memory for the interactions of EASE");
    *array = at;
    *capacity = most;
    return ERR_OK;
}

enum err_code ease_baseline_add(struct ease_baseline *b, int64_t user_key, uint32_t item, int64_t timestamp,
                                struct err *e)
{
    enum err_code code = grow((void **)&b->interactions, &b->capacity, b->n + 1, sizeof *b->interactions, e);
    if (!code)
        code = grow((void **)&b->start, &b->start_capacity, b->n_users + 2, sizeof *b->start, e);
    if (code)
        return code;
    if (b->n_users == 0 || user_key != b->user_key)
        b->start[b->n_users++] = b->n;
    b->user_key = user_key;
    b->interactions[b->n++] =
        (struct encoder_interaction){.item = item, .weight = 1, .rating = NAN, .timestamp = timestamp};
    b->start[b->n_users] = b->n;
    return ERR_OK;
}

enum err_code ease_baseline_fit(struct ease_baseline *b, struct parallel *team, uint64_t seed, struct err *e)
{
    size_t n = b->n_items;
    struct train_data data = {
        .n_users = b->n_users, .n_items = n, .user_start = b->start, .interactions = b->interactions};
    struct split split;
    double lambda;
    b->weights = mem_alloc_aligned(n * n, sizeof *b->weights);
    if (!b->weights)
        return err_set(e, ERR_NOMEM, "no memory for EASE of %zu items", n);
    if (b->n_users == 0) { /* nobody has anything: all scores are equal */
        memset(b->weights, 0, n * n * sizeof *b->weights);
        return ERR_OK;
    }
    enum err_code code = split_init(&split, &data, true, seed, e);
    if (code)
        return code;
    code = ease_choose(&split, team, b->weights, &lambda, e);
    split_fini(&split);
    struct ials_data all = {b->n_users, n, b->start, b->start + 1, b->interactions};
    return code ? code : ease_fit(&all, lambda, b->weights, e);
}

void ease_baseline_scores(const struct ease_baseline *b, const uint32_t *items, size_t n, float *scores)
{
    memset(scores, 0, b->n_items * sizeof *scores);
    for (size_t i = 0; i < n; i++)
        blas_axpy(b->n_items, 1, b->weights + items[i] * b->n_items, scores);
}
