#include "engine/rank/diversity.h"

#include "base/mem.h"

#include <math.h>

static void make_unit(const real *row, size_t d, real *unit)
{
    double squares = 0;
    for (size_t j = 0; j < d; j++)
        squares += (double)row[j] * (double)row[j];
    double scale = squares > 0 && isfinite(squares) ? 1 / sqrt(squares) : 0;
    for (size_t j = 0; j < d; j++)
        unit[j] = (real)((double)row[j] * scale);
}

enum err_code diversity_init(struct diversity *v, const struct topk_entry *entries, size_t n,
                             const real *const *rows, size_t d, size_t window, double share, struct err *e)
{
    *v = (struct diversity){.entries = entries, .n = n, .d = d, .window = window, .share = share};
    v->units = mem_alloc_aligned(n * d, sizeof *v->units);
    v->nearest = mem_zalloc_array(n, sizeof *v->nearest);
    v->taken = mem_zalloc_array(n, sizeof *v->taken);
    if (!v->units || !v->nearest || !v->taken)
        return err_set(e, ERR_NOMEM, "no memory for the embeddings of %zu items", n);
    for (size_t i = 0; i < n; i++) {
        make_unit(rows[i], d, v->units + i * d);
        v->nearest[i] = -1;
    }
    v->best = n ? (double)entries[0].score : 0;
    v->span = n ? v->best - (double)entries[(n < window ? n : window) - 1].score : 0;
    return ERR_OK;
}

void diversity_fini(struct diversity *v)
{
    mem_free(v->units);
    mem_free(v->nearest);
    mem_free(v->taken);
    *v = (struct diversity){.n = 0};
}

static double value_of(const struct diversity *v, size_t i)
{
    double below = v->best - (double)v->entries[i].score;
    double relevance = v->span > 0 ? 1 - below / v->span : 1;
    return (1 - v->share) * relevance - v->share * (v->any ? v->nearest[i] : 0);
}

size_t diversity_next(const struct diversity *v)
{
    size_t best = v->n, left = v->window;
    double most = 0;
    for (size_t i = 0; i < v->n && left > 0; i++) {
        if (v->taken[i])
            continue;
        left--;
        double value = value_of(v, i);
        if (best < v->n && !(value > most))
            continue;
        best = i;
        most = value;
    }
    return best;
}

void diversity_take(struct diversity *v, size_t i)
{
    const real *mine = v->units + i * v->d;
    v->taken[i] = v->any = true;
    for (size_t k = 0; k < v->n; k++) {
        const real *other = v->units + k * v->d;
        double cosine = 0;
        if (v->taken[k])
            continue;
        for (size_t j = 0; j < v->d; j++)
            cosine += (double)mine[j] * (double)other[j];
        v->nearest[k] = fmax(v->nearest[k], cosine);
    }
}

void diversity_skip(struct diversity *v, size_t i)
{
    v->taken[i] = true;
}
