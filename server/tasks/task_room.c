/* Rows gather in one piece; a full one is worked off, and so is what is left of it at the end. */
#include "server/tasks/task_room.h"

#include "base/mem.h"
#include "server/tasks/task_context.h"

#include <string.h>

enum err_code task_room_new(const struct model *m, struct task_room **out, struct err *e)
{
    size_t d = m->spec.d_item;
    struct task_room *r = mem_zalloc_array(1, sizeof *r);
    if (!r)
        return err_set(e, ERR_NOMEM, "no memory for a thread's workspace");
    r->model = m;
    r->mark = task_context_mark(&m->spec, &m->params);
    r->x = mem_alloc_array(TASK_ROOM_ROWS, d * sizeof *r->x);
    r->beyond = mem_zalloc_array(TASK_ROOM_ROWS, sizeof *r->beyond);
    r->y = mem_alloc_array(TASK_ROOM_ROWS, sizeof *r->y);
    r->time = mem_alloc_array(TASK_ROOM_ROWS, sizeof *r->time);
    r->context = mem_alloc_array(task_context_len(&m->spec), sizeof *r->context);
    r->profile.x = mem_zalloc_array(d, sizeof *r->profile.x);
    r->profile.beyond = mem_zalloc_array(m->spec.task.columns.n + 1, sizeof *r->profile.beyond);
    r->profile.has = mem_zalloc_array(m->spec.task.columns.n + 1, 1);
    enum err_code code =
        r->x && r->beyond && r->y && r->time && r->context && r->profile.x && r->profile.beyond &&
                r->profile.has
            ? task_solver_init(&r->solver, &m->spec, &m->params, TASK_ROOM_ROWS, e)
            : err_set(e, ERR_NOMEM, "no memory for %d rows of %zu numbers", TASK_ROOM_ROWS, d);
    if (code)
        task_room_free(r);
    else
        *out = r;
    return code;
}

void task_room_free(struct task_room *r)
{
    if (!r)
        return;
    task_solver_fini(&r->solver);
    task_answers_fini(&r->answers);
    task_draws_fini(&r->draws);
    task_information_fini(&r->information);
    mem_free(r->x);
    mem_free(r->beyond);
    mem_free(r->y);
    mem_free(r->time);
    mem_free(r->context);
    mem_free(r->profile.x);
    mem_free(r->profile.beyond);
    mem_free(r->profile.has);
    mem_free(r);
}

/* ---- known rows ---- */

void task_room_start(struct task_room *r, const void *context)
{
    size_t n = task_context_len(&r->model->spec);
    r->n = 0;
    r->waits = false;
    if (context)
        memcpy(r->context, context, n * sizeof *r->context);
    else
        task_context_start(&r->model->spec, r->mark, r->context);
}

struct task_row_values task_room_next(struct task_room *r)
{
    return (struct task_row_values){.x = r->x + r->n * r->model->spec.d_item, .beyond = r->beyond + r->n};
}

void task_room_know(struct task_room *r, const struct task_row_values *row)
{
    r->y[r->n] = row->y;
    r->time[r->n++] = row->time;
    if (r->n == TASK_ROOM_ROWS)
        task_room_settle(r);
}

void task_room_settle(struct task_room *r)
{
    task_context_add(&r->solver, TASK_ROOM_ROWS, r->x, r->y, r->time, r->n, r->context);
    r->n = 0;
}

enum err_code task_room_solve(struct task_room *r, const struct task_profile *profile,
                              enum task_source source, struct task_state *out, struct err *e)
{
    task_room_settle(r);
    if (!task_context_solve(&r->solver, r->context))
        return err_set(e, ERR_INVALID,
                       "the task's rows cannot be solved for: they are too large for the model");
    *out = (struct task_state){.layer = r->solver.layer,
                               .profile = *profile,
                               .n_known = (size_t)r->context[TASK_CONTEXT_ROWS],
                               .source = source,
                               .waits = r->waits};
    return ERR_OK;
}

/* ---- asked rows ---- */

enum err_code task_room_ask(struct task_room *r, size_t n, struct err *e)
{
    r->n = r->n_answered = r->draws.n = 0;
    return task_answers_reserve(&r->answers, r->model, n, e);
}

void task_room_take(struct task_room *r, const struct task_state *state)
{
    if (++r->n == TASK_ROOM_ROWS)
        task_room_answer(r, state);
}

void task_room_answer(struct task_room *r, const struct task_state *state)
{
    if (r->n)
        task_answers_predict(&r->solver, &state->layer, r->x, r->n, r->beyond, state->n_known, r->n_answered,
                             &r->answers);
    if (r->n && r->draws.n)
        task_draws_rows(&r->draws, &r->solver, &r->answers, r->n, r->n_answered);
    r->n_answered += r->n;
    r->n = 0;
}
