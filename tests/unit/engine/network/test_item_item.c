/* engine/network/item_item.c, and where catalogue.c and model*.c know of it: beta is the sum of a history's
 * rows, its largest entries are kept, every way to a score sees the same, and no damaged file comes through.
 * Risks: a selection that loses or makes up an entry, a cursor that falls behind the blocks, theta one real
 * too short, an index from a file. */
#include "engine/format/model_write.h"
#include "engine/network/item_item.h"

#include "engine/format/safetensors.h"
#include "engine/model.h"
#include "engine/rank/catalogue.h"
#include "engine/rank/topk.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/test_neighbours_XXXXXX";
static char path[128], other[128];
static struct sample_model sample;

static void set_up(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m", folder);
    snprintf(other, sizeof other, "%s/n", folder);
    sample_model_init(&sample, SAMPLE_NEIGHBOURS, 3);
}

static void tear_down(void)
{
    sample_model_fini(&sample);
    (void)unlink(path);
    (void)unlink(other);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void *must_have(void *p)
{
    ck_assert_ptr_nonnull(p);
    return p;
}

/* n interactions with items that lie far from each other. */
static struct encoder_interaction *history_of(size_t n, size_t n_items)
{
    struct encoder_interaction *x = must_have(calloc(n + 1, sizeof *x));
    for (size_t i = 0; i < n; i++)
        x[i] = (struct encoder_interaction){.item = (uint32_t)((i * 97 + 5) % n_items), .weight = 2};
    return x;
}

/* theta of a made-up context, without a history; the last real is a canary that must stay. */
static real *theta_of(const struct model_spec *spec, const struct model_params *params)
{
    size_t len = item_item_theta_most(spec);
    real *theta = must_have(calloc(len + 1, sizeof *theta)),
         *c = must_have(calloc(spec->d_context, sizeof *c));
    real *work = must_have(calloc(hypernet_workspace_len(spec), sizeof *work));
    for (size_t i = 0; i < spec->d_context; i++)
        c[i] = (real)i / 10 - 1;
    theta[len] = 12345;
    ck_assert_int_eq(hypernet_generate(spec, params, c, work, theta, NULL), ERR_OK);
    free(c);
    free(work);
    return theta;
}

/* Adds the history to theta; what is behind the weights of the layers. */
static struct item_item generate(const struct model_spec *spec, const struct model_params *params,
                                 const struct encoder_interaction *history, size_t n, real *theta)
{
    struct theta_layout layout;
    struct err e = {0};
    size_t len, most = item_item_theta_most(spec), n_work = item_item_workspace_len(spec);
    real *work = must_have(malloc((n_work + 1) * sizeof *work));
    memset(work, 0xA5, n_work * sizeof *work);
    work[n_work] = 54321;
    ck_assert_msg(item_item_generate(spec, params, history, n, work, theta, &len, &e) == ERR_OK, "%s",
                  e.text);
    ck_assert_uint_le(len, most);
    ck_assert(work[n_work] == 54321);
    theta_layout_of(spec, &layout);
    struct item_item near = item_item_of(spec, &layout, theta);
    ck_assert_ptr_eq(near.values + near.n, theta + len);
    free(work);
    return near;
}

/* beta (I), as a product of the history's items with the whole matrix. */
static real *dense_sum(const struct model_spec *spec, const struct item_pairs *p,
                       const struct encoder_interaction *history, size_t n)
{
    size_t m = spec->n_items;
    real *dense = must_have(calloc(m * m, sizeof *dense)), *beta = must_have(calloc(m, sizeof *beta));
    for (size_t j = 0; j < m; j++)
        for (int64_t k = p->start[j]; k < p->start[j + 1]; k++)
            dense[j * m + p->item[k]] += p->weight[k]; /* of 1024ths: exact in any order */
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++)
            beta[i] += dense[history[k].item * m + i];
    free(dense);
    return beta;
}

/* ---- beta ---- */

