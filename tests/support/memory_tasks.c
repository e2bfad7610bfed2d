/* Tasks of the store in memory. */
#include "tests/support/memory_store.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>

static enum err_code no_task(struct text id, struct err *e)
{
    return err_set(e, ERR_NOTFOUND, "no task '%.*s'", (int)id.len, id.data);
}

/* ---- reads ---- */

struct text memory_task_id(const struct memory_state *s, int64_t key)
{
    for (size_t i = 0; i < s->tasks.n; i++) {
        const struct memory_task *t = memory_rows_at(&s->tasks, i);
        if (t->key == key)
            return t->id;
    }
    return (struct text){NULL, 0};
}

bool memory_is_without_rows(const struct memory_state *s, const struct memory_context *x)
{
    struct text task = {"task", 4};
    const struct memory_task *t =
        memory_compare_texts(x->kind, task) == 0 ? memory_find_task(s, x->id) : NULL;
    return t && !t->keeps_rows;
}

static enum err_code copy_task(const struct memory_task *t, const struct memory_context *x,
                               struct store_task *out, struct err *e)
{
    out->key = t->key;
    out->revision = t->revision;
    out->context_revision = x ? x->revision : 0;
    out->context_given = x && x->given;
    out->keeps_rows = t->keeps_rows;
    out->n_rows = t->n_rows;
    enum err_code code = memory_copy_text(t->profile, LIMIT_PROFILE_BYTES, &out->profile, e);
    struct text none = {NULL, 0};
    return code ? code : memory_copy_text(x ? x->bytes : none, LIMIT_CONTEXT_BYTES, &out->context, e);
}

/* Whether any model has a context of a task. */
static bool has_context(const struct memory_state *s, struct text id)
{
    for (size_t i = 0; i < s->contexts.n; i++) {
        const struct memory_context *x = memory_rows_at(&s->contexts, i);
        if (memory_compare_texts(x->id, id) == 0 &&
            memory_compare_texts(x->kind, (struct text){"task", 4}) == 0)
            return true;
    }
    return false;
}

enum err_code memory_read_task(struct store_conn *conn, struct text id, const struct store_context_key *key,
                               struct store_task *out, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct memory_task *t = memory_find_task(s, id);
    enum err_code code =
        t ? copy_task(t, key ? memory_find_context(s, key, id) : NULL, out, e) : no_task(id, e);
    out->has_others = !code && key && !out->keeps_rows && !out->context.len && has_context(s, id);
    memory_read_end(c, s);
    return code;
}

static int by_key(const void *a, const void *b)
{
    return memory_compare_numbers((*(const struct memory_task *const *)a)->key,
                                  (*(const struct memory_task *const *)b)->key);
}

enum err_code memory_each_task(struct store_conn *conn, store_task_fn *fn, void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const void **rows = memory_ordered(&s->tasks, by_key);
    bool wanted = true;
    for (size_t i = 0; i < s->tasks.n && wanted; i++) {
        const struct memory_task *t = rows[i];
        wanted = fn(arg, t->key, t->id, t->profile, t->revision);
    }
    free(rows);
    memory_read_end(c, s);
    return ERR_OK;
}

/* The first of a task's rows, and the one behind its last. */
static size_t first_row(const struct memory_state *s, int64_t task_key)
{
    return memory_rows_from(&s->task_rows, &(struct memory_task_row){.task_key = task_key});
}

enum err_code memory_each_task_row(struct store_conn *conn, struct text id, store_task_row_fn *fn, void *arg,
                                   struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    const struct memory_task *t = memory_find_task(s, id);
    enum err_code code = t ? ERR_OK : no_task(id, e);
    size_t to = t ? first_row(s, t->key + 1) : 0;
    bool wanted = true;
    for (size_t i = t ? first_row(s, t->key) : 0; i < to && wanted; i++) {
        const struct memory_task_row *row = memory_rows_at(&s->task_rows, i);
        wanted = fn(arg, row->number, row->content);
    }
    memory_read_end(c, s);
    return code;
}

