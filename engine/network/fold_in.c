/* Two ways to the same solution.
 *
 * Long histories: the matrix is summed and factored. Interactions are gathered in chunks and each chunk is
 * added by one symmetric rank-k product, so the workspace is fixed however long a history is.
 *
 * Short ones: with M = G + ridge Id, f = M^-1 U^T y for the y of the n x n equation (Id + U M^-1 U^T) y = r
 * (the push-through form of Woodbury's identity). The eigenvectors E (rows) of G are made once a model; in
 * them M is the diagonal D for every ridge, so with S = U E^T D^-1/2 it is (Id + S S^T) y = r and f = E^T
 * D^-1/2 S^T y. The small matrix has no eigenvalue below 1, whatever the weights. Items are turned into the
 * basis when they are needed: the turned table would be as large as the factors, which stay in the mapped
 * file. */
#include "engine/network/fold_in.h"

#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/normal_sum.h"
#include "engine/network/encoder.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct fold_in_basis {
    size_t d;
    real *vectors;  /* (d, d) E: a row is an eigenvector */
    double *values; /* (d) rising */
};

/* ---- the basis ---- */

void fold_in_basis_free(struct fold_in_basis *b)
{
    if (!b)
        return;
    mem_free(b->vectors);
    mem_free(b->values);
    mem_free(b);
}

/* Memory of the decomposition, in double: E is rounded once. */
struct decomposition {
    double *a, *work; /* (d, d), (blas_eigen_work_len) */
    int *integers;    /* (blas_eigen_integers_len) */
};

static void decomposition_fini(struct decomposition *k)
{
    mem_free(k->a);
    mem_free(k->work);
    mem_free(k->integers);
}

static bool decomposition_init(struct decomposition *k, size_t d)
{
    k->a = mem_alloc_array(d * d, sizeof *k->a);
    k->work = mem_alloc_array(blas_eigen_work_len(d), sizeof *k->work);
    k->integers = mem_alloc_array(blas_eigen_integers_len(d), sizeof *k->integers);
    return k->a && k->work && k->integers;
}

static bool decompose(const real *gram, struct fold_in_basis *b, struct decomposition *k)
{
    size_t d = b->d;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++)
            k->a[i * d + j] = (double)gram[i * d + j];
    if (!blas_eigen(d, k->a, b->values, k->work, k->integers))
        return false;
    for (size_t i = 0; i < d * d; i++)
        b->vectors[i] = (real)k->a[i];
    return true;
}

enum err_code fold_in_basis_new(const real *gram, size_t d, struct fold_in_basis **out, struct err *e)
{
    *out = NULL;
    if (d == 0 || d > FOLD_IN_BASIS_MOST)
        return ERR_OK;
    struct decomposition k = {0};
    struct fold_in_basis *b = mem_zalloc_array(1, sizeof *b);
    if (b) {
        b->d = d;
        b->vectors = mem_alloc_aligned(d * d, sizeof *b->vectors);
        b->values = mem_alloc_array(d, sizeof *b->values);
    }
    bool room = b && b->vectors && b->values && decomposition_init(&k, d);
    if (room && decompose(gram, b, &k)) {
        *out = b;
        b = NULL;
    }
    decomposition_fini(&k);
    fold_in_basis_free(b);
    return room ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the basis of the fold-in");
}

/* At d = 192 this many take 0.9 of the time of the direct way with OpenBLAS's kernels for Haswell and 0.5
 * with those for AVX-512 (tests/bench, "fold-in"); 10 take 0.33 and 0.18. */
size_t fold_in_most_short(size_t d)
{
    return d / 3;
}

/* ---- both ways ---- */

static const real *factor_of(const struct fold_in_factors *t, uint32_t item)
{
    return item < t->n_own ? t->own + (size_t)item * t->d : t->extra + (item - t->n_own) * t->d;
}

/* The rows of U (n, d) for interactions x (n). */
static void gather_rows(const struct fold_in_factors *factors, const struct encoder_interaction *x, size_t n,
                        real *u)
{
    size_t d = factors->d;
    for (size_t i = 0; i < n; i++) {
        const real *v = factor_of(factors, x[i].item);
        real root = (real)sqrt((double)x[i].weight);
        for (size_t j = 0; j < d; j++)
            u[i * d + j] = root * v[j];
    }
}

size_t fold_in_workspace_len(size_t d)
{
    size_t n = fold_in_most_short(d), direct = normal_workspace_len(d),
           in_basis = 2 * n * d + n * n + n + 2 * d;
    return direct > in_basis ? direct : in_basis;
}

/* ---- long histories ---- */

