#include "engine/format/trained_spec.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/format/model_spec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool trained_spec_possible(const struct trained_spec *t, double value)
{
    return fabs(value) <= TRAINED_MOST_UNITS * t->unit; /* a NaN is not */
}

static void free_classes(struct trained_classes *c)
{
    for (size_t i = 0; i < c->n; i++)
        mem_free(c->names[i]);
    mem_free(c->names);
    mem_free(c->rows);
    *c = (struct trained_classes){0};
}

static enum err_code copy_classes(struct trained_classes *c, const char *const *names, size_t n)
{
    *c = (struct trained_classes){.names = mem_zalloc_array(n, sizeof *c->names)};
    for (; c->names && c->n < n; c->n++)
        if (!(c->names[c->n] = mem_strdup(names[c->n])))
            break;
    if (c->names && c->n == n)
        return ERR_OK;
    free_classes(c);
    return ERR_NOMEM;
}

enum err_code trained_spec_add(struct trained_spec *t, const char *const *names, size_t n, struct err *e)
{
    struct trained_classes *more = mem_realloc_array(t->tasks, t->n_tasks + 1, sizeof *more);
    if (more)
        t->tasks = more;
    if (!more || copy_classes(&more[t->n_tasks], names, n))
        return err_set(e, ERR_NOMEM, "no memory for the names of %zu classes", n);
    t->n_tasks++;
    return ERR_OK;
}

enum err_code trained_spec_copy(struct trained_spec *to, const struct trained_spec *from, struct err *e)
{
    enum err_code code = ERR_OK;
    *to = *from;
    to->tasks = NULL;
    to->n_tasks = 0;
    for (size_t i = 0; i < from->n_tasks && !code; i++) {
        code = trained_spec_add(to, (const char *const *)from->tasks[i].names, from->tasks[i].n, e);
        if (!code && from->tasks[i].rows)
            code = trained_spec_keep(to, i, from->tasks[i].rows, e);
    }
    if (code)
        trained_spec_fini(to);
    return code;
}

/* ---- stored rows ---- */

enum err_code trained_spec_keep(struct trained_spec *t, size_t task, const size_t *counts, struct err *e)
{
    struct trained_classes *c = &t->tasks[task];
    size_t *rows = mem_alloc_array(c->n + 1, sizeof *rows);
    if (!rows)
        return err_set(e, ERR_NOMEM, "no memory for the counts of %zu classes", c->n);
    for (size_t k = 0; k < c->n; k++)
        rows[k] = counts[k];
    mem_free(c->rows);
    c->rows = rows;
    return ERR_OK;
}

size_t trained_spec_n_rows_of(const struct trained_spec *t, size_t task)
{
    const struct trained_classes *c = &t->tasks[task];
    size_t n = 0;
    for (size_t k = 0; c->rows && k < c->n; k++)
        n += c->rows[k];
    return n;
}

size_t trained_spec_n_kept(const struct trained_spec *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_tasks; i++)
        n += trained_spec_n_rows_of(t, i);
    return n;
}

size_t trained_spec_n_rows(const struct trained_spec *t)
{
    return t->width > 0 ? trained_spec_n_kept(t) : 0;
}

size_t trained_spec_n_classes(const struct trained_spec *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_tasks; i++)
        n += t->tasks[i].n;
    return n;
}

bool trained_spec_guesses(const struct trained_spec *t)
{
    size_t with = 0;
    for (size_t i = 0; i < t->n_tasks && t->width > 0; i++)
        with += trained_spec_n_rows_of(t, i) > 0;
    return with > 1 && with == t->n_tasks;
}

void trained_spec_fini(struct trained_spec *t)
{
    for (size_t i = 0; i < t->n_tasks; i++)
        free_classes(&t->tasks[i]);
    mem_free(t->tasks);
    *t = (struct trained_spec){0};
}

size_t trained_spec_class(const struct trained_spec *t, size_t task, const char *name)
{
    size_t i = 0;
    while (i < t->tasks[task].n && strcmp(t->tasks[task].names[i], name) != 0)
        i++;
    return i;
}

