/* A copy, because the held-out interactions of a user without times move to the end of the user's run. */
#include "engine/train/data/split.h"

#include "base/mem.h"
#include "base/rng.h"

#include <string.h>

enum { LEAST_TO_HOLD = 3, HELD_PART = 5, MAX_VALIDATED = 8192 };

/* Moves m drawn interactions of x (n) to its end; the others keep their order. */
static void draw_to_end(struct encoder_interaction *x, size_t n, size_t m, struct rng *r)
{
    for (size_t k = 0; k < m; k++) {
        size_t drawn = (size_t)rng_below(r, n - k);
        struct encoder_interaction held = x[drawn];
        memmove(x + drawn, x + drawn + 1, (n - 1 - drawn) * sizeof *x);
        x[n - 1] = held;
    }
}

static void hold_out_of(struct split *s, size_t u, struct rng *r)
{
    size_t n = s->end[u] - s->start[u], m = 1;
    if (n < LEAST_TO_HOLD)
        return;
    struct encoder_interaction *x = s->interactions + s->start[u];
    if (x[n - 1].timestamp == 0) {
        m = n / HELD_PART ? n / HELD_PART : 1;
        draw_to_end(x, n, m, r);
    }
    s->n_held += m;
    s->end[u] -= m;
    s->validated[s->n_validated++] = (uint32_t)u;
}

static void note_times(struct split *s, size_t u)
{
    for (size_t i = s->start[u]; i < s->end[u]; i++) {
        int64_t time = s->interactions[i].timestamp;
        if (time == 0)
            continue;
        if (s->first_time == 0 || time < s->first_time)
            s->first_time = time;
        if (s->last_time == 0 || time > s->last_time)
            s->last_time = time;
    }
}

enum err_code split_init(struct split *s, const struct train_data *data, bool hold_out, uint64_t seed,
                         struct err *e)
{
    size_t n = data->user_start[data->n_users];
    *s = (struct split){.data = data,
                        .interactions = mem_alloc_array(n, sizeof *s->interactions),
                        .start = mem_alloc_array(data->n_users, sizeof *s->start),
                        .end = mem_alloc_array(data->n_users, sizeof *s->end),
                        .validated = mem_alloc_array(data->n_users, sizeof *s->validated)};
    if (!s->interactions || !s->start || !s->end || !s->validated) {
        split_fini(s);
        return err_set(e, ERR_NOMEM, "no memory for %zu interactions", n);
    }
    memcpy(s->interactions, data->interactions, n * sizeof *s->interactions);
    struct rng r;
    rng_init(&r, seed, 2);
    size_t n_timed = 0;
    for (size_t u = 0; u < data->n_users; u++) {
        s->start[u] = data->user_start[u];
        s->end[u] = data->user_start[u + 1];
        for (size_t i = s->start[u]; i < s->end[u]; i++)
            n_timed += s->interactions[i].timestamp != 0;
        if (hold_out)
            hold_out_of(s, u, &r);
        s->n_training += s->end[u] - s->start[u];
        note_times(s, u);
    }
    s->timed = n ? (double)n_timed / (double)n : 0;
    if (s->n_validated > MAX_VALIDATED) {
        rng_shuffle(&r, s->validated, s->n_validated);
        s->n_validated = MAX_VALIDATED;
    }
    return ERR_OK;
}

void split_fini(struct split *s)
{
    mem_free(s->interactions);
    mem_free(s->start);
    mem_free(s->end);
    mem_free(s->validated);
    memset(s, 0, sizeof *s);
}
