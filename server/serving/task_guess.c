#include "server/serving/task_guess.h"

#include "base/mem.h"
#include "engine/network/task_evidence.h"
#include "engine/network/task_generated.h"
#include "server/serving/task_contexts.h"
#include "server/tasks/task_context.h"

#include <math.h>
#include <string.h>

struct run {
    struct session *t;
    struct model_handle *handle;
    struct task_guess *g;
    struct task_room *room;
    struct task_row_layout layout;
    size_t n;             /* rows that count */
    unsigned char *lacks; /* (columns + 1) 1: some row says nothing */
    double *y;            /* (n) */
    real *f0, *phi;       /* (n, O), (n, M): as rows say by themselves */
    real *f;              /* (n, O) f0 and what is generated for a candidate */
    double *work;         /* task_evidence_room */
    double most, sum;     /* of all scores: the greatest, and the sum of exp(score - most) */
    const char *lacking;  /* a column that some candidate and row had not */
};

/* ---- rows ---- */

/* Where the row that is read is. */
struct place {
    const struct task_query *q;
    size_t row;
};

static void tell(void *arg, const char *column, const char *text)
{
    const struct place *at = arg;
    at->q->fault(at->q->arg, TASK_PART_ROWS, at->row, column, text);
}

static struct task_row_form form_of(struct run *u, const struct task_profile *profile, struct place *at)
{
    const struct task_query *q = u->g->query;
    return (struct task_row_form){.spec = &u->handle->model->spec,
                                  .profile = profile,
                                  .layout = q->asked.columns ? &u->layout : NULL,
                                  .known = u->g->by_targets,
                                  .timeless = true,
                                  .unknown_is_absent = q->unknown_is_absent,
                                  .fault = at ? tell : NULL,
                                  .arg = at};
}

/* Reads the rows into the solver; false: something is wrong with one. */
static bool read_rows(struct run *u, const struct task_row_form *form, struct place *at)
{
    struct task_room *room = u->room;
    bool ok = true;
    for (size_t i = 0; i < u->n; i++) {
        struct task_row_values row = {.x = room->x + i * u->handle->model->spec.d_item};
        if (at)
            at->row = i;
        ok = task_row_read(form, json_array_get(u->g->query->asked.rows, i), &row) && ok;
        u->y[i] = row.y;
    }
    if (ok)
        task_solver_rows(&room->solver, room->x, u->n);
    return ok;
}

/* Whether all rows have the target, or none; else the first that differs is told. */
static bool find_targets(struct run *u, struct place *at)
{
    const struct task_spec *t = &u->handle->model->spec.task;
    struct task_row_form form = form_of(u, NULL, NULL);
    size_t n_without = 0, first = 0;
    for (size_t i = 0; i < u->n; i++) {
        const json_t *row = json_array_get(u->g->query->asked.rows, i);
        unsigned char had = u->lacks[t->columns.n];
        u->lacks[t->columns.n] = 0;
        if (form.layout ? json_is_array(row) : json_is_object(row))
            task_row_lacks(&form, row, u->lacks);
        if (u->lacks[t->columns.n] && !n_without++)
            first = i;
        u->lacks[t->columns.n] |= had;
    }
    u->g->by_targets = n_without == 0;
    if (n_without == 0 || (n_without == u->n && t->n_classes))
        return true;
    at->row = first;
    tell(at, t->target,
         t->n_classes ? "some rows have the target and this one has not: send it with all rows, or with none"
                      : "the target is missing: a model of numbers tells tasks apart by the targets of rows");
    return false;
}

/* Reads the rows for all candidates whose profiles say nothing of what they lack; all that is wrong is
 * told. */
static enum err_code take_rows(struct run *u, bool *ok, struct err *e)
{
    const struct model_spec *spec = &u->handle->model->spec;
    struct place at = {u->g->query, SIZE_MAX};
    struct task_row_form form = form_of(u, NULL, &at);
    enum err_code code = ERR_OK;
    form.layout = NULL;
    form.known = true; /* the target may be among the columns */
    if (u->g->query->asked.columns)
        code = task_row_layout_make(&form, u->g->query->asked.columns, &u->layout, ok, e);
    if (code || !*ok)
        return code;
    *ok = find_targets(u, &at);
    /* What is missing a profile may have: as if one had it, and it were nothing. */
    memset(u->room->profile.x, 0, spec->d_item * sizeof *u->room->profile.x);
    memset(u->room->profile.has, 1, spec->task.columns.n);
    memset(u->room->profile.beyond, 0, spec->task.columns.n * sizeof *u->room->profile.beyond);
    for (size_t i = 0, place = 0; i < spec->task.columns.n; i++) {
        const struct column *column = &spec->task.columns.list[i];
        place += column_width(column);
        if (column->optional)
            u->room->profile.x[place - 1] = 1;
    }
    form = form_of(u, &u->room->profile, &at);
    *ok = read_rows(u, &form, &at) && *ok;
    memcpy(u->f0, u->room->solver.f0, u->n * spec->d_output * sizeof *u->f0);
    memcpy(u->phi, u->room->solver.phi, u->n * spec->task.d_basis * sizeof *u->phi);
    return ERR_OK;
}

/* What rows lack and the profile in the room has or has not. False: rows cannot be read with it. *own:
 * they are others than without it. */
static bool meets(struct run *u, bool *own)
{
    const struct columns *c = &u->handle->model->spec.task.columns;
    *own = false;
    for (size_t i = 0; i < c->n; i++) {
        bool has = u->room->profile.has[i];
        *own = *own || (u->lacks[i] && has);
        if (u->lacks[i] && !has && !c->list[i].optional) {
            u->lacking = c->list[i].name;
            return false;
        }
    }
    return true;
}

