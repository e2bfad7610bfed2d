#include "engine/train/ranking/ranking.h"

#include "base/mem.h"

#include <math.h>

double training_elapsed(const struct training *t)
{
    return budget_elapsed(&t->budget);
}

void training_enter(struct training *t, enum budget_phase phase)
{
    budget_enter(&t->budget, t->team, phase);
}

/* Whether the phase must end. */
bool training_is_over(struct training *t)
{
    bool over = budget_over(&t->budget);
    t->cut = t->cut || (over && !budget_interrupted(&t->budget));
    return over;
}

/* Tells the caller; false when the phase must end. */
bool training_tell(struct training *t, struct train_progress p)
{
    p.n_epochs = t->state.refit ? t->state.best_epoch : t->race_epochs ? t->race_epochs : t->options.n_epochs;
    p.contender = t->racing ? generator_name(t->options.generator) : NULL;
    p.elapsed_s = training_elapsed(t);
    if (t->progress && !t->progress(t->arg, &p))
        t->budget.refused = true;
    return !training_is_over(t);
}

bool training_tell_search(void *arg, const char *stage, double fraction, double ndcg, double best)
{
    struct training *t = arg;
    return training_tell(t, (struct train_progress){.stage = stage,
                                                    .fraction = fraction < 1 ? fraction : 1,
                                                    .loss = NAN,
                                                    .metric = ndcg,
                                                    .best_metric = best,
                                                    .left_s = NAN});
}

void training_note(struct training *t)
{
    (void)training_tell(t, (struct train_progress){.stage = "train",
                                                   .loss = NAN,
                                                   .metric = NAN,
                                                   .best_metric = NAN,
                                                   .left_s = NAN,
                                                   .note = t->note});
}

void training_fini(struct training *t)
{
    trainer_fini(&t->fit);
    split_fini(&t->split);
    parallel_free(t->team);
    mem_free(t->best);
}
