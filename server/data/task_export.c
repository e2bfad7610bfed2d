/* What is stored is JSON already, and goes out as it lies there, behind the columns that say the task. */
#include "server/data/task_export.h"

#include "base/buf.h"
#include "base/limits.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct exporting {
    const struct task_export_options *o;
    struct task_export_report *report;
    struct store_conn *conn;
    struct text id;                    /* of the task at hand */
    struct text parts[TASK_MOST_KEYS]; /* (n_keys) */
    struct buf line, rest;
    enum err_code code;
    struct err *e;
};

/* Takes the id apart. */
static enum err_code split_id(struct exporting *x, struct err *e)
{
    size_t n = 0, at = 0, n_keys = x->o->n_keys;
    for (; n + 1 < n_keys; n++) { /* keys have no slash, but of one alone */
        const char *slash = memchr(x->id.data + at, '/', x->id.len - at);
        size_t end = slash ? (size_t)(slash - x->id.data) : x->id.len;
        if (!slash || end == at)
            break;
        x->parts[n] = (struct text){x->id.data + at, end - at};
        at = end + 1;
    }
    x->parts[n++] = (struct text){x->id.data + at, x->id.len - at};
    bool whole =
        n == n_keys && at < x->id.len && (n_keys == 1 || !memchr(x->id.data + at, '/', x->id.len - at));
    return whole ? ERR_OK
                 : err_set(e, ERR_INVALID,
                           "task '%.*s' is not of %zu columns with slashes between; --task names %zu",
                           text_shown(x->id), x->id.data, n_keys, n_keys);
}

/* Whether a member of a stored object says what the column is to say: 7.0 is 7. */
static bool says(const json_t *value, struct text part)
{
    char copy[64], *end;
    if (json_is_string(value))
        return json_string_length(value) == part.len &&
               memcmp(json_string_value(value), part.data, part.len) == 0;
    if (!json_is_number(value) || part.len >= sizeof copy)
        return false;
    memcpy(copy, part.data, part.len);
    copy[part.len] = '\0';
    double number = strtod(copy, &end);
    return !*end && number == json_number_value(value);
}

static int append(const char *bytes, size_t n, void *arg)
{
    struct buf *out = arg;
    buf_add(out, bytes, n);
    return out->failed ? -1 : 0;
}

/* A column of the task that the object has itself stays there, unless it is a number: 9.0 would come back
 * as 9, and so as another task. *goes: members are to go. */
static enum err_code check_own(struct exporting *x, json_t *root, size_t key, const char *what, bool *has,
                               bool *goes, struct err *e)
{
    const char *name = x->o->keys[key];
    const json_t *own = json_object_get(root, name);
    *has = own && !json_is_number(own);
    if (!own)
        return ERR_OK;
    if (!says(own, x->parts[key]))
        return err_set(
            e, ERR_INVALID,
            "task '%.*s': %s has a column '%s' that says something else; name the column of the task "
            "otherwise (--task)",
            text_shown(x->id), x->id.data, what, name);
    *goes = *goes || !*has;
    return *has || json_object_del(root, name) == 0 ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for a row");
}

/* Begins the line with the columns of the task; what of the object comes behind them is in *object. */
static enum err_code add_keys(struct exporting *x, struct text *object, const char *what, struct err *e)
{
    const struct task_export_options *o = x->o;
    bool goes = false;
    json_t *root = object->len ? json_loadb(object->data, object->len, 0, NULL) : NULL;
    enum err_code code =
        object->len && !json_is_object(root)
            ? err_set(e, ERR_CORRUPT, "task '%.*s': %s is no object", text_shown(x->id), x->id.data, what)
            : ERR_OK;
    for (size_t i = 0; i < o->n_keys && !code; i++) {
        bool has;
        code = check_own(x, root, i, what, &has, &goes, e);
        if (has || code)
            continue;
        buf_addc(&x->line, x->line.len ? ',' : '{');
        buf_add_json_string(&x->line, o->keys[i], strlen(o->keys[i]));
        buf_addc(&x->line, ':');
        buf_add_json_string(&x->line, x->parts[i].data, x->parts[i].len);
    }
    buf_reset(&x->rest);
    if (!code && goes && json_dump_callback(root, append, &x->rest, JSON_COMPACT) != 0)
        code = err_set(e, ERR_NOMEM, "no memory for a row");
    if (goes)
        *object = (struct text){x->rest.data, x->rest.len};
    json_decref(root);
    return code;
}

static enum err_code write_line(struct exporting *x, struct text object, const char *what, FILE *out,
                                struct err *e)
{
    buf_reset(&x->line);
    enum err_code code = add_keys(x, &object, what, e);
    if (code)
        return code;
    bool any = object.len > 2; /* more than {} */
    if (any && x->line.len) {
        buf_addc(&x->line, ',');
        buf_add(&x->line, object.data + 1, object.len - 1);
    } else if (any) {
        buf_add(&x->line, object.data, object.len);
    } else {
        buf_addc(&x->line, '}');
    }
    buf_addc(&x->line, '\n');
    code = buf_check(&x->line, "a line of a table", e);
    if (!code && fwrite(x->line.data, 1, x->line.len, out) != x->line.len)
        code =
            err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "a table cannot be written: %s", strerror(errno));
    return code;
}

static bool write_row(void *arg, int64_t number, struct text row)
{
    struct exporting *x = arg;
    (void)number;
    x->report->n_rows++;
    x->code = write_line(x, row, "a row", x->o->rows, x->e);
    return !x->code;
}

static bool write_task(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct exporting *x = arg;
    (void)key;
    (void)revision;
    x->id = id;
    x->report->n_tasks++;
    x->code = split_id(x, x->e);
    if (!x->code && x->o->profiles)
        x->code = write_line(x, profile, "the profile", x->o->profiles, x->e);
    int64_t before = x->report->n_rows;
    if (!x->code && x->o->rows) {
        enum err_code code = store_each_task_row(x->conn, id, write_row, x, x->e);
        x->code = x->code ? x->code : code;
    }
    x->report->n_without_rows += x->report->n_rows == before;
    return !x->code;
}

enum err_code task_export_run(struct store_conn *c, const struct task_export_options *o,
                              struct task_export_report *report, struct err *e)
{
    struct exporting x = {.o = o, .report = report, .conn = c, .e = e};
    *report = (struct task_export_report){0};
    buf_init(&x.line, (size_t)2 * LIMIT_LINE_BYTES);
    buf_init(&x.rest, (size_t)2 * LIMIT_LINE_BYTES);
    enum err_code code = store_snapshot_begin(c, e);
    if (!code) {
        code = store_each_task(c, write_task, &x, e);
        store_snapshot_end(c);
    }
    buf_fini(&x.line);
    buf_fini(&x.rest);
    return x.code ? x.code : code;
}