START_TEST(the_bias_is_the_sum_of_the_rows_of_the_history)
{
    static const size_t lengths[] = {0, 1, 2, 30, 300};
    size_t n = lengths[_i], m = sample.spec.n_items;
    struct encoder_interaction *history = history_of(n, m);
    real *want = dense_sum(&sample.spec, &sample.params.pairs, history, n),
         *got = must_have(malloc(m * sizeof *got));
    item_item_bias(&sample.params.pairs, m, history, n, got);
    ck_assert_mem_eq(got, want, m * sizeof *got);
    real *theta = theta_of(&sample.spec, &sample.params);
    struct item_item near = generate(&sample.spec, &sample.params, history, n, theta);
    size_t at = 0;
    for (size_t i = 0; i < m; i++) {
        ck_assert(item_item_value(&near, (uint32_t)i) == want[i]);
        if (want[i] == 0)
            continue;
        ck_assert_uint_lt(at, near.n);
        ck_assert_uint_eq(near.items[at], i);
        ck_assert(near.values[at++] == want[i]);
    }
    ck_assert_uint_eq(at, near.n);
    ck_assert(theta[item_item_theta_most(&sample.spec)] == 12345);
    free(history);
    free(want);
    free(got);
    free(theta);
}
END_TEST

START_TEST(shares_of_a_blend_weigh_the_rows_and_shares_of_one_change_nothing)
{
    enum { N = 30 };
    size_t m = sample.spec.n_items, len, blended;
    struct encoder_interaction *history = history_of(N, m);
    uint32_t items[N];
    real ones[N], shares[N], *want = must_have(calloc(m, sizeof *want));
    struct theta_layout layout;
    theta_layout_of(&sample.spec, &layout);
    for (size_t i = 0; i < N; i++) {
        items[i] = history[i].item;
        ones[i] = 1;
        shares[i] = (real)(i % 5) / 4;
        real *row = dense_sum(&sample.spec, &sample.params.pairs, &history[i], 1);
        for (size_t k = 0; k < m; k++)
            want[k] += shares[i] * row[k]; /* of 4096ths: exact in any order */
        free(row);
    }
    real *plain = theta_of(&sample.spec, &sample.params), *theta = theta_of(&sample.spec, &sample.params);
    real *work = must_have(calloc(item_item_workspace_len(&sample.spec), sizeof *work));
    (void)generate(&sample.spec, &sample.params, history, N, plain);
    ck_assert_int_eq(item_item_generate(&sample.spec, &sample.params, history, N, work, plain, &len, NULL),
                     ERR_OK);
    ck_assert_int_eq(
        item_item_blend(&sample.spec, &sample.params, items, ones, N, work, theta, &blended, NULL), ERR_OK);
    ck_assert_uint_eq(len, blended);
    ck_assert_mem_eq(theta, plain, len * sizeof *theta);
    ck_assert_int_eq(item_item_blend(&sample.spec, &sample.params, items, shares, N, work, theta, &len, NULL),
                     ERR_OK);
    struct item_item near = item_item_of(&sample.spec, &layout, theta);
    for (size_t i = 0; i < m; i++)
        ck_assert(item_item_value(&near, (uint32_t)i) == want[i]);
    free(work);
    free(plain);
    free(theta);
    free(want);
    free(history);
}
END_TEST

START_TEST(without_a_history_or_a_context_of_one_there_are_no_entries)
{
    struct theta_layout layout;
    theta_layout_of(&sample.spec, &layout);
    real *theta = theta_of(&sample.spec, &sample.params);
    ck_assert_uint_eq(item_item_of(&sample.spec, &layout, theta).n, 0); /* hypernet_generate's word */
    ck_assert_uint_eq(generate(&sample.spec, &sample.params, NULL, 0, theta).n, 0);
    struct encoder_interaction lonely = {.item = 6}; /* has no pairs */
    ck_assert_uint_eq(generate(&sample.spec, &sample.params, &lonely, 1, theta).n, 0);
    ck_assert_uint_eq(item_item_of(&sample.spec, &layout, NULL).n, 0);
    free(theta);
}
END_TEST

START_TEST(a_model_without_pairs_has_the_theta_of_its_layers)
{
    struct sample_model plain;
    struct theta_layout layout;
    size_t len;
    sample_model_init(&plain, SAMPLE_RANKING, 3);
    theta_layout_of(&plain.spec, &layout);
    ck_assert_uint_eq(item_item_theta_most(&plain.spec), layout.len);
    ck_assert_uint_eq(item_item_workspace_len(&plain.spec), 0);
    struct encoder_interaction one = {.item = 1};
    ck_assert_int_eq(item_item_generate(&plain.spec, &plain.params, &one, 1, NULL, NULL, &len, NULL), ERR_OK);
    ck_assert_uint_eq(len, layout.len);
    sample_model_fini(&plain);
}
END_TEST

