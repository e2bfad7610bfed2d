/* Everything is measured on scores and not on rows: an embedding may be far off where no user looks. */
#include "engine/train/cold_items/fit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/blas.h"
#include "engine/network/cold_items.h"
#include "engine/train/cold_items/probe_users.h"
#include "engine/train/linear/ials.h"
#include "engine/train/linear/ridge.h"
#include "engine/train/linear/sparse.h"

#include <math.h>
#include <string.h>

enum { HOLD_OUT_ONE_IN = 5, RIDGE_STEPS = 40, LEAST_HELD_OUT = 5 };
static const double ridges[] = {0.3, 1, 3, 10, 30, 100};
enum { N_RIDGES = sizeof ridges / sizeof *ridges, FIRST_RIDGE = 3 };

#define EVIDENCE 10.0 /* interactions at which a row counts half */
#define FOLLOW_RIDGE                                                                                         \
    1.0 /* of the mean variance of a factor's value; few takers say little of the rest of a row */

struct fitting {
    const struct train_data *data;
    const struct model_spec *spec;
    const struct model_params *params;
    struct parallel *team;
    struct item_row at;
    uint32_t *items; /* (n) items fitted; those held out first */
    size_t n, n_held;
    double *evidence; /* (n) */
    real *rows;       /* (n, R) trained */
    real *mean;       /* (R) of the last regression */
    real *scaled;     /* (n, R) targets of the regression */
    real *fitted;     /* (n, R) what features explain of them */
    real *weight;     /* (n_features, R) of the last regression */
    struct probe_users probe_users;
    real *scores, *guesses; /* (listeners, n_held) by trained and by predicted rows */
};

bool cold_items_fits(const struct model_spec *spec)
{
    return spec->encoder.present && spec->encoder.d_fold_in && !spec->encoder.d_ratings &&
           spec->objective->new_items;
}

/* ---- the items ---- */

static void gather_row(const struct fitting *f, size_t item, real *row)
{
    const struct encoder_spec *n = &f->spec->encoder;
    const struct model_params *p = f->params;
    size_t d = f->spec->d_item;
    memcpy(row, p->fold_in_factor + item * n->d_fold_in, n->d_fold_in * sizeof *row);
    memcpy(row + f->at.embedding, p->catalogue_embedding + item * d, d * sizeof *row);
    row[f->at.bias] = p->catalogue_bias[item];
    if (n->d_history)
        memcpy(row + f->at.history, p->history + item * n->d_history, n->d_history * sizeof *row);
    if (n->d_recent)
        memcpy(row + f->at.recent, p->recent + item * n->d_recent, n->d_recent * sizeof *row);
}

static void scatter_row(const struct model_spec *spec, const struct model_params *p, size_t item,
                        const real *row)
{
    const struct encoder_spec *n = &spec->encoder;
    struct item_row at;
    item_row_of(spec, &at);
    memcpy(p->fold_in_factor + item * n->d_fold_in, row, n->d_fold_in * sizeof *row);
    memcpy(p->catalogue_embedding + item * spec->d_item, row + at.embedding, spec->d_item * sizeof *row);
    p->catalogue_bias[item] = row[at.bias];
    if (n->d_history)
        memcpy(p->history + item * n->d_history, row + at.history, n->d_history * sizeof *row);
    if (n->d_recent)
        memcpy(p->recent + item * n->d_recent, row + at.recent, n->d_recent * sizeof *row);
}

static enum err_code count_takers(const struct train_data *data, uint32_t **out, struct err *e)
{
    uint32_t *counts = mem_zalloc_array(data->n_items, sizeof *counts);
    if (!counts)
        return err_set(e, ERR_NOMEM, "no memory to count the takers of %zu items", data->n_items);
    for (size_t i = 0; i < data->user_start[data->n_users]; i++)
        counts[data->interactions[i].item]++;
    *out = counts;
    return ERR_OK;
}

/* The items with takers, in an order drawn by seed; the first ones are held out. */
static enum err_code choose_items(struct fitting *f, uint64_t seed, struct err *e)
{
    uint32_t *counts = NULL;
    struct rng r;
    enum err_code code = count_takers(f->data, &counts, e);
    if (code)
        return code;
    rng_init(&r, seed, 21);
    f->items = mem_alloc_array(f->data->n_items, sizeof *f->items);
    f->evidence = mem_alloc_array(f->data->n_items, sizeof *f->evidence);
    for (size_t i = 0; f->items && i < f->data->n_items; i++)
        if (counts[i])
            f->items[f->n++] = (uint32_t)i;
    if (f->items)
        rng_shuffle(&r, f->items, f->n);
    f->n = f->n < ITEM_SIDE_FIT_ITEMS ? f->n : ITEM_SIDE_FIT_ITEMS;
    f->n_held = f->n / HOLD_OUT_ONE_IN;
    for (size_t k = 0; f->items && f->evidence && k < f->n; k++)
        f->evidence[k] = counts[f->items[k]] / (counts[f->items[k]] + EVIDENCE);
    mem_free(counts);
    return f->items && f->evidence ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to regress on items");
}

