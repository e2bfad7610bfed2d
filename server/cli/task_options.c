#include "server/cli/task_options.h"

#include <string.h>

enum err_code task_options_read(struct task_options *o, struct task_rows_options *out, struct err *e)
{
    *out = (struct task_rows_options){.target = o->target, .time = o->time};
    if (!o->task && o->without_task)
        return o->profiles ? err_set(e, ERR_INVALID, "--task-profiles goes with --task") : ERR_OK;
    if (!o->task || !*o->task)
        return err_set(e, ERR_INVALID,
                       "--task names the columns that say which task a row is of: --task store,brand");
    if (strlen(o->task) >= sizeof o->keys)
        return err_set(e, ERR_INVALID, "--task is longer than %d bytes", TASK_KEYS_BYTES - 1);
    memcpy(o->keys, o->task, strlen(o->task) + 1);
    for (char *at = o->keys, *end; at; at = end) {
        end = strchr(at, ',');
        if (end)
            *end++ = '\0';
        if (out->n_keys == TASK_MOST_KEYS)
            return err_set(e, ERR_INVALID, "--task names more than %d columns", TASK_MOST_KEYS);
        if (!*at)
            return err_set(e, ERR_INVALID, "--task '%s' has an empty name", o->task);
        out->keys[out->n_keys++] = at;
    }
    task_options_fini(o);
    if (!o->profiles)
        return ERR_OK;
    enum err_code code = task_profiles_read(o->profiles, out, &o->table, e);
    out->profiles = &o->table;
    return code;
}

void task_options_fini(struct task_options *o)
{
    task_profiles_fini(&o->table);
}
