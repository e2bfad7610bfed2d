/* A user's value is a sum over the user's rows, so that one bootstrap over users serves a mean over users and
 * an error over ratings. */
#include "server/evaluate/evaluation_run.h"

#include "base/buf.h"
#include "base/mem.h"
#include "engine/rank/bootstrap.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void name_row(const struct evaluation *v, size_t system, struct evaluation_row *row)
{
    if (system < v->n_models)
        (void)snprintf(row->name, sizeof row->name, "%s %s", v->models[system]->spec.name,
                       v->models[system]->spec.version);
    else
        (void)snprintf(
            row->name, sizeof row->name, "%s",
            evaluation_baselines_name(evaluation_baselines_at(v->baselines, system - v->n_models)));
}

/* The share of the items that were among the first k of some user. */
static double coverage(const struct evaluation *v, size_t system, size_t metric)
{
    size_t n_items = v->models[0]->spec.n_items, n = 0;
    const atomic_uchar *shown = v->shown + (system * v->options->n_metrics + metric) * n_items;
    for (size_t i = 0; i < n_items; i++)
        n += atomic_load_explicit(&shown[i], memory_order_relaxed);
    return (double)n / (double)n_items;
}

static void summarise_metric(const struct evaluation *v, size_t system, size_t m, struct evaluation_row *row)
{
    const struct metric *metric = &v->options->metrics[m];
    struct bootstrap b = {.rows = v->n_rows,
                          .n = v->test.n_users,
                          .root = metric->kind == METRIC_RMSE,
                          .seed = v->options->seed};
    if (metric->kind == METRIC_COVERAGE) {
        row->mean[m] = coverage(v, system, m);
        row->difference[m] = row->mean[m] - coverage(v, 0, m);
        row->low[m] = row->high[m] = row->difference_low[m] = row->difference_high[m] = NAN;
        return;
    }
    const double *x = evaluation_value(v, system, m, 0), *first = evaluation_value(v, 0, m, 0);
    bootstrap_run(&b, x, NULL, &row->mean[m], &row->low[m], &row->high[m]);
    bootstrap_run(&b, x, first, &row->difference[m], &row->difference_low[m], &row->difference_high[m]);
}

static void count_without(const struct evaluation *v, struct evaluation_result *out)
{
    out->n_without = 0;
    for (size_t u = 0; u < v->test.n_users; u++) {
        struct text id = evaluation_test_id(&v->test, u);
        if (!v->without[u])
            continue;
        if (out->n_without < EVALUATION_NAMED)
            (void)snprintf(out->without[out->n_without], sizeof out->without[0], "%.*s", (int)id.len,
                           id.data);
        out->n_without++;
    }
}

static void count_already(const struct evaluation *v, struct evaluation_result *out)
{
    out->n_already = 0;
    for (size_t u = 0; u < v->test.n_users; u++)
        for (size_t i = v->test.users[u].first; i < v->test.users[u].first + v->test.users[u].n; i++) {
            if (!v->already[i])
                continue;
            struct text user = evaluation_test_id(&v->test, u);
            size_t len;
            const char *item = model_item_id(v->models[0], v->test.rows[i].item, &len);
            if (out->n_already < EVALUATION_NAMED)
                (void)snprintf(out->already[out->n_already], sizeof out->already[0],
                               "user '%.*s' item '%.*s'", (int)user.len, user.data, (int)len, item);
            out->n_already++;
        }
}

void evaluation_summarise(const struct evaluation *v, struct evaluation_result *out)
{
    struct evaluation_case *c = &out->cases[out->n_cases++];
    c->count = v->count;
    for (size_t s = 0; s < v->n_systems; s++) {
        name_row(v, s, &c->rows[s]);
        for (size_t m = 0; m < v->options->n_metrics; m++)
            summarise_metric(v, s, m, &c->rows[s]);
    }
    out->n_rows = v->n_systems;
    out->n_users = v->test.n_users;
    out->n_test_rows = v->test.n_rows;
    out->choices = evaluation_baselines_choices(v->options->baselines ? v->baselines : NULL);
    out->n_unknown_items = 0;
    for (size_t i = 0; i < v->test.n_rows; i++)
        out->n_unknown_items += v->test.rows[i].item == UINT32_MAX;
    out->n_not_taken = v->test.n_not_taken;
    out->n_left_out = v->known ? evaluation_known_left_out(v->known) : 0;
    count_without(v, out);
    count_already(v, out);
}

enum err_code evaluation_summarise_groups(const struct evaluation *v, struct evaluation_result *out,
                                          struct err *e)
{
    size_t n = v->n_systems * v->options->n_metrics;
    out->group_figures = mem_alloc_array(EVALUATION_GROUPS * n, sizeof *out->group_figures);
    if (!out->group_figures)
        return err_set(e, ERR_NOMEM, "no memory for groups of users");
    struct evaluation_group_input in = {.values = v->values,
                                        .rows = v->n_rows,
                                        .known = v->n_known,
                                        .metrics = v->options->metrics,
                                        .n_systems = v->n_systems,
                                        .n_metrics = v->options->n_metrics,
                                        .n_users = v->test.n_users,
                                        .seed = v->options->seed};
    return evaluation_groups(&in, out->groups, out->group_figures, e);
}

void evaluation_fini(struct evaluation_result *result)
{
    mem_free(result->group_figures);
    result->group_figures = NULL;
}

/* {"count":5,"user":"u1","known":5,"rows":1,"values":[[0.3,1],...]}: systems in their order, each its
 * metrics. */
static void add_user(const struct evaluation *v, size_t user, struct buf *b)
{
    struct text id = evaluation_test_id(&v->test, user);
    if (v->count == SIZE_MAX)
        buf_adds(b, "{\"count\":null,\"user\":");
    else
        buf_addf(b, "{\"count\":%zu,\"user\":", v->count);
    buf_add_json_string(b, id.data, id.len);
    buf_addf(b, ",\"known\":%u,\"rows\":%.0f,\"values\":[", (unsigned)v->n_known[user], v->n_rows[user]);
    for (size_t s = 0; s < v->n_systems; s++) {
        buf_adds(b, s ? ",[" : "[");
        for (size_t m = 0; m < v->options->n_metrics; m++) {
            buf_adds(b, m ? "," : "");
            if (v->options->metrics[m].kind == METRIC_COVERAGE)
                buf_adds(b, "null");
            else
                buf_addf(b, "%.9g", *evaluation_value(v, s, m, user));
        }
        buf_adds(b, "]");
    }
    buf_adds(b, "]}\n");
}

enum err_code evaluation_write_users(const struct evaluation *v, FILE *file, struct err *e)
{
    struct buf b;
    enum err_code code = ERR_OK;
    buf_init(&b, 1 << 20);
    for (size_t u = 0; u < v->test.n_users && !code; u++) {
        buf_reset(&b);
        add_user(v, u, &b);
        code = buf_check(&b, "a user's line", e);
        if (!code && fwrite(b.data, 1, b.len, file) != b.len)
            code = err_set(e, ERR_IO, "cannot write %s: %s", v->options->per_user_path, strerror(errno));
    }
    buf_fini(&b);
    return code;
}
