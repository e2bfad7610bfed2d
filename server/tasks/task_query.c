#include "server/tasks/task_query.h"

#include "base/limits.h"

#include <math.h>
#include <string.h>

/* Where the row that is being read is. */
struct place {
    const struct task_query *q;
    enum task_part part;
    size_t row;
};

static void tell(void *arg, const char *column, const char *text)
{
    const struct place *at = arg;
    if (at->q->fault)
        at->q->fault(at->q->arg, at->part, at->row, column, text);
}

static struct task_row_form form_of(const struct task_room *r, const struct task_query *q,
                                    const struct task_profile *profile, struct place *at)
{
    bool known = at->part == TASK_PART_SUPPORT;
    return (struct task_row_form){.spec = &r->model->spec,
                                  .profile = profile,
                                  .known = known,
                                  .unknown_is_absent = q->unknown_is_absent,
                                  .others = q->others,
                                  .n_others = known ? q->n_others : 0,
                                  .fault = tell,
                                  .arg = at};
}

/* Reads a list of rows: known ones are taken into the context, asked ones answered by the state, and without
 * one only looked at. */
static enum err_code read_list(struct task_room *r, const struct task_list *list,
                               const struct task_row_form *form, struct place *at,
                               const struct task_state *state, bool *ok, struct err *e)
{
    struct task_row_layout layout = {0};
    struct task_row_form f = *form;
    enum err_code code = ERR_OK;
    at->row = SIZE_MAX;
    if (list->columns) {
        bool placed = true;
        code = task_row_layout_make(&f, list->columns, &layout, &placed, e);
        *ok = *ok && placed;
        f.layout = &layout;
    }
    for (size_t i = 0; i < json_array_size(list->rows) && !code; i++) {
        struct task_row_values row = task_room_next(r);
        at->row = i;
        bool read = task_row_read(&f, json_array_get(list->rows, i), &row);
        *ok = *ok && read;
        if (read && f.known)
            task_room_know(r, &row);
        else if (read && state)
            task_room_take(r, state);
    }
    task_row_layout_fini(&layout);
    return code;
}

static void read_profile(struct task_room *r, const struct task_query *q, bool *ok)
{
    struct place at = {q, TASK_PART_PROFILE, SIZE_MAX};
    struct task_row_form form = form_of(r, q, NULL, &at);
    *ok = task_profile_read(&form, q->profile, &r->profile) && *ok;
}

enum err_code task_query_solve(struct task_room *r, const struct task_query *q, struct task_state *out,
                               bool *ok, struct err *e)
{
    struct place at = {q, TASK_PART_SUPPORT, SIZE_MAX};
    *ok = true;
    read_profile(r, q, ok);
    struct task_row_form form = form_of(r, q, &r->profile, &at);
    task_room_start(r, NULL);
    enum err_code code = read_list(r, &q->support, &form, &at, NULL, ok, e);
    if (code || !*ok)
        return code;
    return task_room_solve(r, &r->profile, TASK_FROM_SUPPORT, out, e);
}

void task_query_state(struct task_room *r, const struct task_query *q, struct task_state *state, bool *ok)
{
    const struct columns *c = &r->model->spec.task.columns;
    if (!q->profile)
        return;
    read_profile(r, q, ok);
    for (size_t i = 0, at = 0; i < c->n; at += column_width(&c->list[i]), i++) {
        if (r->profile.has[i] || !state->profile.has[i])
            continue;
        r->profile.has[i] = 1;
        r->profile.beyond[i] = state->profile.beyond[i];
        memcpy(r->profile.x + at, state->profile.x + at, column_width(&c->list[i]) * sizeof *r->profile.x);
    }
    state->profile = r->profile;
}

