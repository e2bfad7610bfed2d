#include "server/data/class_rows.h"

#include "base/mem.h"
#include "base/rng.h"
#include "server/tables/array.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 };

/* A whole number of this size is a double to the last digit. */
static const double most_class = 9007199254740992;

/* ---- inputs ---- */

static enum err_code take_shape(struct class_rows *r, const char *path, const struct array_header *h,
                                const struct trained_spec *like, struct err *e)
{
    char there[128], wanted[128];
    struct trained_spec *about = &r->about;
    if (h->n_dims < 2 || h->dims[0] == 0 || h->n_values == 0)
        return err_set(e, ERR_INVALID, "%s: %s; expected rows of numbers: two dimensions or more, none of 0",
                       path, array_dims_text(h, there, sizeof there));
    r->n = h->dims[0];
    r->d = h->n_values / r->n;
    if (r->d > LIMIT_DIM)
        return err_set(e, ERR_INVALID, "%s: a row has %zu numbers; at most %d", path, r->d, LIMIT_DIM);
    about->n_dims = h->n_dims - 1;
    memcpy(about->dims, h->dims + 1, about->n_dims * sizeof *about->dims);
    if (like && (about->n_dims != like->n_dims ||
                 memcmp(about->dims, like->dims, like->n_dims * sizeof *like->dims) != 0))
        return err_set(e, ERR_INVALID, "%s: an input is %s; the model reads inputs of %s", path,
                       trained_spec_dims_text(about, there, sizeof there),
                       trained_spec_dims_text(like, wanted, sizeof wanted));
    return ERR_OK;
}

static enum err_code refuse_scale(const char *path, double value, const struct trained_spec *like,
                                  struct err *e)
{
    return err_set(e, ERR_INVALID,
                   "%s: the largest number is %g, and the model was trained on numbers up to %g; give it "
                   "numbers of the same scale",
                   path, value, like->unit);
}

/* A hundredth of the unit is the least that the largest may be. Of bytes it is 255 whatever they are, and it
 * is 1 at least: neither says then how large numbers were. */
static enum err_code check_scale(const char *path, enum array_type type, double most,
                                 const struct trained_spec *like, struct err *e)
{
    bool small = type != ARRAY_U8 && like->unit > 1 && most > 0 && most < like->unit / 100;
    return small || !trained_spec_possible(like, most) ? refuse_scale(path, most, like, e) : ERR_OK;
}

/* All values of an array to out (n_values), and the largest size of one to *most. */
static enum err_code read_values(struct array *a, const char *path, real *out, double *most, struct err *e)
{
    double block[BLOCK];
    size_t n = 1, at = 0;
    enum err_code code = ERR_OK;
    *most = 0;
    while (n && !code) {
        code = array_read(a, block, BLOCK, &n, e);
        for (size_t i = 0; i < n && !code; i++) {
            out[at + i] = (real)block[i];
            if (!isfinite(out[at + i]))
                code = err_set(e, ERR_INVALID, "%s: a value is %g, beyond float32", path, block[i]);
            *most = fmax(*most, fabs(block[i]));
        }
        at += n;
    }
    return code;
}

static void scale(struct class_rows *r, enum array_type type, double most, const struct trained_spec *like)
{
    size_t n = r->n * r->d;
    double own = type == ARRAY_U8 ? 255 : (double)(real)fmax(1, most);
    r->about.unit = like ? like->unit : own;
    real share = (real)(1 / r->about.unit);
    for (size_t i = 0; i < n; i++)
        r->x[i] *= share;
}

static enum err_code read_inputs(struct class_rows *r, const char *path, const struct trained_spec *like,
                                 struct err *e)
{
    struct array *a;
    double most;
    enum err_code code = array_open(path, &a, e);
    if (code)
        return code;
    code = take_shape(r, path, array_about(a), like, e);
    if (!code && !(r->x = mem_alloc_array(r->n, r->d * sizeof *r->x)))
        code = err_set(e, ERR_NOMEM, "%s: no memory for %zu rows of %zu numbers", path, r->n, r->d);
    if (!code)
        code = read_values(a, path, r->x, &most, e);
    if (!code && like)
        code = check_scale(path, array_about(a)->type, most, like, e);
    if (!code)
        scale(r, array_about(a)->type, most, like);
    array_close(a);
    return code;
}

/* ---- classes ---- */

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { NAME_BYTES = 24 };

static void name_of(double number, char out[NAME_BYTES])
{
    (void)snprintf(out, NAME_BYTES, "%.0f", number + 0.0); /* -0 is 0 */
}

