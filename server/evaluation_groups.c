/* Metrics are kept by user until here, so a group is a choice of users and nothing is ranked anew. */
#include "server/evaluation_groups.h"

#include "base/mem.h"
#include "engine/bootstrap.h"

#include <math.h>
#include <stdbool.h>

/* Where a group begins. */
static const size_t begins[EVALUATION_GROUPS] = {0, 1, 3, 5, 10, 20};

static bool in_group(const struct evaluation_group *g, uint32_t known)
{
    return known >= g->least && known <= g->most;
}

/* The values (n_users) of the group's users, one after the other. */
static void gather(const struct evaluation_group *g, const double *values, const uint32_t *known,
                   size_t n_users, double *out)
{
    for (size_t u = 0; u < n_users; u++)
        if (in_group(g, known[u]))
            *out++ = values[u];
}

static void set_groups(const uint32_t *known, size_t n_users, struct evaluation_group *groups)
{
    for (size_t g = 0; g < EVALUATION_GROUPS; g++) {
        groups[g] = (struct evaluation_group){
            .least = begins[g], .most = g + 1 < EVALUATION_GROUPS ? begins[g + 1] - 1 : SIZE_MAX};
        for (size_t u = 0; u < n_users; u++)
            groups[g].n_users += in_group(&groups[g], known[u]) ? 1 : 0;
    }
}

enum err_code evaluation_groups(const double *values, size_t n_systems, size_t n_metrics,
                                const uint32_t *known, size_t n_users, uint64_t seed,
                                struct evaluation_group *groups, struct evaluation_group_figure *figures,
                                struct err *e)
{
    double *mine = mem_alloc_array(n_users ? n_users : 1, sizeof *mine);
    double *first = mem_alloc_array(n_users ? n_users : 1, sizeof *first);
    enum err_code code = mine && first ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for groups of users");
    if (!code)
        set_groups(known, n_users, groups);
    for (size_t g = 0; g < EVALUATION_GROUPS && !code; g++) {
        for (size_t i = 0; i < n_systems * n_metrics; i++) {
            struct evaluation_group_figure *f = &figures[g * n_systems * n_metrics + i];
            double low, high;
            *f = (struct evaluation_group_figure){NAN, NAN, NAN, NAN};
            if (groups[g].n_users == 0)
                continue;
            gather(&groups[g], values + i * n_users, known, n_users, mine);
            gather(&groups[g], values + i % n_metrics * n_users, known, n_users, first);
            bootstrap_mean(mine, NULL, groups[g].n_users, seed, &f->mean, &low, &high);
            bootstrap_mean(mine, first, groups[g].n_users, seed, &f->difference, &f->low, &f->high);
        }
    }
    mem_free(mine);
    mem_free(first);
    return code;
}
