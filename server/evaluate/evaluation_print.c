/* Both forms are of one walk: cases, systems, metrics; then groups. */
#include "server/evaluate/evaluation_print.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/talk.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

/* "0.1234 [0.1200, 0.1268]", or a figure alone; a difference has its sign. */
static void print_figure(double mean, double low, double high, bool difference)
{
    char text[64];
    if (isnan(low))
        (void)snprintf(text, sizeof text, difference ? "%+.4f" : "%.4f", mean);
    else
        (void)snprintf(text, sizeof text, difference ? "%+.4f [%+.4f, %+.4f]" : "%.4f [%.4f, %.4f]", mean,
                       low, high);
    (void)printf(difference ? " %-26s" : "  %-25s", isnan(mean) ? "-" : text);
}

/* Whose figure is subtracted, and which sign is good for the row above: errors of ratings are better when
 * they are less. */
static const char *less_the_first(const struct evaluation_options *o)
{
    return metric_of_ratings(&o->metrics[0]) ? "  less the first row; - is better"
                                             : "  less the first row; + is better";
}

static void print_header(const char *first, const struct evaluation_options *o)
{
    char name[32];
    (void)printf("%-34s", first);
    for (size_t m = 0; m < o->n_metrics; m++) {
        metric_name(&o->metrics[m], name);
        (void)printf("  %-25s", name);
    }
    (void)printf("\n");
}

static void print_case(const struct evaluation_options *o, const struct evaluation_result *r,
                       const struct evaluation_case *c)
{
    char title[64] = "";
    if (o->n_counts && c->count == 0)
        (void)snprintf(title, sizeof title, "%s", o->users_path ? "the profile alone" : "nothing known");
    else if (o->n_counts)
        (void)snprintf(title, sizeof title, "%zu known", c->count);
    print_header(title, o);
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct evaluation_row *row = &c->rows[i];
        (void)printf("%-34.34s", row->name);
        for (size_t m = 0; m < o->n_metrics; m++)
            print_figure(row->mean[m], row->low[m], row->high[m], false);
        (void)printf("\n");
        if (i == 0)
            continue;
        (void)printf("%-34s", less_the_first(o));
        for (size_t m = 0; m < o->n_metrics; m++)
            print_figure(row->difference[m], row->difference_low[m], row->difference_high[m], true);
        (void)printf("\n");
    }
    (void)printf("\n");
}

static void group_name(const struct evaluation_group *g, char name[48])
{
    if (g->most == SIZE_MAX)
        (void)snprintf(name, 48, "%zu+ (%zu)", g->least, g->n_users);
    else if (g->least == g->most)
        (void)snprintf(name, 48, "%zu (%zu)", g->least, g->n_users);
    else
        (void)snprintf(name, 48, "%zu-%zu (%zu)", g->least, g->most, g->n_users);
}

static const struct evaluation_group_figure *figure_at(const struct evaluation_options *o,
                                                       const struct evaluation_result *r, size_t group,
                                                       size_t row, size_t metric)
{
    return &r->group_figures[(group * r->n_rows + row) * o->n_metrics + metric];
}

static void print_group_row(const struct evaluation_options *o, const struct evaluation_result *r, size_t row,
                            size_t metric, bool difference)
{
    (void)printf("%-34.34s", difference ? less_the_first(o) : r->cases[0].rows[row].name);
    for (size_t g = 0; g < EVALUATION_GROUPS; g++) {
        const struct evaluation_group_figure *f = figure_at(o, r, g, row, metric);
        if (r->groups[g].n_users && difference)
            print_figure(f->difference, f->low, f->high, true);
        else if (r->groups[g].n_users)
            print_figure(f->mean, NAN, NAN, false);
    }
    (void)printf("\n");
}

/* One block a metric, one column a group that has users. */
static void print_groups(const struct evaluation_options *o, const struct evaluation_result *r)
{
    char name[48];
    for (size_t m = 0; m < o->n_metrics; m++) {
        if (o->metrics[m].kind == METRIC_COVERAGE)
            continue;
        metric_name(&o->metrics[m], name);
        (void)printf("\n%s by interactions known (users)\n%-34s", name, "");
        for (size_t g = 0; g < EVALUATION_GROUPS; g++) {
            group_name(&r->groups[g], name);
            if (r->groups[g].n_users)
                (void)printf("  %-25s", name);
        }
        (void)printf("\n");
        for (size_t i = 0; i < r->n_rows; i++) {
            print_group_row(o, r, i, m, false);
            if (i > 0)
                print_group_row(o, r, i, m, true);
        }
    }
}

static void print_choices(const struct evaluation_choices *c)
{
    if (c->ials_dim)
        (void)printf("iALS: %zu wide, alpha %g, reg %g", c->ials_dim, c->ials_alpha, c->ials_reg);
    if (!isnan(c->ease_lambda))
        (void)printf("; EASE: lambda %g", c->ease_lambda);
    if (c->ials_dim)
        (void)printf("; chosen by validation\n");
}

