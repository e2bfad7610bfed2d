/* Users and items are two sides of one thing, so one step serves both: a side sees the other as a table of
 * offsets, factors (whose first value is 1) and packed covariances, exactly as the encoder sees the items.
 *
 * The expected squared error of a rating, with z = (1, f) and C the covariances, C' without row and column 0:
 *   (r - prediction)^2 + z_i C_u z_i + z_u C_i z_u + trace(C_u' C_i') */
#include "engine/train/rating/variational_mf.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/kernels/blas.h"
#include "engine/network/encoder_ratings.h"
#include "engine/train/linear/ridge.h"
#include "engine/train/linear/sparse.h"

#include <math.h>
#include <string.h>

/* First values, for ratings of a deviation of about 1.1; they only decide how soon it settles. */
static const double first_spread = 0.1, first_noise = 0.67, first_level = 4, first_factor = 10;
enum { RIDGE_STEPS = 10 };

struct rating_side {
    size_t n, d;
    size_t *start; /* (n + 1) */
    struct encoder_interaction
        *given; /* of row r: [start[r], start[r + 1]); item: row of the other side; NAN: no rating */
    struct sparse features;
    struct ridge link;
    size_t first_linked; /* column of the features where the other side's rows begin; those of traits are
                            before */
    double trait_root, linked_root; /* scale of the features */
    real *x;                        /* (n, d) posterior means */
    real *mean;                     /* (n, d) prior means */
    real *offset;                   /* (n): the first of x */
    real *factor;                   /* (n, d): x with 1 in the first place */
    real *covariance;               /* (n, packed) */
    real *precision;                /* (d) prior, over the noise's */
    double *total;                  /* (d) for the precisions */
};

/* ---- life cycle ---- */

static void side_free(struct rating_side *s)
{
    if (!s)
        return;
    ridge_fini(&s->link);
    sparse_fini(&s->features);
    mem_free(s->start);
    mem_free(s->given);
    mem_free(s->x);
    mem_free(s->mean);
    mem_free(s->offset);
    mem_free(s->factor);
    mem_free(s->covariance);
    mem_free(s->precision);
    mem_free(s->total);
    mem_free(s);
}

static struct rating_side *side_new(size_t n, size_t d, size_t n_given)
{
    struct rating_side *s = mem_zalloc_array(1, sizeof *s);
    if (!s)
        return NULL;
    s->n = n;
    s->d = d;
    s->start = mem_zalloc_array(n + 1, sizeof *s->start);
    s->given = mem_alloc_array(n_given, sizeof *s->given);
    s->x = mem_zalloc_array(n * d, sizeof *s->x);
    s->mean = mem_zalloc_array(n * d, sizeof *s->mean);
    s->offset = mem_zalloc_array(n, sizeof *s->offset);
    s->factor = mem_zalloc_array(n * d, sizeof *s->factor);
    s->covariance = mem_zalloc_array(n * model_spec_packed(d), sizeof *s->covariance);
    s->precision = mem_alloc_array(d, sizeof *s->precision);
    s->total = mem_alloc_array(d, sizeof *s->total);
    if (s->start && s->given && s->x && s->mean && s->offset && s->factor && s->covariance && s->precision &&
        s->total)
        return s;
    side_free(s);
    return NULL;
}

/* The training interactions by user and by item, ratings about the centre. */
static void fill_sides(const struct train_data *data, const unsigned char *held, double centre,
                       struct rating_side *users, struct rating_side *items)
{
    size_t at = 0;
    for (size_t u = 0; u < data->n_users; u++) {
        for (size_t i = data->user_start[u]; i < data->user_start[u + 1]; i++) {
            if (held && held[i])
                continue;
            users->given[at] = data->interactions[i];
            users->given[at++].rating -= (float)centre;
            items->start[data->interactions[i].item + 1]++;
        }
        users->start[u + 1] = at;
    }
    for (size_t i = 0; i < items->n; i++)
        items->start[i + 1] += items->start[i];
    for (size_t u = 0; u < users->n; u++)
        for (size_t i = users->start[u]; i < users->start[u + 1]; i++) {
            struct encoder_interaction *out = &items->given[items->start[users->given[i].item]++];
            *out = users->given[i];
            out->item = (uint32_t)u;
        }
    for (size_t i = items->n; i > 0; i--)
        items->start[i] = items->start[i - 1];
    items->start[0] = 0;
}

/* A row's traits (profile values, categories) and which rows of the other side it met. */
struct traits {
    const size_t *start; /* NULL: none */
    const uint32_t *values;
    size_t n;        /* kinds of them */
    double variance; /* of the weights of one */
};