const char *trained_spec_dims_text(const struct trained_spec *t, char *text, size_t n)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < t->n_dims && at < n; i++)
        at += (size_t)snprintf(text + at, n - at, "%s%zu", i ? " x " : "", t->dims[i]);
    return text;
}

static enum err_code check_classes(const struct trained_spec *t, size_t task, size_t d_output, struct err *e)
{
    const struct trained_classes *c = &t->tasks[task];
    if (c->n < 2 || c->n > d_output)
        return err_set(e, ERR_INVALID, "trained.classes[%zu] has %zu classes; from 2 to d_output, %zu", task,
                       c->n, d_output);
    for (size_t i = 0; i < c->n; i++) {
        size_t len = strlen(c->names[i]);
        if (len < 1 || len > LIMIT_NAME_BYTES || !utf8_valid(c->names[i], len))
            return err_set(e, ERR_INVALID, "trained.classes[%zu][%zu] has %zu bytes; 1 to %d of UTF-8", task,
                           i, len, LIMIT_NAME_BYTES);
        if (trained_spec_class(t, task, c->names[i]) != i)
            return err_set(e, ERR_INVALID, "trained.classes[%zu] has '%s' twice", task, c->names[i]);
    }
    return ERR_OK;
}

/* The shape of an input, beside d_item. */
static enum err_code check_shape(const struct trained_spec *t, size_t d_item, struct err *e)
{
    size_t d = 1;
    char text[128];
    for (size_t i = 0; i < t->n_dims && d <= d_item; i++)
        d *= t->dims[i] <= LIMIT_DIM ? t->dims[i] : LIMIT_DIM; /* d is at most LIMIT_DIM before it */
    if (t->n_dims && d == d_item)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "trained.shape is %s; d_item is %zu",
                   trained_spec_dims_text(t, text, sizeof text), d_item);
}

/* Counts are whole numbers below LIMIT_DIM each, as a description has them. */
static enum err_code check_rows(const struct trained_spec *t, struct err *e)
{
    size_t n = trained_spec_n_kept(t);
    if (!isfinite(t->width) || t->width < 0)
        return err_set(e, ERR_INVALID, "trained.stored.width is not a finite number above 0");
    if (t->width > 0 && (n < 1 || n > LIMIT_STORED_ROWS))
        return err_set(e, ERR_INVALID, "trained.stored.rows are %zu rows; from 1 to %d", n,
                       LIMIT_STORED_ROWS);
    return ERR_OK;
}

enum err_code trained_spec_check(const struct model_spec *spec, struct err *e)
{
    const struct trained_spec *t = &spec->trained;
    if (!t->present)
        return ERR_OK;
    if (!spec->encoder.present || spec->encoder.d_id != spec->d_context || spec->task.present ||
        spec->objective != &objective_classification)
        return err_set(e, ERR_INVALID,
                       "trained needs the objective classification, an encoder of the block id alone, and no "
                       "task");
    if (!(isfinite(t->unit) && t->unit > 0))
        return err_set(e, ERR_INVALID, "trained.unit is not a finite number above 0");
    if (check_shape(t, spec->d_item, e))
        return ERR_INVALID;
    if (t->n_tasks != spec->encoder.n_tasks)
        return err_set(e, ERR_INVALID, "trained.classes is of %zu tasks; encoder.id has %zu", t->n_tasks,
                       spec->encoder.n_tasks);
    for (size_t i = 0; i < t->n_tasks; i++)
        if (check_classes(t, i, spec->d_output, e))
            return ERR_INVALID;
    return check_rows(t, e);
}

size_t trained_spec_tensors(const struct model_spec *spec, struct tensor_spec *out)
{
    const size_t n = trained_spec_n_rows(&spec->trained);
    if (!n)
        return 0;
    out[0] = (struct tensor_spec){.name = "trained.rows",
                                  .n_rows = n,
                                  .n_cols = spec->d_item,
                                  .group = GROUP_FROZEN,
                                  .slot_offset = offsetof(struct model_params, stored_rows)};
    out[1] = (struct tensor_spec){.name = "trained.row_weights",
                                  .n_rows = n,
                                  .n_cols = trained_spec_n_classes(&spec->trained),
                                  .group = GROUP_FROZEN,
                                  .slot_offset = offsetof(struct model_params, stored_weights)};
    return 2;
}
