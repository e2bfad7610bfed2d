/* answers - prints what the engine computes for a model file, for comparison with another implementation.
 *
 *     answers MODEL < requests
 *
 * One request a line, numbers apart by spaces, and one line of numbers as its answer:
 *     encode N item weight time rating ... M row ...   the context embedding of N interactions (rating nan:
 *                                                      none) and of M values of the profile
 *     task N                                           the context embedding of the trained task N
 *     scores c...                                      the scores of all items
 *     some c... N index...                             the scores of these items
 *     top k c...                                       index and score of the best k, best first
 *     history N item...                                index and value of the items' generated bias of this
 *                                                      history, which scores, some and top have from then on
 *     predict c... N x...                              N rows of outputs
 *     ids                                              the items' ids, or the trained tasks' */
#include "engine/model.h"
#include "engine/network/cold_items.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"
#include "engine/network/item_item.h"
#include "engine/network/target.h"
#include "engine/rank/catalogue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORD = 32 };

static void *must_have(void *p)
{
    if (!p) {
        fputs("answers: no memory\n", stderr);
        exit(1);
    }
    return p;
}

static double next_number(void)
{
    double x;
    if (scanf("%lf", &x) != 1) {
        fputs("answers: a number was expected\n", stderr);
        exit(2);
    }
    return x;
}

static real *next_reals(size_t n)
{
    real *x = must_have(calloc(n + 1, sizeof *x));
    for (size_t i = 0; i < n; i++)
        x[i] = (real)next_number();
    return x;
}

static void print_reals(const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%s%.9g", i ? " " : "", (double)x[i]);
    putchar('\n');
}

static void must(enum err_code code, const struct err *e)
{
    if (code != ERR_OK) {
        fprintf(stderr, "answers: %s\n", e->text);
        exit(1);
    }
}

static void answer_encode(const struct model *m)
{
    struct err e = {0};
    size_t n = (size_t)next_number();
    struct encoder_interaction *x = must_have(calloc(n + 1, sizeof *x));
    for (size_t i = 0; i < n; i++) {
        x[i].item = (uint32_t)next_number();
        x[i].weight = (float)next_number();
        x[i].timestamp = (int64_t)next_number();
        x[i].rating = (float)next_number();
    }
    size_t n_values = (size_t)next_number();
    uint32_t *values = must_have(calloc(n_values + 1, sizeof *values));
    for (size_t i = 0; i < n_values; i++)
        values[i] = (uint32_t)next_number();
    struct encoder_input input = {
        .interactions = x, .n_interactions = n, .values = values, .n_values = n_values};
    real *work = must_have(calloc(encoder_workspace_len(&m->spec, n) + 1, sizeof *work));
    real *c = must_have(calloc(m->spec.d_context, sizeof *c));
    must(encoder_encode(&m->spec, &m->params, &input, work, c, &e), &e);
    print_reals(c, m->spec.d_context);
    free(x);
    free(values);
    free(work);
    free(c);
}

static void answer_task(const struct model *m)
{
    struct err e = {0};
    uint32_t task = (uint32_t)next_number();
    struct encoder_input input = {.task = &task};
    real *work = must_have(calloc(encoder_workspace_len(&m->spec, 0) + 1, sizeof *work));
    real *c = must_have(calloc(m->spec.d_context, sizeof *c));
    must(encoder_encode(&m->spec, &m->params, &input, work, c, &e), &e);
    print_reals(c, m->spec.d_context);
    free(work);
    free(c);
}

/* What is known of the user whose scores are asked for. */
static struct encoder_interaction *history;
static size_t n_history;

static void add_item_item(const struct model *m, real *theta)
{
    struct err e = {0};
    size_t len;
    real *work = must_have(calloc(item_item_workspace_len(&m->spec) + 1, sizeof *work));
    must(item_item_generate(&m->spec, &m->params, history, n_history, work, theta, &len, &e), &e);
    free(work);
}

static void answer_history(const struct model *m)
{
    struct theta_layout layout;
    real *theta = must_have(calloc(item_item_theta_most(&m->spec), sizeof *theta));
    free(history);
    n_history = (size_t)next_number();
    history = must_have(calloc(n_history + 1, sizeof *history));
    for (size_t i = 0; i < n_history; i++)
        history[i].item = (uint32_t)next_number();
    add_item_item(m, theta);
    theta_layout_of(&m->spec, &layout);
    struct item_item near = item_item_of(&m->spec, &layout, theta);
    for (size_t i = 0; i < near.n; i++)
        printf("%s%u %.9g", i ? " " : "", near.items[i], (double)near.values[i]);
    putchar('\n');
    free(theta);
}

