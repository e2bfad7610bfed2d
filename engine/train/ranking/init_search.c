/* How well a factorisation ranks says little of how well training goes from it: one that is best by a hair
 * may have spent its factors on the most popular items, and no epoch wins that back. An epoch tells. */
#include "engine/train/ranking/init_search.h"

#include "engine/train/ranking/trainer.h"

enum { MAX_TRIES = 4 };
#define WEAKER 0.3 /* half a decade, the step of the search */

/* What a weaker start must gain: more than what the search calls about as good. An epoch favours starts from
 * which the loss falls fast, and those learn by heart later (docs/experiments.md, "Is one start enough?"). */
#define MIN_GAIN 1.03

struct trial {
    progress_fn *progress; /* may be NULL */
    void *arg;
    double best;
    int n;
    bool stopped;
};

static bool after_part(void *arg, const struct progress *epoch)
{
    struct trial *t = arg;
    struct progress p = progress_at("start", ((double)t->n + epoch->fraction) / MAX_TRIES);
    p.best_metric = t->best;
    if (t->progress && !t->progress(t->arg, &p))
        t->stopped = true;
    return !t->stopped;
}

/* NDCG@10 after one epoch from this factorisation. */
static enum err_code try_start(const struct split *s, const struct train_options *options,
                               struct parallel *team, const struct ials_start *factors, struct trial *t,
                               double *ndcg, struct err *e)
{
    struct trainer fit;
    double loss;
    enum err_code code = trainer_init(&fit, s, options, &factors->options, team, e);
    if (!code)
        code = trainer_start(&fit, factors, e);
    if (!code)
        code = trainer_epoch(&fit, 1, 1, after_part, t, &loss, e);
    if (!code)
        code = trainer_measure(&fit, NULL, ndcg, e);
    trainer_fini(&fit);
    t->n++;
    t->stopped = t->stopped || parallel_stopped(team);
    if (!code && !t->stopped && *ndcg > t->best)
        t->best = *ndcg;
    return code;
}

enum err_code init_search_choose(const struct split *s, const struct train_options *options,
                                 struct parallel *team, progress_fn *progress, void *arg,
                                 struct ials_start *factors, struct err *e)
{
    struct trial t = {.progress = progress, .arg = arg};
    double here, there;
    enum err_code code = try_start(s, options, team, factors, &t, &here, e);
    while (!code && !t.stopped && t.n < MAX_TRIES) {
        struct ials_start weaker;
        struct ials_options ials = factors->options;
        ials.alpha *= WEAKER;
        code = ials_factorise(s, &ials, team, progress, arg, &weaker, e);
        if (code)
            break;
        t.stopped = parallel_stopped(team);
        if (!t.stopped)
            code = try_start(s, options, team, &weaker, &t, &there, e);
        if (code || t.stopped || !(there > MIN_GAIN * here)) {
            ials_start_fini(&weaker);
            break;
        }
        ials_start_fini(factors);
        *factors = weaker;
        here = there;
    }
    return code;
}
