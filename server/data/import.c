/* One transaction for all files: a learner of last night's dump must never see half of it. Others cannot
 * write while it lasts, so all files are read and checked before it, their rows wait in files that nobody
 * sees, and what can be done ahead of it is. A bad line too many turns the rest of the run into a search for
 * the next few bad lines, and nothing is begun. */
#include "server/data/import.h"

#include "base/mem.h"
#include "base/talk.h"
#include "server/data/import_ahead.h"
#include "server/data/import_deleted.h"
#include "server/data/import_fields.h"
#include "server/data/import_forms.h"
#include "server/data/import_ids.h"
#include "server/data/import_names.h"
#include "server/data/import_seen.h"
#include "server/data/row_file.h"
#include "server/fields/id_form.h"
#include "server/fields/partial.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PROGRESS_ROWS = 16384, STAGE_FROM = 400000, AHEAD_FROM = 20000, TRIES = 4 };

struct import {
    const struct import_options *options;
    struct import_report *report;
    struct store *store;
    struct store_conn *conn;
    struct store_load *load;                  /* of the interactions */
    struct store_bulk *bulk;                  /* NULL: not begun, or ended */
    struct row_file rows[TABLE_CONTEXTS + 1]; /* of users, items, contexts; by enum table_kind */
    unsigned char *embedding;                 /* (n_embedding * 4) little-endian */
    size_t n_embedding;                       /* numbers in every embedding; 0 until the first */
    bool failed;                              /* too many bad lines: nothing is written any more */
    struct partial partial;
    struct import_ids ids;
    struct import_ahead ahead[TABLE_CONTEXTS + 1]; /* of users and items */
    struct import_fields fields;
    struct import_forms forms; /* of the file at hand */
    bool ignored_seen[IMPORT_MAX_IGNORED];
    struct import_seen seen; /* users with a context to come */
    struct import_deleted deleted;
    struct import_kinds kinds;
};

/* ---- rows ---- */

/* A row says part of what is known of a user or item: what it leaves out is kept. */
static enum err_code put_user(struct import *im, const struct import_file *file, const struct table_row *row,
                              struct err *e)
{
    const struct partial_object given = {row->object, row->no_object};
    struct text profile;
    bool known;
    enum err_code code = partial_user(&im->partial, im->conn, row->user, &given, &profile, &known, e);
    if (code)
        return err_prefix(e, "%s:%" PRIu64, file->path, row->line);
    import_fields_compare(&im->fields, file, &im->partial.object, row->object, im->report);
    return im->ahead[TABLE_USERS].begun ? store_bulk_seen_user(im->bulk, row->user, profile, e)
                                        : store_bulk_user(im->bulk, row->user, profile, e);
}

static enum err_code put_item(struct import *im, const struct import_file *file, const struct table_row *row,
                              struct err *e)
{
    const struct partial_item given = import_ahead_item(row);
    struct store_item item;
    bool known;
    enum err_code code = partial_item(&im->partial, im->conn, &given, &item, &known, e);
    if (code)
        return err_prefix(e, "%s:%" PRIu64, file->path, row->line);
    import_fields_compare(&im->fields, file, &im->partial.object, row->object, im->report);
    return store_bulk_item(im->bulk, &item, e);
}

/* Little-endian float32, as the store's contexts are. */
static void encode(const float *x, size_t n, unsigned char *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        for (size_t j = 0; j < 4; j++)
            out[4 * i + j] = (unsigned char)(bits >> (8 * j));
    }
}

static enum err_code check_width(struct import *im, const struct import_file *file,
                                 const struct table_row *row, struct err *e)
{
    if (im->n_embedding && im->n_embedding != row->n_embedding)
        return err_set(e, ERR_INVALID, "%s:%" PRIu64 ": the embedding has %zu numbers, those before it %zu",
                       file->path, row->line, row->n_embedding, im->n_embedding);
    if (!im->n_embedding) {
        im->embedding = mem_alloc_array(row->n_embedding, 4);
        if (!im->embedding)
            return err_set(e, ERR_NOMEM, "no memory for an embedding of %zu numbers", row->n_embedding);
        im->n_embedding = row->n_embedding;
    }
    return ERR_OK;
}

