/* Networks are made one after the other, and each answers all rows. */
#include "server/cli/unknown_task.h"

#include "base/mem.h"
#include "engine/network/hypernet.h"
#include "engine/network/stored_rows.h"
#include "engine/network/trained_task.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { ROWS = 256 }; /* at a time */

/* What is known of one row. */
struct row {
    uint32_t by_entropy, by_rows; /* tasks */
    double entropy;               /* the least, as a share of what it could be */
    bool right_by_entropy, right_by_rows;
};

struct unknown {
    const struct model *m;
    const struct unknown_rows *asked;
    size_t n_asked, n;
    struct row *rows; /* (n) of all tasks, one after the other */
    real *theta, *work;
    real *p;      /* (ROWS, O) */
    real *scores; /* (ROWS, T) */
};

static enum err_code reserve(struct unknown *u, struct err *e)
{
    struct theta_layout layout;
    const struct model_spec *spec = &u->m->spec;
    size_t a = trained_task_workspace_len(spec), b = stored_rows_workspace_len(spec);
    theta_layout_of(spec, &layout);
    for (size_t i = 0; i < u->n_asked; i++)
        u->n += u->asked[i].rows->n;
    u->rows = mem_zalloc_array(u->n + 1, sizeof *u->rows);
    u->theta = mem_alloc_aligned(layout.len + 1, sizeof *u->theta);
    u->work = mem_alloc_aligned(a > b ? a : b, sizeof *u->work);
    u->p = mem_alloc_array(ROWS, spec->d_output * sizeof *u->p);
    u->scores = mem_alloc_array(ROWS, spec->trained.n_tasks * sizeof *u->scores);
    if (u->rows && u->theta && u->work && u->p && u->scores)
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory to guess the tasks of %zu rows", u->n);
}

static void end(struct unknown *u)
{
    mem_free(u->rows);
    mem_free(u->theta);
    mem_free(u->work);
    mem_free(u->p);
    mem_free(u->scores);
}

/* Done for n rows x (n, D) from row `first` of a task's on, of which `rows` is the first. */
typedef enum err_code block_fn(struct unknown *u, const struct unknown_rows *of, const real *x, size_t n,
                               size_t first, struct row *rows, size_t arg, struct err *e);

static enum err_code for_blocks(struct unknown *u, block_fn *fn, size_t arg, struct err *e)
{
    enum err_code code = ERR_OK;
    struct row *rows = u->rows;
    for (size_t k = 0; k < u->n_asked; k++) {
        const struct class_rows *r = u->asked[k].rows;
        for (size_t i = 0; i < r->n && !code; i += ROWS) {
            size_t n = r->n - i < ROWS ? r->n - i : ROWS;
            code = fn(u, &u->asked[k], r->x + i * r->d, n, i, rows + i, arg, e);
        }
        rows += r->n;
    }
    return code;
}

static enum err_code guess_by_rows(struct unknown *u, const struct unknown_rows *of, const real *x, size_t n,
                                   size_t first, struct row *rows, size_t arg, struct err *e)
{
    size_t n_tasks = u->m->spec.trained.n_tasks;
    (void)of, (void)first, (void)arg, (void)e;
    stored_rows_scores(&u->m->spec, &u->m->params, x, n, u->work, u->scores);
    for (size_t i = 0; i < n; i++)
        rows[i].by_rows = (uint32_t)trained_task_best(u->scores + i * n_tasks, n_tasks);
    return ERR_OK;
}

/* Whether the most probable class of p is called as that of a row of a task. */
static bool is_right(const struct trained_spec *t, size_t task, const real *p, const struct unknown_rows *of,
                     size_t row)
{
    const char *said = t->tasks[task].names[trained_task_best(p, t->tasks[task].n)];
    return strcmp(said, t->tasks[of->task].names[of->rows->y[row]]) == 0;
}

static enum err_code answer(struct unknown *u, const struct unknown_rows *of, const real *x, size_t n,
                            size_t first, struct row *rows, size_t task, struct err *e)
{
    const struct trained_spec *t = &u->m->spec.trained;
    size_t n_classes = t->tasks[task].n;
    if (trained_task_answer(&u->m->spec, &u->m->params, u->theta, n_classes, x, n, u->work, u->p) < n)
        return err_set(e, ERR_INVALID, "a network's answer is not finite; its weights are too large");
    for (size_t i = 0; i < n; i++) {
        const real *p = u->p + i * n_classes;
        double entropy = trained_task_entropy(p, n_classes) / log((double)n_classes);
        bool right = is_right(t, task, p, of, first + i);
        if (task == 0 || entropy < rows[i].entropy) {
            rows[i].entropy = entropy;
            rows[i].by_entropy = (uint32_t)task;
            rows[i].right_by_entropy = right;
        }
        if (rows[i].by_rows == task)
            rows[i].right_by_rows = right;
    }
    return ERR_OK;
}

static void count(const struct unknown *u, struct unknown_result *out)
{
    const struct row *row = u->rows;
    const double each = u->n ? 1 / (double)u->n : 0;
    for (size_t k = 0; k < u->n_asked; k++)
        for (size_t i = 0; i < u->asked[k].rows->n; i++, row++) {
            out->entropy.task += each * (row->by_entropy == u->asked[k].task);
            out->entropy.class += each * row->right_by_entropy;
            out->rows.task += each * (row->by_rows == u->asked[k].task);
            out->rows.class += each * row->right_by_rows;
        }
}

enum err_code unknown_task_measure(const struct model *m, const struct unknown_rows *asked, size_t n_asked,
                                   struct unknown_result *out, struct err *e)
{
    struct unknown u = {.m = m, .asked = asked, .n_asked = n_asked};
    enum err_code code = reserve(&u, e);
    *out = (struct unknown_result){.has_rows = trained_spec_guesses(&m->spec.trained)};
    if (!code && out->has_rows)
        code = for_blocks(&u, guess_by_rows, 0, e);
    for (size_t t = 0; t < m->spec.trained.n_tasks && !code; t++) {
        code = trained_task_generate(&m->spec, &m->params, t, u.work, u.theta, e);
        if (!code)
            code = for_blocks(&u, answer, t, e);
    }
    if (!code)
        count(&u, out);
    end(&u);
    return code;
}