/* ---- the largest ---- */

/* A catalogue of which one item has a weight to each of the first n. */
struct wide {
    struct model_spec spec;
    struct model_params params;
    int64_t *start;
    uint32_t *item;
    real *weight;
};

static void wide_init(struct wide *w, size_t n_items, size_t n)
{
    memset(w, 0, sizeof *w);
    w->spec = (struct model_spec){.objective = &objective_ranking,
                                  .n_items = n_items,
                                  .d_item = 1,
                                  .d_context = 1,
                                  .d_output = 1,
                                  .has_linear = true,
                                  .n_pairs = n};
    w->start = must_have(calloc(n_items + 1, sizeof *w->start));
    w->item = must_have(calloc(n, sizeof *w->item));
    w->weight = must_have(calloc(n, sizeof *w->weight));
    for (size_t i = 1; i <= n_items; i++)
        w->start[i] = (int64_t)n;
    for (size_t k = 0; k < n; k++)
        w->item[k] = (uint32_t)k;
    w->params.pairs = (struct item_pairs){w->start, w->item, w->weight};
}

static void wide_fini(struct wide *w)
{
    free(w->start);
    free(w->item);
    free(w->weight);
}

static const real *compared;

static int larger_first(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    double size_x = fabs((double)compared[x]), size_y = fabs((double)compared[y]);
    return size_x != size_y ? (size_x < size_y ? 1 : -1) : (x > y) - (x < y);
}

