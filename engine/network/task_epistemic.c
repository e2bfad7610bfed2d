/* The draws are a lattice (Korobov 1959) of 127 points with the generators 1, 78, 78^2, ... modulo 127, moved
 * by an amount of each class: each class has 127 quantiles of the normal once, and any few of them are spread
 * evenly over each other. What it says is within 3 % of what is so on the mean, of as many free draws within
 * 15 %. Draws are common to all rows: what is said of a row depends on nothing but the row. */
#include "engine/network/task_epistemic.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/network/task_quantiles.h"

#include <math.h>

static const double least = 1e-9; /* probability of a draw */
static const double pi = 3.14159265358979323846;

double task_epistemic_logit(const struct model_spec *spec, const struct model_params *params, double v,
                            double beyond, double *f)
{
    double kappa = exp((double)params->task_scales[1]), all = v + beyond * (1 + v);
    for (size_t k = 0; beyond > 0 && k < spec->d_output; k++)
        f[k] *= sqrt((1 + kappa * v) / (1 + kappa * all));
    return sqrt(4 / pi * kappa * all);
}

void task_information_fini(struct task_information *t)
{
    mem_free(t->normals);
    mem_free(t->work);
    *t = (struct task_information){0};
}

enum err_code task_information_init(struct task_information *t, size_t n_classes, uint64_t seed,
                                    struct err *e)
{
    enum { GENERATOR = 78 /* a primitive root; of all, tries of it were best */ };
    struct rng rng;
    if (t->n_classes == n_classes && t->seed == seed)
        return ERR_OK;
    task_information_fini(t);
    t->normals = mem_alloc_array(TASK_INFORMATION_DRAWS, n_classes * sizeof *t->normals);
    t->work = mem_alloc_array(3, n_classes * sizeof *t->work);
    if (!t->normals || !t->work)
        return err_set(e, ERR_NOMEM, "no memory for draws of %zu classes", n_classes);
    rng_init(&rng, seed, 1);
    for (size_t k = 0, step = 1; k < n_classes; k++, step = step * GENERATOR % TASK_INFORMATION_DRAWS) {
        double shift = rng_uniform(&rng);
        for (size_t i = 0; i < TASK_INFORMATION_DRAWS; i++) {
            double place = fmod((double)(i * step % TASK_INFORMATION_DRAWS) + shift, TASK_INFORMATION_DRAWS);
            t->normals[i * n_classes + k] =
                task_normal_quantile(fmin(fmax(place / TASK_INFORMATION_DRAWS, least), 1 - least));
        }
    }
    t->n_classes = n_classes;
    t->seed = seed;
    return ERR_OK;
}

static double entropy(const double *p, size_t n, double by)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum -= p[k] > 0 ? by * p[k] * log(by * p[k]) : 0;
    return sum;
}

/* p (n) of one draw about the logits f (n). */
static void draw(const double *f, const double *normals, double deviation, size_t n, double *p)
{
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < n; k++) {
        p[k] = f[k] + deviation * normals[k];
        most = fmax(most, p[k]);
    }
    for (size_t k = 0; k < n; k++)
        sum += p[k] = exp(p[k] - most);
    for (size_t k = 0; k < n; k++)
        p[k] /= sum;
}

double task_information(const struct task_information *t, const double *p, double deviation)
{
    size_t n = t->n_classes;
    double *f = t->work, *drawn = f + n, *mean = drawn + n, within = 0;
    double cooled = sqrt(1 + pi / 4 * deviation * deviation);
    for (size_t k = 0; k < n; k++) {
        f[k] = log(p[k]) * cooled;
        mean[k] = 0;
    }
    for (size_t i = 0; i < TASK_INFORMATION_DRAWS; i++) {
        draw(f, t->normals + i * n, deviation, n, drawn);
        within += entropy(drawn, n, 1) / TASK_INFORMATION_DRAWS;
        for (size_t k = 0; k < n; k++)
            mean[k] += drawn[k];
    }
    double all = entropy(mean, n, 1.0 / TASK_INFORMATION_DRAWS);
    return fmax(fmin(all - within, entropy(p, n, 1)), 0);
}
