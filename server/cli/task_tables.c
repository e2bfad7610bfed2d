#include "server/cli/task_tables.h"

#include <stdio.h>

enum err_code task_tables_open(const char *path, struct model **out, struct err *e)
{
    enum err_code code = model_open(path, out, e);
    if (code || (*out)->spec.task.present)
        return code;
    model_unref(*out);
    return err_set(e, ERR_INVALID,
                   "%s is no model of tasks that read rows: `hypernet train --rows` makes one", path);
}

static bool is_named(struct text name, const struct task_rows_options *o, const struct task_spec *t)
{
    for (size_t i = 0; i < o->n_keys; i++)
        if (text_is(name, o->keys[i]))
            return true;
    return text_is(name, t->target) || (t->time && text_is(name, t->time));
}

/* A column that came in vain may be one whose name is misspelt. */
static void tell_unknown(const char *path, const struct task_rows *rows, const struct task_rows_options *o,
                         const struct task_spec *t)
{
    enum { MOST_NAMED = 8 };
    size_t n = 0;
    for (uint32_t i = 0; i < rows->columns.n; i++) {
        struct text name = id_table_text(&rows->columns, i);
        if (columns_find(&t->columns, name) < t->columns.n || is_named(name, o, t))
            continue;
        if (n == 0)
            (void)fprintf(stderr, "%s: the model does not know, and ignores, the column", path);
        if (n < MOST_NAMED)
            (void)fprintf(stderr, "%s '%.*s'", n ? "," : "", text_shown(name), name.data);
        n++;
    }
    if (n > MOST_NAMED)
        (void)fprintf(stderr, " and %zu more", n - MOST_NAMED);
    if (n)
        (void)fputs("\n", stderr);
}

enum err_code task_file_read(const char *path, struct task_options *o, const struct model *m,
                             bool with_target, bool unknown_is_absent, struct task_file *out, struct err *e)
{
    struct task_rows_options columns;
    o->target = with_target ? m->spec.task.target : NULL;
    o->time = with_target && m->spec.task.forgets ? m->spec.task.time : NULL;
    enum err_code code = task_options_read(o, &columns, e);
    if (!code)
        code = task_rows_read(path, &columns, &out->rows, e);
    if (code)
        return code;
    code = task_dataset_for(&out->rows, &m->spec, unknown_is_absent, &out->data, e);
    if (code)
        (void)err_prefix(e, "%s", path);
    else
        tell_unknown(path, &out->rows, &columns, &m->spec.task);
    return code;
}

void task_file_fini(struct task_file *f)
{
    task_dataset_fini(&f->data);
    task_rows_fini(&f->rows);
}
