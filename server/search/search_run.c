#include "server/search/search_run.h"

#include "base/mem.h"
#include "engine/train/search/search_fit.h"
#include "server/search/search_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 128,
    DRAWS_EACH = 20,       /* architectures that are drawn at most for each that is wanted */
    MOST_CHOSEN_BY = 10000 /* rows that architectures are measured on */
};
static const double generator_rate = 2e-3, scratch_rate = 2e-3;
enum { STREAM_CANDIDATES = 85, STREAM_REPORTED = 86, SEED_OF_SCRATCH = 1000 };

struct search {
    const struct search_data *data;
    const struct search_options *o;
    struct weight_generator generator;
    struct candidate c;
    struct search_rows valid;
    struct search_result *result;
};

void search_result_fini(struct search_result *r)
{
    mem_free(r->candidates);
    mem_free(r->reported);
    *r = (struct search_result){0};
}

static enum err_code tell(const struct search *s, const char *stage, size_t i, size_t n, struct err *e)
{
    struct progress p = progress_at(stage, (double)i / (double)n);
    return !s->o->progress || s->o->progress(s->o->arg, &p) ? ERR_OK
                                                            : err_set(e, ERR_DEADLINE, "it was stopped");
}

/* ---- architectures, timed ---- */

static enum err_code time_one(struct search *s, const struct architecture *a, double *out_us, struct err *e)
{
    struct search_model m;
    candidate_take(&s->c, a);
    weight_generator_make(&s->generator, &s->c);
    search_model_of(&s->c, &s->data->about, 1, &m);
    return search_model_latency(&m.spec, &m.params, &s->valid, out_us, e);
}

static bool is_among(const struct architecture *a, const struct search_member *list, size_t n)
{
    size_t i = 0;
    while (i < n && !architecture_same(a, &list[i].architecture))
        i++;
    return i < n;
}

static struct search_member member_of(const struct architecture *a)
{
    return (struct search_member){.architecture = *a,
                                  .latency_us = (double)NAN,
                                  .generated = (double)NAN,
                                  .scratch = {(double)NAN, (double)NAN}};
}

/* One layer of the fewest units, without an activation, on the fewest inputs: no member does less. */
static enum err_code refuse_budget(struct search *s, double least_us, struct err *e)
{
    const struct architecture smallest = {.n_layers = 1,
                                          .width = {ARCHITECTURE_LEAST},
                                          .activation = ACTIVATION_IDENTITY,
                                          .inputs = s->data->inputs.n - 1};
    double us;
    enum err_code code = time_one(s, &smallest, &us, e);
    if (code)
        return code;
    return err_set(e, ERR_CONFLICT,
                   "no architecture answers a row within --budget-us %g; the smallest latency measured on "
                   "this machine is %.3g us",
                   s->o->budget_us, fmin(us, least_us));
}

static enum err_code draw_candidates(struct search *s, struct err *e)
{
    struct search_result *to = s->result;
    size_t n = s->o->n_candidates;
    double least_us = INFINITY;
    enum err_code code = ERR_OK;
    struct rng r;
    rng_init(&r, s->o->seed, STREAM_CANDIDATES);
    while (to->n_candidates < n && to->n_timed < DRAWS_EACH * n && !code) {
        struct architecture a;
        architecture_draw(&r, &s->data->inputs, &a);
        struct search_member m = member_of(&a);
        m.n_weights = architecture_n_weights(&a, s->data->inputs.count[a.inputs], s->data->about.d_output);
        m.drawn = to->n_timed++;
        if (is_among(&a, to->candidates, to->n_candidates))
            continue;
        code = time_one(s, &a, &m.latency_us, e);
        least_us = code ? least_us : fmin(least_us, m.latency_us);
        if (!code && m.latency_us <= s->o->budget_us)
            to->candidates[to->n_candidates++] = m;
        if (!code)
            code = tell(s, "latency", to->n_candidates, n, e);
    }
    return code || to->n_candidates ? code : refuse_budget(s, least_us, e);
}

/* ---- training and measures ---- */

static enum err_code fit_generator(struct search *s, struct err *e)
{
    const struct search_fit_options o = {.seed = s->o->seed,
                                         .n_steps = s->o->n_generator_steps,
                                         .batch = BATCH,
                                         .rate = generator_rate,
                                         .progress = s->o->progress,
                                         .arg = s->o->arg,
                                         .stage = "hypernetwork"};
    return search_fit_generator(&s->generator, &s->c, &s->data->train, &o, e);
}

