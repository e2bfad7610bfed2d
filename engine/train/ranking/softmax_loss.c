/* The largest exponent is taken out first, so that no score overflows. */
#include "engine/train/ranking/softmax_loss.h"

#include <math.h>
#include <string.h>

double softmax_loss(real *scores, const unsigned char *kinds, size_t n, double offset, double scale)
{
    double most = -INFINITY, sum = 0, targets = 0, n_targets = 0;
    for (size_t i = 0; i < n; i++) {
        if (kinds[i] == CANDIDATE_LEFT_OUT)
            continue;
        double s = (double)scores[i] + (kinds[i] == CANDIDATE_NEGATIVE ? offset : 0);
        most = s > most ? s : most;
        if (kinds[i] == CANDIDATE_TARGET) {
            targets += (double)scores[i];
            n_targets++;
        }
    }
    if (n_targets == 0) {
        memset(scores, 0, n * sizeof *scores);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (kinds[i] == CANDIDATE_LEFT_OUT) {
            scores[i] = 0;
            continue;
        }
#ifdef ENGINE_DOUBLE
        double x = exp(scores[i] + (kinds[i] == CANDIDATE_NEGATIVE ? offset : 0) - most);
#else
        float x = expf(scores[i] + (float)((kinds[i] == CANDIDATE_NEGATIVE ? offset : 0) - most));
#endif
        scores[i] = x;
        sum += (double)x;
    }
    double loss = n_targets * (log(sum) + most) - targets;
    real share = (real)(scale * n_targets / sum);
    for (size_t i = 0; i < n; i++)
        scores[i] = scores[i] * share - (kinds[i] == CANDIDATE_TARGET ? (real)scale : 0);
    return scale * loss;
}