/* The sum without the ridge; f is its right side. */
static void add_all(struct normal_sum *sum, const struct fold_in_factors *factors, const real *gram,
                    const struct encoder_interaction *x, size_t n, size_t n_negative, real *workspace,
                    real *f)
{
    normal_start(sum, factors->d, gram, workspace, f);
    for (size_t i = 0; i < n; i++)
        normal_add(sum, factor_of(factors, x[i].item), (real)x[i].weight, (real)x[i].weight);
    for (size_t i = n; i < n + n_negative; i++)
        normal_add(sum, factor_of(factors, x[i].item), (real)x[i].weight,
                   FOLD_IN_DISLIKED * (real)x[i].weight);
    normal_end(sum);
}

/* How far the sum of many numbers is from exact, as a share of the largest: what the ridge is raised by, at
 * least, for the sum to be positive definite as it was rounded. */
static double rounding(const real *a, size_t d)
{
    double trace = 0;
    for (size_t i = 0; i < d; i++)
        trace += (double)a[i * d + i];
    return trace * (sizeof(real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON);
}

/* Weights of 1 beside one of a million leave a matrix whose small eigenvalues are lost in the rounding of the
 * large ones. The ridge is then raised to what the rounding hides, which the directions that the data tell of
 * do not feel. */
static bool solve_directly(const struct fold_in_factors *factors, const real *gram, double ridge,
                           const struct encoder_interaction *x, size_t n, size_t n_negative, real *workspace,
                           real *f)
{
    enum { MAX_RAISES = 6 };
    struct normal_sum sum;
    for (int raise = 0; raise <= MAX_RAISES; raise++) {
        add_all(&sum, factors, gram, x, n, n_negative, workspace, f);
        double all = raise ? ridge + rounding(sum.a, sum.d) * pow(4, raise) : ridge;
        if (normal_solve(&sum, (real)all))
            return true;
    }
    return false;
}

/* ---- short ones ---- */

/* The diagonal D^-1/2. False where G + ridge Id is too close to singular for float; solving directly tells
 * what that means. */
static bool diagonal(const struct fold_in_basis *b, double ridge, real *root)
{
    double least = b->values[0] + ridge, most = b->values[b->d - 1] + ridge;
    if (!(least > 1e-6 * most))
        return false;
    for (size_t i = 0; i < b->d; i++)
        root[i] = (real)(1 / sqrt(b->values[i] + ridge));
    return true;
}

/* y (n) of (Id + S S^T) y = r; the last n_negative push down. */
static bool solve_small(const real *s, size_t n, size_t n_negative, size_t d,
                        const struct encoder_interaction *x, real *k, real *y)
{
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, n, d, 1, s, d, s, d, 0, k, n);
    for (size_t i = 0; i < n; i++) {
        k[i * n + i] += 1;
        y[i] = (real)sqrt((double)x[i].weight);
        if (i >= n - n_negative)
            y[i] *= FOLD_IN_DISLIKED;
    }
    if (!blas_cholesky(n, k, n))
        return false;
    blas_cholesky_solve(n, k, n, 1, y, n);
    return true;
}

static bool solve_in_basis(const struct fold_in_factors *factors, const struct fold_in_basis *b,
                           const real *root, const struct encoder_interaction *x, size_t n, size_t n_negative,
                           real *workspace, real *f)
{
    size_t d = factors->d;
    real *u = workspace, *s = u + n * d, *k = s + n * d, *y = k + n * n, *g = y + n;
    gather_rows(factors, x, n, u);
    blas_gemm(BLAS_AS_IS, BLAS_TRANSPOSED, n, d, d, 1, u, d, b->vectors, d, 0, s, d);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            s[i * d + j] *= root[j];
    if (!solve_small(s, n, n_negative, d, x, k, y))
        return false;
    blas_gemv(BLAS_TRANSPOSED, n, d, 1, s, d, y, 0, g);
    for (size_t j = 0; j < d; j++)
        g[j] *= root[j];
    blas_gemv(BLAS_TRANSPOSED, d, d, 1, b->vectors, d, g, 0, f);
    return true;
}

bool fold_in_solve(const struct fold_in_factors *factors, const real *gram, const struct fold_in_basis *basis,
                   double ridge, const struct encoder_interaction *x, size_t n, size_t n_negative,
                   real *workspace, real *f)
{
    size_t n_all = n + n_negative;
    real *root = workspace, *rest = workspace + factors->d;
    if (basis && n_all <= fold_in_most_short(factors->d) && diagonal(basis, ridge, root) &&
        solve_in_basis(factors, basis, root, x, n_all, n_negative, rest, f))
        return true;
    return solve_directly(factors, gram, ridge, x, n, n_negative, workspace, f);
}
