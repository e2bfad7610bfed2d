/* task_epistemic - how unsure an answer of a model of tasks is, and what part of that more rows of the
 * task would take away: the epistemic part.
 *
 * Of numbers it is the second part of the squared scale tau s2 + tau v, v = phi^T M^-1 phi (task_head.h).
 * With classes the logits of a row are normal about f, independent of each other, each of the variance
 *
 * s^2 = (4 / pi) kappa v
 *
 * with which the mean of softmax(f + s e) is about softmax(t f), the probabilities that are answered (of
 * two classes MacKay 1992, whose variance is that of their difference). The epistemic part is the mutual
 * information of the class and the layer, H(mean p) - mean H(p), in nats (Houlsby et al. 2011): all of the
 * entropy where draws of the layer are each sure and contradict each other, none where they agree.
 *
 * A row that lies beyond what its inputs can say (`beyond` of engine/format/columns.h) is answered as one
 * within, and so much less surely: its variance, of classes 1 + v, is 1 + beyond times as large, all of
 * what is added being epistemic.
 * Layer: engine/network
 * Threads: any; draws are confined to their thread.
 * Memory: task_information_init a number a draw and class. */
#ifndef ENGINE_NETWORK_TASK_EPISTEMIC_H
#define ENGINE_NETWORK_TASK_EPISTEMIC_H

#include "base/err.h"
#include "engine/network/task_head.h"

#include <stddef.h>
#include <stdint.h>

/* With classes: the deviation s of the logits f (O) of a row, of which task_layer_predict said the spread v;
 * f becomes less sure where the row is beyond its inputs. */
double task_epistemic_logit(const struct model_spec *spec, const struct model_params *params, double v,
                            double beyond, double *f);

/* Draws of the noise of n_classes logits, the same for every row. */
enum { TASK_INFORMATION_DRAWS = 127 /* a prime */ };
struct task_information {
    size_t n_classes; /* 0: there are no draws yet */
    uint64_t seed;
    double *normals; /* (TASK_INFORMATION_DRAWS, n_classes) */
    double *work;    /* (3, n_classes) */
};

/* Makes the draws, which for one seed and number of classes are always the same; zero-initialise.
 * ERR_NOMEM. */
enum err_code task_information_init(struct task_information *t, size_t n_classes, uint64_t seed,
                                    struct err *e) ERR_MUST_CHECK;
void task_information_fini(struct task_information *t); /* zeroed is allowed */

/* The mutual information, in nats, of a row with the probabilities p (n_classes) that are answered and a
 * deviation of its logits: not below 0, nor above the entropy of p. Cost: an exponential a draw and class. */
double task_information(const struct task_information *t, const double *p, double deviation);

#endif