/* Whether a user who is not there was so, or was written ahead, when the import saw him. */
static bool was_there(const struct import *im, struct text id)
{
    return import_ahead_saw(&im->ahead[TABLE_USERS], id) || store_load_left_out(im->load, id) ||
           import_seen_has(&im->seen, id);
}

/* The user gets a new revision, because its answers change, and the context is as new as that. */
static enum err_code put_context(struct import *im, const struct table_row *row, struct err *e)
{
    const struct store_context_key key = {im->options->model, im->options->model_version, "user"};
    int64_t revision;
    bool created;
    enum err_code code = store_touch_user(im->conn, row->user, &revision, NULL);
    if (code == ERR_NOTFOUND && was_there(im, row->user))
        return ERR_OK; /* he was deleted meanwhile */
    if (code == ERR_NOTFOUND)
        code = store_put_user(im->conn, row->user, (struct text){NULL, 0}, &revision, &created, e);
    else if (code)
        code = store_touch_user(im->conn, row->user, &revision, e); /* once more, for the text */
    if (code)
        return code;
    encode(row->embedding, row->n_embedding, im->embedding);
    return store_put_context(im->conn, &key, row->user, revision, true, im->embedding, 4 * row->n_embedding,
                             e);
}

/* Stores a row that was kept. */
static enum err_code put_row(struct import *im, const struct import_file *file, const struct table_row *row,
                             struct err *e)
{
    if (file->kind == TABLE_CONTEXTS)
        return put_context(im, row, e);
    return file->kind == TABLE_USERS ? put_user(im, file, row, e) : put_item(im, file, row, e);
}

static enum err_code load_event(struct import *im, const struct import_file *file,
                                const struct table_row *row, struct err *e)
{
    struct store_event x = {.count = row->count,
                            .weight = row->weight,
                            .rating = row->rating,
                            .timestamp = row->timestamp,
                            .first = row->first};
    enum err_code code = import_kinds_find(&im->kinds, row->kind, &x.kind, e);
    if (code)
        return err_prefix(e, "%s:%" PRIu64, file->path, row->line);
    return store_load_event(im->load, row->user, row->item, &x, e);
}

/* Keeps a row until all are read. */
static enum err_code keep_row(struct import *im, const struct import_file *file, const struct table_row *row,
                              uint64_t n_lines, struct err *e)
{
    enum err_code code = file->kind == TABLE_CONTEXTS ? check_width(im, file, row, e) : ERR_OK;
    if (code || im->failed)
        return code;
    code = import_ids_row(&im->ids, file->kind, row, e);
    if (code)
        return code;
    if (file->kind == TABLE_INTERACTIONS)
        return load_event(im, file, row, e);
    if (file->kind != TABLE_CONTEXTS)
        import_forms_row(&im->forms, row->object);
    if (file->kind == TABLE_ITEMS)
        import_types_row(&im->report->types, row->object);
    code = file->kind == TABLE_CONTEXTS ? import_seen_note(&im->seen, im->conn, im->load, row->user, e)
                                        : import_deleted_note(&im->deleted, row, e);
    if (code)
        return code;
    const struct row_place place = {im->report->n_files - 1, n_lines};
    return row_file_add(&im->rows[file->kind], row, place, e);
}

/* ---- files ---- */

/* Counts the lines of a bad row; whether the run goes on. */
static bool go_on_after(struct import *im, struct import_file_report *file, const struct err *bad,
                        uint64_t n_lines)
{
    struct import_report *r = im->report;
    r->n_bad += (int64_t)n_lines;
    file->n_bad += (int64_t)n_lines;
    if (r->n_listed < IMPORT_LISTED)
        r->listed[r->n_listed++] = *bad;
    bool needed = im->options->replace && file->kind == TABLE_ITEMS; /* its item would be deleted */
    im->failed = im->failed || needed || r->n_bad > im->options->skip_bad;
    return !im->failed || r->n_listed < IMPORT_LISTED;
}