static enum err_code make_features(struct rating_side *s, size_t n_other, const struct traits *t,
                                   double history, struct err *e)
{
    bool traits = t->start && t->n && t->variance > 0;
    size_t n_traits = traits ? t->start[s->n] : 0, n_linked = history > 0 ? s->start[s->n] : 0, at = 0;
    s->first_linked = traits ? t->n : 0;
    s->trait_root = sqrt(t->variance);
    s->linked_root = sqrt(history);
    enum err_code code =
        sparse_init(&s->features, s->n, s->first_linked + (n_linked ? n_other : 0), n_traits + n_linked, e);
    if (code)
        return code;
    for (size_t r = 0; r < s->n; r++) {
        for (size_t i = traits ? t->start[r] : 0; traits && i < t->start[r + 1]; i++) {
            s->features.column[at] = t->values[i];
            s->features.value[at++] = (float)s->trait_root;
        }
        float share = (float)(s->linked_root / sqrt((double)(s->start[r + 1] - s->start[r])));
        for (size_t i = s->start[r]; n_linked && i < s->start[r + 1]; i++) {
            s->features.column[at] = (uint32_t)(s->first_linked + s->given[i].item);
            s->features.value[at++] = share;
        }
        s->features.start[r + 1] = at;
    }
    return ridge_init(&s->link, &s->features, s->d, e);
}

/* x to what the other side sees. */
static void show_rows(struct rating_side *s)
{
    for (size_t r = 0; r < s->n; r++) {
        s->offset[r] = s->x[r * s->d];
        memcpy(s->factor + r * s->d, s->x + r * s->d, s->d * sizeof *s->x);
        s->factor[r * s->d] = 1;
    }
}

static void first_values(struct rating_side *s, double deviation, uint64_t seed, uint64_t stream)
{
    struct rng r;
    rng_init(&r, seed, stream);
    double noise = first_noise * deviation * deviation;
    for (size_t i = 0; i < s->n * s->d; i++)
        if (i % s->d)
            s->x[i] = (real)(first_spread * sqrt(deviation) * rng_normal(&r));
    for (size_t k = 0; k < s->d; k++)
        s->precision[k] =
            (real)(k ? noise * first_factor / deviation : noise * first_level / (deviation * deviation));
    show_rows(s);
}

/* Mean and deviation of the ratings that training sees; false when there are too few or all are equal. */
static bool measure(const struct train_data *data, const unsigned char *held, double *centre,
                    double *deviation)
{
    double n = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < data->user_start[data->n_users]; i++) {
        double rating = (double)data->interactions[i].rating;
        if (isnan(rating) || (held && held[i]))
            continue;
        n++;
        double step = rating - sum; /* running mean, Welford 1962 */
        sum += step / n;
        squares += step * (rating - sum);
    }
    *centre = sum;
    *deviation = n > 1 ? sqrt(squares / n) : 0;
    return n > 1 && *deviation > 0 && isfinite(*deviation);
}

enum err_code variational_mf_new(const struct train_data *data, const unsigned char *held,
                                 const struct rating_options *o, struct variational_mf **out, struct err *e)
{
    double centre, deviation;
    if (!measure(data, held, &centre, &deviation))
        return err_set(e, ERR_INVALID, "ratings are needed that differ from each other");
    struct variational_mf *f = mem_zalloc_array(1, sizeof *f);
    size_t n = data->user_start[data->n_users];
    enum err_code code = ERR_OK;
    if (!f)
        return err_set(e, ERR_NOMEM, "no memory to factorise ratings");
    f->d = o->dim;
    f->centre = centre;
    f->precision = 1 / (first_noise * deviation * deviation);
    f->users = side_new(data->n_users, o->dim, n);
    f->items = side_new(data->n_items, o->dim, n);
    f->errors = mem_alloc_array(data->n_users, sizeof *f->errors);
    if (!f->users || !f->items || !f->errors) {
        code = err_set(e, ERR_NOMEM, "no memory to factorise %zu ratings, %zu wide", n, o->dim);
        goto fail;
    }
    fill_sides(data, held, centre, f->users, f->items);
    struct traits profiles = {data->value_start, data->values, data->n_vocabulary, o->profile};
    struct traits categories = {data->category_start, data->categories, data->n_categories, o->category};
    if ((code = make_features(f->users, data->n_items, &profiles, o->history, e)) ||
        (code = make_features(f->items, data->n_users, &categories, o->history, e)))
        goto fail;
    first_values(f->users, deviation, o->seed, 5);
    first_values(f->items, deviation, o->seed, 6);
    *out = f;
    return ERR_OK;
fail:
    variational_mf_free(f);
    return code;
}

