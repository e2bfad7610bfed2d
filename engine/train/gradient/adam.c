/* A row that no batch touched keeps its moments (the usual "lazy" form for embedding tables). */
#include "engine/train/gradient/adam.h"

#include <math.h>

void adam_update(const struct adam *a, long step, double rate, double clip, size_t n, real *values,
                 real *grads, real *moment1, real *moment2)
{
    real b1 = (real)a->beta1, b2 = (real)a->beta2, factor = (real)clip;
    real unbias2 = (real)(1 / (1 - pow(a->beta2, (double)step)));
    real scale = (real)(rate / (1 - pow(a->beta1, (double)step))), epsilon = (real)a->epsilon;
    real keep = (real)(1 - rate * a->weight_decay);
    for (size_t i = 0; i < n; i++) {
        real g = grads[i] * factor;
        real m = moment1[i] = b1 * moment1[i] + (1 - b1) * g;
        real v = moment2[i] = b2 * moment2[i] + (1 - b2) * g * g;
#ifdef ENGINE_DOUBLE
        values[i] = keep * values[i] - scale * m / (sqrt(v * unbias2) + epsilon);
#else
        values[i] = keep * values[i] - scale * m / (sqrtf(v * unbias2) + epsilon);
#endif
        grads[i] = 0;
    }
}