static void count_row(struct import_file_report *f, const struct table_row *row)
{
    f->n_rows++;
    f->n_user_fractions += id_form_has_fraction(row->user);
    f->n_item_fractions += id_form_has_fraction(row->item);
    if (!row->timed)
        return;
    f->n_times[row->time_form]++;
    if (row->timestamp > f->latest)
        f->latest = row->timestamp;
}

/* A file without rows is no table: that is said, and not taken for an empty one. */
static enum err_code check_any(const struct import_file_report *f, struct err *e)
{
    if (f->n_rows)
        return ERR_OK;
    const char *name = strcmp(f->path, "-") == 0 ? "standard input" : f->path;
    if (f->n_bad)
        return err_set(e, ERR_INVALID, "%s has no good line; %" PRId64 " bad line%s", name, f->n_bad,
                       talk_s(f->n_bad));
    return err_set(e, ERR_INVALID, "%s is empty%s", name, f->columns.n ? " but for its header" : "");
}

/* Keeps what the table found out, beyond its end. */
static enum err_code end_file(struct import *im, const struct table *t, struct err *e)
{
    struct import_file_report *f = &im->report->files[im->report->n_files - 1];
    table_about(t, &f->about);
    const struct table_columns *columns = f->about.columns;
    f->about.columns = &f->columns;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < columns->n && !code; i++) {
        const struct table_column *c = &columns->list[i];
        code = table_columns_add(&f->columns, c->role, text_of(c->called ? c->called : c->name), e);
        if (!code)
            f->columns.list[i].n_dates = c->n_dates;
    }
    if (code || f->n_rows || im->report->n_left_out || im->failed) {
        import_fields_look(f, im->report);
        import_forms_say(&im->forms, f, im->report);
        return code;
    }
    return check_any(f, e);
}

static enum err_code tell(const struct import *im, const struct import_file *file, int64_t n_rows,
                          struct err *e)
{
    const struct import_options *o = im->options;
    struct progress p = progress_at(file->path, (double)NAN);
    p.n_rows = n_rows;
    return !o->progress || o->progress(o->progress_arg, &p)
               ? ERR_OK
               : err_set(e, ERR_DEADLINE, "the import was stopped: nothing was imported");
}

/* The store refuses a value by ERR_INVALID too; then the line is as bad as one that could not be read. */
static enum err_code next_row(struct import *im, const struct import_file *file, struct table *t, bool *got,
                              struct err *e)
{
    struct table_row row;
    enum err_code code = table_next(t, &row, got, e);
    if (code || !*got)
        return code;
    if (file->kind == TABLE_INTERACTIONS && import_kinds_leaves_out(&im->kinds, row.kind)) {
        im->report->n_left_out++;
        return ERR_OK;
    }
    code = keep_row(im, file, &row, table_lost(t), e);
    if (code) {
        *got = false;
        return code;
    }
    count_row(&im->report->files[im->report->n_files - 1], &row);
    int64_t n = ++im->report->n_rows[file->kind];
    return n % PROGRESS_ROWS ? ERR_OK : tell(im, file, n, e);
}

static enum err_code take_file(struct import *im, const struct import_file *file, struct err *e)
{
    struct table *t;
    enum err_code code =
        table_open_named(file->path, file->kind, im->options->format, &im->options->naming, &t, e);
    if (code)
        return code;
    code = table_ignore(
        t, &(const struct table_ignored){im->options->ignored, im->ignored_seen, im->options->n_ignored}, e);
    if (code) {
        table_close(t);
        return code;
    }
    im->report->files[im->report->n_files++] =
        (struct import_file_report){.path = file->path, .kind = file->kind};
    for (bool got = true, more = true; more;) {
        struct err row_error = {0};
        code = next_row(im, file, t, &got, &row_error);
        if (code == ERR_INVALID) {
            more = go_on_after(im, &im->report->files[im->report->n_files - 1], &row_error, table_lost(t));
            code = ERR_OK;
        } else if (code) {
            more = false;
            (void)err_copy(e, &row_error);
        } else {
            more = got;
        }
    }
    if (!code)
        code = end_file(im, t, e);
    table_close(t);
    return code;
}