static enum err_code reserve(struct fitting *f, struct err *e)
{
    size_t len = f->at.len;
    f->rows = mem_alloc_array(f->n, len * sizeof *f->rows);
    f->scaled = mem_alloc_array(f->n, len * sizeof *f->scaled);
    f->fitted = mem_alloc_array(f->n, len * sizeof *f->fitted);
    f->mean = mem_zalloc_array(len, sizeof *f->mean);
    f->weight = mem_zalloc_array(f->data->n_features + 1, len * sizeof *f->weight);
    if (!f->rows || !f->scaled || !f->fitted || !f->mean || !f->weight)
        return err_set(e, ERR_NOMEM, "no memory to regress on items");
    for (size_t k = 0; k < f->n; k++)
        gather_row(f, f->items[k], f->rows + k * len);
    return ERR_OK;
}

/* ---- the regression ---- */

/* Weighted mean of the rows from `first` on, and the targets: what is left of each, times the root of its
 * weight. */
static void make_targets(struct fitting *f, size_t first)
{
    size_t len = f->at.len;
    double total = 0;
    memset(f->mean, 0, len * sizeof *f->mean);
    for (size_t k = first; k < f->n; k++)
        total += f->evidence[k];
    for (size_t k = first; k < f->n; k++)
        blas_axpy(len, (real)(f->evidence[k] / total), f->rows + k * len, f->mean);
    for (size_t k = first; k < f->n; k++) {
        real root = (real)sqrt(f->evidence[k]);
        for (size_t j = 0; j < len; j++)
            f->scaled[k * len + j] = root * (f->rows[k * len + j] - f->mean[j]);
    }
}

/* What a feature is scaled by, so that a ridge of one is the ridge wanted. */
static real scale_of(const struct fitting *f, uint32_t feature, const double ridge[2])
{
    bool word = strcmp(f->data->feature_names[feature].field, "word") == 0;
    return (real)(1 / sqrt(ridge[word]));
}

static enum err_code make_features(const struct fitting *f, size_t first, const double ridge[2],
                                   struct sparse *out, struct err *e)
{
    const struct train_data *data = f->data;
    size_t n = 0, at = 0;
    for (size_t k = first; k < f->n; k++)
        n += data->feature_start[f->items[k] + 1] - data->feature_start[f->items[k]];
    enum err_code code = sparse_init(out, f->n - first, data->n_features, n, e);
    for (size_t k = first; !code && k < f->n; k++) {
        real root = (real)sqrt(f->evidence[k]);
        for (size_t i = data->feature_start[f->items[k]]; i < data->feature_start[f->items[k] + 1]; i++) {
            out->column[at] = data->features[i];
            out->value[at++] = (float)(root * scale_of(f, data->features[i], ridge));
        }
        out->start[k - first + 1] = at;
    }
    return code;
}

/* Regresses the rows of items from `first` on: mean and weight. */
static enum err_code regress(struct fitting *f, size_t first, const double ridge[2], struct err *e)
{
    struct sparse features;
    struct ridge r;
    make_targets(f, first);
    if (f->data->n_features == 0)
        return ERR_OK;
    enum err_code code = make_features(f, first, ridge, &features, e);
    if (code)
        return code;
    code = ridge_init(&r, &features, f->at.len, e);
    if (!code) {
        ridge_fit(&r, f->team, f->scaled + first * f->at.len, RIDGE_STEPS, f->fitted + first * f->at.len);
        for (size_t i = 0; i < f->data->n_features; i++)
            for (size_t j = 0; j < f->at.len; j++)
                f->weight[i * f->at.len + j] = r.weights[i * f->at.len + j] * scale_of(f, (uint32_t)i, ridge);
        ridge_fini(&r);
    }
    sparse_fini(&features);
    return code;
}

/* row (R) of an item by the last regression. */
static void predict(const struct fitting *f, size_t item, real *row)
{
    const struct train_data *data = f->data;
    memcpy(row, f->mean, f->at.len * sizeof *row);
    for (size_t i = data->n_features ? data->feature_start[item] : 0;
         data->n_features && i < data->feature_start[item + 1]; i++)
        blas_axpy(f->at.len, 1, f->weight + data->features[i] * f->at.len, row);
}