/* ---- scores ---- */

/* The score of what the room has: its context and profile. False: it has none. */
static bool score(struct run *u, double *out)
{
    const struct model *m = u->handle->model;
    struct task_room *room = u->room;
    const real *f0 = u->f0, *phi = u->phi;
    bool own;
    if (!meets(u, &own) || !task_context_solve(&room->solver, room->context))
        return false;
    if (own) {
        struct task_row_form form = form_of(u, &room->profile, NULL);
        if (!read_rows(u, &form, NULL))
            return false;
        f0 = room->solver.f0;
        phi = room->solver.phi;
    }
    const struct task_layer *layer = &room->solver.layer;
    task_generated_add(&m->spec, &m->params, layer, phi, u->n, room->solver.workspace, f0, u->f);
    *out = u->g->by_targets ? task_evidence(&m->spec, &m->params, layer, u->f, phi, u->y, u->n, u->work)
                            : -task_mean_entropy(&m->spec, &m->params, layer, u->f, phi, u->n, u->work);
    return isfinite(*out);
}

static enum err_code load(struct run *u, struct text id, struct err *e)
{
    return task_contexts_load(u->t->conn, u->handle, id, TASK_NOW, NULL, &u->t->task, &u->room, e);
}

/* Of a struct run. */
static enum err_code score_task(void *arg, struct text id, double *x, struct err *e)
{
    struct run *u = arg;
    enum err_code code = load(u, id, e);
    if (code || !(u->room->context[TASK_CONTEXT_ROWS] > 0) || !score(u, x))
        return code;
    double most = fmax(u->most, *x);
    u->sum = u->sum * exp(u->most - most) + exp(*x - most);
    u->most = most;
    return ERR_OK;
}

static enum err_code compare(struct run *u, bool *ok, struct err *e)
{
    struct guess_candidates *c = &u->g->among;
    enum err_code code = guess_candidates_compare(c, score_task, u, ok, e);
    if (!code && *ok && c->n_compared == 0 && u->lacking)
        return err_set(e, ERR_INVALID,
                       "rows say nothing in the column \"%s\", and neither do the profiles of tasks",
                       u->lacking);
    return code;
}

static void score_prior(struct run *u)
{
    task_room_start(u->room, NULL);
    memset(u->room->profile.has, 0, u->handle->model->spec.task.columns.n);
    if (!score(u, &u->g->prior))
        u->g->prior = NAN;
}

/* ---- what is found ---- */

static enum err_code tell_best(struct run *u, struct err *e)
{
    const struct guess_candidates *c = &u->g->among;
    for (size_t i = 0; i < c->n_best; i++) {
        const struct guess_best *best = &c->best[i];
        struct task_state state;
        struct task_guessed task = {.id = guess_candidates_id(c, best->candidate),
                                    .score = best->score,
                                    .probability = exp(best->score - u->most) / u->sum};
        enum err_code code = load(u, task.id, e);
        if (!code)
            code = task_room_solve(u->room, &u->room->profile, task_contexts_source(u->room), &state, e);
        if (code)
            return code;
        task.revision = u->t->task.revision;
        if (!u->g->found(u->g->arg, &task, u->room, &state))
            return ERR_OK;
    }
    return ERR_OK;
}

/* All of it, within one snapshot. */
static enum err_code guess(struct run *u, bool *ok, struct err *e)
{
    enum err_code code = guess_candidates_list(&u->g->among, u->t->conn, ok, e);
    if (!code && *ok)
        code = compare(u, ok, e);
    if (!code && *ok)
        score_prior(u);
    return !code && *ok ? tell_best(u, e) : code;
}

static enum err_code reserve(struct run *u, struct err *e)
{
    const struct model_spec *spec = &u->handle->model->spec;
    u->lacks = mem_zalloc_array(spec->task.columns.n + 1, 1);
    u->y = mem_alloc_array(u->n + 1, sizeof *u->y);
    u->f0 = mem_alloc_array(u->n + 1, spec->d_output * sizeof *u->f0);
    u->f = mem_alloc_array(u->n + 1, spec->d_output * sizeof *u->f);
    u->phi = mem_alloc_array(u->n + 1, spec->task.d_basis * sizeof *u->phi);
    u->work = mem_alloc_array(task_evidence_room(spec, u->n) + 1, sizeof *u->work);
    return u->lacks && u->y && u->f0 && u->f && u->phi && u->work
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "no memory to compare %zu rows", u->n);
}

enum err_code task_guess_run(struct session *t, struct model_handle *handle, struct task_guess *g, bool *ok,
                             struct err *e)
{
    size_t n = json_array_size(g->query->asked.rows);
    struct run u = {
        .t = t, .handle = handle, .g = g, .n = n < LIMIT_TASK_GUESS_ROWS ? n : LIMIT_TASK_GUESS_ROWS};
    _Static_assert((int)LIMIT_TASK_GUESS_ROWS <= (int)TASK_ROOM_ROWS, "a room has place for all rows");
    u.most = -INFINITY;
    guess_candidates_init(&g->among);
    g->prior = NAN;
    *ok = true;
    enum err_code code = model_handle_room(handle, &u.room, e);
    if (!code)
        code = reserve(&u, e);
    if (!code)
        code = take_rows(&u, ok, e);
    if (!code && *ok && !(code = store_snapshot_begin(t->conn, e))) {
        code = guess(&u, ok, e);
        store_snapshot_end(t->conn);
    }
    task_row_layout_fini(&u.layout);
    mem_free(u.lacks);
    mem_free(u.y);
    mem_free(u.f0);
    mem_free(u.f);
    mem_free(u.phi);
    mem_free(u.work);
    guess_candidates_fini(&g->among);
    return code;
}