static enum err_code end_bulk(struct import *im, struct err *e)
{
    struct store_bulk *bulk = im->bulk;
    im->bulk = NULL;
    if (!bulk)
        return ERR_OK;
    if (im->failed) {
        store_bulk_abandon(bulk);
        return ERR_OK;
    }
    struct store_bulk_counts counts;
    store_bulk_count(bulk, &counts);
    im->report->n_items_kept_deleted = counts.n_kept_deleted;
    im->report->n_known[TABLE_USERS] = counts.n_known_users + im->ahead[TABLE_USERS].n_same;
    im->report->n_known[TABLE_ITEMS] = counts.n_known_items + im->ahead[TABLE_ITEMS].n_same;
    im->report->n_repeated[TABLE_USERS] = counts.n_repeated_users;
    im->report->n_repeated[TABLE_ITEMS] = counts.n_repeated_items;
    enum err_code code = ERR_OK;
    if (im->options->replace)
        code = store_bulk_delete_other_items(bulk, &im->report->n_items_deleted, e);
    if (!code)
        return store_bulk_end(bulk, &im->report->n_older, e);
    store_bulk_abandon(bulk);
    return code;
}

static bool is_over(const struct import *im)
{
    return im->failed && im->report->n_listed == IMPORT_LISTED;
}

/* The files of one kind in their order. */
static enum err_code take_kind(struct import *im, enum table_kind kind, struct err *e)
{
    const struct import_options *o = im->options;
    enum err_code code = ERR_OK;
    for (size_t i = 0; !code && i < o->n_files && !is_over(im); i++)
        if (o->files[i].kind == kind)
            code = take_file(im, &o->files[i], e);
    return code;
}

/* What the store says against a row that was kept: as if it had been read just now. */
static void take_back(struct import *im, const struct row_place *place, const struct err *bad)
{
    struct import_file_report *f = &im->report->files[place->file];
    f->n_rows--;
    im->report->n_rows[f->kind]--;
    (void)go_on_after(im, f, bad, place->n_lines);
}

/* Stores the rows of one kind that were kept. */
static enum err_code put_kind(struct import *im, enum table_kind kind, struct err *e)
{
    struct row_file *rows = &im->rows[kind];
    enum err_code code = im->bulk ? import_ahead_put(&im->ahead[kind], im->bulk, e) : ERR_OK;
    if (!code)
        code = row_file_rewind(rows, e);
    for (bool got = true; got && !code && !im->failed;) {
        struct table_row row;
        struct row_place place;
        struct err refused = {0};
        code = row_file_next(rows, &row, &place, &got, e);
        if (code || !got)
            break;
        const struct import_file file = {im->report->files[place.file].path, kind};
        code = put_row(im, &file, &row, &refused);
        if (code == ERR_INVALID) {
            take_back(im, &place, &refused);
            code = im->failed ? ERR_OK : check_any(&im->report->files[place.file], e);
        } else if (code) {
            (void)err_copy(e, &refused);
        }
    }
    return code;
}

/* Brings back what others changed since it was done ahead. */
static enum err_code settle(struct import *im, bool *lost, struct err *e)
{
    enum err_code code = import_ahead_settle(&im->ahead[TABLE_ITEMS], im->conn, e);
    if (!code)
        code = import_ahead_settle(&im->ahead[TABLE_USERS], im->conn, e);
    *lost = im->ahead[TABLE_ITEMS].lost || im->ahead[TABLE_USERS].lost;
    return code;
}

static enum err_code compare_again(struct import *im, struct err *e)
{
    enum err_code code = import_ahead_compare_again(&im->ahead[TABLE_ITEMS], im->conn, &im->partial, e);
    return code ? code : import_ahead_compare_again(&im->ahead[TABLE_USERS], im->conn, &im->partial, e);
}

