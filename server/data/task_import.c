/* The tables are read and checked before the store is opened, and the rows written as JSON: what is refused
 * makes none, and others who write wait for as little as can be. In the transaction tasks come one after the
 * other, each with all its rows, as they will lie. */
#include "server/data/task_import.h"

#include "base/limits.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/talk.h"
#include "base/value_text.h"
#include "server/data/task_profiles.h"
#include "server/data/task_row_check.h"
#include "server/fields/merge_patch.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct task_import {
    const struct task_import_options *o;
    struct task_import_report *report;
    struct task_rows rows;
    struct task_profiles profiles;
    bool *used;          /* (profiles.rows.n_rows) by a task */
    struct id_table ids; /* of all tasks at hand: first those of the rows, by their numbers there */
    size_t *from;        /* (tasks of the rows + 1) of each in `order` */
    size_t *order;       /* (n) rows by task, then as they came */
    struct buf texts;    /* of these as JSON, one after the other */
    size_t *end;         /* (n) of each in texts */
    struct store *store;
    struct store_conn *conn;
    struct store_task task; /* what was there */
    struct buf patch, profile;
};

/* ---- the tables ---- */

/* Counts the lines of a bad row; whether the reading goes on: for a few more of them once they are too many.
 * */
static bool bad_row(void *arg, const struct err *why, uint64_t n_lines)
{
    struct task_import *im = arg;
    struct task_import_report *r = im->report;
    r->n_bad += (int64_t)n_lines;
    if (r->n_listed < TASK_IMPORT_LISTED)
        r->listed[r->n_listed++] = *why;
    return r->n_bad <= im->o->skip_bad || r->n_listed < TASK_IMPORT_LISTED;
}

/* Leaves out bad rows: they are of no task afterwards. */
static enum err_code check_rows(struct task_import *im, const char *path, struct task_rows *rows,
                                struct err *e)
{
    struct task_row_kinds *kinds;
    enum err_code code = task_row_kinds_count(rows, &kinds, e);
    bool on = !code;
    for (size_t i = 0; i < rows->n_rows && on; i++) {
        struct err why = {0};
        if (rows->rows[i].is_image || task_row_check(rows, kinds, i, path, &why))
            continue;
        rows->rows[i].task = ID_TABLE_NONE;
        on = bad_row(im, &why, 1);
    }
    mem_free(kinds);
    return code;
}

/* What rows may take of the memory: as much again is for their JSON and for the store. A page too many
 * ends the process, and not the import alone. */
static size_t room_for_rows(const struct task_import_options *o)
{
    size_t limit = machine_memory_bytes(),
           all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    if (o->memory_bytes)
        return o->memory_bytes / 2;
    return (limit < all ? limit : all) / 2;
}

static enum err_code read_tables(struct task_import *im, struct err *e)
{
    const struct task_import_options *o = im->o;
    struct task_rows_options of = {.n_keys = o->n_keys,
                                   .ignored = o->ignored,
                                   .format = o->format,
                                   .bad = bad_row,
                                   .arg = im,
                                   .progress = o->progress,
                                   .progress_arg = o->progress_arg,
                                   .most_bytes = room_for_rows(o)};
    memcpy(of.keys, o->keys, o->n_keys * sizeof *of.keys);
    enum err_code code = ERR_OK;
    struct err why = {0};
    of.keeps_none = true; /* of a profile null takes a value away */
    if (o->profiles)
        code = task_profiles_read(o->profiles, &of, &im->profiles, &why);
    of.keeps_none = false;
    of.takes_images = true;
    if (!code && o->profiles)
        code = check_rows(im, o->profiles, &im->profiles.rows, &why);
    if (!code && o->rows)
        code = task_rows_read(o->rows, &of, &im->rows, &why);
    if (!code && o->rows)
        code = check_rows(im, o->rows, &im->rows, &why);
    if (im->report->n_bad <= o->skip_bad || (code && code != ERR_INVALID))
        return code ? err_copy(e, &why) : ERR_OK;
    return err_set(e, ERR_INVALID,
                   "%s%" PRId64 " bad line%s, %" PRId64
                   " allowed: nothing was imported; --skip-bad N leaves out up to N bad lines",
                   im->report->n_listed == TASK_IMPORT_LISTED ? "at least " : "", im->report->n_bad,
                   talk_s(im->report->n_bad), o->skip_bad);
}

