#include "server/cli/task_tables.h"

enum err_code task_tables_open(const char *path, struct model **out, struct err *e)
{
    enum err_code code = model_open(path, out, e);
    if (code || (*out)->spec.task.present)
        return code;
    model_unref(*out);
    return err_set(e, ERR_INVALID,
                   "%s is no model of tasks that read rows: `hypernet train --rows` makes one", path);
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
    return code;
}

void task_file_fini(struct task_file *f)
{
    task_dataset_fini(&f->data);
    task_rows_fini(&f->rows);
}
