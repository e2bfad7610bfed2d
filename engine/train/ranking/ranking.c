#include "engine/train/ranking/ranking.h"

#include "base/mem.h"

#include <math.h>

double training_elapsed(const struct training *t)
{
    return budget_elapsed(&t->run->budget);
}

void training_enter(struct training *t, enum budget_phase phase)
{
    budget_enter(&t->run->budget, t->run->team, phase);
}

/* Whether the phase must end. */
bool training_is_over(struct training *t)
{
    bool over = budget_over(&t->run->budget);
    t->run->cut = t->run->cut || (over && !budget_interrupted(&t->run->budget));
    return over;
}

/* Tells the caller; false when the phase must end. */
bool training_tell(struct training *t, struct train_progress p)
{
    p.n_epochs = t->state.refit   ? t->state.best_epoch
                 : t->race_epochs ? t->race_epochs
                                  : t->run->options.n_epochs;
    p.contender = t->racing ? generator_name(t->run->options.generator) : NULL;
    run_tell(t->run, p);
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
    mem_free(t->best);
}
