#include "server/serving/score_spread.h"

#include "base/mem.h"
#include "engine/added_items.h"

#include <math.h>
#include <string.h>

struct work {
    real *theta;
    double *room;
    float *scores;         /* (n) of a draw */
    double *mean, *square; /* (n) of the draws so far: the mean, and the sum of squares about it */
};

static void work_fini(struct work *w)
{
    mem_free(w->theta);
    mem_free(w->room);
    mem_free(w->scores);
    mem_free(w->mean);
    mem_free(w->square);
}

static enum err_code work_init(struct work *w, const struct score_spread_query *q, struct err *e)
{
    w->theta = mem_alloc_aligned(context_theta_len(q->encoder), sizeof *w->theta);
    w->room = mem_alloc_array(context_draw_len(q->encoder) + 1, sizeof *w->room);
    w->scores = mem_alloc_array(q->n + 1, sizeof *w->scores);
    w->mean = mem_zalloc_array(q->n + 1, sizeof *w->mean);
    w->square = mem_zalloc_array(q->n + 1, sizeof *w->square);
    return w->theta && w->room && w->scores && w->mean && w->square
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "no memory for draws of a context");
}

/* Welford 1962. */
static void add_scores(struct work *w, size_t n, size_t n_drawn)
{
    for (size_t i = 0; i < n; i++) {
        double off = (double)w->scores[i] - w->mean[i];
        w->mean[i] += off / (double)n_drawn;
        w->square[i] += off * ((double)w->scores[i] - w->mean[i]);
    }
}

static enum err_code draw_all(struct work *w, const struct score_spread_query *q, struct err *e)
{
    struct rng rng;
    enum err_code code = ERR_OK;
    rng_init(&rng, q->seed, 0);
    for (size_t k = 1; k <= q->n_samples && !code; k++) {
        code = context_draw_theta(q->encoder, w->room, &rng, w->theta, e);
        if (code)
            break;
        added_items_score(q->model, item_snapshot_extra(q->items), w->theta, q->indices, q->n, q->workspace,
                          w->scores);
        add_scores(w, q->n, k);
    }
    return code;
}

enum err_code score_spread_make(const struct score_spread_query *q, float *deviations, bool *known,
                                struct err *e)
{
    struct work w = {0};
    enum err_code code = work_init(&w, q, e);
    *known = false;
    if (!code)
        code = context_draw_begin(q->encoder, q->items, q->user, w.room, known, e);
    if (!code && *known)
        code = draw_all(&w, q, e);
    for (size_t i = 0; i < q->n && !code && *known; i++) {
        deviations[i] = (float)sqrt(w.square[i] / (double)(q->n_samples - 1));
        *known = isfinite(deviations[i]);
    }
    work_fini(&w);
    return code;
}
