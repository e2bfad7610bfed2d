#include "server/api/task_told.h"

#include "server/http/problem_list.h"
#include "server/tasks/task_measures.h"

#include <math.h>

static const char nothing_kept[] = "nothing of the request was kept";

/* ---- warnings ---- */

static void add_warning(struct buf *out, bool *any, const char *type, const char *detail)
{
    buf_adds(out, *any ? "," : ",\"warnings\":[");
    *any = true;
    buf_addf(out, "{\"type\":\"urn:hypernet:warning:%s\",\"detail\":\"%s\"}", type, detail);
}

/* A time that is far off makes all other rows old. */
static void warn_of_age(struct buf *out, bool *any, const struct task_registration *g)
{
    if (g->n_known > 1 && g->rows_worth < 1 + 1e-3 * (double)(g->n_known - 1))
        add_warning(
            out, any, "rows-aged",
            "one row is so much newer than all others that these count for nothing: is its time right?");
}

static void warn_of_waiting(struct buf *out, bool *any)
{
    add_warning(
        out, any, "rows-wanted",
        "rows were forgotten, and the sums that are left of them were made by another model or version: "
        "this one knows the rows that come from now on alone");
}

/* What a caller should know of rows that were taken. */
void task_told_warnings(const struct known_task *part, struct buf *out)
{
    const struct task_registration *g = &part->g;
    const struct task_spec *t = &g->handle->model->spec.task;
    const struct task_known *known = &part->known;
    bool any = false;
    if (g->lost_rows && part->wants_rows)
        add_warning(out, &any, "rows-forgotten",
                    "the rows of the task were forgotten, so those that come are not kept either: "
                    "keep_rows counts again once support gives all rows anew");
    warn_of_age(out, &any, g);
    if (g->waits)
        warn_of_waiting(out, &any);
    else if (!g->n_known)
        add_warning(out, &any, "no-rows",
                    "no row of the task is known: it is answered by what all tasks have in common");
    if (task_known_is_constant(known, &g->handle->model->spec))
        add_warning(out, &any, t->n_classes ? "one-class" : "constant-target",
                    t->n_classes
                        ? "all rows are of one class: they say little of the others"
                        : "the target is the same in all rows: they say little of what it depends on");
    if (any)
        buf_addc(out, ']');
}

void task_told_added(const struct task_registration *g, struct buf *out)
{
    bool any = false;
    warn_of_age(out, &any, g);
    if (g->waits)
        warn_of_waiting(out, &any);
    if (any)
        buf_addc(out, ']');
}

void task_told_waiting(bool waits, struct buf *out)
{
    bool any = false;
    if (!waits)
        return;
    warn_of_waiting(out, &any);
    buf_addc(out, ']');
}

/* ---- registrations ---- */

void task_told_registered(const struct known_task *part, struct buf *out)
{
    const struct task_registration *g = &part->g;
    buf_adds(out, "{\"id\":");
    buf_add_json_string(out, g->id.data, g->id.len);
    buf_addf(out, ",\"result\":\"%s\",\"revision\":%lld,\"source\":\"%s\",\"known\":%zu,\"rows\":%zu",
             part->patch  ? "updated"
             : g->created ? "registered"
                          : "replaced",
             (long long)g->revision, task_source_name(g->source), g->n_known, g->n_rows);
}

static void add_number(struct buf *out, const char *before, double x)
{
    buf_adds(out, before);
    if (isfinite(x))
        buf_addf(out, "%.6g", x);
    else
        buf_adds(out, "null");
}

void task_told_loss(const struct task_registration *g, const struct task_loss *loss, struct buf *out)
{
    buf_addf(out, ",\"loss\":{\"measure\":\"%s\"",
             task_measure_name(task_measures_compared(&g->handle->model->spec)));
    add_number(out, ",\"before\":", loss->before);
    add_number(out, ",\"after\":", loss->after);
    add_number(out, ",\"left_out\":", loss->left_out);
    buf_addc(out, '}');
}

/* ---- refusals ---- */

void task_told_refusal(struct api_thread *t, struct request *r, struct batch *b, const char *hint,
                       const struct err *e)
{
    if (b->faults.n && e->code == ERR_INVALID)
        problem_answer_list(r, &b->faults, nothing_kept);
    else if (e->code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_TASK, NULL, "%s%s%s", e->text, hint ? "; " : "", hint ? hint : "");
    else if (e->code == ERR_LIMIT)
        problem_answer(r, PROBLEM_TOO_LARGE, NULL, "%s", e->text);
    else if (e->code == ERR_CONFLICT)
        problem_answer(r, PROBLEM_OTHER_MODEL, NULL, "%s", e->text);
    else
        api_fail(t, r, e);
}
