/* Validation decides lambda alone; what is kept is fitted to all interactions. */
#include "engine/train/linear/ease_baseline.h"

#include "base/mem.h"
#include "engine/train/data/split.h"
#include "engine/train/linear/ease.h"

#include <math.h>
#include <string.h>

struct ease_baseline {
    size_t n_items;
    double lambda;
    real *weights; /* (n_items, n_items) */
};

static enum err_code fit(struct ease_baseline *b, const struct train_data *data, struct parallel *team,
                         size_t n_rivals, uint64_t seed, struct err *e)
{
    size_t n = b->n_items;
    struct split split;
    b->lambda = NAN;
    if (data->n_users == 0) { /* nobody has anything: all scores are equal */
        memset(b->weights, 0, n * n * sizeof *b->weights);
        return ERR_OK;
    }
    enum err_code code = split_init(&split, data, true, seed, e);
    if (code)
        return code;
    split.n_rivals = n_rivals;
    code = ease_choose(&split, team, b->weights, &b->lambda, e);
    split_fini(&split);
    struct ials_data all = {data->n_users, n, data->user_start, data->user_start + 1, data->interactions};
    return code ? code : ease_fit(&all, b->lambda, b->weights, e);
}

enum err_code ease_baseline_new(const struct train_data *data, struct parallel *team, size_t n_rivals,
                                uint64_t seed, struct ease_baseline **out, struct err *e)
{
    struct ease_baseline *b = mem_zalloc_array(1, sizeof *b);
    if (!b)
        return err_set(e, ERR_NOMEM, "no memory for EASE");
    b->n_items = data->n_items;
    b->weights = mem_alloc_aligned(b->n_items * b->n_items, sizeof *b->weights);
    enum err_code code = b->weights ? fit(b, data, team, n_rivals, seed, e)
                                    : err_set(e, ERR_NOMEM, "no memory for EASE of %zu items", b->n_items);
    if (code)
        ease_baseline_free(b);
    else
        *out = b;
    return code;
}

void ease_baseline_free(struct ease_baseline *b)
{
    if (!b)
        return;
    mem_free(b->weights);
    mem_free(b);
}

double ease_baseline_lambda(const struct ease_baseline *b)
{
    return b->lambda;
}

void ease_baseline_scores(const struct ease_baseline *b, const struct encoder_interaction *interactions,
                          size_t n, real *scores)
{
    ease_scores(b->weights, b->n_items, interactions, n, scores);
}