static enum err_code check_ignored(const struct task_import_options *o, struct err *e)
{
    for (size_t i = 0; i < o->ignored.n; i++)
        if (!o->ignored.seen[i])
            return err_set(e, ERR_INVALID,
                           "--ignore-field %s: no table has such a column; nothing was imported",
                           o->ignored.names[i]);
    return ERR_OK;
}

/* Fills `from` and `order`. */
static enum err_code sort_rows(struct task_import *im, struct err *e)
{
    const struct task_rows *r = &im->rows;
    im->from = mem_zalloc_array(r->tasks.n + 2, sizeof *im->from);
    im->order = mem_alloc_array(r->n_rows + 1, sizeof *im->order);
    if (!im->from || !im->order)
        return err_set(e, ERR_NOMEM, "no memory for the order of %zu rows", r->n_rows);
    for (size_t i = 0; i < r->n_rows; i++)
        if (r->rows[i].task != ID_TABLE_NONE)
            im->from[r->rows[i].task + 2]++;
    for (size_t t = 2; t < r->tasks.n + 2; t++)
        im->from[t] += im->from[t - 1];
    for (size_t i = 0; i < r->n_rows; i++)
        if (r->rows[i].task != ID_TABLE_NONE)
            im->order[im->from[r->rows[i].task + 1]++] = i;
    return ERR_OK;
}

/* ---- rows as JSON ---- */

/* What is a number and, as a value of a category, no other text than that number: +49 and 007.5 stay texts,
 * as does an account of more digits than a double keeps. In a column of numbers they count all the same
 * (struct task_row_form). */
static bool is_written_as_number(const struct task_rows *rows, const struct task_cell *cell)
{
    char copy[64];
    double number;
    if (isnan(cell->number) || cell->text == ID_TABLE_NONE)
        return !isnan(cell->number);
    struct text text = id_table_text(&rows->texts, cell->text);
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return value_text_number(copy, &number);
}

/* A decimal as JSON has it too: 2.50, and not +2.5, .5 or 1e3. */
static bool is_plain_decimal(struct text text)
{
    const char *p = text.data, *end = p + text.len;
    p += p < end && *p == '-';
    size_t whole = text_digits(p, end);
    if (!whole || (whole > 1 && *p == '0'))
        return false;
    p += whole;
    return p == end || (*p == '.' && p + 1 < end && text_digits(p + 1, end) == (size_t)(end - p - 1));
}

static bool is_truth(const struct task_rows *rows, const struct task_cell *cell)
{
    struct text text =
        cell->text == ID_TABLE_NONE ? (struct text){NULL, 0} : id_table_text(&rows->texts, cell->text);
    return !isnan(cell->number) && text.len && (text.data[0] | 32) >= 'a' && (text.data[0] | 32) <= 'z';
}

static void add_cell(const struct task_rows *rows, const struct task_cell *cell, struct buf *out)
{
    char room[VALUE_TEXT_ROOM];
    struct text text =
        cell->text == ID_TABLE_NONE ? (struct text){NULL, 0} : id_table_text(&rows->texts, cell->text);
    if (task_cell_is_none(cell)) {
        buf_adds(out, "null"); /* takes away what is there */
    } else if (is_truth(rows, cell)) {
        buf_adds(out, cell->number != 0 ? "true" : "false");
    } else if (!is_written_as_number(rows, cell)) {
        buf_add_json_string(out, text.data, text.len);
    } else if (text.len && is_plain_decimal(text)) {
        buf_add(out, text.data, text.len);
    } else {
        value_text_of_number(cell->number, room);
        buf_adds(out, room);
    }
}

/* The texts of an image and its class as they are; false: the cell is none of these. */
static bool add_of_image(const struct task_rows *rows, const struct task_cell *cell, struct text name,
                         struct buf *out)
{
    bool image = text_is(name, TASK_ROWS_IMAGE);
    if (!image && !text_is(name, TASK_ROWS_CLASS))
        return false;
    struct text text = id_table_text(&rows->texts, cell->text);
    if (image && text.len && text.data[0] == '[') /* no PNG begins so */
        buf_add(out, text.data, text.len);
    else
        buf_add_json_string(out, text.data, text.len);
    return true;
}

/* Appends the cells of a row as an object, but for columns of these names (n); nothing where there are
 * none. */