/* What others changed is taken in before the transaction, so that little is left in it. Where another import
 * came in between all is compared again, and it is tried once more; the last time, within it. */
static enum err_code begin_settled(struct import *im, struct err *e)
{
    for (int i = 1;; i++) {
        bool lost;
        enum err_code code = settle(im, &lost, e);
        if (!code && lost)
            code = compare_again(im, e);
        if (!code)
            code = store_begin(im->conn, e);
        if (!code)
            code = settle(im, &lost, e);
        if (!code && lost && i == TRIES)
            return compare_again(im, e);
        if (code || !lost)
            return code;
        store_rollback(im->conn);
    }
}

static enum err_code begin(struct import *im, struct err *e)
{
    enum err_code code = begin_settled(im, e);
    if (!code)
        code = import_kinds_make(&im->kinds, im->conn, e);
    if (!code)
        code = store_bulk_begin(im->conn, &im->bulk, e);
    if (!code && im->options->replace)
        store_bulk_replace_items(im->bulk);
    return code;
}

/* What can be done of large tables before others have to wait. */
static enum err_code go_ahead(struct import *im, struct err *e)
{
    static const enum table_kind kinds[] = {TABLE_ITEMS, TABLE_USERS};
    const size_t from = im->options->stage_from ? im->options->stage_from : AHEAD_FROM;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < 2 && !code; i++)
        if ((size_t)im->report->n_rows[kinds[i]] >= from)
            code = import_ahead_run(&im->ahead[kinds[i]], kinds[i], im->conn, im->load, &im->rows[kinds[i]],
                                    &im->partial, e);
    return code;
}

/* The rows of the bulk load. Staged interactions go first, having given keys to what they name; else items
 * keep the order of their file. */
static enum err_code take_bulk(struct import *im, struct err *e)
{
    int64_t n_older = 0;
    bool staged = store_load_is_staged(im->load);
    enum err_code code = ERR_OK;
    if (staged)
        code = store_load_apply(im->load, im->bulk, &n_older, e);
    if (!code)
        code = put_kind(im, TABLE_ITEMS, e);
    if (!code)
        code = put_kind(im, TABLE_USERS, e);
    if (!code && !staged && !im->failed)
        code = store_load_apply(im->load, im->bulk, &n_older, e);
    if (!code && im->options->replace && !im->failed)
        code = import_ahead_keep_items(&im->ahead[TABLE_ITEMS], im->bulk, e);
    if (!code)
        code = end_bulk(im, e);
    im->report->n_older += n_older;
    im->report->n_repeated[TABLE_INTERACTIONS] = store_load_repeated(im->load);
    return code;
}

/* Reads all files. Rows of interactions, of which there may be many, are put in order beside the store. */
static enum err_code read_files(struct import *im, const struct store_counts *before, struct err *e)
{
    static const enum table_kind others[] = {TABLE_ITEMS, TABLE_USERS, TABLE_CONTEXTS};
    const struct import_options *o = im->options;
    enum err_code code = store_load_new(im->conn, o->stage_from ? o->stage_from : STAGE_FROM, &im->load, e);
    im->kinds = o->kinds;
    if (!code)
        code = import_kinds_begin(&im->kinds, im->conn, e);
    if (!code)
        store_load_expect_kinds(im->load, import_kinds_end(&im->kinds));
    if (!code)
        code = take_kind(im, TABLE_INTERACTIONS, e);
    if (!code && !im->failed)
        code = import_ids_store(&im->ids, im->conn, before, e);
    for (size_t i = 0; i < sizeof others / sizeof *others && !code; i++)
        code = take_kind(im, others[i], e);
    return code || im->failed ? code : import_names_check(o, im->ignored_seen, im->report, e);
}