enum err_code memory_each_task_context(struct store_conn *conn, struct text id, store_task_context_fn *fn,
                                       void *arg, struct err *e)
{
    (void)e;
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = memory_read_begin(c);
    bool wanted = true;
    for (size_t i = 0; i < s->contexts.n && wanted; i++) {
        const struct memory_context *x = memory_rows_at(&s->contexts, i);
        char model[LIMIT_NAME_BYTES + 1], version[LIMIT_NAME_BYTES + 1];
        const struct store_context_key key = {model, version, "task"};
        if (text_compare(x->id, id) != 0 || !text_is(x->kind, "task"))
            continue;
        (void)snprintf(model, sizeof model, "%.*s", (int)x->model.len, x->model.data);
        (void)snprintf(version, sizeof version, "%.*s", (int)x->version.len, x->version.data);
        wanted = fn(arg, &key, x->bytes);
    }
    memory_read_end(c, s);
    return ERR_OK;
}

/* ---- writes ---- */

/* The task of a transaction that is there. */
static enum err_code task_of(struct memory_conn *c, struct text id, struct memory_task **out, struct err *e)
{
    enum err_code code = memory_check_writing(c, e);
    if (code)
        return code;
    *out = memory_find_task(c->own, id);
    return *out ? ERR_OK : no_task(id, e);
}

enum err_code memory_put_task(struct store_conn *conn, struct text id, struct text profile, bool keeps_rows,
                              int64_t *revision, bool *created, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_check_writing(c, e);
    if (code)
        return code;
    struct memory_task *t = memory_find_task(c->own, id);
    *created = !t;
    if (!t) {
        struct memory_task fresh = {.id = memory_keep(c, id), .key = ++c->own->last_task_key};
        t = memory_rows_put(&c->own->tasks, &fresh);
    }
    t->profile = memory_keep(c, profile);
    t->keeps_rows = keeps_rows;
    *revision = t->revision = memory_new_change(c->own, STORE_CHANGE_TASK, t->key);
    return ERR_OK;
}

enum err_code memory_touch_task(struct store_conn *conn, struct text id, int64_t *revision, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_task *t;
    enum err_code code = task_of(c, id, &t, e);
    if (!code)
        *revision = t->revision = memory_new_change(c->own, STORE_CHANGE_TASK, t->key);
    return code;
}

enum err_code memory_add_task_row(struct store_conn *conn, struct text id, struct text row, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_task *t;
    enum err_code code = task_of(c, id, &t, e);
    if (code)
        return code;
    struct memory_task_row fresh = {t->key, ++t->n_rows, memory_keep(c, row)};
    (void)memory_rows_put(&c->own->task_rows, &fresh);
    return ERR_OK;
}

static void clear(struct memory_state *s, struct memory_task *t, enum store_clear what)
{
    size_t from = first_row(s, t->key);
    if (what & STORE_CLEAR_INTERACTIONS) {
        memory_rows_remove(&s->task_rows, from, first_row(s, t->key + 1) - from);
        t->n_rows = 0;
    }
    if (what & STORE_CLEAR_CONTEXTS)
        memory_clear_contexts(s, t->id, "task");
}

enum err_code memory_clear_task(struct store_conn *conn, struct text id, enum store_clear what, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_task *t;
    enum err_code code = task_of(c, id, &t, e);
    if (!code)
        clear(c->own, t, what);
    return code;
}

enum err_code memory_delete_task(struct store_conn *conn, struct text id, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_task *t;
    enum err_code code = task_of(c, id, &t, e);
    if (code)
        return code;
    clear(c->own, t, STORE_CLEAR_ALL);
    (void)memory_new_change(c->own, STORE_CHANGE_TASK_GONE, t->key);
    memory_rows_remove(&c->own->tasks, memory_rows_from(&c->own->tasks, t), 1);
    return ERR_OK;
}
