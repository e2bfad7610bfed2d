/* What is computed for all rows is BLAS's; what is computed for a split is small matrices in double. */
#include "engine/train/task/task_step.h"

#include "base/mem.h"
#include "engine/kernels/small_solve.h"
#include "engine/network/task_count.h"
#include "engine/network/task_head.h"
#include "engine/train/gradient/features_backward.h"
#include "engine/train/gradient/hypernet_backward.h"
#include "engine/train/gradient/target_backward.h"
#include "engine/train/task/special.h"

#include <math.h>
#include <string.h>

struct task_step_private {
    struct features_tape tape; /* of the layers that all tasks share */
    struct hypernet_tape code; /* of one split, of a model that generates */
    struct target_tape target; /* of all rows, one split after the other */
    real *f0, *df0;            /* (n_max, O) */
    real *phi, *dphi;          /* (n_max, M) */
    double *room;              /* all that follows */
    double *p0;                /* (n_max, O) shared probabilities, of classes; precisions, of counts */
    double *f, *p;             /* (n_max, O), (n_max, M): f0 and phi in double */
    double *df, *dp;           /* the same, gradients, of all splits */
    real *more, *dmore;  /* (n_max, O) what is generated for a split adds to the rows, and its gradient */
    double *w;           /* (n_max) weights of known rows */
    double *r;           /* (n_max, O) residuals */
    double *factor;      /* (M (M + 1) / 2) */
    double *c, *dc, *dm; /* (M, M) */
    double *b, *mu, *dmu, *g; /* (O, M) */
    double *u;                /* (M) */
    double *class_work;       /* (O) */
    double dscales[TASK_SCALES + 1];
};

enum err_code task_step_init(struct task_step *s, const struct model_spec *spec, size_t n_max, struct err *e)
{
    const struct task_spec *t = &spec->task;
    size_t m = t->d_basis, o = spec->d_output;
    struct task_step_private *q = mem_zalloc_array(1, sizeof *q);
    *s = (struct task_step){spec, n_max, q};
    if (!q)
        return err_set(e, ERR_NOMEM, "no memory for a step");
    enum err_code code = features_tape_init(&q->tape, spec, n_max, e);
    if (!code && spec->n_layers)
        code = hypernet_tape_init(&q->code, spec, 1, e);
    if (!code && spec->n_layers)
        code = target_tape_init(&q->target, spec, n_max, e);
    if (code)
        return code;
    bool ok = true;
#define REALS(field, len) ok = (q->field = mem_alloc_array((len), sizeof *q->field)) != NULL && ok
    REALS(f0, n_max * o);
    REALS(df0, n_max * o);
    REALS(more, n_max * o);
    REALS(dmore, n_max * o);
    REALS(phi, n_max * m);
    REALS(dphi, n_max * m);
    size_t packed = model_spec_packed(m);
    REALS(room, n_max * (4 * o + 2 * m + 1) + packed + 3 * m * m + 4 * o * m + m + o);
#undef REALS
    if (!ok)
        return err_set(e, ERR_NOMEM, "no memory for a step of %zu rows", n_max);
    double *at = q->room;
    double **parts[] = {&q->p0, &q->f,  &q->df, &q->r,  &q->p,   &q->dp, &q->w, &q->factor,    &q->c,
                        &q->dc, &q->dm, &q->b,  &q->mu, &q->dmu, &q->g,  &q->u, &q->class_work};
    size_t lens[] = {n_max * o, n_max * o, n_max * o, n_max * o, n_max * m, n_max * m, n_max, packed, m * m,
                     m * m,     m * m,     o * m,     o * m,     o * m,     o * m,     m,     o};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        *parts[i] = at;
        at += lens[i];
    }
    return ERR_OK;
}

void task_step_fini(struct task_step *s)
{
    struct task_step_private *q = s->private;
    if (!q)
        return;
    features_tape_fini(&q->tape);
    hypernet_tape_fini(&q->code);
    target_tape_fini(&q->target);
    real *others[] = {q->f0, q->df0, q->more, q->dmore, q->phi, q->dphi};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        mem_free(others[i]);
    mem_free(q->room);
    mem_free(q);
    s->private = NULL;
}

