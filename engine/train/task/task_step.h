/* task_step - the loss of one task's rows, each split of them into rows that are known and rows that are
 * asked for, and its gradient.
 *
 * The layer of engine/network/task_head.h is solved from the known rows of a split, and the loss of a row
 * that is asked for is its negative log likelihood: of Student's t, or of the class. The gradient goes
 * through the solution to everything that all tasks share. With C = M^-1, x' for the derivative of the loss
 * by x, and f the value of a row:
 *
 *   t'  = sum S' (s2 + v)      S = tau (s2 + v)     v' = tau S'
 *   mu' = sum f' phi - rho' b  g = C mu'            M' = -(g mu^T + mu g^T) / 2 - C (sum v' phi phi^T) C
 *   of a known row:  phi' = 2 p w M' phi + p w r b',  r' = p w phi . b' + 2 p w rho' r,  b' = g - rho' mu
 *   of an asked row: phi' = f' mu + 2 v' C phi,   f0' = f'
 *
 * with p = 1 / s2, b = p sum w r phi, rho = p sum w r^2 - b . mu, tau = (a0 + rho / 2) / a and rho' = tau' /
 * (2 a). Where weights are generated (engine/network/task_generated.h) their part is in f, and more comes
 * back through it to mu' and phi'.
 *
 * Of counts each known row has a precision of its own beside r, and the loss is that of a negative binomial
 * (engine/network/task_count.h): p' = w (phi^T M' phi + r phi . b'), r' = w p phi . b', which go on to f0, s2
 * and the prior.
 * Layer: engine/train/task
 * Threads: a struct task_step is confined to its thread.
 * Memory: the activations of n_max rows, and a few matrices of the basis. */
#ifndef ENGINE_TRAIN_TASK_TASK_STEP_H
#define ENGINE_TRAIN_TASK_TASK_STEP_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stddef.h>

/* Rows of one task, and splits of them. */
struct task_draw {
    size_t n;              /* rows */
    const real *x;         /* (n, D) */
    const double *y;       /* (n) targets as they are learned, or classes */
    size_t n_splits;       /* J */
    const double *support; /* (J, n) 1 for a known row, else 0 */
    const double *query;   /* (J, n) 1 for a row that is asked for, else 0 */
    const double *age;     /* (J, n) how old a row is, where rows are forgotten; else NULL */
};

struct task_step {
    const struct model_spec *spec;
    size_t n_max;
    struct task_step_private *private;
};

enum err_code task_step_init(struct task_step *s, const struct model_spec *spec, size_t n_max,
                             struct err *e) ERR_MUST_CHECK;
void task_step_fini(struct task_step *s);

/* The sum over splits and asked rows of `weight` times the loss. grads NULL: nothing else; otherwise the
 * gradient is added to them. NAN:
 * numbers have left what can be computed. */
double task_step_loss(struct task_step *s, const struct model_params *params, const struct task_draw *draw,
                      double weight, const struct model_params *grads);

#endif
