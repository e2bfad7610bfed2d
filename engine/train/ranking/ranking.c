#include "engine/train/ranking/ranking.h"

#include "base/mem.h"

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
bool training_tell(struct training *t, struct progress p)
{
    p.n_epochs = t->state.refit   ? t->state.best_epoch
                 : t->race_epochs ? t->race_epochs
                                  : t->run->options.n_epochs;
    p.contender = t->racing ? generator_name(t->run->options.generator) : NULL;
    run_tell(t->run, p);
    return !training_is_over(t);
}

bool training_pass_on(void *arg, const struct progress *p)
{
    return training_tell(arg, *p);
}

void training_note(struct training *t)
{
    struct progress p = progress_at("train", 0);
    p.note = t->note;
    (void)training_tell(t, p);
}

void training_fini(struct training *t)
{
    trainer_fini(&t->fit);
    split_fini(&t->split);
    mem_free(t->best);
}