/* ---- what all rows share ---- */

static void forward(struct task_step *s, const struct model_params *params, const real *x, size_t n)
{
    const struct model_spec *spec = s->spec;
    struct task_step_private *q = s->private;
    features_tape_forward(&q->tape, params, x, n, q->f0, q->phi);
    for (size_t i = 0; i < n * spec->d_output; i++)
        q->f[i] = (double)q->f0[i];
    for (size_t i = 0; i < n * spec->task.d_basis; i++)
        q->p[i] = (double)q->phi[i];
    if (spec->n_layers)
        target_tape_start(spec, params, &q->target, q->phi, n);
    memset(q->more, 0, n * spec->d_output * sizeof *q->more);
}

static void backward(struct task_step *s, const struct model_params *params, const real *x, size_t n,
                     const struct model_params *grads)
{
    struct task_step_private *q = s->private;
    for (size_t i = 0; i < n * s->spec->d_output; i++)
        q->df0[i] = (real)q->df[i];
    for (size_t i = 0; i < n * s->spec->task.d_basis; i++)
        q->dphi[i] = (real)q->dp[i];
    if (s->spec->n_layers) {
        target_tape_finish(s->spec, params, &q->target, grads);
        for (size_t i = 0; i < n * s->spec->task.d_basis; i++)
            q->dphi[i] += q->target.dx[i];
    }
    features_tape_backward(&q->tape, params, x, n, q->df0, q->dphi, grads, NULL);
}

/* ---- small matrices ---- */

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static void axpy(double alpha, const double *x, double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += alpha * x[i];
}

/* y = a x for a (n, n). */
static void times(const double *a, const double *x, double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = dot(a + i * n, x, n);
}

/* ---- one split ---- */

struct split {
    const double *support, *query, *age; /* (n) */
    size_t n;
    double precision; /* 1 / s2, or c; of counts one, and each row has its own */
    double noise;     /* s2, of counts */
    double a0, a, tau, rho, squares, kappa, rate;
    bool counts;
};

/* Weights, M and its inverse, and the layer from the known rows. False: it cannot be solved. */
static bool solve(struct task_step *s, struct split *t)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis, o = s->spec->d_output;
    bool classes = s->spec->task.n_classes > 0;
    double known = 0;
    memset(q->b, 0, o * m * sizeof *q->b);
    memset(q->factor, 0, model_spec_packed(m) * sizeof *q->factor);
    t->squares = 0;
    for (size_t i = 0; i < t->n; i++) {
        q->w[i] = t->support[i] * (t->age ? exp(-t->rate * t->age[i]) : 1);
        if (q->w[i] == 0)
            continue;
        const double *phi = q->p + i * m;
        double scaled = (t->counts ? q->p0[i] : t->precision) * q->w[i];
        known += q->w[i];
        t->squares += classes ? 0 : scaled * q->r[i] * q->r[i];
        for (size_t k = 0; k < o; k++)
            axpy((classes ? q->w[i] : scaled) * q->r[i * o + k], phi, q->b + k * m, m);
        for (size_t j = 0, at = 0; j < m; at += ++j)
            axpy(scaled * phi[j], phi, q->factor + at, j + 1);
    }
    for (size_t j = 0; j < m; j++)
        q->factor[j * (j + 1) / 2 + j] += 1;
    if (!small_factor(m, q->factor))
        return false;
    small_inverse(m, q->factor, q->c);
    for (size_t k = 0; k < o; k++)
        times(q->c, q->b + k * m, q->mu + k * m, m);
    t->rho = t->squares - (classes ? 0 : dot(q->b, q->mu, m));
    t->a = t->a0 + known / 2;
    t->tau = classes || t->counts ? 1 : (t->a0 + t->rho / 2) / t->a;
    return true;
}

/* ---- what is generated for a split ---- */

