#include "server/cli/image_quality_table.h"

#include "base/mem.h"
#include "engine/rank/bootstrap.h"

static const char *const layer_names[IMAGE_LAYERS] = {"generated", "prototypes", "ridge"};

static size_t smallest_class(const struct image_set *set, size_t from, size_t to)
{
    size_t least = SIZE_MAX;
    for (size_t k = from; k < to; k++)
        least = set->start[k + 1] - set->start[k] < least ? set->start[k + 1] - set->start[k] : least;
    return least;
}

struct image_table_plan image_table_usual(const struct image_set *set, size_t from, size_t to)
{
    static const size_t ways[] = {5, 20}, shots[] = {1, 5};
    enum { ASKED = 5, EPISODES = 1000 };
    size_t n_classes = to - from, n_images = smallest_class(set, from, to);
    struct image_table_plan p = {.from = from, .to = to, .asked = ASKED, .episodes = EPISODES, .seed = 1};
    if (n_classes < 2 || n_images < 2)
        return p;
    for (size_t i = 0; i < 2; i++)
        if (ways[i] <= n_classes)
            p.ways[p.n_ways++] = ways[i];
    for (size_t i = 0; i < 2; i++)
        if (shots[i] < n_images)
            p.shots[p.n_shots++] = shots[i];
    if (!p.n_ways)
        p.ways[p.n_ways++] = n_classes;
    size_t left = n_images - p.shots[p.n_shots - 1];
    p.asked = left < ASKED ? left : ASKED;
    return p;
}

static struct image_figure figure_of(const double *x, const double *y, size_t n, uint64_t seed)
{
    const struct bootstrap b = {.n = n, .seed = seed};
    struct image_figure f;
    bootstrap_run(&b, x, y, &f.mean, &f.low, &f.high);
    return f;
}

static enum err_code measure_row(const struct image_model *m, const struct image_set *set,
                                 const struct image_table_plan *plan, struct parallel *team, double *accuracy,
                                 struct image_table_row *row, struct err *e)
{
    size_t n = plan->episodes;
    enum err_code code = ERR_OK;
    for (size_t layer = 0; layer < IMAGE_LAYERS && !code; layer++) {
        const struct image_episodes episodes = {.from = plan->from,
                                                .to = plan->to,
                                                .ways = row->ways,
                                                .shots = row->shots,
                                                .asked = plan->asked,
                                                .n = n,
                                                .seed = plan->seed,
                                                .layer = (enum image_layer)layer};
        code = image_quality(m, set, &episodes, team, accuracy + layer * n, e);
    }
    for (size_t layer = 0; layer < IMAGE_LAYERS && !code; layer++) {
        row->accuracy[layer] = figure_of(accuracy + layer * n, NULL, n, plan->seed);
        row->gain[layer] = figure_of(accuracy, accuracy + layer * n, n, plan->seed);
    }
    return code;
}

enum err_code image_table_measure(const struct image_model *m, const struct image_set *set,
                                  const struct image_table_plan *plan, struct parallel *team,
                                  struct image_table *out, struct err *e)
{
    double *accuracy = mem_alloc_array(plan->episodes, IMAGE_LAYERS * sizeof *accuracy);
    enum err_code code =
        accuracy ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu episodes", plan->episodes);
    out->n = 0;
    for (size_t i = 0; i < plan->n_ways && !code; i++)
        for (size_t j = 0; j < plan->n_shots && !code; j++) {
            struct image_table_row *row = &out->rows[out->n];
            *row = (struct image_table_row){.ways = plan->ways[i], .shots = plan->shots[j]};
            code = measure_row(m, set, plan, team, accuracy, row, e);
            out->n += !code;
        }
    mem_free(accuracy);
    return code;
}

static void add_figure(struct buf *out, const char *name, const struct image_figure *f)
{
    buf_addf(out, ",\"%s\":{\"mean\":%.6f,\"low\":%.6f,\"high\":%.6f}", name, f->mean, f->low, f->high);
}

void image_table_json(const struct image_table *t, struct buf *out)
{
    buf_addc(out, '[');
    for (size_t i = 0; i < t->n; i++) {
        const struct image_table_row *row = &t->rows[i];
        buf_addf(out, "%s{\"ways\":%zu,\"shots\":%zu", i ? "," : "", row->ways, row->shots);
        for (size_t layer = 0; layer < IMAGE_LAYERS; layer++)
            add_figure(out, layer_names[layer], &row->accuracy[layer]);
        add_figure(out, "gain_over_prototypes", &row->gain[IMAGE_PROTOTYPES]);
        add_figure(out, "gain_over_ridge", &row->gain[IMAGE_RIDGE]);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}

void image_table_print(const struct image_table *t, FILE *to)
{
    (void)fprintf(to, "%-8s %-6s %-22s %-22s %-22s %s\n", "classes", "known", "generated", "prototypes",
                  "ridge", "gain over prototypes");
    for (size_t i = 0; i < t->n; i++) {
        const struct image_table_row *row = &t->rows[i];
        (void)fprintf(to, "%-8zu %-6zu", row->ways, row->shots);
        for (size_t layer = 0; layer < IMAGE_LAYERS; layer++) {
            const struct image_figure *f = &row->accuracy[layer];
            (void)fprintf(to, " %6.2f (%.2f to %.2f)", 100 * f->mean, 100 * f->low, 100 * f->high);
        }
        const struct image_figure *gain = &row->gain[IMAGE_PROTOTYPES];
        (void)fprintf(to, " %+.2f (%+.2f to %+.2f)\n", 100 * gain->mean, 100 * gain->low, 100 * gain->high);
    }
}