static int rising(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The indices that a full sort keeps, rising. */
static uint32_t *sorted_choice(const real *beta, size_t n, size_t keep)
{
    uint32_t *order = must_have(malloc(n * sizeof *order));
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    compared = beta;
    qsort(order, n, sizeof *order, larger_first);
    qsort(order, keep, sizeof *order, rising);
    return order;
}

enum { MANY = 6001 };

static real weight_at(int kind, size_t k, unsigned *state)
{
    if (kind == 0) /* all different */
        return (real)((k * 7919) % MANY + 1) * (k % 2 ? 1 : -1);
    if (kind == 1) /* all the same size */
        return k % 3 ? (real)0.5 : (real)-0.5;
    if (kind == 2) /* rising */
        return (real)(k + 1);
    if (kind == 3) /* falling */
        return (real)(MANY - k);
    return (real)((int)((unsigned)rand_r(state) % 21) - 10); /* few values, many ties and zeros */
}

START_TEST(of_too_many_entries_the_largest_are_kept_and_of_equal_ones_the_first)
{
    struct wide w;
    unsigned state = (unsigned)_i;
    wide_init(&w, MANY, MANY);
    for (size_t k = 0; k < MANY; k++)
        w.weight[k] = weight_at(_i, k, &state);
    real *theta = must_have(calloc(item_item_theta_most(&w.spec) + 1, sizeof *theta));
    theta[item_item_theta_most(&w.spec)] = 12345;
    struct encoder_interaction one = {.item = 0};
    struct item_item near = generate(&w.spec, &w.params, &one, 1, theta);
    uint32_t *want = sorted_choice(w.weight, MANY, ITEM_ITEM_MOST);
    ck_assert_uint_eq(near.n, ITEM_ITEM_MOST);
    for (size_t i = 0; i < near.n; i++) {
        ck_assert_uint_eq(near.items[i], want[i]);
        ck_assert(near.values[i] == w.weight[want[i]]);
    }
    ck_assert(theta[item_item_theta_most(&w.spec)] == 12345);
    free(want);
    free(theta);
    wide_fini(&w);
}
END_TEST

START_TEST(as_many_entries_as_are_kept_are_all_kept)
{
    for (size_t n = ITEM_ITEM_MOST - 1; n <= ITEM_ITEM_MOST + 1; n++) {
        struct wide w;
        wide_init(&w, MANY, n);
        for (size_t k = 0; k < n; k++)
            w.weight[k] = (real)(k + 1);
        real *theta = must_have(calloc(item_item_theta_most(&w.spec), sizeof *theta));
        struct encoder_interaction one = {.item = 0};
        struct item_item near = generate(&w.spec, &w.params, &one, 1, theta);
        ck_assert_uint_eq(near.n, n < ITEM_ITEM_MOST ? n : ITEM_ITEM_MOST);
        ck_assert_uint_eq(near.items[0], n > ITEM_ITEM_MOST);
        free(theta);
        wide_fini(&w);
    }
}
END_TEST

START_TEST(sums_that_are_not_finite_are_refused)
{
    static const real tops[][2] = {{(real)3e38, (real)3e38}, {(real)-3e38, (real)-3e38}};
    struct wide w;
    wide_init(&w, MANY, MANY);
    for (size_t k = 0; k < MANY; k++)
        w.weight[k] = tops[_i % 2][k % 2];
    real *work = must_have(calloc(item_item_workspace_len(&w.spec), sizeof *work));
    real *theta = must_have(calloc(item_item_theta_most(&w.spec), sizeof *theta));
    struct encoder_interaction twice[2] = {{.item = 0}, {.item = 0}};
    struct err e = {0};
    size_t len;
    ck_assert_int_eq(item_item_generate(&w.spec, &w.params, twice, 1, work, theta, &len, NULL), ERR_OK);
    ck_assert_int_eq(item_item_generate(&w.spec, &w.params, twice, 2, work, theta, &len, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "item-item weights are too large"));
    free(work);
    free(theta);
    wide_fini(&w);
}
END_TEST

/* ---- scores ---- */

/* By catalogue_top_k, with its excluded items left at NAN. */
static void best_scores(const struct catalogue *c, size_t m, const real *theta, real *work, real *out)
{
    struct topk top;
    struct topk_entry *entries = must_have(calloc(m, sizeof *entries));
    uint32_t excluded[] = {0, 17, 18, (uint32_t)m - 1};
    struct catalogue_filter filter = {excluded, 4, NULL};
    topk_init(&top, entries, m);
    catalogue_top_k(c, theta, &filter, work, &top);
    for (size_t i = 0; i < m; i++)
        out[i] = NAN;
    ck_assert_uint_eq(topk_finish(&top), m - 4);
    for (size_t i = 0; i < m - 4; i++)
        out[entries[i].index] = entries[i].score;
    free(entries);
}

START_TEST(all_ways_to_a_score_add_the_same_bias_to_that_of_the_layers)
{
    size_t m = sample.spec.n_items;
    struct catalogue *c;
    ck_assert_int_eq(catalogue_new(&sample.spec, &sample.params, &c, NULL), ERR_OK);
    struct encoder_interaction *history = history_of(3, m);
    real *theta = theta_of(&sample.spec, &sample.params), *beta = must_have(calloc(m, sizeof *beta));
    real *work = must_have(calloc(catalogue_workspace_len(c), sizeof *work));
    real *plain = must_have(calloc(m, sizeof *plain)), *all = must_have(calloc(m, sizeof *all)),
         *some = must_have(calloc(m, sizeof *some)), *best = must_have(calloc(m, sizeof *best));
    uint32_t *indices = must_have(calloc(m, sizeof *indices));
    for (size_t i = 0; i < m; i++)
        indices[i] = (uint32_t)((i * 7 + 3) % m); /* 7 and 300 have no common divisor */
    catalogue_score_all(c, theta, work, plain);
    ck_assert_uint_gt(generate(&sample.spec, &sample.params, history, 3, theta).n, 20);
    item_item_bias(&sample.params.pairs, m, history, 3, beta);
    catalogue_score_all(c, theta, work, all);
    catalogue_score(c, theta, indices, m, work, some);
    best_scores(c, m, theta, work, best);
    for (size_t i = 0; i < m; i++) {
        ck_assert(all[i] == plain[i] + beta[i]);
        if (!isnan(best[i]))
            ck_assert_mem_eq(&best[i], &all[i], sizeof *best);
        ck_assert_mem_eq(&some[i], &all[indices[i]], sizeof *some);
    }
    catalogue_free(c);
    free(history);
    free(theta);
    free(beta);
    free(work);
    free(plain);
    free(all);
    free(some);
    free(best);
    free(indices);
}
END_TEST

/* ---- files ---- */

static void must_write(void)
{
    struct err e = {0};
    ck_assert_msg(model_write(path, &sample.spec, &sample.params, &sample.ids, &e) == ERR_OK, "%s", e.text);
}

static void check_same_pairs(const struct model *m)
{
    const struct item_pairs *got = &m->params.pairs, *want = &sample.params.pairs;
    ck_assert_uint_eq(m->spec.n_pairs, sample.spec.n_pairs);
    ck_assert_uint_eq((uintptr_t)got->start % sizeof *got->start, 0);
    ck_assert_uint_eq((uintptr_t)got->item % sizeof *got->item, 0);
    ck_assert_uint_eq((uintptr_t)got->weight % sizeof *got->weight, 0);
    ck_assert_mem_eq(got->start, want->start, (m->spec.n_items + 1) * sizeof *got->start);
    ck_assert_mem_eq(got->item, want->item, m->spec.n_pairs * sizeof *got->item);
    ck_assert_mem_eq(got->weight, want->weight, m->spec.n_pairs * sizeof *got->weight);
}

START_TEST(a_written_model_opens_with_the_same_pairs_wherever_they_lie)
{
    struct model *m;
    struct err e = {0};
    must_write();
    FILE *in = fopen(path, "rb"), *out = fopen(other, "wb");
    uint64_t header, longer;
    ck_assert(in && out);
    ck_assert_uint_eq(fread(&header, 8, 1, in), 1);
    longer = header + (uint64_t)_i;
    ck_assert_uint_eq(fwrite(&longer, 8, 1, out), 1);
    for (uint64_t i = 0; i < header; i++)
        fputc(fgetc(in), out);
    for (int i = 0; i < _i; i++) /* the data move by less than any type is wide */
        fputc(' ', out);
    for (int byte; (byte = fgetc(in)) != EOF;)
        fputc(byte, out);
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_msg(model_open(other, &m, &e) == ERR_OK, "%s", e.text);
    check_same_pairs(m);
    model_unref(m);
}
END_TEST

enum { MAX_VIEWS = 64 };

static const struct refusal {
    const char *tensor; /* "": the description */
    const char *what;
    const char *reason;
} refusals[] = {
    {"neighbours.start", "first", "\"neighbours.start\": it does not rise from 0 to 4000"},
    {"neighbours.start", "last", "\"neighbours.start\": it does not rise from 0 to 4000"},
    {"neighbours.start", "falls", "\"neighbours.start\": it does not rise from 0 to 4000"},
    {"neighbours.start", "huge", "\"neighbours.start\": it does not rise from 0 to 4000"},
    {"neighbours.item", "item", "\"neighbours.item\": value [3999] is item 300 of 300"},
    {"neighbours.weight", "nan", "\"neighbours.weight\": value [7] is not finite"},
    {"neighbours.weight", "infinite", "\"neighbours.weight\": value [7] is not finite"},
    {"neighbours.start", "missing", "tensor \"neighbours.start\" is missing"},
    {"neighbours.item", "missing", "tensor \"neighbours.item\" is missing"},
    {"neighbours.weight", "missing", "tensor \"neighbours.weight\" is missing"},
    {"neighbours.start", "type", "tensor \"neighbours.start\": it is U64 [301], expected I64 [301]"},
    {"neighbours.item", "type", "tensor \"neighbours.item\": it is F32 [4000], expected U32 [4000]"},
    {"neighbours.weight", "type", "tensor \"neighbours.weight\": it is U32 [4000], expected F32 [4000]"},
    {"neighbours.start", "short", "tensor \"neighbours.start\": it is I64 [300], expected I64 [301]"},
    {"neighbours.item", "short", "tensor \"neighbours.item\": it is U32 [3999], expected U32 [4000]"},
    {"neighbours.weight", "short", "tensor \"neighbours.weight\": it is F32 [3999], expected F32 [4000]"},
    {"", "0", "target.neighbours.pairs: is 0; leave neighbours out"},
    {"", "1", "expected"},
    {"", "none", "tensor \"neighbours.start\" is not part of the model"},
    {"", "too many", "at most 1073741824"},
};
enum { N_REFUSALS = sizeof refusals / sizeof *refusals };

static void damage_view(struct tensor_view *views, size_t *n, size_t at, const char *what, void *copy)
{
    struct tensor_view *v = &views[at];
    size_t width = dtype_bytes(v->dtype);
    int64_t *starts = copy;
    memcpy(copy, v->data, v->n_bytes);
    v->data = copy;
    if (strcmp(what, "missing") == 0)
        views[at] = views[--*n];
    else if (strcmp(what, "type") == 0)
        v->dtype = v->dtype == DTYPE_I64 ? DTYPE_U64 : v->dtype == DTYPE_U32 ? DTYPE_F32 : DTYPE_U32;
    else if (strcmp(what, "short") == 0)
        v->dims[0]--, v->n_bytes -= width;
    else if (strcmp(what, "first") == 0)
        starts[0] = -1;
    else if (strcmp(what, "last") == 0)
        starts[v->dims[0] - 1]++;
    else if (strcmp(what, "falls") == 0)
        starts[100] = starts[101] + 1;
    else if (strcmp(what, "huge") == 0)
        starts[50] = INT64_MAX;
    else if (strcmp(what, "item") == 0)
        ((uint32_t *)copy)[v->dims[0] - 1] = 300;
    else
        ((float *)copy)[7] = strcmp(what, "nan") == 0 ? NAN : INFINITY;
}

/* The description with another number of pairs, or without neighbours. */
static char *other_description(const char *text, const char *what)
{
    static const char found[] = "\"neighbours\":{\"pairs\":4000}";
    const char *at = must_have(strstr(text, found));
    char *out = must_have(calloc(strlen(text) + 64, 1));
    const char *n = strcmp(what, "too many") == 0 ? "1073741825" : what;
    if (strcmp(what, "none") == 0)
        sprintf(out, "%.*s\"neighbours\":null%s", (int)(at - text), text, at + strlen(found));
    else
        sprintf(out, "%.*s\"neighbours\":{\"pairs\":%s}%s", (int)(at - text), text, n, at + strlen(found));
    return out;
}

START_TEST(damaged_pairs_are_refused_with_the_reason)
{
    const struct refusal *r = &refusals[_i];
    struct safetensors *file;
    struct tensor_view views[MAX_VIEWS];
    struct model *m = NULL;
    struct err e = {0};
    void *copy = must_have(malloc(1 << 16));
    must_write();
    ck_assert_int_eq(safetensors_open(path, &file, NULL), ERR_OK);
    size_t n = safetensors_count(file);
    for (size_t i = 0; i < n; i++)
        views[i] = *safetensors_at(file, i);
    const char *key = "hypernet", *text = safetensors_metadata(file, key);
    char *made = r->tensor[0] ? NULL : other_description(text, r->what);
    for (size_t i = 0; i < n && r->tensor[0]; i++)
        if (strcmp(views[i].name, r->tensor) == 0) {
            damage_view(views, &n, i, r->what, copy);
            break;
        }
    const char *description = made ? made : text;
    ck_assert_int_eq(safetensors_write(other, views, n, &key, &description, 1, NULL), ERR_OK);
    safetensors_close(file);
    ck_assert_msg(model_open(other, &m, &e) == ERR_INVALID, "opened (%s)", e.text);
    ck_assert_ptr_null(m);
    ck_assert_msg(strstr(e.text, r->reason), "refused because \"%s\", expected \"%s\"", e.text, r->reason);
    free(made);
    free(copy);
}
END_TEST

START_TEST(pairs_that_would_not_open_are_not_written)
{
    struct err e = {0};
    struct model_params params = sample.params;
    real *weights = must_have(malloc(sample.spec.n_pairs * sizeof *weights));
    memcpy(weights, params.pairs.weight, sample.spec.n_pairs * sizeof *weights);
    weights[3999] = NAN;
    params.pairs.weight = weights;
    ck_assert_int_eq(model_write(path, &sample.spec, &params, &sample.ids, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "\"neighbours.weight\": value [3999] is not finite"));
    memset(&e, 0, sizeof e);
    params.pairs = (struct item_pairs){0};
    ck_assert_int_eq(model_write(path, &sample.spec, &params, &sample.ids, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "\"neighbours.start\" is missing"));
    ck_assert_int_ne(access(path, F_OK), 0);
    free(weights);
}
END_TEST

SUITE("engine/network/item_item", set_up, tear_down, {the_bias_is_the_sum_of_the_rows_of_the_history, 5},
      {shares_of_a_blend_weigh_the_rows_and_shares_of_one_change_nothing},
      {without_a_history_or_a_context_of_one_there_are_no_entries},
      {a_model_without_pairs_has_the_theta_of_its_layers},
      {of_too_many_entries_the_largest_are_kept_and_of_equal_ones_the_first, 12},
      {as_many_entries_as_are_kept_are_all_kept}, {sums_that_are_not_finite_are_refused, 2},
      {all_ways_to_a_score_add_the_same_bias_to_that_of_the_layers},
      {a_written_model_opens_with_the_same_pairs_wherever_they_lie, 8},
      {damaged_pairs_are_refused_with_the_reason, N_REFUSALS}, {pairs_that_would_not_open_are_not_written})