/* From its solution, for all rows. */
static void generate(struct task_step *s, const struct model_params *params, size_t n)
{
    struct task_step_private *q = s->private;
    if (s->spec->n_layers == 0)
        return;
    for (size_t i = 0; i < model_spec_d_code(s->spec); i++)
        q->code.c[i] = (real)q->mu[i];
    hypernet_batch_forward(s->spec, params, &q->code, 1);
    memset(q->more, 0, n * s->spec->d_output * sizeof *q->more);
    target_tape_forward(s->spec, params, &q->target, q->code.theta, q->more);
}

/* From dmore to dmu; phi's part is gathered by the tape. */
static void generate_backward(struct task_step *s, const struct model_params *params,
                              const struct model_params *grads)
{
    struct task_step_private *q = s->private;
    if (s->spec->n_layers == 0)
        return;
    memset(q->code.dtheta, 0, q->code.layout.len * sizeof *q->code.dtheta);
    target_tape_backward(s->spec, params, &q->target, q->code.theta, q->dmore, q->code.dtheta, grads);
    hypernet_batch_backward(s->spec, params, &q->code, grads);
    for (size_t i = 0; i < model_spec_d_code(s->spec); i++)
        q->dmu[i] += (double)q->code.dc[i];
}

/* ---- asked rows ---- */

/* What the asked rows give to the split's own quantities. */
struct split_grads {
    double noise, tau, shape; /* by s2 (regression), tau, a */
};

/* Adds the gradients of asked row i by what its value (df) and the variance phi . C phi (dv) are made of. */
static void pass_back(struct task_step_private *q, size_t i, size_t m, double df, double dv)
{
    const double *phi = q->p + i * m;
    q->df[i] += df;
    q->dmore[i] += (real)df;
    axpy(df, q->mu, q->dp + i * m, m);
    axpy(2 * dv, q->u, q->dp + i * m, m);
    axpy(df, phi, q->dmu, m);
    for (size_t j = 0; j < m; j++)
        axpy(dv * phi[j], phi, q->dc + j * m, m);
}

/* Student's t of one asked row: its loss; its gradients into df, dp, dmu, dc and g. */
static double ask_number(struct task_step *s, const struct split *t, size_t i, double y, double weight,
                         struct split_grads *g)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis;
    const double *phi = q->p + i * m;
    double noise = 1 / t->precision, a = t->a;
    times(q->c, phi, q->u, m);
    double v = dot(phi, q->u, m), scale = t->tau * (noise + v);
    double error = y - q->f[i] - (double)q->more[i] - dot(phi, q->mu, m), k = error * error / (2 * a * scale);
    int sign; /* lgamma would write a global one */
    double loss = lgamma_r(a, &sign) - lgamma_r(a + 0.5, &sign) + 0.5 * log(2 * M_PI * a * scale) +
                  (a + 0.5) * log1p(k);
    if (!g)
        return loss;
    double df = -weight * (2 * a + 1) * error / (2 * a * scale * (1 + k));
    double ds = weight * (1 / (2 * scale) - (a + 0.5) * k / (scale * (1 + k))), dv = t->tau * ds;
    g->shape += weight * (special_digamma(a) - special_digamma(a + 0.5) + 1 / (2 * a) + log1p(k) -
                          (a + 0.5) * k / (a * (1 + k)));
    g->tau += ds * (noise + v);
    g->noise += t->tau * ds;
    pass_back(q, i, m, df, dv);
    return loss;
}