static void add_object(const struct task_rows *rows, size_t row, const char *const *but, size_t n,
                       struct buf *out)
{
    size_t start = out->len;
    for (size_t i = rows->rows[row].first; i < rows->rows[row + 1].first; i++) {
        struct text name = id_table_text(&rows->columns, rows->cells[i].column);
        size_t k = 0;
        while (k < n && !text_is(name, but[k]))
            k++;
        if (k < n)
            continue;
        buf_addc(out, out->len > start ? ',' : '{');
        buf_add_json_string(out, name.data, name.len);
        buf_addc(out, ':');
        if (!rows->rows[row].is_image || !add_of_image(rows, &rows->cells[i], name, out))
            add_cell(rows, &rows->cells[i], out);
    }
    if (out->len > start)
        buf_addc(out, '}');
}

/* Fills `texts` and `end`. */
static enum err_code write_rows(struct task_import *im, struct err *e)
{
    size_t n = im->from[im->rows.tasks.n];
    im->end = mem_alloc_array(n + 1, sizeof *im->end);
    if (!im->end)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", n);
    for (size_t i = 0; i < n; i++) {
        size_t start = im->texts.len;
        add_object(&im->rows, im->order[i], NULL, 0, &im->texts);
        if (im->texts.failed)
            return buf_check(&im->texts, "the rows of the table", e);
        im->end[i] = im->texts.len;
        size_t len = im->texts.len - start;
        if (len == 0)
            return err_set(e, ERR_INVALID, "%s:%" PRIu64 ": the row says nothing but its task", im->o->rows,
                           im->rows.rows[im->order[i]].line);
        if (len > LIMIT_TASK_ROW_BYTES)
            return err_set(e, ERR_INVALID, "%s:%" PRIu64 ": the row has %zu bytes as JSON; at most %d",
                           im->o->rows, im->rows.rows[im->order[i]].line, len, LIMIT_TASK_ROW_BYTES);
    }
    return ERR_OK;
}

/* Tells of rows on their way into the store. */
static enum err_code tell(const struct task_import *im, struct err *e)
{
    struct progress p = progress_at(im->o->store, (double)NAN);
    p.n_rows = im->report->n_rows;
    return !im->o->progress || im->o->progress(im->o->progress_arg, &p)
               ? ERR_OK
               : err_set(e, ERR_DEADLINE, "the import was stopped: nothing was imported");
}

/* The i-th row in order. */
static struct text row_text(const struct task_import *im, size_t i)
{
    size_t start = i ? im->end[i - 1] : 0;
    return (struct text){im->texts.data + start, im->end[i] - start};
}

/* ---- profiles ---- */

/* The row of the profile of a task; n_rows: it has none. */
static size_t profile_of(const struct task_import *im, struct text id)
{
    const struct task_import_options *o = im->o;
    struct text keys[TASK_MOST_KEYS] = {{NULL, 0}};
    size_t n = 0, at = 0, none = im->profiles.rows.n_rows;
    while (o->n_keys > 1 && n + 1 < o->n_keys) { /* keys have no slash */
        const char *slash = memchr(id.data + at, '/', id.len - at);
        if (!slash)
            return none;
        keys[n++] = (struct text){id.data + at, (size_t)(slash - id.data) - at};
        at = (size_t)(slash - id.data) + 1;
    }
    keys[n++] = (struct text){id.data + at, id.len - at};
    size_t row = task_profiles_find(&im->profiles, o->keys, keys, n);
    return row < none && im->profiles.rows.rows[row].task == ID_TABLE_NONE ? none : row;
}

struct stored {
    struct task_import *im;
    enum err_code code;
    struct err *e;
};

static bool take_stored(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    (void)key, (void)profile, (void)revision;
    struct stored *s = arg;
    uint32_t number;
    if (profile_of(s->im, id) < s->im->profiles.rows.n_rows)
        s->code = id_table_add(&s->im->ids, id, &number, s->e);
    return !s->code;
}

/* Fills `ids`: the tasks of the rows; those of the profiles, or where these are by some of the keys, of the
 * store. */