void variational_mf_free(struct variational_mf *f)
{
    if (!f)
        return;
    side_free(f->users);
    side_free(f->items);
    mem_free(f->errors);
    mem_free(f);
}

/* ---- a step ---- */

struct sweep {
    struct rating_side *side;
    const struct rating_side *other;
    double noise;     /* variance */
    real *workspaces; /* (threads, workspace_len) */
    size_t workspace_len;
    unsigned char *failed; /* (threads) */
};

/* The inverse of the matrix whose factor is in a, times noise, packed. */
static void covariance_of(size_t d, const real *a, double noise, real *inverse, real *packed)
{
    memset(inverse, 0, d * d * sizeof *inverse);
    for (size_t i = 0; i < d; i++)
        inverse[i * d + i] = (real)noise;
    blas_cholesky_solve(d, a, d, d, inverse, d);
    for (size_t i = 0, at = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++)
            packed[at++] = inverse[i * d + j];
}

static void solve_row(void *arg, size_t row, size_t thread)
{
    struct sweep *s = arg;
    struct rating_side *side = s->side;
    size_t d = side->d;
    real *workspace = s->workspaces + thread * s->workspace_len, *x = side->x + row * d;
    struct encoder_ratings equation = {d, s->other->offset, s->other->factor, s->other->covariance,
                                       side->precision};
    if (!encoder_ratings_solve(&equation, side->given + side->start[row],
                               side->start[row + 1] - side->start[row], side->mean + row * d, NULL, workspace,
                               x)) {
        s->failed[thread] = 1;
        return;
    }
    blas_axpy(d, 1, side->mean + row * d, x);
    covariance_of(d, workspace, s->noise, workspace + d * d, side->covariance + row * model_spec_packed(d));
}

/* Prior precisions from what the rows are apart from their means, in units of the noise's. */
static void fit_precisions(struct rating_side *s, double noise)
{
    size_t d = s->d, packed = model_spec_packed(d);
    for (size_t k = 0; k < d; k++)
        s->total[k] = 0.05 * noise; /* keeps a dimension that nothing uses finite */
    for (size_t r = 0; r < s->n; r++)
        for (size_t k = 0; k < d; k++) {
            double apart = (double)(s->x[r * d + k] - s->mean[r * d + k]);
            s->total[k] += apart * apart + (double)s->covariance[r * packed + model_spec_packed(k + 1) - 1];
        }
    for (size_t k = 0; k < d; k++)
        s->precision[k] = (real)((double)s->n * noise / s->total[k]);
}

static enum err_code step_side(struct variational_mf *f, struct rating_side *side,
                               const struct rating_side *other, struct parallel *team, struct err *e)
{
    size_t d = f->d, n_threads = parallel_threads(team), len = encoder_ratings_workspace_len(d) + d * d;
    struct sweep s = {.side = side,
                      .other = other,
                      .noise = 1 / f->precision,
                      .workspaces = mem_alloc_array(n_threads * len, sizeof *s.workspaces),
                      .workspace_len = len,
                      .failed = mem_zalloc_array(n_threads, 1)};
    enum err_code code = ERR_OK;
    if (!s.workspaces || !s.failed) {
        code = err_set(e, ERR_NOMEM, "no memory to factorise ratings");
        goto out;
    }
    parallel_for_unless_stopped(team, side->n, solve_row, &s);
    for (size_t i = 0; i < n_threads && !code; i++)
        if (s.failed[i])
            code = err_set(e, ERR_INVALID, "the ratings are too large to be factorised in single precision");
    if (code)
        goto out;
    if (side->features.n_columns)
        ridge_fit(&side->link, team, side->x, RIDGE_STEPS, side->mean);
    fit_precisions(side, s.noise);
    show_rows(side);
out:
    mem_free(s.workspaces);
    mem_free(s.failed);
    return code;
}

/* ---- the noise ---- */

/* z^T C z for a packed C. */
static double quadratic(size_t d, const real *c, const real *z)
{
    double sum = 0;
    for (size_t i = 0; i < d; c += ++i) {
        double row = 0;
        for (size_t j = 0; j < i; j++)
            row += (double)c[j] * (double)z[j];
        sum += (double)z[i] * (2 * row + (double)c[i] * (double)z[i]);
    }
    return sum;
}

/* trace of a packed C times a full a, both symmetric. */
static double trace_of(size_t d, const real *c, const real *a)
{
    double sum = 0;
    for (size_t i = 0; i < d; c += ++i) {
        double row = 0;
        for (size_t j = 0; j < i; j++)
            row += (double)c[j] * (double)a[i * d + j];
        sum += 2 * row + (double)c[i] * (double)a[i * d + i];
    }
    return sum;
}

