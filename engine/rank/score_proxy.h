/* score_proxy - what a score is likely to be, from the context alone: a ridge regression of some known scores
 * on their contexts, so that of many contexts those that are worth a generation of weights can be found by an
 * inner product each. Where weights are linear in the context, and scores in them, it is exact.
 * Cost: n^2 d + n^3 / 3 for n known scores of width d; d a context.
 * Layer: engine/rank
 * Threads: confined to its thread.
 * Memory: d reals; while it is fitted n^2 + n d more. */
#ifndef ENGINE_RANK_SCORE_PROXY_H
#define ENGINE_RANK_SCORE_PROXY_H

#include "base/err.h"
#include "engine/kernels/real.h"

#include <stddef.h>

struct score_proxy {
    real *slopes; /* (d) */
    double at_zero;
    size_t d;
};

/* Fits it to n scores (n), at least one, of contexts (n, d), which are destroyed. ERR_NOMEM; ERR_INVALID:
 * they are not finite. To be freed in any case. */
enum err_code score_proxy_fit(struct score_proxy *p, real *contexts, const double *scores, size_t n, size_t d,
                              struct err *e) ERR_MUST_CHECK;
void score_proxy_fini(struct score_proxy *p);

/* Of a context (d). */
double score_proxy_of(const struct score_proxy *p, const real *c);

#endif