enum err_code task_query_run(struct task_room *r, const struct task_query *q, const struct task_state *state,
                             bool *ok, struct err *e)
{
    struct place at = {q, TASK_PART_ROWS, SIZE_MAX};
    struct task_row_form form = form_of(r, q, state ? &state->profile : &r->profile, &at);
    size_t n = json_array_size(q->asked.rows), n_out = r->model->spec.d_output;
    enum err_code code = task_room_ask(r, n, e);
    if (!code && state && q->n_samples)
        code = task_draws_start(&r->draws, &r->model->spec, &r->model->params, &state->layer, state->n_known,
                                q->n_samples, n, q->seed, e);
    if (!code && state && q->uncertainty && r->model->spec.task.n_classes)
        code = task_information_init(&r->information, n_out, q->seed, e);
    if (!code)
        code = read_list(r, &q->asked, &form, &at, state, ok, e);
    if (code || !*ok || !state)
        return code;
    task_room_answer(r, state);
    for (at.row = 0; at.row < n; at.row++) {
        bool finite = true;
        for (size_t k = 0; k < n_out; k++)
            finite = finite && isfinite(r->answers.value[at.row * n_out + k]);
        if (!finite)
            tell(&at, NULL, "the model's answer is not finite");
        *ok = *ok && finite;
    }
    return ERR_OK;
}

/* ---- answers ---- */

static void write_samples(const struct task_room *r, const struct task_query *q, size_t i, struct buf *out)
{
    const struct task_spec *t = &r->model->spec.task;
    const struct task_draws *d = &r->draws;
    buf_adds(out, ",\"samples\":[");
    for (size_t k = 0; k < d->n; k++) {
        double y = task_target_known(t, d->values[i * d->n + k]);
        if (q->clamp)
            y = task_target_clamp(t, y);
        buf_addf(out, k ? ",%.6g" : "%.6g", task_answers_shown(y));
    }
    buf_addc(out, ']');
}

/* What the bounds of one deviation and of the interval are, for all rows. */
struct bounds {
    struct task_bounds deviation, interval;
};

static struct bounds find_bounds(const struct task_room *r, const struct task_query *q)
{
    const struct task_answers *a = &r->answers;
    if (!a->n || r->model->spec.task.n_classes)
        return (struct bounds){0};
    return (struct bounds){task_answers_bounds(a, 0, TASK_ONE_DEVIATION),
                           task_answers_bounds(a, 0, q->interval)};
}

static void write_number(const struct task_room *r, const struct task_query *q, size_t i,
                         const struct bounds *bounds, struct buf *out)
{
    const struct task_answers *a = &r->answers;
    double low, high, deviation, epistemic;
    task_answers_deviations(a, i, bounds->deviation, q->clamp, &deviation, &epistemic);
    task_answers_within(a, i, bounds->interval, q->clamp, &low, &high);
    buf_addf(out, "{\"value\":%.9g,\"deviation\":%.9g,\"epistemic\":%.9g,\"interval\":[%.9g,%.9g]",
             task_answers_shown(task_answers_value(a, i, q->clamp)), task_answers_shown(deviation),
             task_answers_shown(epistemic), task_answers_shown(low), task_answers_shown(high));
    if (r->draws.n)
        write_samples(r, q, i, out);
    buf_addc(out, '}');
}

static void write_class(const struct task_room *r, const struct task_query *q, size_t i, struct buf *out)
{
    const struct task_spec *t = &r->model->spec.task;
    const double *p = r->answers.value + i * t->n_classes;
    size_t best = 0;
    for (size_t k = 1; k < t->n_classes; k++)
        best = p[k] > p[best] ? k : best;
    buf_adds(out, "{\"class\":");
    buf_add_json_string(out, t->classes[best], strlen(t->classes[best]));
    buf_adds(out, ",\"probabilities\":{");
    for (size_t k = 0; k < t->n_classes; k++) {
        if (k)
            buf_addc(out, ',');
        buf_add_json_string(out, t->classes[k], strlen(t->classes[k]));
        buf_addf(out, ":%.6g", p[k]);
    }
    buf_addf(out, "},\"entropy\":%.6g", r->answers.spread[i]);
    if (q->uncertainty)
        buf_addf(out, ",\"epistemic\":%.6g,\"novelty\":%.6g",
                 task_information(&r->information, p, r->answers.own[i]), r->answers.own[i]);
    buf_addc(out, '}');
}

void task_query_write(const struct task_room *r, const struct task_query *q, struct buf *out)
{
    const struct bounds bounds = find_bounds(r, q);
    buf_addc(out, '[');
    for (size_t i = 0; i < r->answers.n; i++) {
        if (i)
            buf_addc(out, ',');
        if (r->model->spec.task.n_classes)
            write_class(r, q, i, out);
        else
            write_number(r, q, i, &bounds, out);
    }
    buf_addc(out, ']');
}