static void print_notes(const struct evaluation_options *o, const struct evaluation_result *r)
{
    bool ratings = metric_of_ratings(&o->metrics[0]);
    for (size_t i = 0; i < r->n_without && i < EVALUATION_NAMED; i++)
        (void)printf("%s%s",
                     i         ? ", "
                     : ratings ? "users without a context have the prior's answer: "
                               : "users without a context score zero: ",
                     r->without[i]);
    if (r->n_without)
        (void)printf("%s (%zu in all)\n", r->n_without > EVALUATION_NAMED ? ", ..." : "", r->n_without);
    if (r->n_unknown_items)
        (void)printf("%zu held-out item%s not in the model, %s\n", r->n_unknown_items,
                     talk_s((int64_t)r->n_unknown_items),
                     ratings ? "predicted by the mean of all ratings" : "counted as missed");
    for (size_t i = 0; i < 2; i++)
        if (r->notes[i].code)
            (void)printf("note: %s\n", r->notes[i].text);
    for (size_t i = 0; i < r->n_already && i < EVALUATION_NAMED; i++)
        (void)printf("%s%s", i ? ", " : "held out, but known: ", r->already[i]);
    if (r->n_already)
        (void)printf("%s (%zu of %zu held-out rows)\n%s what is known is no test; `hypernet split` makes "
                     "files that are\n",
                     r->n_already > EVALUATION_NAMED ? ", ..." : "", r->n_already, r->n_test_rows,
                     o->known_path ? "--known has them too:" : "the store has them already:");
    if (r->n_not_taken)
        (void)printf("%zu row%s of the test left out, of a kind that says that the item was not taken\n",
                     r->n_not_taken, talk_s((int64_t)r->n_not_taken));
    if (r->n_left_out)
        (void)printf("%zu known interaction%s left out, of items that the store does not have\n",
                     r->n_left_out, talk_s((int64_t)r->n_left_out));
}

void evaluation_print_table(const struct evaluation_options *o, const struct evaluation_result *r)
{
    bool ratings = metric_of_ratings(&o->metrics[0]);
    for (size_t i = 0; i < r->n_cases; i++)
        print_case(o, r, &r->cases[i]);
    (void)printf("%zu %suser%s, %zu held-out %s%s%s; 95 %% bootstrap intervals over users%s\n", r->n_users,
                 o->known_path ? "new " : "", talk_s((int64_t)r->n_users), r->n_test_rows,
                 ratings ? "rating" : "item", talk_s((int64_t)r->n_test_rows),
                 ratings              ? ""
                 : o->candidates_path ? ", ranked among the candidates"
                                      : ", ranked over all items",
                 ratings ? "" : ", ties count against the system");
    print_choices(&r->choices);
    print_notes(o, r);
    if (r->group_figures)
        print_groups(o, r);
}

/* ---- JSON ---- */

static void add_number(struct buf *b, double x)
{
    if (isnan(x))
        buf_adds(b, "null");
    else
        buf_addf(b, "%.6f", x);
}

static void add_interval(struct buf *b, double low, double high)
{
    if (isnan(low)) {
        buf_adds(b, "null");
        return;
    }
    buf_addf(b, "[%.6f,%.6f]", low, high);
}

static void add_metric(const struct evaluation_options *o, const struct evaluation_row *row, size_t m,
                       struct buf *b)
{
    char name[32];
    metric_name(&o->metrics[m], name);
    buf_addf(b, "%s\"%s\":{\"mean\":", m ? "," : "", name);
    add_number(b, row->mean[m]);
    buf_adds(b, ",\"interval\":");
    add_interval(b, row->low[m], row->high[m]);
    buf_adds(b, ",\"difference\":");
    add_number(b, row->difference[m]);
    buf_adds(b, ",\"difference_interval\":");
    add_interval(b, row->difference_low[m], row->difference_high[m]);
    buf_adds(b, "}");
}

/* "systems":[{"name":...,"metrics":{...}}, ...] */
static void add_systems(const struct evaluation_options *o, const struct evaluation_result *r,
                        const struct evaluation_case *c, struct buf *b)
{
    buf_adds(b, "\"systems\":[");
    for (size_t i = 0; i < r->n_rows; i++) {
        buf_adds(b, i ? ",{\"name\":" : "{\"name\":");
        buf_add_json_string(b, c->rows[i].name, strlen(c->rows[i].name));
        buf_adds(b, ",\"metrics\":{");
        for (size_t m = 0; m < o->n_metrics; m++)
            add_metric(o, &c->rows[i], m, b);
        buf_adds(b, "}}");
    }
    buf_adds(b, "]");
}

