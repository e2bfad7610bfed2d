#include "server/tasks/trained_room.h"

#include "base/mem.h"
#include "engine/network/stored_rows.h"
#include "engine/network/trained_task.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEPT_BYTES = 8 << 20 }; /* of inputs and answers, from one call to the next */

enum err_code trained_room_new(const struct model *m, struct trained_room **out, struct err *e)
{
    struct trained_room *r = mem_zalloc_array(1, sizeof *r);
    if (r)
        r->work = mem_alloc_aligned(trained_task_workspace_len(&m->spec), sizeof *r->work);
    if (!r || !r->work) {
        trained_room_free(r);
        return err_set(e, ERR_NOMEM, "no memory for a thread's workspace");
    }
    r->model = m;
    *out = r;
    return ERR_OK;
}

void trained_room_free(struct trained_room *r)
{
    if (!r)
        return;
    mem_free(r->work);
    mem_free(r->x);
    mem_free(r->p);
    mem_free(r);
}

/* ---- inputs ---- */

/* Room for a row i, when all before it are filled: what a call makes grow is what it brought. */
static enum err_code reserve(struct trained_room *r, size_t i, size_t n, struct err *e)
{
    const size_t d = r->model->spec.d_item;
    if (i < r->n_max)
        return ERR_OK;
    size_t more = 2 * r->n_max + 1 < n ? 2 * r->n_max + 1 : n;
    real *x = mem_realloc_array(r->x, more, d * sizeof *x);
    if (!x)
        return err_set(e, ERR_NOMEM, "no memory for %zu inputs of %zu numbers", more, d);
    r->x = x;
    r->n_max = more;
    return ERR_OK;
}

static enum err_code reserve_answer(struct trained_room *r, struct err *e)
{
    size_t o = r->model->spec.d_output;
    if (r->n <= r->n_answers)
        return ERR_OK;
    mem_free(r->p);
    r->p = mem_alloc_array(r->n, o * sizeof *r->p);
    r->n_answers = r->p ? r->n : 0;
    return r->p ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu answers of %zu numbers", r->n, o);
}

void trained_room_rest(struct trained_room *r)
{
    const struct model_spec *spec = &r->model->spec;
    if ((r->n_max * spec->d_item + r->n_answers * spec->d_output) * sizeof(real) <= KEPT_BYTES)
        return;
    mem_free(r->x);
    mem_free(r->p);
    r->x = r->p = NULL;
    r->n = r->n_max = r->n_answers = 0;
}

/* One input in the making; text[0] is 0 as long as nothing is wrong with it. */
struct input {
    const struct trained_spec *about;
    size_t d, at; /* numbers of a row, and those that were read */
    real *x;      /* (d) */
    char text[160];
};

static void take_number(struct input *in, const json_t *value)
{
    double x = json_number_value(value), unit = in->about->unit;
    if (!json_is_number(value))
        (void)snprintf(in->text, sizeof in->text, "expected numbers; number %zu is none", in->at);
    else if (!trained_spec_possible(in->about, x))
        (void)snprintf(in->text, sizeof in->text,
                       "number %zu is %g; the model was trained on numbers up to %g, and takes some up to %g",
                       in->at, x, unit, TRAINED_MOST_UNITS * unit);
    else
        in->x[in->at++] = (real)(x / unit);
}

/* An array that is nested as the dimensions from `dim` on are. */
static void take_nested(struct input *in, const json_t *value, size_t dim)
{
    char dims[128];
    if (json_array_size(value) != in->about->dims[dim] || !json_is_array(value)) {
        (void)snprintf(in->text, sizeof in->text, "expected arrays of %s numbers, or %zu numbers in one",
                       trained_spec_dims_text(in->about, dims, sizeof dims), in->d);
        return;
    }
    for (size_t i = 0; i < in->about->dims[dim] && !in->text[0]; i++)
        if (dim + 1 < in->about->n_dims)
            take_nested(in, json_array_get(value, i), dim + 1);
        else
            take_number(in, json_array_get(value, i));
}

