#include "server/search/search_print.h"

#include <math.h>
#include <string.h>

enum { MOST_LISTED = 10 };

static const char *measure_name(const struct search_outcome *o)
{
    return o->about->task.n_classes ? "accuracy" : "rmse";
}

/* A score as it is named: a share, or an error in the target's unit. */
static double shown(const struct search_outcome *o, double score)
{
    return o->about->task.n_classes ? score : -score * o->about->task.target_deviation;
}

static size_t n_weights(const struct search_outcome *o, const struct architecture *a)
{
    return architecture_n_weights(a, o->inputs->count[a->inputs], o->about->d_output);
}

/* ---- text ---- */

static void add_figure(const struct search_outcome *o, double score, struct buf *out)
{
    if (isnan(score))
        buf_addf(out, "  %12s", "");
    else
        buf_addf(out, "  %12.6g", shown(o, score));
}

static void add_member(const struct search_outcome *o, const struct search_member *m, struct buf *out)
{
    char text[ARCHITECTURE_TEXT_BYTES];
    buf_addf(out, "%-26s  %8.3g", architecture_text(&m->architecture, o->inputs, text), m->latency_us);
    add_figure(o, m->generated, out);
    add_figure(o, m->scratch[0], out);
    buf_addc(out, '\n');
}

static void add_line(const char *name, const struct correlation *kendall, const struct correlation *spearman,
                     struct buf *out)
{
    buf_addf(out, "  %-34s  %6.3f (%.3f to %.3f)  %6.3f (%.3f to %.3f)\n", name, kendall->value, kendall->low,
             kendall->high, spearman->value, spearman->low, spearman->high);
}

static void add_agreement(const char *of, const struct search_agreement *a, struct buf *out)
{
    buf_addf(out, "%s (%zu)\n", of, a->n);
    if (a->n < SEARCH_LEAST_REPORTED) {
        buf_adds(out, "  too few of them\n");
        return;
    }
    add_line("generated weights, two trainings", &a->kendall, &a->spearman, out);
    add_line("generated weights, one training", &a->one_kendall, &a->one_spearman, out);
    add_line("one training, one of another seed", &a->most_kendall, &a->most_spearman, out);
}

/* What trying by hand finds: the best of the reported ones by training, whatever it takes. */
static void add_beside(const struct search_outcome *o, struct buf *out)
{
    const struct search_beside *b = o->beside;
    char text[ARCHITECTURE_TEXT_BYTES];
    buf_addf(
        out,
        "\nthe best of those %zu by training: %s, %.3g us a row\n%s %.6g (%.6g to %.6g) on the same rows; "
        "the written one's less this one's: %.4g (%.4g to %.4g)\n",
        o->result->n_reported,
        architecture_text(&o->result->reported[o->result->best].architecture, o->inputs, text),
        b->tried.latency_us, measure_name(o), b->tried.figure, b->tried.low, b->tried.high, b->less,
        b->less_low, b->less_high);
}

/* A network that reads some columns alone needs no others: which they are is worth knowing. */
static void add_columns(const struct search_outcome *o, const struct architecture *a, struct buf *out)
{
    const struct columns *c = &o->about->task.columns;
    size_t n = columns_within(c, o->inputs->count[a->inputs]);
    if (n == c->n)
        return;
    buf_addf(out, "it reads %zu of %zu columns, in the order in which they tell:", n, c->n);
    for (size_t i = 0; i < n && i < MOST_LISTED; i++)
        buf_addf(out, " %s", c->list[i].name);
    buf_addf(out, "%s\n", n > MOST_LISTED ? " ..." : "");
}

void search_print_text(const struct search_outcome *o, struct buf *out)
{
    const struct search_result *r = o->result;
    const struct search_measure *m = o->measure;
    char text[ARCHITECTURE_TEXT_BYTES];
    size_t n = r->n_candidates < MOST_LISTED ? r->n_candidates : MOST_LISTED;
    buf_addf(out,
             "%zu architectures within %g us, of %zu that were drawn; the best by generated weights:\n\n",
             r->n_candidates, o->budget_us, r->n_timed);
    buf_addf(out, "%-26s  %8s  %12s  %12s\n", "architecture", "us", "generated", "from scratch");
    for (size_t i = 0; i < n; i++)
        add_member(o, &r->candidates[i], out);
    if (r->n_reported) {
        buf_addf(out, "\nhow far rankings agree%-14s  %-24s  %s\n", "", "Kendall (95 % interval)",
                 "Spearman");
        add_agreement("architectures of any latency", &r->all, out);
        add_agreement("those that are not bad on sight", &r->plain, out);
    }
    buf_addf(out, "\nmodel '%s' version '%s' written to %s: %s, %zu weights\n", o->name, o->version, o->file,
             architecture_text(&r->candidates[r->chosen].architecture, o->inputs, text),
             n_weights(o, &r->candidates[r->chosen].architecture));
    add_columns(o, &r->candidates[r->chosen].architecture, out);
    buf_addf(out, "%s %.6g on the rows to choose by, %.6g before its last training\n", measure_name(o),
             shown(o, r->kept), shown(o, r->candidates[r->chosen].scratch[0]));
    buf_addf(out, "%s %.6g (%.6g to %.6g) on %zu rows that chose nothing, %.3g us a row%s\n", measure_name(o),
             m->figure, m->low, m->high, m->n_rows, m->latency_us,
             m->latency_us > o->budget_us ? ", more than the budget when it was timed again" : "");
    if (r->n_reported)
        add_beside(o, out);
}

