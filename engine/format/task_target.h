/* task_target - the target of a model of tasks on the scale on which it is learned, and back.
 *
 * What is learned is (g(t) - mean) / deviation, with g(t) = t, log t for targets above 0, or asinh(t /
 * unit) where some are 0 or below: the logarithm of what is large, straight through 0. The way back is
 * monotone, so that medians and quantiles go through it as they are. A mean does not: of an error e that
 * is symmetric about 0, E[exp(m + e)] = exp(m) E[cosh e] and E[sinh(m + e)] = sinh(m) E[cosh e], for which
 * exp(-shrink variance) stands, shrink being -1/2 of normal errors and what validation found of others.
 * The answer to squared error and to Poisson's deviance is the mean; to absolute error the median, shrink
 * 0; to relative error what lies below it by about one variance.
 *
 * Counts are learned as they are, by the logarithm of their rate: an answer's `learned` is that logarithm,
 * and its mean is exp(learned + spread / 2), which is a shrink of -1/2 too (engine/network/task_count.h).
 * Layer: engine/format
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_FORMAT_TASK_TARGET_H
#define ENGINE_FORMAT_TASK_TARGET_H

#include "engine/format/model_spec.h"

#include <stdbool.h>

#define TASK_MOST_COUNT 1e9

/* A target as it is learned; what of an answer is the target; and the target as it was, which is the same but
 * of counts. */
double task_learned_target(const struct task_spec *t, double target);
double task_target(const struct task_spec *t, double learned);
double task_target_known(const struct task_spec *t, double learned);

/* Whether it is a whole number from 0 to TASK_MOST_COUNT. */
bool task_target_is_count(double target);

/* The logarithm of how fast the target rises with the learned one: what a density on one scale is divided by
 * to be one on the other. */
double task_target_log_slope(const struct task_spec *t, double learned);

/* What is answered where the learned target is expected about `learned` with a squared scale of `spread`:
 * by the spec's own shrink, or by that of normal errors for whom none was found in validation. */
double task_target_answer(const struct task_spec *t, double shrink, double learned, double spread);
double task_target_normal_shrink(const struct task_spec *t);

/* A target cut to the range of training. */
double task_target_clamp(const struct task_spec *t, double target);

/* What an answer adds to the mean of the model's loss: the squared, absolute or relative error, or Poisson's
 * deviance. */
double task_target_loss(enum target_loss loss, double unit, double answer, double target);

/* NULL, or why a model of this scale and loss cannot take this target. */
const char *task_target_fault(const struct task_spec *t, double target);

#endif
