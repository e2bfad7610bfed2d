/* Metrics are kept by user until here, so a group is a choice of users and nothing is ranked anew. */
#include "server/evaluate/evaluation_groups.h"

#include "base/mem.h"
#include "engine/rank/bootstrap.h"

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

/* Room for the values of a group's users: of one system, of the first one, and their rows. */
struct room {
    double *mine, *first, *rows; /* (n_users) */
};

static void figure_of(const struct evaluation_group_input *in, const struct evaluation_group *g, size_t i,
                      const struct room *room, struct evaluation_group_figure *f)
{
    const struct metric *metric = &in->metrics[i % in->n_metrics];
    struct bootstrap b = {
        .rows = room->rows, .n = g->n_users, .root = metric->kind == METRIC_RMSE, .seed = in->seed};
    double low, high;
    *f = (struct evaluation_group_figure){NAN, NAN, NAN, NAN};
    if (g->n_users == 0 || metric->kind == METRIC_COVERAGE)
        return;
    gather(g, in->rows, in->known, in->n_users, room->rows);
    gather(g, in->values + i * in->n_users, in->known, in->n_users, room->mine);
    gather(g, in->values + i % in->n_metrics * in->n_users, in->known, in->n_users, room->first);
    bootstrap_run(&b, room->mine, NULL, &f->mean, &low, &high);
    bootstrap_run(&b, room->mine, room->first, &f->difference, &f->low, &f->high);
}

enum err_code evaluation_groups(const struct evaluation_group_input *in, struct evaluation_group *groups,
                                struct evaluation_group_figure *figures, struct err *e)
{
    size_t n = in->n_systems * in->n_metrics, n_users = in->n_users ? in->n_users : 1;
    struct room room = {mem_alloc_array(n_users, sizeof(double)), mem_alloc_array(n_users, sizeof(double)),
                        mem_alloc_array(n_users, sizeof(double))};
    enum err_code code = ERR_OK;
    if (!room.mine || !room.first || !room.rows)
        code = err_set(e, ERR_NOMEM, "no memory for groups of users");
    else
        set_groups(in->known, in->n_users, groups);
    for (size_t g = 0; g < EVALUATION_GROUPS && !code; g++)
        for (size_t i = 0; i < n; i++)
            figure_of(in, &groups[g], i, &room, &figures[g * n + i]);
    mem_free(room.mine);
    mem_free(room.first);
    mem_free(room.rows);
    return code;
}