static enum err_code fit_scratch(struct search *s, struct candidate *c, const struct architecture *a,
                                 uint64_t number, long n_steps, double *score, struct err *e)
{
    const struct search_fit_options o = {.seed = s->o->seed + number * SEED_OF_SCRATCH,
                                         .n_steps = n_steps,
                                         .batch = BATCH,
                                         .rate = scratch_rate,
                                         .progress = s->o->progress,
                                         .arg = s->o->arg,
                                         .stage = "from scratch"};
    candidate_take(c, a);
    enum err_code code = search_fit_scratch(c, &s->data->train, &o, e);
    if (!code)
        *score = candidate_score(c, &s->valid);
    return code;
}

static void score_generated(struct search *s, struct search_member *m)
{
    candidate_take(&s->c, &m->architecture);
    weight_generator_make(&s->generator, &s->c);
    m->generated = candidate_score(&s->c, &s->valid);
}

/* Of members that are alike the smaller one is first, then the one that was drawn first: latencies are
 * measured and would order them otherwise each time. */
static int best_first(const void *a, const void *b)
{
    const struct search_member *x = a, *y = b;
    if (x->generated != y->generated)
        return x->generated > y->generated ? -1 : 1;
    if (x->n_weights != y->n_weights)
        return x->n_weights < y->n_weights ? -1 : 1;
    return (x->drawn > y->drawn) - (x->drawn < y->drawn);
}

static enum err_code score_candidates(struct search *s, struct err *e)
{
    struct search_result *to = s->result;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < to->n_candidates && !code; i++) {
        score_generated(s, &to->candidates[i]);
        code = tell(s, "generated weights", i + 1, to->n_candidates, e);
    }
    qsort(to->candidates, to->n_candidates, sizeof *to->candidates, best_first);
    return code;
}

/* The best of the finalists on the rows to choose by; its weights are then those of kept. */
static enum err_code train_finalists(struct search *s, struct candidate *kept, struct err *e)
{
    struct search_result *to = s->result;
    enum err_code code = ERR_OK;
    size_t n = s->o->n_finalists < to->n_candidates ? s->o->n_finalists : to->n_candidates;
    for (size_t i = 0; i < n && !code; i++) {
        struct search_member *m = &to->candidates[i];
        code = fit_scratch(s, &s->c, &m->architecture, 1, s->o->n_steps, &m->scratch[0], e);
        if (code || (i && !(m->scratch[0] > to->candidates[to->chosen].scratch[0])))
            continue;
        to->chosen = i;
        candidate_take(kept, &m->architecture);
        memcpy(kept->values, s->c.values, kept->n_values * sizeof *kept->values);
    }
    to->n_finalists = n;
    return code;
}

/* Few steps tell architectures apart; what is served is worth more of them. A longer training is no better
 * where there are few rows, and then the shorter one, whose weights c has and whose score is there, stays. */
static enum err_code train_longer(struct search *s, struct candidate *c, double *score, struct err *e)
{
    double longer;
    if (!s->o->n_final_steps)
        return ERR_OK;
    enum err_code code = fit_scratch(s, &s->c, &c->architecture, 1, s->o->n_final_steps, &longer, e);
    if (code || !(longer > *score))
        return code;
    *score = longer;
    memcpy(c->values, s->c.values, c->n_values * sizeof *c->values);
    return ERR_OK;
}

static enum err_code train_kept(struct search *s, struct candidate *kept, struct err *e)
{
    struct search_result *to = s->result;
    to->kept = to->candidates[to->chosen].scratch[0];
    return train_longer(s, kept, &to->kept, e);
}

/* ---- the report ---- */

static enum err_code reserve_report(struct search *s, struct err *e)
{
    struct search_result *to = s->result;
    struct rng r;
    rng_init(&r, s->o->seed, STREAM_REPORTED);
    to->reported = mem_zalloc_array(s->o->n_reported, sizeof *to->reported);
    if (!to->reported)
        return err_set(e, ERR_NOMEM, "no memory for %zu architectures", s->o->n_reported);
    while (to->n_reported < s->o->n_reported) {
        struct architecture a;
        architecture_draw(&r, &s->data->inputs, &a);
        if (!is_among(&a, to->reported, to->n_reported))
            to->reported[to->n_reported++] = member_of(&a);
    }
    return ERR_OK;
}

struct agreeing {
    double generated[SEARCH_MOST_REPORTED], mean[SEARCH_MOST_REPORTED], scratch[2][SEARCH_MOST_REPORTED];
};