static enum err_code guess(struct fitting *f, const double ridge[2], double *error, struct err *e)
{
    enum err_code code = regress(f, f->n_held, ridge, e);
    if (code)
        return code;
    for (size_t k = 0; k < f->n_held; k++)
        predict(f, f->items[k], f->fitted + k * f->at.len);
    code = probe_users_score(&f->probe_users, f->fitted, f->n_held, f->guesses, e);
    if (!code)
        *error = probe_users_error(&f->probe_users, f->scores, f->guesses, f->evidence, f->n_held);
    return code;
}

/* From the middle, one strength after the other, until neither way is better. */
static enum err_code search(struct fitting *f, struct cold_items_fit *out, struct err *e)
{
    double best = 0, ridge[2] = {ridges[FIRST_RIDGE], ridges[FIRST_RIDGE]}, tried[N_RIDGES][N_RIDGES] = {{0}};
    int at[2] = {FIRST_RIDGE, FIRST_RIDGE};
    enum err_code code = guess(f, ridge, &best, e);
    tried[at[0]][at[1]] = best;
    for (bool moved = f->data->n_features > 0; moved && !code && !parallel_stopped(f->team);) {
        moved = false;
        for (int k = 0; k < 4 && !code && !parallel_stopped(f->team); k++) {
            int next[2] = {at[0], at[1]};
            double error;
            next[k / 2] += k % 2 ? 1 : -1;
            if (next[k / 2] < 0 || next[k / 2] >= N_RIDGES || tried[next[0]][next[1]] > 0)
                continue;
            ridge[0] = ridges[next[0]];
            ridge[1] = ridges[next[1]];
            code = guess(f, ridge, &error, e);
            tried[next[0]][next[1]] = code ? 1 : error;
            if (!code && error < best) {
                best = error;
                memcpy(at, next, sizeof at);
                moved = true;
            }
        }
    }
    out->error = best;
    out->category_ridge = ridges[at[0]];
    out->word_ridge = ridges[at[1]];
    return code;
}

/* ---- what is written ---- */

/* follow = (sum w dv dv^T + ridge)^-1 sum w dv do^T over what features do not explain: dv of the factor, do
 * of the rest. f->scaled and f->fitted hold both times the root of w. */
static enum err_code make_follow(struct fitting *f, real *follow, struct err *e)
{
    size_t d = f->spec->encoder.d_fold_in, len = f->at.len, rest = len - d;
    real *a = mem_zalloc_array(d * d, sizeof *a), *turned = mem_alloc_array(rest, d * sizeof *turned);
    enum err_code code = a && turned ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to regress on factors");
    if (!code) {
        for (size_t i = 0; i < f->n * len; i++)
            f->scaled[i] -= f->data->n_features ? f->fitted[i] : 0;
        blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, d, d, f->n, 1, f->scaled, len, f->scaled, len, 0, a, d);
        blas_gemm(BLAS_TRANSPOSED, BLAS_AS_IS, rest, d, f->n, 1, f->scaled + d, len, f->scaled, len, 0,
                  turned, d);
        double trace = 0;
        for (size_t i = 0; i < d; i++)
            trace += (double)a[i * d + i];
        for (size_t i = 0; i < d; i++)
            a[i * d + i] += (real)(FOLLOW_RIDGE * trace / (double)d + 1e-20);
        memset(follow, 0, d * rest * sizeof *follow);
        if (blas_cholesky(d, a, d)) { /* else every factor is zero, and nothing can follow it */
            blas_cholesky_solve(d, a, d, rest, turned, d);
            for (size_t i = 0; i < d; i++)
                for (size_t j = 0; j < rest; j++)
                    follow[i * rest + j] = turned[j * d + i];
        }
    }
    mem_free(a);
    mem_free(turned);
    return code;
}

static enum err_code keep(struct fitting *f, struct cold_items_fit *out, struct err *e)
{
    size_t d = f->spec->encoder.d_fold_in, len = f->at.len;
    out->mean = mem_alloc_array(len, sizeof *out->mean);
    out->weight = mem_alloc_array(f->data->n_features, len * sizeof *out->weight);
    out->follow = mem_alloc_array(d, (len - d) * sizeof *out->follow);
    out->gram = mem_alloc_array(d, d * sizeof *out->gram);
    if (!out->mean || !out->weight || !out->follow || !out->gram)
        return err_set(e, ERR_NOMEM, "no memory for the item side of the model");
    memcpy(out->mean, f->mean, len * sizeof *out->mean);
    memcpy(out->weight, f->weight, f->data->n_features * len * sizeof *out->weight);
    out->mean[f->at.bias] += (real)out->shift;
    probe_users_gram(&f->probe_users, out->gram);
    enum err_code code = make_follow(f, out->follow, e);
    out->spec = *f->spec;
    out->spec.cold_items =
        (struct cold_items_spec){.present = true,
                                 .n_users = f->data->n_users,
                                 .n_features = f->data->n_features,
                                 .features = (struct profile_value *)f->data->feature_names};
    out->params = *f->params;
    out->params.item_mean = out->mean;
    out->params.item_weight = f->data->n_features ? out->weight : NULL;
    out->params.item_follow = out->follow;
    out->params.item_gram = out->gram;
    return code;
}

