/* hypernet evaluate: how good the rankings of models are, beside baselines. */
#include "base/limits.h"
#include "server/commands.h"
#include "server/evaluation.h"

#include <stdio.h>
#include <string.h>

struct settings {
    const char *store, *test, *candidates, *metrics;
    struct option_list models;
    int64_t threads, seed;
    bool baselines, groups, json;
};

static enum err_code parse_metrics(const char *text, struct metric *out, size_t *n, struct err *e)
{
    char word[64];
    for (*n = 0; *text; text += strspn(text, ",")) {
        size_t len = strcspn(text, ",");
        if (*n == EVALUATION_MAX_METRICS)
            return err_set(e, ERR_INVALID, "--metrics takes at most %d", EVALUATION_MAX_METRICS);
        (void)snprintf(word, sizeof word, "%.*s", (int)len, text);
        if (len >= sizeof word || !metric_parse(word, &out[(*n)++]))
            return err_set(e, ERR_INVALID,
                           "'%s' is no metric; hr@K ndcg@K recall@K recall_capped@K mrr[@K] map[@K]", word);
        text += len;
    }
    return *n ? ERR_OK : err_set(e, ERR_INVALID, "--metrics is empty");
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

static void print_group_differences(const struct evaluation_options *o, const struct evaluation_result *r,
                                    size_t row, size_t metric)
{
    (void)printf("%-34s", "  difference to the first row");
    for (size_t g = 0; g < EVALUATION_GROUPS; g++) {
        const struct evaluation_group_figure *f = figure_at(o, r, g, row, metric);
        if (r->groups[g].n_users)
            (void)printf(" %+.4f [%+.4f, %+.4f]", f->difference, f->low, f->high);
    }
    (void)printf("\n");
}

/* One block a metric, one column a group that has users. */
static void print_groups(const struct evaluation_options *o, const struct evaluation_result *r)
{
    char name[48];
    for (size_t m = 0; m < o->n_metrics; m++) {
        metric_name(&o->metrics[m], name);
        (void)printf("\n%s by interactions known (users)\n%-34s", name, "");
        for (size_t g = 0; g < EVALUATION_GROUPS; g++) {
            group_name(&r->groups[g], name);
            if (r->groups[g].n_users)
                (void)printf("  %-24s", name);
        }
        (void)printf("\n");
        for (size_t i = 0; i < r->n_rows; i++) {
            (void)printf("%-34.34s", r->rows[i].name);
            for (size_t g = 0; g < EVALUATION_GROUPS; g++)
                if (r->groups[g].n_users)
                    (void)printf("  %-24.4f", figure_at(o, r, g, i, m)->mean);
            (void)printf("\n");
            if (i > 0)
                print_group_differences(o, r, i, m);
        }
    }
}

static void print_table(const struct evaluation_options *o, const struct evaluation_result *r)
{
    char name[32];
    (void)printf("%-34s", "");
    for (size_t m = 0; m < o->n_metrics; m++) {
        metric_name(&o->metrics[m], name);
        (void)printf("  %-24s", name);
    }
    (void)printf("\n");
    for (size_t i = 0; i < r->n_rows; i++) {
        (void)printf("%-34.34s", r->rows[i].name);
        for (size_t m = 0; m < o->n_metrics; m++)
            (void)printf("  %.4f [%.4f, %.4f] ", r->rows[i].mean[m], r->rows[i].low[m], r->rows[i].high[m]);
        (void)printf("\n");
        if (i == 0)
            continue;
        (void)printf("%-34s", "  difference to the first row");
        for (size_t m = 0; m < o->n_metrics; m++)
            (void)printf(" %+.4f [%+.4f, %+.4f]", r->rows[i].difference[m], r->rows[i].difference_low[m],
                         r->rows[i].difference_high[m]);
        (void)printf("\n");
    }
    (void)printf("\n%zu users, %zu held-out items, %s; 95 %% bootstrap intervals over users, ties count "
                 "against the system\n",
                 r->n_users, r->n_test_rows,
                 o->candidates_path ? "ranked among the candidates" : "ranked over all items");
    for (size_t i = 0; i < r->n_without && i < EVALUATION_NAMED; i++)
        (void)printf("%s%s", i ? ", " : "users without a context score zero: ", r->without[i]);
    if (r->n_without)
        (void)printf("%s (%zu in all)\n", r->n_without > EVALUATION_NAMED ? ", ..." : "", r->n_without);
    if (r->n_unknown_items)
        (void)printf("%zu held-out items are not in the model and count as missed\n", r->n_unknown_items);
    if (r->group_figures)
        print_groups(o, r);
}

/* ,"groups":[{"known":[least,most or null],"users":n,"systems":[...]}, ...]: those that have users. */
static void add_json_groups(const struct evaluation_options *o, const struct evaluation_result *r,
                            struct buf *b)
{
    char name[48];
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
            buf_add_json_string(b, r->rows[i].name, strlen(r->rows[i].name));
            buf_adds(b, ",\"metrics\":{");
            for (size_t m = 0; m < o->n_metrics; m++) {
                const struct evaluation_group_figure *f = figure_at(o, r, g, i, m);
                metric_name(&o->metrics[m], name);
                buf_addf(b,
                         "%s\"%s\":{\"mean\":%.6f,\"difference\":%.6f,\"difference_interval\":[%.6f,%.6f]}",
                         m ? "," : "", name, f->mean, f->difference, f->low, f->high);
            }
            buf_adds(b, "}}");
        }
        buf_adds(b, "]}");
        comma = ",";
    }
    buf_adds(b, "]");
}

