#include "server/serving/task_loss.h"

#include "base/mem.h"
#include "server/serving/task_contexts.h"
#include "server/tasks/task_context.h"
#include "server/tasks/task_measures.h"

#include <math.h>
#include <string.h>

enum system { BEFORE, AFTER, LEFT_OUT };

struct run {
    struct task_room *room;
    json_t *const *rows; /* (n) */
    size_t n;
    const double *all; /* the context of all rows */
    enum system system;
};

/* The layer that answers a row, from the room's context. */
static bool solve(const struct run *u, const struct task_row_values *row)
{
    struct task_room *room = u->room;
    const struct model_spec *spec = &room->model->spec;
    if (u->system == BEFORE)
        task_context_start(spec, room->mark, room->context);
    else
        memcpy(room->context, u->all, task_context_len(spec) * sizeof *room->context);
    if (u->system == LEFT_OUT)
        task_context_remove(&room->solver, row->x, row->y, row->time, room->context);
    return task_context_solve(&room->solver, room->context);
}

static double target_of(const struct task_spec *t, double y)
{
    return t->n_classes ? y : task_target_known(t, y);
}

/* The mean loss of the rows. */
static enum err_code measure(const struct run *u, double *out, struct err *e)
{
    struct task_room *room = u->room;
    const struct task_spec *t = &room->model->spec.task;
    size_t step = (u->n + TASK_LOSS_ROWS - 1) / TASK_LOSS_ROWS, n = 0;
    double sum = 0;
    bool solved = u->system == LEFT_OUT;
    for (size_t i = 0; i < u->n; i += step) {
        struct task_row_values row = task_room_next(room);
        if (!task_contexts_read(room, u->rows[i], &row))
            continue;
        if ((!solved || u->system == LEFT_OUT) && !solve(u, &row))
            return err_set(e, ERR_INVALID, "the task's rows cannot be solved for");
        solved = true;
        task_answers_predict(&room->solver, &room->solver.layer, row.x, 1, NULL,
                             (size_t)room->context[TASK_CONTEXT_ROWS], 0, &room->answers);
        sum += task_measures_loss(&room->answers, 0, target_of(t, row.y));
        n++;
    }
    *out = n ? sum / (double)n : NAN;
    *out = task_measures_compared(&room->model->spec) == TASK_RMSE ? sqrt(*out) : *out;
    return ERR_OK;
}

enum err_code task_loss_make(struct task_room *room, const json_t *profile, json_t *const *rows, size_t n,
                             struct task_loss *out, struct err *e)
{
    size_t len = task_context_len(&room->model->spec);
    struct run run = {.room = room, .rows = rows, .n = n};
    double *all = mem_alloc_array(len, sizeof *all);
    *out = (struct task_loss){NAN, NAN, NAN};
    if (!all)
        return err_set(e, ERR_NOMEM, "no memory for a task's context");
    task_contexts_profile(room, profile);
    task_room_start(room, NULL);
    for (size_t i = 0; i < n; i++)
        task_contexts_know(room, rows[i]);
    task_room_settle(room);
    memcpy(all, room->context, len * sizeof *all);
    run.all = all;
    enum err_code code = task_answers_reserve(&room->answers, room->model, 1, e);
    double *const results[] = {&out->before, &out->after, &out->left_out};
    for (int system = BEFORE; system <= LEFT_OUT && !code; system++) {
        run.system = (enum system)system;
        code = measure(&run, results[system], e);
    }
    mem_free(all);
    return code;
}
