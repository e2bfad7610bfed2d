#include "engine/train/ranking/ranking.h"

#include "base/mem.h"
#include "engine/train/ranking/schedule.h"

#include <math.h>
#include <string.h>

/* A held-out share from which the second course pays. */
#define LEAST_HELD_SHARE 0.02

/* Validations differ by so much in how long they take. */
#define MEASURE_MARGIN 1.3

static const char *stage_of(const struct training *t)
{
    return t->state.refit ? "refit" : t->racing ? "choose" : "train";
}

/* To measure what the epoch has brought so far. */
static bool leaves_no_time(struct training *t)
{
    bool so = !t->state.refit && budget_left_of_phase(&t->run->budget) < MEASURE_MARGIN * t->measure_s;
    t->run->cut = t->run->cut || so;
    return so;
}

static bool tell_epoch(void *arg, const struct progress *part)
{
    struct training *t = arg;
    struct progress p = *part;
    p.stage = stage_of(t);
    p.epoch = t->state.epoch + 1;
    p.best_metric = t->state.best_metric;
    p.left_s = (training_elapsed(t) - t->epoch_start_s) * (1 / p.fraction - 1);
    bool goes_on = training_tell(t, p) && !leaves_no_time(t);
    t->epoch_cut = !goes_on;
    return goes_on;
}

static enum err_code run_epoch(struct training *t, double *loss, struct err *e)
{
    int epoch = t->state.epoch + 1;
    t->epoch_start_s = training_elapsed(t);
    enum err_code code =
        trainer_epoch(&t->fit, epoch, schedule_rate(&t->state, epoch), tell_epoch, t, loss, e);
    t->epochs_s += training_elapsed(t) - t->epoch_start_s;
    t->n_epochs_run++;
    return code;
}

enum err_code training_checkpoint(struct training *t, struct err *e)
{
    struct checkpoint_model model = {&t->state, &t->fit.block, t->best, t->fit.average};
    return t->run->options.checkpoint ? checkpoint_write(t->run->options.checkpoint, &model, 1, e) : ERR_OK;
}

static enum err_code end_epoch(struct training *t, double loss, double metric, struct err *e)
{
    t->state.epoch++;
    t->state.n_first += !t->state.refit;
    t->state.n_steps = t->fit.n_steps;
    struct progress p = progress_at(stage_of(t), 1);
    p.epoch = t->state.epoch;
    p.loss = loss;
    p.metric = metric;
    p.best_metric = t->state.best_metric;
    (void)training_tell(t, p);
    return t->racing ? ERR_OK : training_checkpoint(t, e); /* who may lose is not resumed alone */
}

static void add_gains(const struct training *t, int last, const double *gains, double *sums)
{
    int n = last < COMPARED_EPOCHS ? last : COMPARED_EPOCHS;
    for (size_t i = 0; sums && t->state.epoch + 1 > last - n && i < t->split.n_validated; i++)
        sums[i] += gains[i] / n;
}

/* An epoch that an interrupt cut is not judged; one that the deadline cut is, but nobody resumes from it. */
static enum err_code epochs(struct training *t, int last, double *gains, const struct training_gains *wanted,
                            struct err *e)
{
    while (t->state.epoch < last && !schedule_ended(&t->state, t->run->options.n_epochs) &&
           !training_is_over(t) && !leaves_no_time(t)) {
        double loss, metric = NAN;
        enum err_code code = run_epoch(t, &loss, e);
        if (!code && !budget_interrupted(&t->run->budget))
            code = training_measure(t, gains, &metric, e);
        if (code || isnan(metric))
            return code;
        add_gains(t, last, gains, wanted->mean);
        if (schedule_judge(&t->state, metric, t->run->options.n_epochs, t->split.timed > 0)) {
            training_keep_average(t);
            if (wanted->best)
                memcpy(wanted->best, gains, t->split.n_validated * sizeof *gains);
        }
        if (t->epoch_cut)
            break;
        if ((code = end_epoch(t, loss, metric, e)))
            return code;
    }
    return ERR_OK;
}

enum err_code training_epochs(struct training *t, int last, struct training_gains wanted, struct err *e)
{
    double *gains = NULL;
    if ((wanted.mean || wanted.best) && !(gains = mem_alloc_array(t->split.n_validated, sizeof *gains)))
        return err_set(e, ERR_NOMEM, "no memory to compare models");
    enum err_code code = epochs(t, last, gains, &wanted, e);
    mem_free(gains);
    return code;
}

enum err_code training_first_course(struct training *t, struct err *e)
{
    training_enter(t, PHASE_COURSE);
    return training_epochs(t, t->run->options.n_epochs, (struct training_gains){NULL, NULL}, e);
}

enum err_code training_second_course(struct training *t, struct err *e)
{
    enum err_code code = ERR_OK;
    if (!t->state.refit)
        code = training_start_refit(t, e);
    while (!code && t->state.epoch < t->state.best_epoch && !training_is_over(t)) {
        double loss;
        code = run_epoch(t, &loss, e);
        if (!code && !training_is_over(t))
            code = end_epoch(t, loss, NAN, e);
    }
    if (!code)
        training_keep_average(t);
    return code;
}

bool training_pays_refit(const struct split *s)
{
    return (double)s->n_held > LEAST_HELD_SHARE * (double)(s->n_held + s->n_training);
}

/* Whether the second course will be done before the deadline, by what the first has taken. */
bool training_has_time_for_refit(struct training *t)
{
    double epoch_s = t->n_epochs_run ? t->epochs_s / t->n_epochs_run : 0;
    bool so =
        t->factorise_s + t->state.best_epoch * epoch_s + t->write_s < budget_left_of_phase(&t->run->budget);
    t->run->cut = t->run->cut || !so;
    return so;
}