static enum err_code list_tasks(struct task_import *im, struct err *e)
{
    uint32_t number;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < im->rows.tasks.n && !code; i++)
        code = id_table_add(&im->ids, id_table_text(&im->rows.tasks, (uint32_t)i), &number, e);
    const struct task_rows *p = &im->profiles.rows;
    if (code || !im->o->profiles)
        return code;
    if (im->profiles.n_keys < im->o->n_keys) {
        struct stored s = {.im = im, .e = e};
        code = store_each_task(im->conn, take_stored, &s, e);
        return code ? code : s.code;
    }
    for (size_t i = 0; i < p->n_rows && !code; i++)
        if (p->rows[i].task != ID_TABLE_NONE)
            code = id_table_add(&im->ids, id_table_text(&p->tasks, (uint32_t)i), &number, e);
    return code;
}

/* ---- the store ---- */

/* What the profile will be, in im->profile: the table's joins what is there. */
static enum err_code join_profile(struct task_import *im, size_t row, struct err *e)
{
    const struct task_rows *p = &im->profiles.rows;
    const struct text old = {im->task.profile.len ? im->task.profile.data : NULL, im->task.profile.len};
    buf_reset(&im->patch);
    add_object(p, row, im->o->keys, im->o->n_keys, &im->patch);
    enum err_code code = buf_check(&im->patch, "a profile", e);
    if (!code)
        code = merge_patch(old, (struct text){im->patch.len ? im->patch.data : NULL, im->patch.len},
                           "profile", &im->profile, e);
    if (code)
        return err_prefix(e, "%s:%" PRIu64, im->o->profiles, p->rows[row].line);
    im->report->n_profiles++;
    im->used[row] = true;
    return ERR_OK;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Makes a new task, and puts a profile that changes. *put: there was something to do. */
static enum err_code put_task(struct task_import *im, struct text id, bool *put, struct err *e)
{
    int64_t revision;
    size_t row = im->o->profiles ? profile_of(im, id) : im->profiles.rows.n_rows;
    struct err why = {0};
    enum err_code code = store_read_task(im->conn, id, NULL, &im->task, &why);
    bool is_new = code == ERR_NOTFOUND, created, known = row < im->profiles.rows.n_rows;
    if (code && !is_new)
        return err_copy(e, &why);
    if (is_new) {
        buf_reset(&im->task.profile);
        im->task.n_rows = 0;
        im->task.keeps_rows = true;
    }
    buf_reset(&im->profile);
    code = known ? join_profile(im, row, e) : ERR_OK;
    *put = is_new || (known && !same(&im->profile, &im->task.profile));
    if (code || !*put)
        return code;
    struct text profile = {im->profile.len ? im->profile.data : NULL, im->profile.len};
    im->report->n_new += is_new;
    return store_put_task(im->conn, id, profile, im->task.keeps_rows, &revision, &created, e);
}

static enum err_code check_room(const struct task_import *im, struct text id, int64_t n, struct err *e)
{
    int64_t had = im->o->replace_rows ? 0 : im->task.n_rows;
    if (!im->task.keeps_rows)
        return err_set(e, ERR_INVALID,
                       "task '%.*s' keeps no rows; send them to a server that has its model "
                       "(POST /v1/tasks/{task}/examples)",
                       text_shown(id), id.data);
    if (had + n > LIMIT_TASK_ROWS)
        return err_set(e, ERR_INVALID, "task '%.*s' would have %" PRId64 " rows; at most %d%s",
                       text_shown(id), id.data, had + n, LIMIT_TASK_ROWS,
                       had ? " (--replace-rows leaves those out that it has already)" : "");
    return ERR_OK;
}

/* How far the rows of the store are those of the table. */
struct comparing {
    struct task_import *im;
    size_t at; /* in order */
    bool same;
};

static bool compare_row(void *arg, int64_t number, struct text row)
{
    (void)number;
    struct comparing *c = arg;
    struct text own = row_text(c->im, c->at++);
    c->same = own.len == row.len && memcmp(own.data, row.data, row.len) == 0;
    return c->same;
}

/* A table that is imported again and again changes few tasks. */
static enum err_code has_these_rows(struct task_import *im, size_t task, struct text id, bool *same,
                                    struct err *e)
{
    struct comparing c = {.im = im, .at = im->from[task], .same = true};
    *same = im->task.n_rows > 0 && im->task.n_rows == (int64_t)(im->from[task + 1] - im->from[task]);
    enum err_code code = *same ? store_each_task_row(im->conn, id, compare_row, &c, e) : ERR_OK;
    *same = *same && c.same;
    return code;
}

/* Makes room for the rows of the table. */
static enum err_code clear_rows(struct task_import *im, size_t task, struct text id, bool *same,
                                struct err *e)
{
    struct task_import_report *r = im->report;
    int64_t had = im->task.n_rows;
    *same = false;
    if (!im->o->replace_rows) {
        r->n_added_to += had > 0;
        r->n_had += had;
        return ERR_OK;
    }
    enum err_code code = has_these_rows(im, task, id, same, e);
    if (code || *same || !had)
        return code;
    r->n_replaced += had;
    return store_clear_task(im->conn, id, STORE_CLEAR_INTERACTIONS, e);
}

static enum err_code put_rows(struct task_import *im, size_t task, struct text id, bool touched,
                              struct err *e)
{
    int64_t revision, n = (int64_t)(im->from[task + 1] - im->from[task]);
    bool same = false;
    enum err_code code = check_room(im, id, n, e);
    if (!code)
        code = clear_rows(im, task, id, &same, e);
    im->report->n_rows += n;
    im->report->n_row_tasks++;
    im->report->n_unchanged += !code && same;
    if (code || same)
        return code;
    for (size_t i = im->from[task]; i < im->from[task + 1] && !code; i++) {
        code = store_add_task_row(im->conn, id, row_text(im, i), e);
        if (code)
            (void)err_prefix(e, "%s:%" PRIu64, im->o->rows, im->rows.rows[im->order[i]].line);
    }
    if (!code && !touched)
        code = store_touch_task(im->conn, id, &revision, e);
    return code;
}

static enum err_code put_all(struct task_import *im, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t t = 0; t < im->ids.n && !code; t++) {
        struct text id = id_table_text(&im->ids, (uint32_t)t);
        bool put = false;
        bool has_rows = t < im->rows.tasks.n && im->from[t + 1] > im->from[t];
        if (t < im->rows.tasks.n && !has_rows)
            continue; /* its rows were all bad */
        code = put_task(im, id, &put, e);
        if (!code && has_rows)
            code = put_rows(im, t, id, put, e);
        if (!code)
            code = tell(im, e);
    }
    for (size_t i = 0; i < im->profiles.rows.n_rows; i++)
        im->report->n_profiles_unused += im->profiles.rows.rows[i].task != ID_TABLE_NONE && !im->used[i];
    return code;
}