static void list_scores(const struct search_result *r, bool plain, struct agreeing *out, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < r->n_reported; i++) {
        const struct search_member *m = &r->reported[i];
        if (plain && architecture_bad_on_sight(&m->architecture))
            continue;
        out->generated[*n] = m->generated;
        out->scratch[0][*n] = m->scratch[0];
        out->scratch[1][*n] = m->scratch[1];
        out->mean[(*n)++] = (m->scratch[0] + m->scratch[1]) / 2;
    }
}

static enum err_code agree(const struct search *s, bool plain, struct search_agreement *out, struct err *e)
{
    struct agreeing *x = mem_alloc_array(1, sizeof *x);
    if (!x)
        return err_set(e, ERR_NOMEM, "no memory for %d scores", SEARCH_MOST_REPORTED);
    list_scores(s->result, plain, x, &out->n);
    const struct {
        const double *x, *y;
        struct correlation *kendall, *spearman;
    } pairs[] = {{x->generated, x->mean, &out->kendall, &out->spearman},
                 {x->generated, x->scratch[0], &out->one_kendall, &out->one_spearman},
                 {x->scratch[0], x->scratch[1], &out->most_kendall, &out->most_spearman}};
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs && !code && out->n; i++) {
        code = correlation_run(correlation_kendall, pairs[i].x, pairs[i].y, out->n, s->o->seed,
                               pairs[i].kendall, e);
        if (!code)
            code = correlation_run(correlation_spearman, pairs[i].x, pairs[i].y, out->n, s->o->seed,
                                   pairs[i].spearman, e);
    }
    mem_free(x);
    return code;
}

/* The best of the reported ones, from scratch as a finalist and then as the one that is kept. */
static enum err_code train_best(struct search *s, struct candidate *tried, struct err *e)
{
    struct search_result *to = s->result;
    for (size_t i = 1; i < to->n_reported; i++) {
        const double *x = to->reported[i].scratch, *most = to->reported[to->best].scratch;
        to->best = x[0] + x[1] > most[0] + most[1] ? i : to->best;
    }
    enum err_code code = candidate_init(tried, &s->data->about, &s->data->inputs, 2 * BATCH, e);
    if (!code)
        code = fit_scratch(s, tried, &to->reported[to->best].architecture, 1, s->o->n_steps, &to->tried, e);
    return code ? code : train_longer(s, tried, &to->tried, e);
}

static enum err_code report(struct search *s, struct candidate *tried, struct err *e)
{
    struct search_result *to = s->result;
    enum err_code code = reserve_report(s, e);
    for (size_t i = 0; i < to->n_reported && !code; i++) {
        struct search_member *m = &to->reported[i];
        score_generated(s, m);
        code = time_one(s, &m->architecture, &m->latency_us, e);
        for (uint64_t k = 0; k < 2 && !code; k++)
            code = fit_scratch(s, &s->c, &m->architecture, 2 + k, s->o->n_steps, &m->scratch[k], e);
        if (!code)
            code = tell(s, "report", i + 1, to->n_reported, e);
    }
    if (!code)
        code = agree(s, false, &to->all, e);
    if (!code)
        code = agree(s, true, &to->plain, e);
    return code ? code : train_best(s, tried, e);
}

/* ---- all of it ---- */

static enum err_code start(struct search *s, struct candidate *kept, struct err *e)
{
    const struct model_spec *about = &s->data->about;
    s->valid = s->data->valid;
    if (s->valid.n > MOST_CHOSEN_BY)
        s->valid.n = MOST_CHOSEN_BY;
    enum err_code code = candidate_init(&s->c, about, &s->data->inputs, 2 * BATCH, e);
    if (!code)
        code = candidate_init(kept, about, &s->data->inputs, 2 * BATCH, e);
    if (!code)
        code = weight_generator_init(&s->generator, about->d_item, about->d_output, s->o->seed, e);
    if (code)
        return code;
    s->result->candidates = mem_zalloc_array(s->o->n_candidates, sizeof *s->result->candidates);
    return s->result->candidates
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "no memory for %zu architectures", s->o->n_candidates);
}

enum err_code search_run(const struct search_data *data, const struct search_options *o,
                         struct candidate *kept, struct candidate *tried, struct search_result *result,
                         struct err *e)
{
    struct search s = {.data = data, .o = o, .result = result};
    enum err_code code = start(&s, kept, e);
    if (!code)
        code = draw_candidates(&s, e);
    if (!code)
        code = fit_generator(&s, e);
    if (!code)
        code = score_candidates(&s, e);
    if (!code)
        code = train_finalists(&s, kept, e);
    if (!code)
        code = train_kept(&s, kept, e);
    if (!code && o->n_reported)
        code = report(&s, tried, e);
    weight_generator_fini(&s.generator);
    candidate_fini(&s.c);
    return code;
}
