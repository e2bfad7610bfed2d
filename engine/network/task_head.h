/* task_head - a model of tasks: features that all tasks share, and a last layer that is solved for each task
 * from its rows.
 *
 * Of a row with inputs x, z = [features(x) | x] gives what all tasks have of an output, f0 = shared z, and
 * phi = basis z + basis_bias, which the task's own layer reads:
 *
 *   y = f0 + w . phi + noise,   w ~ N(0, tau I),   noise ~ N(0, tau s2),   1 / tau ~ Gamma(a0, a0)
 *
 * The prior's mean is in `shared` and its covariance in `basis`, both learned from all tasks; tau is the
 * task's own scale. Of rows with weights v and residuals r = y - f0 the task keeps sums only, so that the
 * order of rows makes no difference and a row can be taken out again:
 *
 *   sums = [sum v | sum v r^2 | sum v r phi | sum v phi phi^T]
 *   M = I + sum v phi phi^T / s2 = L L^T,   mu = M^-1 sum v r phi / s2
 *   a = a0 + sum v / 2,   tau = (a0 + (sum v r^2 / s2 - mu . sum v r phi / s2) / 2) / a
 *
 * and a row's output is Student's t with 2 a degrees of freedom about f0 + mu . phi, of the squared scale
 * tau (s2 + phi^T M^-1 phi), whose second part is what more rows of the task would take away.
 * Source: Bayesian linear regression with a normal-inverse-gamma prior (Gelman et al. 2013, 14.8); on learned
 * features as in Harrison, Sharma, Pavone 2018 (ALPaCA).
 *
 * Where the spec has a clip, r is cut to -clip up to clip, so that a row with an outlier says no more of its
 * task than another.
 *
 * With K classes f0 are logits, r_k = [y = k] - softmax(f0)_k, and the layer is one step of Newton's method
 * from f0 with one curvature for all classes: M = I + c sum v phi phi^T, W = M^-1 sum v phi r^T, logits
 * t (f0 + W^T phi) with t = 1 / sqrt(1 + kappa phi^T M^-1 phi) (MacKay 1992), so that an output of which the
 * task's rows say little is not surer than they are.
 *
 * Of counts f0 is the logarithm of a rate, and each row has a precision p of its own beside r (task_count.h):
 * M = I + sum v p phi phi^T, mu = M^-1 sum v p r phi, tau = 1, and the spread of a row is s2 + phi^T M^-1
 * phi. Its sums are those above, of weights v p.
 *
 * task_scales: the logarithms of s2 - TASK_LEAST_NOISE and a0 - TASK_LEAST_SHAPE, of counts the prior a in
 * place of a0; or of c and kappa; and of the rate of forgetting.
 * Layer: engine/network
 * Threads: any; workspaces and outputs are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_TASK_HEAD_H
#define ENGINE_NETWORK_TASK_HEAD_H

#include "engine/format/model_spec.h"
#include "engine/format/task_target.h"

#include <stdbool.h>
#include <stddef.h>

#define TASK_LEAST_NOISE       1e-5
#define TASK_LEAST_SHAPE       1.0 /* of a0: what is said of a task without rows has a variance */
#define TASK_COUNT_SHAPE       1e6 /* a, of counts: what is said of the rate's logarithm is normal */
#define TASK_COUNT_LEAST_PRIOR 1e-3

/* Places in the sums of a task, of task_spec_d_sums. */
enum { TASK_SUM_ROWS, TASK_SUM_SQUARES, TASK_SUM_PRODUCTS };

/* The layer of one task, solved. */
struct task_layer {
    double shape;    /* a; not of classes */
    double scale;    /* tau; 1 of classes */
    double *weights; /* (O, M) mu, or W */
    double *factor;  /* (M (M + 1) / 2) L, packed */
    real *theta;     /* (task_generated_len) of task_generated_make */
};

/* Reals that task_features needs for n rows. */
size_t task_features_workspace_len(const struct model_spec *spec, size_t n);

/* f0 (n, O) and phi (n, M) of rows x (n, D). z (n, F), NULL or wanted too. */
void task_features(const struct model_spec *spec, const struct model_params *params, const real *x, size_t n,
                   real *workspace, real *z, real *f0, real *phi);

/* The same where each layer's output is kept: out[i] (n, d_out) of layer i; z (n, F). phi NULL: not
 * wanted. */
void task_features_kept(const struct model_spec *spec, const struct model_params *params, const real *x,
                        size_t n, real *const *out, real *z, real *f0, real *phi);

/* out (O): what of a target, or of each class, f0 (O) leaves over. */
void task_residual(const struct model_spec *spec, const double *f0, double y, double *out);

/* Adds rows to sums (task_spec_d_sums), or takes them away (sign -1). y (n): the target as it is learned
 * (task_learned_target), or the class. weights (n), NULL: 1 each. */
void task_sums_add(const struct model_spec *spec, const struct model_params *params, const real *f0,
                   const real *phi, const double *y, const double *weights, size_t n, double sign,
                   double *sums);

/* Doubles that the arrays of a struct task_layer take together; task_layer_at lays them out in `room`. */
size_t task_layer_len(const struct model_spec *spec);
void task_layer_at(const struct model_spec *spec, double *room, struct task_layer *out);

/* Solves for a task's layer. False: the sums are not those of finite rows. */
bool task_layer_solve(const struct model_spec *spec, const struct model_params *params, const double *sums,
                      struct task_layer *out);

/* The variance s2 of the noise, of numbers; of counts the prior a. */
double task_noise(const struct model_params *params);
double task_count_prior(const struct model_params *params);

/* Whether the target is learned as counts. */
bool task_is_of_counts(const struct model_spec *spec);

/* What a layer says of rows, of which f0 (n, O) may have what task_generated_add adds: value (n, O) as
 * it is learned, or logits; spread (n): the squared scale, of classes phi^T M^-1 phi; own (n), may be NULL:
 * the part of it that more rows of the task would take away. workspace: M doubles. */
void task_layer_predict(const struct model_spec *spec, const struct model_params *params,
                        const struct task_layer *layer, const real *f0, const real *phi, size_t n,
                        double *workspace, double *value, double *spread, double *own);

/* The negative logarithm of a class's probability, of logits f (n_classes): not from the probability,
 * which has lost its digits where it is small, and would be a number where logits are none. */
double task_head_surprise(const double *f, size_t n_classes, size_t k);

#endif
