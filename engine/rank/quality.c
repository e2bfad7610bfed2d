/* Plain loops: a user has a few relevant items, and the catalogue is walked once for each. */
#include "engine/rank/quality.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"hr",       "ndcg", "recall", "recall_capped", "mrr", "map",
                                    "coverage", "rmse", "mae"};

bool metric_parse(const char *text, struct metric *out)
{
    size_t n = strcspn(text, "@");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) != n || memcmp(names[i], text, n) != 0)
            continue;
        out->kind = (enum metric_kind)i;
        out->k = SIZE_MAX;
        if (!text[n])
            return out->kind == METRIC_MRR || out->kind == METRIC_MAP || metric_of_ratings(out);
        char *end;
        unsigned long k = strtoul(text + n + 1, &end, 10);
        out->k = k;
        return !metric_of_ratings(out) && text[n + 1] >= '0' && text[n + 1] <= '9' && !*end && k >= 1 &&
               k <= 100000;
    }
    return false;
}

void metric_name(const struct metric *m, char out[32])
{
    if (m->k == SIZE_MAX)
        (void)snprintf(out, 32, "%s", names[m->kind]);
    else
        (void)snprintf(out, 32, "%s@%zu", names[m->kind], m->k);
}

bool metric_of_ratings(const struct metric *m)
{
    return m->kind == METRIC_RMSE || m->kind == METRIC_MAE;
}

double metric_error(const struct metric *m, double error)
{
    return m->kind == METRIC_RMSE ? error * error : fabs(error);
}

static double discount(size_t position)
{
    return 1 / log2((double)position + 2);
}

double metric_value(const struct metric *m, const size_t *positions, size_t n_found, size_t n_relevant)
{
    size_t within = 0, best = m->k < n_relevant ? m->k : n_relevant;
    double gain = 0, ideal = 0, precision = 0;
    if (n_relevant == 0)
        return 0;
    for (; within < n_found && positions[within] < m->k; within++) {
        gain += discount(positions[within]);
        precision += (double)(within + 1) / (double)(positions[within] + 1);
    }
    switch (m->kind) {
    case METRIC_HR:
        return within > 0;
    case METRIC_NDCG:
        for (size_t i = 0; i < best; i++)
            ideal += discount(i);
        return gain / ideal;
    case METRIC_RECALL:
        return (double)within / (double)n_relevant;
    case METRIC_RECALL_CAPPED:
        return (double)within / (double)best;
    case METRIC_MRR:
        return within ? 1 / ((double)positions[0] + 1) : 0;
    case METRIC_MAP:
        return precision / (double)best;
    case METRIC_COVERAGE:
    case METRIC_RMSE:
    case METRIC_MAE:
        break;
    }
    return 0;
}

static int rising(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Whether a other item's score keeps an item of this score from its place. */
static bool above(float other, float score)
{
    return isnan(score) || other >= score;
}

void metric_positions(const float *relevant, size_t n_relevant, const float *others, size_t n_others,
                      size_t *positions)
{
    for (size_t i = 0; i < n_relevant; i++) {
        size_t n = 0;
        for (size_t j = 0; j < n_others; j++)
            n += above(others[j], relevant[i]);
        for (size_t j = 0; j < n_relevant; j++) /* among the relevant, an earlier one wins a tie */
            n += j != i && above(relevant[j], relevant[i]) && (j < i || !above(relevant[i], relevant[j]));
        positions[i] = n;
    }
    if (n_relevant > 1)
        qsort(positions, n_relevant, sizeof *positions, rising);
}
