#include "server/data/task_profiles.h"

#include "base/limits.h"
#include "server/tables/format.h"

#include <string.h>

void task_profiles_fini(struct task_profiles *p)
{
    task_rows_fini(&p->rows);
    *p = (struct task_profiles){0};
}

/* Those of the task's keys that are columns; of NDJSON all, since it has no header. */
static enum err_code find_keys(const char *path, const struct task_rows_options *o, struct task_profiles *p,
                               struct err *e)
{
    struct table *t;
    struct table_about about;
    enum err_code code = table_open(path, TABLE_ROWS, o->format, &t, e);
    if (code)
        return code;
    table_about(t, &about);
    for (size_t i = 0; i < o->n_keys; i++)
        if (about.format == TABLE_NDJSON || table_columns_have(about.columns, o->keys[i]))
            p->keys[p->n_keys++] = o->keys[i];
    if (!p->n_keys)
        code = task_rows_no_column(path, about.columns, o->keys[0], e);
    table_close(t);
    return code;
}

enum err_code task_profiles_read(const char *path, const struct task_rows_options *o,
                                 struct task_profiles *out, struct err *e)
{
    struct task_rows_options of = *o;
    enum err_code code = find_keys(path, o, out, e);
    if (code)
        return code;
    memcpy(of.keys, out->keys, sizeof of.keys);
    of.n_keys = out->n_keys;
    of.target = of.time = NULL;
    of.profiles = NULL;
    code = task_rows_read(path, &of, &out->rows, e);
    for (size_t i = 0; i < out->rows.n_rows && !code; i++) /* tasks are numbered as they come */
        if (out->rows.rows[i].task != i)
            code = err_set(e, ERR_INVALID, "%s:%llu: a second profile of '%.*s'", path,
                           (unsigned long long)out->rows.rows[i].line,
                           (int)id_table_text(&out->rows.tasks, out->rows.rows[i].task).len,
                           id_table_text(&out->rows.tasks, out->rows.rows[i].task).data);
    return code;
}

size_t task_profiles_find(const struct task_profiles *p, const char *const *keys, const struct text *texts,
                          size_t n_keys)
{
    char id[LIMIT_ID_BYTES + 1];
    size_t n = 0, used = 0;
    for (size_t i = 0; i < n_keys && used < p->n_keys; i++) {
        if (strcmp(keys[i], p->keys[used]) != 0)
            continue;
        if (n + (used > 0) + texts[i].len > LIMIT_ID_BYTES)
            return p->rows.n_rows;
        if (used++)
            id[n++] = '/';
        memcpy(id + n, texts[i].data, texts[i].len);
        n += texts[i].len;
    }
    uint32_t found = id_table_find(&p->rows.tasks, (struct text){id, n});
    return found == ID_TABLE_NONE ? p->rows.n_rows : found;
}
