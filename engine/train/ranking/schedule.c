#include "engine/train/ranking/schedule.h"

#include <math.h>

/* Learning rates after an epoch that was no better. */
#define RATE_CUT 0.4

/* Steps before an epoch from which its gain says what the next ones will bring: until the rates have their
 * height and the momenta are filled, gains grow. */
enum { STEPS_TO_TELL = 1000 };

/* Whether even twice the last gain in every epoch left would not reach the factorisation. Without times some
 * data gains nothing over it, and an epoch of large data takes minutes. */
static bool is_hopeless(const struct training_state *s, double metric, int epochs_left)
{
    double gain = fmax(metric - s->peak_metric, 0);
    return s->epoch > 0 && s->n_steps >= STEPS_TO_TELL && s->best_epoch == 0 &&
           metric + 2 * gain * epochs_left < s->start_metric;
}

bool schedule_judge(struct training_state *s, double metric, int n_epochs, bool timed)
{
    int epoch = s->epoch + 1;
    bool best = metric > s->best_metric;
    if (best) {
        s->best_metric = metric;
        s->best_epoch = epoch;
    }
    if (!timed && is_hopeless(s, metric, n_epochs - epoch))
        while (s->n_cuts < TRAINING_MOST_CUTS)
            s->cuts[s->n_cuts++] = epoch;
    else if (epoch == 1 || metric > s->peak_metric)
        s->peak_metric = metric;
    else if (s->n_cuts < TRAINING_MOST_CUTS)
        s->cuts[s->n_cuts++] = epoch;
    return best;
}

double schedule_rate(const struct training_state *s, int epoch)
{
    double rate = 1;
    for (int i = 0; i < s->n_cuts; i++)
        rate *= s->cuts[i] < epoch ? RATE_CUT : 1;
    return rate;
}

bool schedule_ended(const struct training_state *s, int n_epochs)
{
    return s->epoch >= n_epochs || s->n_cuts >= TRAINING_MOST_CUTS;
}