/* The negative binomial of one asked row of counts; g->noise gathers the gradient by s2. */
static double ask_count(struct task_step *s, const struct split *t, size_t i, double y, double weight,
                        struct split_grads *g)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis;
    const double *phi = q->p + i * m;
    times(q->c, phi, q->u, m);
    double value = q->f[i] + (double)q->more[i] + dot(phi, q->mu, m), spread = t->noise + dot(phi, q->u, m);
    struct task_count_said said = task_count_said(value, spread);
    if (!g)
        return task_count_surprise(&said, y);
    double k = said.shape, all = k + said.mean;
    double df = fabs(said.log_mean) < TASK_COUNT_MOST_LOG ? weight * k * (said.mean - y) / all : 0;
    double dk = special_digamma(k) - special_digamma(y + k) + log1p(said.mean / k) + (y - said.mean) / all;
    double dv = spread < TASK_COUNT_MOST_SPREAD ? df / 2 - weight * dk * k * (k + 1) : 0;
    g->noise += dv;
    pass_back(q, i, m, df, dv);
    return task_count_surprise(&said, y);
}

/* The same of one asked row of classes; g->tau gathers the gradient by kappa. */
static double ask_class(struct task_step *s, const struct split *t, size_t i, size_t y, double weight,
                        struct split_grads *g)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis, o = s->spec->d_output;
    const double *phi = q->p + i * m;
    double *f = q->class_work, most = -INFINITY, sum = 0, along = 0;
    times(q->c, phi, q->u, m);
    double v = dot(phi, q->u, m), shrink = 1 / sqrt(1 + t->kappa * v);
    for (size_t k = 0; k < o; k++) {
        f[k] = q->f[i * o + k] + (double)q->more[i * o + k] + dot(phi, q->mu + k * m, m);
        most = fmax(most, shrink * f[k]);
    }
    for (size_t k = 0; k < o; k++)
        sum += exp(shrink * f[k] - most);
    double loss = most + log(sum) - shrink * f[y];
    if (!g)
        return loss;
    for (size_t k = 0; k < o; k++) {
        double dlogit = weight * (exp(shrink * f[k] - most) / sum - (k == y));
        along += dlogit * f[k];
        q->df[i * o + k] += shrink * dlogit;
        q->dmore[i * o + k] += (real)(shrink * dlogit);
        axpy(shrink * dlogit, q->mu + k * m, q->dp + i * m, m);
        axpy(shrink * dlogit, phi, q->dmu + k * m, m);
    }
    double cube = shrink * shrink * shrink, dv = -0.5 * t->kappa * cube * along;
    g->tau += -0.5 * v * cube * along;
    axpy(2 * dv, q->u, q->dp + i * m, m);
    for (size_t j = 0; j < m; j++)
        axpy(dv * phi[j], phi, q->dc + j * m, m);
    return loss;
}

/* dm = -(sum over outputs of g mu^T + mu g^T) / 2 - C dc C, with g = C dmu; b' of the known rows stays in
 * g. */
static void through_solution(struct task_step *s)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis, o = s->spec->d_output;
    for (size_t j = 0; j < m; j++) /* dm = C dc, row by row; both are symmetric */
        times(q->dc, q->c + j * m, q->dm + j * m, m);
    for (size_t j = 0; j < m; j++) {
        times(q->c, q->dm + j * m, q->u, m);
        for (size_t l = 0; l < m; l++)
            q->dm[j * m + l] = -q->u[l];
    }
    for (size_t k = 0; k < o; k++) {
        double *g = q->g + k * m, *mu = q->mu + k * m;
        times(q->c, q->dmu + k * m, g, m);
        for (size_t j = 0; j < m; j++) {
            axpy(-g[j] / 2, mu, q->dm + j * m, m);
            axpy(-mu[j] / 2, g, q->dm + j * m, m);
        }
    }
}

/* Known rows of numbers, from dm and b' (in g), and from drho and da, by rho and a. Returns <dm, M - I>, from
 * which the gradient by what multiplies the sums follows; takes from *drate. */