/* The classes of the file: its different numbers, in their order. */
static enum err_code find_classes(struct class_rows *r, const char *path, const double *numbers,
                                  struct err *e)
{
    enum err_code code = ERR_OK;
    double *sorted = mem_alloc_array(r->n, sizeof *sorted);
    char(*text)[NAME_BYTES] = mem_alloc_array(LIMIT_COLUMN_VALUES, sizeof *text);
    const char **names = mem_alloc_array(LIMIT_COLUMN_VALUES, sizeof *names);
    size_t n = 0;
    if (!sorted || !text || !names) {
        code = err_set(e, ERR_NOMEM, "%s: no memory for the classes of %zu rows", path, r->n);
        goto out;
    }
    memcpy(sorted, numbers, r->n * sizeof *sorted);
    qsort(sorted, r->n, sizeof *sorted, by_number);
    for (size_t i = 0; i < r->n && n <= LIMIT_COLUMN_VALUES; i++) {
        if (i && sorted[i] - sorted[i - 1] == 0)
            continue;
        if (n < LIMIT_COLUMN_VALUES) {
            name_of(sorted[i], text[n]);
            names[n] = text[n];
        }
        n++;
    }
    if (n < 2)
        code = err_set(e, ERR_INVALID, "%s: all rows are of class %s; two classes or more are told apart",
                       path, names[0]);
    else if (n > LIMIT_COLUMN_VALUES)
        code = err_set(e, ERR_INVALID, "%s: more than %d classes", path, LIMIT_COLUMN_VALUES);
    else
        code = trained_spec_add(&r->about, names, n, e);
out:
    mem_free(sorted);
    mem_free(text);
    mem_free(names);
    return code;
}

static enum err_code number_rows(struct class_rows *r, const char *path, const double *numbers, struct err *e)
{
    char name[NAME_BYTES];
    size_t last = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (!i || numbers[i] - numbers[i - 1] != 0) {
            name_of(numbers[i], name);
            last = trained_spec_class(&r->about, 0, name);
        }
        if (last == r->about.tasks[0].n)
            return err_set(e, ERR_INVALID, "%s: row %zu is of class %s, which the task has not", path, i,
                           name);
        r->y[i] = (uint32_t)last;
    }
    return ERR_OK;
}

static enum err_code take_numbers(struct class_rows *r, const char *path, struct array *a, double *numbers,
                                  struct err *e)
{
    size_t n = 1, at = 0;
    enum err_code code = ERR_OK;
    while (n && !code) {
        code = array_read(a, numbers + at, r->n - at, &n, e);
        for (size_t i = at; i < at + n && !code; i++)
            if (numbers[i] - floor(numbers[i]) != 0 || fabs(numbers[i]) > most_class)
                code = err_set(e, ERR_INVALID, "%s: value [%zu] is %g; a class is a whole number", path, i,
                               numbers[i]);
        at += n;
        if (at == r->n)
            break; /* array_read has looked behind the last value */
    }
    return code;
}

static enum err_code read_classes(struct class_rows *r, const char *path, const struct trained_spec *like,
                                  long task, struct err *e)
{
    struct array *a;
    char text[128];
    enum err_code code = array_open(path, &a, e);
    if (code)
        return code;
    const struct array_header *h = array_about(a);
    double *numbers = mem_alloc_array(r->n, sizeof *numbers);
    r->y = mem_alloc_array(r->n, sizeof *r->y);
    if (h->n_dims != 1 || h->dims[0] != r->n)
        code = err_set(e, ERR_INVALID, "%s: %s; expected a class for each of the %zu inputs", path,
                       array_dims_text(h, text, sizeof text), r->n);
    else if (!numbers || !r->y)
        code = err_set(e, ERR_NOMEM, "%s: no memory for the classes of %zu rows", path, r->n);
    if (!code)
        code = take_numbers(r, path, a, numbers, e);
    if (!code && task == CLASS_ROWS_NEW)
        code = find_classes(r, path, numbers, e);
    else if (!code)
        code =
            trained_spec_add(&r->about, (const char *const *)like->tasks[task].names, like->tasks[task].n, e);
    if (!code)
        code = number_rows(r, path, numbers, e);
    mem_free(numbers);
    array_close(a);
    return code;
}

enum err_code class_rows_read(const char *inputs, const char *classes, const struct trained_spec *like,
                              long task, struct class_rows *out, struct err *e)
{
    out->about.present = true;
    enum err_code code = read_inputs(out, inputs, like, e);
    return code ? code : read_classes(out, classes, like, task, e);
}

void class_rows_fini(struct class_rows *r)
{
    mem_free(r->x);
    mem_free(r->y);
    trained_spec_fini(&r->about);
    *r = (struct class_rows){0};
}

/* ---- parts ---- */

static void swap_rows(struct class_rows *r, size_t a, size_t b)
{
    uint32_t y = r->y[a];
    r->y[a] = r->y[b];
    r->y[b] = y;
    for (size_t j = 0; j < r->d; j++) {
        real x = r->x[a * r->d + j];
        r->x[a * r->d + j] = r->x[b * r->d + j];
        r->x[b * r->d + j] = x;
    }
}

size_t class_rows_hold_out(struct class_rows *r, double share, uint64_t seed)
{
    struct rng draw;
    size_t first[LIMIT_COLUMN_VALUES], n_classes = r->about.tasks[0].n, n_first = 0;
    size_t n_held = (size_t)(share * (double)r->n);
    rng_init(&draw, seed, 1);
    for (size_t i = 0; i + 1 < r->n; i++)
        swap_rows(r, i, i + rng_below(&draw, r->n - i));
    memset(first, 0, sizeof first);
    for (size_t i = 0; i < r->n; i++) /* one row of each class to the front */
        if (!first[r->y[i]]) {
            first[r->y[i]] = 1;
            swap_rows(r, i, n_first++);
        }
    return r->n - (n_held < r->n - n_classes ? n_held : r->n - n_classes);
}

struct labelled_rows class_rows_part(const struct class_rows *r, size_t first, size_t n)
{
    return (struct labelled_rows){n, r->x + first * r->d, r->y + first};
}