/* ---- JSON ---- */

static void put_number(const char *key, double x, struct buf *out)
{
    if (isfinite(x))
        buf_addf(out, "\"%s\":%.6g", key, x);
    else
        buf_addf(out, "\"%s\":null", key);
}

static void put_member(const struct search_outcome *o, const struct search_member *m, struct buf *out)
{
    const struct architecture *a = &m->architecture;
    buf_adds(out, "{\"widths\":[");
    for (size_t i = 0; i < a->n_layers; i++)
        buf_addf(out, "%s%zu", i ? "," : "", a->width[i]);
    buf_addf(out, "],\"activation\":\"%s\",\"inputs\":%zu,\"weights\":%zu,", activation_name(a->activation),
             o->inputs->count[a->inputs], n_weights(o, a));
    put_number("latency_us", m->latency_us, out);
    buf_addc(out, ',');
    put_number("generated", shown(o, m->generated), out);
    buf_adds(out, ",\"from_scratch\":[");
    for (size_t k = 0; k < 2 && !isnan(m->scratch[k]); k++)
        buf_addf(out, "%s%.6g", k ? "," : "", shown(o, m->scratch[k]));
    buf_adds(out, "]}");
}

static void put_members(const struct search_outcome *o, const char *key, const struct search_member *list,
                        size_t n, struct buf *out)
{
    buf_addf(out, "\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_addc(out, ',');
        put_member(o, &list[i], out);
    }
    buf_addc(out, ']');
}

static void put_correlation(const char *key, const struct correlation *c, struct buf *out)
{
    buf_addf(out, "\"%s\":{", key);
    put_number("value", c->value, out);
    buf_addc(out, ',');
    put_number("low", c->low, out);
    buf_addc(out, ',');
    put_number("high", c->high, out);
    buf_addc(out, '}');
}

static void put_agreement(const char *key, const struct search_agreement *a, struct buf *out)
{
    const struct {
        const char *name;
        const struct correlation *of;
    } list[] = {{"kendall", &a->kendall},           {"spearman", &a->spearman},
                {"kendall_one", &a->one_kendall},   {"spearman_one", &a->one_spearman},
                {"kendall_most", &a->most_kendall}, {"spearman_most", &a->most_spearman}};
    buf_addf(out, "\"%s\":{\"architectures\":%zu", key, a->n);
    for (size_t i = 0; i < sizeof list / sizeof *list && a->n >= SEARCH_LEAST_REPORTED; i++) {
        buf_addc(out, ',');
        put_correlation(list[i].name, list[i].of, out);
    }
    buf_addc(out, '}');
}

static void put_text(const char *key, const char *text, struct buf *out)
{
    buf_addf(out, "\"%s\":", key);
    buf_add_json_string(out, text, strlen(text));
    buf_addc(out, ',');
}

static void put_measure(const struct search_outcome *o, const struct search_measure *m, struct buf *out)
{
    buf_addf(out, "\"rows\":%zu,\"%s\":%.6g,\"low\":%.6g,\"high\":%.6g,\"latency_us\":%.4g", m->n_rows,
             measure_name(o), m->figure, m->low, m->high, m->latency_us);
}

static void put_beside(const struct search_outcome *o, struct buf *out)
{
    const struct search_result *r = o->result;
    const struct search_beside *b = o->beside;
    buf_adds(out, ",\"best\":{\"network\":");
    put_member(o, &r->reported[r->best], out);
    buf_addc(out, ',');
    put_number("kept", shown(o, r->tried), out);
    buf_adds(out, ",\"test\":{");
    put_measure(o, &b->tried, out);
    buf_adds(out, "},\"less\":{");
    put_number("value", b->less, out);
    buf_addc(out, ',');
    put_number("low", b->less_low, out);
    buf_addc(out, ',');
    put_number("high", b->less_high, out);
    buf_adds(out, "}}");
}

void search_print_json(const struct search_outcome *o, struct buf *out)
{
    const struct search_result *r = o->result;
    buf_addc(out, '{');
    put_text("model", o->name, out);
    put_text("model_version", o->version, out);
    put_text("file", o->file, out);
    put_text("objective", o->about->objective->name, out);
    put_text("measure", measure_name(o), out);
    buf_addf(out, "\"budget_us\":%g,\"drawn\":%zu,\"chosen\":", o->budget_us, r->n_timed);
    put_member(o, &r->candidates[r->chosen], out);
    buf_addc(out, ',');
    put_number("kept", shown(o, r->kept), out);
    buf_adds(out, ",\"test\":{");
    put_measure(o, o->measure, out);
    buf_adds(out, "},");
    put_members(o, "candidates", r->candidates, r->n_candidates, out);
    if (r->n_reported) {
        buf_adds(out, ",\"report\":{");
        put_agreement("all", &r->all, out);
        buf_addc(out, ',');
        put_agreement("plain", &r->plain, out);
        buf_addc(out, ',');
        put_members(o, "architectures", r->reported, r->n_reported, out);
        put_beside(o, out);
        buf_addc(out, '}');
    }
    buf_adds(out, "}\n");
}