static double known_numbers(struct task_step *s, const struct split *t, double drho, double da, double *drate)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis;
    double sums = 0;
    for (size_t i = 0; i < t->n; i++) {
        const double *phi = q->p + i * m;
        double w = q->w[i], r = q->r[i], p = t->precision;
        if (w == 0)
            continue;
        double along = dot(phi, q->g, m);
        times(q->dm, phi, q->u, m);
        double curved = dot(phi, q->u, m);
        sums += p * w * curved;
        axpy(2 * p * w, q->u, q->dp + i * m, m);
        axpy(p * w * r, q->g, q->dp + i * m, m);
        if (!(s->spec->task.clip > 0 && fabs(r) >= s->spec->task.clip)) /* else it does not move */
            q->df[i] -= p * w * along + 2 * drho * p * w * r;
        if (t->age)
            *drate -= t->age[i] * w * (p * (curved + r * along + drho * r * r) + da / 2);
    }
    return sums;
}

/* The same of classes: through the shared probabilities too. */
static double known_classes(struct task_step *s, const struct split *t, double *drate)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis, o = s->spec->d_output;
    double sums = 0;
    for (size_t i = 0; i < t->n; i++) {
        const double *phi = q->p + i * m, *p0 = q->p0 + i * o;
        double w = q->w[i], *dp0 = q->class_work, mean = 0;
        if (w == 0)
            continue;
        times(q->dm, phi, q->u, m);
        double dw = t->precision * dot(phi, q->u, m);
        sums += w * dw;
        axpy(2 * t->precision * w, q->u, q->dp + i * m, m);
        for (size_t k = 0; k < o; k++) {
            double along = dot(phi, q->g + k * m, m);
            axpy(w * q->r[i * o + k], q->g + k * m, q->dp + i * m, m);
            dp0[k] = -w * along;
            mean += p0[k] * dp0[k];
            dw += q->r[i * o + k] * along;
        }
        for (size_t k = 0; k < o; k++)
            q->df[i * o + k] += p0[k] * (dp0[k] - mean);
        if (t->age)
            *drate -= t->age[i] * w * dw;
    }
    return sums;
}

/* The same of counts: through what each says, to f0, and *dnoise and *dprior. */
static void known_counts(struct task_step *s, const struct split *t, const double *y, double *dnoise,
                         double *dprior, double *drate)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis;
    for (size_t i = 0; i < t->n; i++) {
        const double *phi = q->p + i * m;
        double w = q->w[i], r = q->r[i], p = q->p0[i];
        struct task_count_slopes slopes;
        if (w == 0)
            continue;
        double along = dot(phi, q->g, m);
        times(q->dm, phi, q->u, m);
        double dp = w * (dot(phi, q->u, m) + r * along), dr = w * p * along;
        axpy(2 * p * w, q->u, q->dp + i * m, m);
        axpy(p * w * r, q->g, q->dp + i * m, m);
        (void)task_count_known(q->f[i], y[i], t->noise, t->kappa + TASK_COUNT_LEAST_PRIOR, &slopes);
        q->df[i] += dp * slopes.by_f.precision + dr * slopes.by_f.residual;
        *dnoise += dp * slopes.by_noise.precision + dr * slopes.by_noise.residual;
        *dprior += dp * slopes.by_prior.precision + dr * slopes.by_prior.residual;
        if (t->age)
            *drate -= t->age[i] * p * dp;
    }
}

static void known_rows(struct task_step *s, const struct split *t, const struct task_draw *draw,
                       const struct split_grads *g)
{
    struct task_step_private *q = s->private;
    size_t m = s->spec->task.d_basis, o = s->spec->d_output;
    double drate = 0;
    if (s->spec->task.n_classes) {
        through_solution(s);
        q->dscales[0] += known_classes(s, t, &drate); /* by log c */
        q->dscales[1] += t->kappa * g->tau;
    } else if (t->counts) {
        double dnoise = g->noise, dprior = 0;
        through_solution(s);
        known_counts(s, t, draw->y, &dnoise, &dprior, &drate);
        q->dscales[0] += dnoise * (t->noise - TASK_LEAST_NOISE);
        q->dscales[1] += dprior * t->kappa;
    } else {
        double drho = g->tau / (2 * t->a), da = g->shape - g->tau * t->tau / t->a;
        axpy(-drho, q->b, q->dmu, m);
        through_solution(s);
        axpy(-drho, q->mu, q->g, o * m); /* b' = g - rho' mu */
        double sums = known_numbers(s, t, drho, da, &drate), noise = 1 / t->precision;
        double dnoise = g->noise - t->precision * (sums + dot(q->g, q->b, m) + drho * t->squares);
        q->dscales[0] += dnoise * (noise - TASK_LEAST_NOISE);
        q->dscales[1] += (t->a0 - TASK_LEAST_SHAPE) * (g->tau / t->a + da);
    }
    q->dscales[TASK_SCALES] += t->rate * drate;
}