/* theta of the context that comes next. */
static real *next_theta(const struct model *m)
{
    struct err e = {0};
    real *c = next_reals(m->spec.d_context);
    real *theta = must_have(calloc(item_item_theta_most(&m->spec) + 1, sizeof *theta));
    real *work = must_have(calloc(hypernet_workspace_len(&m->spec) + 1, sizeof *work));
    must(hypernet_generate(&m->spec, &m->params, c, work, theta, &e), &e);
    add_item_item(m, theta);
    free(c);
    free(work);
    return theta;
}

static void answer_scores(const struct model *m, real *work, int some)
{
    real *theta = next_theta(m);
    size_t n = some ? (size_t)next_number() : m->spec.n_items;
    real *scores = must_have(calloc(n + 1, sizeof *scores));
    if (some) {
        uint32_t *indices = must_have(calloc(n + 1, sizeof *indices));
        for (size_t i = 0; i < n; i++)
            indices[i] = (uint32_t)next_number();
        catalogue_score(m->catalogue, theta, indices, n, work, scores);
        free(indices);
    } else {
        catalogue_score_all(m->catalogue, theta, work, scores);
    }
    print_reals(scores, n);
    free(scores);
    free(theta);
}

static void answer_top(const struct model *m, real *work)
{
    size_t k = (size_t)next_number();
    real *theta = next_theta(m);
    struct topk_entry *entries = must_have(calloc(k + 1, sizeof *entries));
    struct topk top;
    topk_init(&top, entries, k);
    catalogue_top_k(m->catalogue, theta, NULL, work, &top);
    size_t n = topk_finish(&top);
    for (size_t i = 0; i < n; i++)
        printf("%s%u %.9g", i ? " " : "", entries[i].index, (double)entries[i].score);
    putchar('\n');
    free(entries);
    free(theta);
}

static void answer_predict(const struct model *m)
{
    real *theta = next_theta(m);
    size_t n = (size_t)next_number();
    real *x = next_reals(n * m->spec.d_item), *y = must_have(calloc(n * m->spec.d_output + 1, sizeof *y));
    real *work = must_have(calloc(target_workspace_len(&m->spec) + 1, sizeof *work));
    target_forward(&m->spec, &m->params, theta, x, n, work, y);
    if (m->spec.objective == &objective_classification)
        target_softmax(y, n, m->spec.d_output);
    print_reals(y, n * m->spec.d_output);
    free(theta);
    free(x);
    free(y);
    free(work);
}

/* Features, then takers: a row as new, and as moved. */
static void answer_item(const struct model *m)
{
    size_t len = model_spec_item_row(&m->spec), d = m->spec.encoder.d_fold_in, n = (size_t)next_number();
    uint32_t *features = must_have(calloc(n + 1, sizeof *features));
    for (size_t i = 0; i < n; i++)
        features[i] = (uint32_t)next_number();
    size_t n_takers = (size_t)next_number();
    real *f = next_reals(n_takers * d), *weights = next_reals(n_takers);
    real *row = must_have(calloc(len, sizeof *row));
    real *work = must_have(calloc(cold_items_workspace_len(&m->spec), sizeof *work));
    cold_items_prior(&m->spec, &m->params, features, n, row);
    print_reals(row, len);
    if (!cold_items_fold(&m->spec, &m->params, f, weights, n_takers, work, row))
        fputs("answers: no solution\n", stderr);
    print_reals(row, len);
    free(features);
    free(f);
    free(weights);
    free(row);
    free(work);
}

static void answer_ids(const struct model *m)
{
    for (size_t i = 0; i < model_spec_n_ids(&m->spec); i++) {
        size_t len;
        const char *id = model_item_id(m, i, &len);
        printf("%s%.*s", i ? " " : "", (int)len, id);
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct model *m = NULL;
    char word[MAX_WORD];
    if (argc != 2) {
        fputs("usage: answers MODEL < requests\n", stderr);
        return 2;
    }
    must(model_open(argv[1], &m, &e), &e);
    real *work = must_have(calloc(m->catalogue ? catalogue_workspace_len(m->catalogue) : 1, sizeof *work));
    while (scanf("%31s", word) == 1) {
        if (strcmp(word, "encode") == 0)
            answer_encode(m);
        else if (strcmp(word, "scores") == 0 || strcmp(word, "some") == 0)
            answer_scores(m, work, word[1] == 'o');
        else if (strcmp(word, "top") == 0)
            answer_top(m, work);
        else if (strcmp(word, "history") == 0)
            answer_history(m);
        else if (strcmp(word, "predict") == 0)
            answer_predict(m);
        else if (strcmp(word, "task") == 0)
            answer_task(m);
        else if (strcmp(word, "item") == 0)
            answer_item(m);
        else if (strcmp(word, "ids") == 0)
            answer_ids(m);
        else {
            fprintf(stderr, "answers: no request is called %s\n", word);
            return 2;
        }
    }
    free(history);
    free(work);
    model_unref(m);
    return 0;
}