/* ,"cases":[{"count":5,"systems":[...]}, ...] */
static void add_cases(const struct evaluation_options *o, const struct evaluation_result *r, struct buf *b)
{
    buf_adds(b, ",\"cases\":[");
    for (size_t i = 0; i < r->n_cases; i++) {
        buf_addf(b, "%s{\"count\":%zu,", i ? "," : "", r->cases[i].count);
        add_systems(o, r, &r->cases[i], b);
        buf_adds(b, "}");
    }
    buf_adds(b, "]");
}

static void add_group_metric(const struct evaluation_options *o, const struct evaluation_group_figure *f,
                             size_t m, struct buf *b)
{
    char name[32];
    metric_name(&o->metrics[m], name);
    buf_addf(b, "%s\"%s\":{\"mean\":", m ? "," : "", name);
    add_number(b, f->mean);
    buf_adds(b, ",\"difference\":");
    add_number(b, f->difference);
    buf_adds(b, ",\"difference_interval\":");
    add_interval(b, f->low, f->high);
    buf_adds(b, "}");
}

/* ,"groups":[{"known":[least,most or null],"users":n,"systems":[...]}, ...]: those that have users. */
static void add_groups(const struct evaluation_options *o, const struct evaluation_result *r, struct buf *b)
{
    const char *comma = "";
    buf_adds(b, ",\"groups\":[");
    for (size_t g = 0; g < EVALUATION_GROUPS; g++) {
        const struct evaluation_group *group = &r->groups[g];
        if (group->n_users == 0)
            continue;
        buf_addf(b, "%s{\"known\":[%zu,", comma, group->least);
        if (group->most == SIZE_MAX)
            buf_adds(b, "null");
        else
            buf_addf(b, "%zu", group->most);
        buf_addf(b, "],\"users\":%zu,\"systems\":[", group->n_users);
        for (size_t i = 0; i < r->n_rows; i++) {
            buf_adds(b, i ? ",{\"name\":" : "{\"name\":");
            buf_add_json_string(b, r->cases[0].rows[i].name, strlen(r->cases[0].rows[i].name));
            buf_adds(b, ",\"metrics\":{");
            for (size_t m = 0; m < o->n_metrics; m++)
                add_group_metric(o, figure_at(o, r, g, i, m), m, b);
            buf_adds(b, "}}");
        }
        buf_adds(b, "]}");
        comma = ",";
    }
    buf_adds(b, "]");
}

/* ,"chosen":{"iALS":{...},"EASE":{...}}, where there are such baselines */
static void add_choices(const struct evaluation_choices *c, struct buf *b)
{
    if (c->ials_dim == 0)
        return;
    buf_addf(b, ",\"chosen\":{\"iALS\":{\"dim\":%zu,\"alpha\":%g,\"reg\":%g}", c->ials_dim, c->ials_alpha,
             c->ials_reg);
    if (!isnan(c->ease_lambda))
        buf_addf(b, ",\"EASE\":{\"lambda\":%g}", c->ease_lambda);
    buf_adds(b, "}");
}

void evaluation_print_json(const struct evaluation_options *o, const struct evaluation_result *r)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    buf_addf(&b,
             "{\"users\":%zu,\"test_rows\":%zu,\"unknown_items\":%zu,\"candidates\":%s,\"left_out\":%zu,"
             "\"not_taken\":%zu,"
             "\"users_without_context\":%zu,\"first_without_context\":[",
             r->n_users, r->n_test_rows, r->n_unknown_items, o->candidates_path ? "true" : "false",
             r->n_left_out, r->n_not_taken, r->n_without);
    for (size_t i = 0; i < r->n_without && i < EVALUATION_NAMED; i++) {
        buf_adds(&b, i ? "," : "");
        buf_add_json_string(&b, r->without[i], strlen(r->without[i]));
    }
    buf_addf(&b, "],\"already_known\":%zu,\"first_already_known\":[", r->n_already);
    for (size_t i = 0; i < r->n_already && i < EVALUATION_NAMED; i++) {
        buf_adds(&b, i ? "," : "");
        buf_add_json_string(&b, r->already[i], strlen(r->already[i]));
    }
    buf_adds(&b, "],\"notes\":[");
    for (size_t i = 0; i < 2; i++)
        if (r->notes[i].code) {
            buf_adds(&b, i && r->notes[0].code ? "," : "");
            buf_add_json_string(&b, r->notes[i].text, strlen(r->notes[i].text));
        }
    buf_adds(&b, "]");
    add_choices(&r->choices, &b);
    if (o->n_counts) {
        add_cases(o, r, &b);
    } else {
        buf_adds(&b, ",");
        add_systems(o, r, &r->cases[0], &b);
    }
    if (r->group_figures)
        add_groups(o, r, &b);
    buf_adds(&b, "}");
    const char *text = buf_text(&b);
    (void)puts(text ? text : "{}");
    buf_fini(&b);
}