/* Contexts come last, for single rows and a bulk load do not mix. */
static enum err_code take_files(struct import *im, const struct store_counts *before, struct err *e)
{
    enum err_code code = read_files(im, before, e);
    bool sound = !code && !im->failed;
    if (sound)
        code = go_ahead(im, e);
    if (sound && !code)
        code = store_load_stage(im->load, e);
    if (sound && !code)
        code = begin(im, e);
    if (sound && !code)
        code = take_bulk(im, e);
    if (sound && !code && !im->failed)
        code = import_deleted_apply(&im->deleted, im->conn, &im->report->n_items_deleted, e);
    if (sound && !code && !im->failed)
        code = put_kind(im, TABLE_CONTEXTS, e);
    if (sound && !code && !im->failed)
        code = import_kinds_change(&im->kinds, im->conn, e);
    if (!code && im->failed)
        code = err_set(e, ERR_INVALID,
                       "%s%" PRId64 " bad line%s, %" PRId64
                       " allowed: nothing was imported; --skip-bad N leaves out up to N bad lines",
                       im->report->n_listed == IMPORT_LISTED ? "at least " : "", im->report->n_bad,
                       talk_s(im->report->n_bad), im->options->skip_bad);
    return code;
}

/* ---- the store ---- */

static enum err_code open_store(struct import *im, struct err *e)
{
    enum err_code code = store_open(im->options->store, STORE_CREATE, &im->store, e);
    if (!code)
        code = store_connect(im->store, &im->conn, e);
    return code;
}

/* A store that was made for an import that failed goes away again. */
static void close_store(struct import *im, bool failed)
{
    if (im->bulk)
        store_bulk_abandon(im->bulk);
    if (im->conn)
        store_rollback(im->conn); /* does nothing after a commit */
    store_load_free(im->load);
    store_disconnect(im->conn);
    if (failed)
        store_discard_new(im->store);
    else
        store_close(im->store);
    mem_free(im->embedding);
    for (size_t i = 0; i <= TABLE_CONTEXTS; i++)
        row_file_fini(&im->rows[i]);
    partial_fini(&im->partial);
    import_seen_fini(&im->seen);
    import_deleted_fini(&im->deleted);
    import_ids_fini(&im->ids);
    import_ahead_fini(&im->ahead[TABLE_ITEMS]);
    import_ahead_fini(&im->ahead[TABLE_USERS]);
}

enum err_code import_run(const struct import_options *options, struct import_report *report, struct err *e)
{
    struct import im = {.options = options, .report = report};
    *report = (struct import_report){0};
    partial_init(&im.partial);
    import_seen_init(&im.seen);
    import_ids_init(&im.ids, options);
    struct store_counts before;
    char place[ROW_FILE_PLACE_BYTES];
    enum err_code code = open_store(&im, e);
    row_file_place(options->store, place);
    for (size_t i = 0; i <= TABLE_CONTEXTS; i++)
        row_file_init(&im.rows[i], place);
    if (!code)
        code = store_count(im.conn, &before, e);
    if (!code)
        code = take_files(&im, &before, e);
    if (!code)
        code = store_commit(im.conn, e);
    if (!code)
        code = store_count(im.conn, &report->total, e);
    int64_t n_new =
        code ? 0 : report->total.n_interactions - before.n_interactions; /* and what others wrote meanwhile */
    int64_t n_others = report->n_rows[TABLE_INTERACTIONS] - report->n_repeated[TABLE_INTERACTIONS];
    if (!code && n_new < n_others)
        report->n_known[TABLE_INTERACTIONS] = n_others - n_new;
    import_ids_say(&im.ids, report);
    close_store(&im, code != ERR_OK);
    return code;
}

void import_report_add_note(struct import_report *report, const struct err *note)
{
    if (note->code && report->n_notes < IMPORT_NOTES)
        report->notes[report->n_notes++] = *note;
}

void import_report_fini(struct import_report *report)
{
    for (size_t i = 0; i < report->n_files; i++)
        table_columns_fini(&report->files[i].columns);
    import_types_fini(&report->types);
    report->n_files = 0;
}