static void take_flat(struct input *in, const json_t *value)
{
    char dims[128];
    size_t n = json_array_size(value);
    if (n != in->d)
        (void)snprintf(in->text, sizeof in->text, "expected %zu numbers (%s), not %zu", in->d,
                       trained_spec_dims_text(in->about, dims, sizeof dims), n);
    for (size_t i = 0; i < n && !in->text[0]; i++)
        take_number(in, json_array_get(value, i));
}

enum err_code trained_room_read(struct trained_room *r, const json_t *inputs, trained_fault_fn *fault,
                                void *arg, bool *ok, struct err *e)
{
    const struct model_spec *spec = &r->model->spec;
    size_t n = json_array_size(inputs), n_read = 0;
    enum err_code code = ERR_OK;
    *ok = true;
    for (size_t i = 0; i < n && !(code = reserve(r, n_read, n, e)); i++) {
        const json_t *value = json_array_get(inputs, i);
        struct input in = {.about = &spec->trained, .d = spec->d_item, .x = r->x + n_read * spec->d_item};
        if (!json_is_array(value))
            (void)snprintf(in.text, sizeof in.text, "expected an array of %zu numbers", in.d);
        else if (json_is_array(json_array_get(value, 0)))
            take_nested(&in, value, 0);
        else
            take_flat(&in, value);
        if (in.text[0])
            fault(arg, i, in.text);
        n_read += !in.text[0];
        *ok = *ok && !in.text[0];
    }
    r->n = *ok && !code ? n : 0;
    if (!code)
        code = reserve_answer(r, e);
    *ok = *ok && !code;
    return code;
}

/* ---- answers ---- */

size_t trained_room_answer(struct trained_room *r, size_t task, const real *theta)
{
    const struct model *m = r->model;
    return r->n ? trained_task_answer(&m->spec, &m->params, theta, m->spec.trained.tasks[task].n, r->x, r->n,
                                      r->work, r->p)
                : 0;
}

double trained_room_entropy(const struct trained_room *r, size_t task)
{
    double sum = 0;
    size_t k = r->model->spec.trained.tasks[task].n;
    for (size_t i = 0; i < r->n; i++)
        sum += trained_task_entropy(r->p + i * k, k);
    return r->n ? sum / ((double)r->n * log((double)k)) : 0;
}

enum err_code trained_room_guess(const struct trained_room *r, double *scores, struct err *e)
{
    const struct model *m = r->model;
    size_t n_tasks = m->spec.trained.n_tasks;
    real *each = mem_alloc_array(r->n * n_tasks, sizeof *each),
         *work = mem_alloc_aligned(stored_rows_workspace_len(&m->spec), sizeof *work);
    enum err_code code =
        each && work ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to compare %zu tasks", n_tasks);
    if (!code)
        stored_rows_scores(&m->spec, &m->params, r->x, r->n, work, each);
    for (size_t k = 0; k < n_tasks && !code; k++) {
        scores[k] = 0;
        for (size_t i = 0; i < r->n; i++)
            scores[k] += (double)each[i * n_tasks + k] / (double)r->n;
    }
    mem_free(each);
    mem_free(work);
    return code;
}

static void write_one(const struct trained_classes *c, const real *p, struct buf *out)
{
    const char *best = c->names[trained_task_best(p, c->n)];
    buf_adds(out, "{\"class\":");
    buf_add_json_string(out, best, strlen(best));
    buf_adds(out, ",\"probabilities\":{");
    for (size_t k = 0; k < c->n; k++) {
        if (k)
            buf_addc(out, ',');
        buf_add_json_string(out, c->names[k], strlen(c->names[k]));
        buf_addf(out, ":%.6g", (double)p[k]);
    }
    buf_addf(out, "},\"entropy\":%.6g}", trained_task_entropy(p, c->n));
}

void trained_room_write(const struct trained_room *r, size_t task, struct buf *out)
{
    const struct trained_classes *c = &r->model->spec.trained.tasks[task];
    buf_addc(out, '[');
    for (size_t i = 0; i < r->n; i++) {
        if (i)
            buf_addc(out, ',');
        write_one(c, r->p + i * c->n, out);
    }
    buf_addc(out, ']');
}