static enum err_code fill_store(struct task_import *im, struct err *e)
{
    enum err_code code = store_open(im->o->store, STORE_CREATE, &im->store, e);
    if (!code)
        code = store_connect(im->store, &im->conn, e);
    if (!code)
        code = store_begin(im->conn, e);
    if (!code)
        code = list_tasks(im, e);
    if (!code)
        code = put_all(im, e);
    if (!code)
        code = store_commit(im->conn, e);
    return code ? code : store_count(im->conn, &im->report->total, e);
}

static void end(struct task_import *im, bool failed)
{
    if (im->conn)
        store_rollback(im->conn); /* does nothing after a commit */
    store_disconnect(im->conn);
    if (failed)
        store_discard_new(im->store);
    else
        store_close(im->store);
    task_rows_fini(&im->rows);
    task_profiles_fini(&im->profiles);
    id_table_fini(&im->ids);
    store_task_fini(&im->task);
    mem_free(im->used);
    mem_free(im->from);
    mem_free(im->order);
    buf_fini(&im->patch);
    buf_fini(&im->profile);
    buf_fini(&im->texts);
    mem_free(im->end);
}

enum err_code task_import_run(const struct task_import_options *o, struct task_import_report *report,
                              struct err *e)
{
    struct task_import im = {.o = o, .report = report};
    *report = (struct task_import_report){0};
    buf_init(&im.patch, LIMIT_LINE_BYTES);
    buf_init(&im.profile, LIMIT_PROFILE_BYTES);
    buf_init(&im.texts, SIZE_MAX / 4);
    enum err_code code = read_tables(&im, e);
    if (!code)
        code = check_ignored(o, e);
    if (!code)
        code = sort_rows(&im, e);
    if (!code)
        code = write_rows(&im, e);
    if (!code)
        task_rows_drop_cells(&im.rows);
    if (!code && !(im.used = mem_zalloc_array(im.profiles.rows.n_rows + 1, sizeof *im.used)))
        code = err_set(e, ERR_NOMEM, "no memory for %zu profiles", im.profiles.rows.n_rows);
    if (!code)
        code = fill_store(&im, e);
    end(&im, code != ERR_OK);
    return code;
}