static void print_json(const struct evaluation_options *o, const struct evaluation_result *r)
{
    struct buf b;
    char name[32];
    buf_init(&b, 1 << 24);
    buf_addf(&b,
             "{\"users\":%zu,\"test_rows\":%zu,\"unknown_items\":%zu,\"candidates\":%s,"
             "\"users_without_context\":%zu,\"first_without_context\":[",
             r->n_users, r->n_test_rows, r->n_unknown_items, o->candidates_path ? "true" : "false",
             r->n_without);
    for (size_t i = 0; i < r->n_without && i < EVALUATION_NAMED; i++) {
        buf_adds(&b, i ? "," : "");
        buf_add_json_string(&b, r->without[i], strlen(r->without[i]));
    }
    buf_adds(&b, "],\"systems\":[");
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct evaluation_row *row = &r->rows[i];
        buf_adds(&b, i ? ",{\"name\":" : "{\"name\":");
        buf_add_json_string(&b, row->name, strlen(row->name));
        buf_adds(&b, ",\"metrics\":{");
        for (size_t m = 0; m < o->n_metrics; m++) {
            metric_name(&o->metrics[m], name);
            buf_addf(&b,
                     "%s\"%s\":{\"mean\":%.6f,\"interval\":[%.6f,%.6f],\"difference\":%.6f,\"difference_"
                     "interval\":[%.6f,%.6f]}",
                     m ? "," : "", name, row->mean[m], row->low[m], row->high[m], row->difference[m],
                     row->difference_low[m], row->difference_high[m]);
        }
        buf_adds(&b, "}}");
    }
    buf_adds(&b, "]");
    if (r->group_figures)
        add_json_groups(o, r, &b);
    buf_adds(&b, "}");
    const char *text = buf_text(&b);
    (void)puts(text ? text : "{}");
    buf_fini(&b);
}

static enum err_code evaluate(const struct settings *s, const struct evaluation_options *o, struct err *e)
{
    static struct evaluation_result result; /* large, and there is one */
    struct model *models[LIMIT_MODELS] = {NULL};
    struct store *store = NULL;
    enum err_code code = store_open(s->store, STORE_READ_WRITE, &store, e);
    for (size_t i = 0; i < s->models.n && !code; i++) {
        code = model_open(s->models.values[i], &models[i], e);
        if (!code && !model_spec_for_users(&models[i]->spec))
            code =
                err_set(e, ERR_INVALID, "%s: only ranking models can be evaluated here", s->models.values[i]);
    }
    if (!code)
        code = evaluation_run(store, models, s->models.n, o, &result, e);
    if (!code)
        (s->json ? print_json : print_table)(o, &result);
    evaluation_fini(&result);
    for (size_t i = 0; i < s->models.n; i++)
        model_unref(models[i]);
    store_close(store);
    return code;
}

static int cmd_evaluate(int argc, char **argv)
{
    struct settings s = {.metrics = "hr@10,ndcg@10", .seed = 1};
    struct metric metrics[EVALUATION_MAX_METRICS];
    const struct option options[] = {
        {"store", OPTION_STRING, &s.store, "STORE", "what is known of the users", 0, 0, true},
        {"model", OPTION_LIST, &s.models, "FILE", "model file; the others are compared with the first", 0, 0,
         true},
        {"test", OPTION_STRING, &s.test, "FILE", "held-out rows: user item", 0, 0, true},
        {"candidates", OPTION_STRING, &s.candidates, "FILE",
         "a user and items a line; without it all items are ranked", 0, 0, false},
        {"metrics", OPTION_STRING, &s.metrics, "LIST", "hr@K ndcg@K recall@K recall_capped@K mrr[@K] map[@K]",
         0, 0, false},
        {"baselines", OPTION_FLAG, &s.baselines, NULL, "popularity, iALS fold-in and EASE beside the models",
         0, 0, false},
        {"groups", OPTION_FLAG, &s.groups, NULL,
         "also by how many interactions are known of a user: 0, 1-2, 3-4, 5-9, 10-19, 20+", 0, 0, false},
        {"threads", OPTION_INT, &s.threads, "N", "threads; 0: as many as processors", 0, 256, false},
        {"seed", OPTION_INT, &s.seed, "N", "of the bootstrap", 0, 9e15, false},
        {"json", OPTION_FLAG, &s.json, NULL, "the result as JSON", 0, 0, false},
    };
    bool help;
    struct err e = {0};
    struct evaluation_options o = {.metrics = metrics};
    if (options_parse(&cmd_evaluate_command, options, sizeof options / sizeof *options, argc, argv, NULL,
                      &help, &e))
        return command_fail(&cmd_evaluate_command, &e, true);
    if (help)
        return EXIT_DONE;
    if (parse_metrics(s.metrics, metrics, &o.n_metrics, &e))
        return command_fail(&cmd_evaluate_command, &e, true);
    o.test_path = s.test;
    o.candidates_path = s.candidates;
    o.baselines = s.baselines;
    o.groups = s.groups;
    o.n_threads = (int)s.threads;
    o.seed = (uint64_t)s.seed;
    return evaluate(&s, &o, &e) == ERR_OK ? EXIT_DONE : command_fail(&cmd_evaluate_command, &e, false);
}

const struct command cmd_evaluate_command = {
    "evaluate", "measure models on held-out items", NULL,
    "Each user of the test file is ranked from what the store knows of the user. Without --candidates all "
    "items but the user's own\n"
    "are ranked; recall@K divides by the number of held-out items, recall_capped@K by the smaller of that "
    "and K.",
    cmd_evaluate};