/* ---- all splits ---- */

static void residuals(struct task_step *s, const struct model_params *params, const struct task_draw *draw)
{
    struct task_step_private *q = s->private;
    size_t o = s->spec->d_output;
    bool counts = task_is_of_counts(s->spec);
    for (size_t i = 0; i < draw->n; i++) {
        if (counts) {
            struct task_count c =
                task_count_known(q->f[i], draw->y[i], task_noise(params), task_count_prior(params), NULL);
            q->r[i] = c.residual;
            q->p0[i] = c.precision;
            continue;
        }
        task_residual(s->spec, q->f + i * o, draw->y[i], q->r + i * o);
        for (size_t k = 0; s->spec->task.n_classes && k < o; k++)
            q->p0[i * o + k] = ((double)k == draw->y[i]) - q->r[i * o + k];
    }
}

static double ask(struct task_step *s, const struct split *t, const struct task_draw *draw, double weight,
                  struct split_grads *g)
{
    double loss = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->query[i] != 0)
            loss += weight * (s->spec->task.n_classes ? ask_class(s, t, i, (size_t)draw->y[i], weight, g)
                              : t->counts             ? ask_count(s, t, i, draw->y[i], weight, g)
                                                      : ask_number(s, t, i, draw->y[i], weight, g));
    return loss;
}

double task_step_loss(struct task_step *s, const struct model_params *params, const struct task_draw *draw,
                      double weight, const struct model_params *grads)
{
    struct task_step_private *q = s->private;
    const struct task_spec *spec = &s->spec->task;
    size_t m = spec->d_basis, o = s->spec->d_output;
    const real *scales = params->task_scales;
    double loss = 0, first = exp((double)scales[0]);
    forward(s, params, draw->x, draw->n);
    residuals(s, params, draw);
    memset(q->df, 0, draw->n * o * sizeof *q->df);
    memset(q->dp, 0, draw->n * m * sizeof *q->dp);
    memset(q->dscales, 0, sizeof q->dscales);
    for (size_t j = 0; j < draw->n_splits; j++) {
        struct split t = {.support = draw->support + j * draw->n,
                          .query = draw->query + j * draw->n,
                          .age = draw->age && spec->forgets ? draw->age + j * draw->n : NULL,
                          .n = draw->n,
                          .precision = spec->n_classes ? first : 1 / (first + TASK_LEAST_NOISE),
                          .noise = first + TASK_LEAST_NOISE,
                          .counts = task_is_of_counts(s->spec),
                          .a0 = exp((double)scales[1]) + TASK_LEAST_SHAPE,
                          .kappa = exp((double)scales[1]),
                          .rate = spec->forgets ? exp((double)scales[TASK_SCALES]) : 0};
        struct split_grads g = {0};
        if (!solve(s, &t))
            return NAN;
        memset(q->dmu, 0, o * m * sizeof *q->dmu);
        memset(q->dc, 0, m * m * sizeof *q->dc);
        memset(q->dmore, 0, draw->n * o * sizeof *q->dmore);
        generate(s, params, draw->n);
        loss += ask(s, &t, draw, weight, grads ? &g : NULL);
        if (grads) {
            generate_backward(s, params, grads);
            known_rows(s, &t, draw, &g);
        }
    }
    if (grads) {
        backward(s, params, draw->x, draw->n, grads);
        for (size_t i = 0; i < (size_t)TASK_SCALES + spec->forgets; i++)
            grads->task_scales[i] += (real)q->dscales[i];
    }
    return loss;
}
