#include "engine/format/task_target.h"

#include <math.h>

#define LEAST_COUNT 1e-3 /* of the unit: an expected count of 0 would make any other impossible */

double task_learned_target(const struct task_spec *t, double target)
{
    if (t->scale == SCALE_COUNT)
        return target;
    double g = t->scale == SCALE_LOG     ? log(target)
               : t->scale == SCALE_ASINH ? asinh(target / t->unit)
                                         : target;
    return (g - t->target_mean) / t->target_deviation;
}

double task_target(const struct task_spec *t, double learned)
{
    if (t->scale == SCALE_COUNT)
        return exp(learned);
    double g = learned * t->target_deviation + t->target_mean;
    return t->scale == SCALE_LOG ? exp(g) : t->scale == SCALE_ASINH ? t->unit * sinh(g) : g;
}

double task_target_known(const struct task_spec *t, double learned)
{
    return t->scale == SCALE_COUNT ? learned : task_target(t, learned);
}

double task_target_log_slope(const struct task_spec *t, double learned)
{
    if (t->scale == SCALE_COUNT)
        return 0; /* what counts have is a probability, not a density */
    double g = learned * t->target_deviation + t->target_mean;
    double slope = t->scale == SCALE_LOG     ? g
                   : t->scale == SCALE_ASINH ? log(t->unit) + fabs(g) + log1p(exp(-2 * fabs(g))) - M_LN2
                                             : 0;
    return slope + log(t->target_deviation);
}

double task_target_normal_shrink(const struct task_spec *t)
{
    if (t->scale == SCALE_IDENTITY || t->loss == LOSS_ABSOLUTE)
        return 0;
    return t->loss == LOSS_RELATIVE ? 1 : -0.5;
}

double task_target_answer(const struct task_spec *t, double shrink, double learned, double spread)
{
    double unit = t->scale == SCALE_COUNT ? 1 : t->target_deviation;
    double target = task_target(t, learned), variance = spread * unit * unit;
    if (shrink != 0)
        target *= exp(-shrink * variance);
    return t->loss == LOSS_POISSON ? fmax(target, 0) : target;
}

double task_target_clamp(const struct task_spec *t, double target)
{
    return fmax(fmin(target, t->target_most), t->target_least);
}

double task_target_loss(enum target_loss loss, double unit, double answer, double target)
{
    double error = answer - target, mean;
    switch (loss) {
    case LOSS_ABSOLUTE:
        return fabs(error);
    case LOSS_RELATIVE:
        return fabs(error / target);
    case LOSS_POISSON:
        mean = fmax(answer, LEAST_COUNT * unit);
        return 2 * (mean - target + (target > 0 ? target * (log(target) - log(mean)) : 0));
    case LOSS_SQUARED:
        break;
    }
    return error * error;
}

bool task_target_is_count(double target)
{
    return target >= 0 && target <= TASK_MOST_COUNT && target == floor(target);
}

const char *task_target_fault(const struct task_spec *t, double target)
{
    if (t->n_classes)
        return NULL;
    if ((t->scale == SCALE_LOG || t->loss == LOSS_RELATIVE) && !(target > 0))
        return "not above 0, as the model needs it";
    if ((t->scale == SCALE_COUNT || t->loss == LOSS_POISSON) && !(target >= 0))
        return "below 0, and the model is of counts";
    return t->scale == SCALE_COUNT && !task_target_is_count(target)
               ? "not a whole number up to 1e9, and the model is of counts"
               : NULL;
}