/* ---- life ---- */

/* Strengths, what they are worth, and the shift. Where too few items are there to hold any out, the strengths
 * are the middle ones and the bias stays. */
static enum err_code choose(struct fitting *f, struct cold_items_fit *out, struct err *e)
{
    out->category_ridge = out->word_ridge = ridges[FIRST_RIDGE];
    out->error = out->error_of_mean = (double)NAN;
    if (f->n_held < LEAST_HELD_OUT)
        return ERR_OK;
    size_t n = f->probe_users.n * f->n_held;
    f->scores = mem_alloc_array(n, sizeof *f->scores);
    f->guesses = mem_alloc_array(n, sizeof *f->guesses);
    if (!f->scores || !f->guesses)
        return err_set(e, ERR_NOMEM, "no memory to score held-out items");
    enum err_code code = probe_users_score(&f->probe_users, f->rows, f->n_held, f->scores, e);
    double nothing[2] = {1e12, 1e12};
    if (!code)
        code = guess(f, nothing, &out->error_of_mean, e);
    if (!code)
        code = search(f, out, e);
    double ridge[2] = {out->category_ridge, out->word_ridge}, again;
    if (!code)
        code = guess(f, ridge, &again, e);
    return code ? code : probe_users_shift(&f->probe_users, f->items, f->n_held, f->guesses, &out->shift, e);
}

static void fini(struct fitting *f)
{
    void *blocks[] = {f->items,  f->evidence, f->rows,   f->mean,   f->scaled,
                      f->fitted, f->weight,   f->scores, f->guesses};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mem_free(blocks[i]);
    probe_users_fini(&f->probe_users);
}

enum err_code cold_items_fit_run(const struct train_data *data, const struct model_spec *spec,
                                 const struct model_params *params, uint64_t seed, struct parallel *team,
                                 struct cold_items_fit *out, struct err *e)
{
    struct fitting f = {.data = data, .spec = spec, .params = params, .team = team};
    memset(out, 0, sizeof *out);
    item_row_of(spec, &f.at);
    enum err_code code = choose_items(&f, seed, e);
    if (!code)
        code = reserve(&f, e);
    if (!code)
        code = probe_users_init(&f.probe_users, data, spec, params, seed, team, e);
    if (!code)
        code = choose(&f, out, e);
    double ridge[2] = {out->category_ridge, out->word_ridge};
    if (!code)
        code = regress(&f, 0, ridge, e);
    if (!code)
        code = keep(&f, out, e);
    fini(&f);
    if (code)
        cold_items_fit_fini(out);
    return code;
}

void cold_items_fit_fini(struct cold_items_fit *f)
{
    mem_free(f->mean);
    mem_free(f->weight);
    mem_free(f->follow);
    mem_free(f->gram);
    memset(f, 0, sizeof *f);
}

enum err_code cold_items_fill(const struct cold_items_fit *f, const struct train_data *data, struct err *e)
{
    uint32_t *counts = NULL;
    bool filled = false;
    enum err_code code = count_takers(data, &counts, e);
    if (code)
        return code;
    real *row = mem_alloc_array(model_spec_item_row(&f->spec), sizeof *row);
    if (!row)
        code = err_set(e, ERR_NOMEM, "no memory for the row of an item");
    for (size_t i = 0; i < data->n_items && !code; i++) {
        if (counts[i])
            continue;
        size_t start = data->n_features ? data->feature_start[i] : 0;
        size_t n = data->n_features ? data->feature_start[i + 1] - start : 0;
        cold_items_prior(&f->spec, &f->params, n ? data->features + start : NULL, n, row);
        scatter_row(&f->spec, &f->params, i, row);
        filled = true;
    }
    if (filled && !code)
        ials_gram(f->params.fold_in_factor, data->n_items, f->spec.encoder.d_fold_in, f->spec.encoder.alpha,
                  f->params.fold_in_gram);
    mem_free(row);
    mem_free(counts);
    return code;
}