static double predict(const struct rating_side *users, const struct rating_side *items, size_t u, size_t i)
{
    size_t d = users->d;
    return (double)items->offset[i] + (double)blas_dot(d, items->factor + i * d, users->x + u * d);
}

struct measuring {
    struct variational_mf *f;
    real *workspaces; /* (threads, workspace_len) */
    size_t workspace_len;
};

/* A user's expected squared errors. Summed over his ratings the terms with his covariance are its trace with
 * what his equation is made of, and those with the items' covariances one quadratic form of their sum. */
static void measure_user(void *arg, size_t u, size_t thread)
{
    const struct measuring *m = arg;
    const struct rating_side *users = m->f->users, *items = m->f->items;
    size_t d = users->d, len = model_spec_packed(d), n = users->start[u + 1] - users->start[u];
    const struct encoder_interaction *given = users->given + users->start[u];
    struct encoder_ratings seen = {d, items->offset, items->factor, items->covariance, NULL};
    real *a = m->workspaces + thread * m->workspace_len, *b = a + d * d, *packed = b + d,
         *chunk = packed + len;
    (void)encoder_ratings_gather(&seen, given, n, chunk, a, b, packed);
    double sum = trace_of(d, users->covariance + u * len, a) + quadratic(d, packed, users->factor + u * d);
    for (size_t k = 0; k < n; k++) {
        double error = (double)given[k].rating - predict(users, items, u, given[k].item);
        sum += isnan(error) ? 0 : error * error;
    }
    m->f->errors[u] = sum;
}

/* Prior precisions are kept in units of the noise's, which changes here. */
static enum err_code fit_noise(struct variational_mf *f, struct parallel *team, struct err *e)
{
    double sum = 0, before = f->precision;
    size_t n = 0;
    struct measuring m = {.f = f, .workspace_len = encoder_ratings_workspace_len(f->d)};
    m.workspaces = mem_alloc_array(parallel_threads(team) * m.workspace_len, sizeof *m.workspaces);
    if (!m.workspaces)
        return err_set(e, ERR_NOMEM, "no memory to factorise ratings");
    parallel_for_unless_stopped(team, f->users->n, measure_user, &m);
    mem_free(m.workspaces);
    for (size_t u = 0; u < f->users->n; u++)
        sum += f->errors[u];
    for (size_t k = 0; k < f->users->start[f->users->n]; k++)
        n += isnan(f->users->given[k].rating) ? 0 : 1;
    f->precision = (double)n / sum;
    blas_scale(f->d, (real)(before / f->precision), f->users->precision);
    blas_scale(f->d, (real)(before / f->precision), f->items->precision);
    return ERR_OK;
}

enum err_code variational_mf_step(struct variational_mf *f, struct parallel *team, struct err *e)
{
    enum err_code code = step_side(f, f->users, f->items, team, e);
    if (!code)
        code = step_side(f, f->items, f->users, team, e);
    return code ? code : fit_noise(f, team, e);
}

/* ---- results ---- */

double variational_mf_predict(const struct variational_mf *f, size_t user, size_t item)
{
    return f->centre + predict(f->users, f->items, user, item);
}

/* Rows [first, first + n) of the users' link, each times root, are what an item or a profile value adds to
 * m. */
static void copy_link(const struct rating_side *s, size_t first, size_t n, double root, real *out)
{
    for (size_t i = 0; i < n * s->d; i++)
        out[i] = (real)root * s->link.weights[first * s->d + i];
}

static void fill_linear(const struct model_spec *spec, real *linear)
{
    size_t d = spec->d_item, c = spec->d_context;
    for (size_t at = 0; at < c; at += d) /* p = h + q + g */
        for (size_t k = 0; k < d; k++)
            linear[k * c + at + k] = 1;
}

void variational_mf_values(const struct variational_mf *f, const struct model_spec *spec,
                           struct model_params *out)
{
    const struct rating_side *items = f->items, *users = f->users;
    size_t n = items->n, d = f->d;
    for (size_t i = 0; i < n; i++)
        out->catalogue_bias[i] = out->rating_offset[i] = items->offset[i] + (real)f->centre;
    memcpy(out->catalogue_embedding, items->factor, n * d * sizeof(real));
    memcpy(out->rating_factor, items->factor, n * d * sizeof(real));
    memcpy(out->rating_covariance, items->covariance, n * model_spec_packed(d) * sizeof(real));
    memcpy(out->rating_precision, users->precision, d * sizeof(real));
    if (spec->encoder.d_history)
        copy_link(users, users->first_linked, n, users->linked_root, out->history);
    if (spec->encoder.d_profile)
        copy_link(users, 0, spec->encoder.n_values, users->trait_root, out->profile);
    fill_linear(spec, out->linear_context);
}
