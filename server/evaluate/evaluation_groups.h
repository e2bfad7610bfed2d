/* evaluation_groups - the figures of an evaluation by how much was known of the users.
 * One mean hides whom a system serves: those with few interactions are many and count for little.
 * Layer: server/evaluate
 * Threads: any.
 * Memory: two values a user while it runs. */
#ifndef SERVER_EVALUATE_EVALUATION_GROUPS_H
#define SERVER_EVALUATE_EVALUATION_GROUPS_H

#include "base/err.h"
#include "engine/rank/quality.h"

#include <stddef.h>
#include <stdint.h>

enum { EVALUATION_GROUPS = 6 };

/* Users with least to most known interactions; the last group has no upper end (SIZE_MAX). */
struct evaluation_group {
    size_t least, most, n_users;
};

/* One system and metric in one group: the mean, and the difference to the first system with its 95 %
 * interval. NAN where the group has no users, or the metric is coverage. */
struct evaluation_group_figure {
    double mean, difference, low, high;
};

/* What was measured of the users. */
struct evaluation_group_input {
    const double *values;  /* (n_systems, n_metrics, n_users) sums over a user's rows */
    const double *rows;    /* (n_users) */
    const uint32_t *known; /* (n_users) interactions */
    const struct metric *metrics;
    size_t n_systems, n_metrics, n_users;
    uint64_t seed; /* of the bootstrap */
};

/* Sets groups (EVALUATION_GROUPS) and figures (EVALUATION_GROUPS, n_systems, n_metrics); coverage has none.
 * ERR_NOMEM. */
enum err_code evaluation_groups(const struct evaluation_group_input *in, struct evaluation_group *groups,
                                struct evaluation_group_figure *figures, struct err *e) ERR_MUST_CHECK;

#endif
