/* Twice over the tables: the first time a few numbers of each row are kept, by which it is decided where it
 * goes, the second time the rows are written. Users and items are told apart by 64 bits of their ids' hash:
 * of ten million rows two meet with a chance of one in a hundred thousand, and then share a fate. */
#include "server/data/split.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "server/data/split_files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct row {
    uint64_t item; /* hash of the id */
    int64_t time;
    uint32_t user; /* in order of appearance */
    uint32_t kind; /* 32 bits of the hash of its word; 0: none */
};

/* Users by the hash of their ids. */
struct slot {
    uint64_t hash;
    uint32_t user; /* from 1; 0: empty */
};

struct split {
    const struct split_options *options;
    struct split_report *report;
    struct row *rows; /* (n) in the order of the files */
    size_t n, capacity;
    struct slot *slots; /* (n_slots) a power of two */
    size_t n_slots;
    uint32_t n_users;
    uint32_t *order;    /* (n) rows by user, time, place */
    unsigned char *to;  /* (n) enum split_file */
    uint32_t *distinct; /* the newest row of each item of one user */
    uint32_t *sorted;   /* rows of one user by item, kind, age */
    bool has[SPLIT_COLUMNS];
};

/* ---- the first time ---- */

static struct slot *find(struct slot *slots, size_t n, uint64_t hash)
{
    size_t at = hash & (n - 1);
    while (slots[at].user && slots[at].hash != hash)
        at = (at + 1) & (n - 1);
    return &slots[at];
}

static enum err_code grow_users(struct split *s, struct err *e)
{
    size_t n = s->n_slots ? 2 * s->n_slots : 1024;
    struct slot *slots = mem_zalloc_array(n, sizeof *slots);
    if (!slots)
        return err_set(e, ERR_NOMEM, "no memory for %zu users", n / 2);
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].user)
            *find(slots, n, s->slots[i].hash) = s->slots[i];
    mem_free(s->slots);
    s->slots = slots;
    s->n_slots = n;
    return ERR_OK;
}

static enum err_code keep_row(struct split *s, const struct table_row *row, struct err *e)
{
    enum err_code code = 2 * ((size_t)s->n_users + 1) > s->n_slots ? grow_users(s, e) : ERR_OK;
    if (code)
        return code;
    if (s->n == UINT32_MAX || !MEM_RESERVE(s->rows, s->capacity, s->n + 1))
        return err_set(e, ERR_NOMEM, "no memory for more than %zu rows", s->n);
    struct slot *slot = find(s->slots, s->n_slots, hash_bytes(1, row->user.data, row->user.len));
    if (!slot->user)
        *slot = (struct slot){hash_bytes(1, row->user.data, row->user.len), ++s->n_users};
    uint32_t kind = row->kind.len ? (uint32_t)hash_bytes(3, row->kind.data, row->kind.len) : 0;
    s->rows[s->n++] =
        (struct row){hash_bytes(2, row->item.data, row->item.len), row->timestamp, slot->user - 1, kind};
    s->has[0] = s->has[0] || row->rating == row->rating;
    s->has[1] = s->has[1] || row->weight < 1 || row->weight > 1;
    s->has[2] = s->has[2] || row->timed;
    s->has[3] = s->has[3] || row->kind.len;
    return ERR_OK;
}

static enum err_code write_row(struct split *s, struct split_files *files, size_t number,
                               const struct table_row *row, struct err *e)
{
    if (number >= s->n)
        return err_set(e, ERR_CONFLICT, "the tables changed while they were read");
    split_files_write(files, (enum split_file)s->to[number], row);
    return ERR_OK;
}

/* The next good row of a table; bad lines are counted. */
static enum err_code next_row(struct split *s, struct table *t, struct table_row *row, bool *got,
                              struct err *e)
{
    for (;;) {
        struct err bad = {0};
        enum err_code code = table_next(t, row, got, &bad);
        if (code == ERR_OK)
            return ERR_OK;
        s->report->n_bad += code == ERR_INVALID ? (int64_t)table_lost(t) : 0;
        if (code != ERR_INVALID || s->report->n_bad > s->options->skip_bad)
            return err_set(e, code, "%s%s", bad.text,
                           code == ERR_INVALID ? "; --skip-bad N leaves out up to N bad lines" : "");
    }
}

/* All rows of all tables, to be kept (files NULL) or written. */
static enum err_code each_row(struct split *s, struct split_files *files, struct err *e)
{
    size_t number = 0;
    enum err_code code = ERR_OK;
    s->report->n_bad = 0;
    for (size_t i = 0; i < s->options->n_paths && !code; i++) {
        struct table *t;
        struct table_row row;
        bool got = true;
        code = table_open_named(s->options->paths[i], TABLE_INTERACTIONS, s->options->format,
                                &s->options->naming, &t, e);
        if (code)
            return code;
        while (!code && !(code = next_row(s, t, &row, &got, e)) && got)
            code = files ? write_row(s, files, number++, &row, e) : keep_row(s, &row, e);
        table_close(t);
    }
    if (!code && files && number != s->n)
        code = err_set(e, ERR_CONFLICT, "the tables changed while they were read");
    return code;
}

/* ---- where rows go ---- */

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_age(const void *a, const void *b, void *arg)
{
    const struct row *rows = arg, *x = &rows[*(const uint32_t *)a], *y = &rows[*(const uint32_t *)b];
    int order = compare(x->user, y->user);
    if (!order)
        order = (x->time > y->time) - (x->time < y->time);
    return order ? order : compare((uint64_t)(x - rows), (uint64_t)(y - rows));
}

static int by_item(const void *a, const void *b, void *arg)
{
    const struct row *rows = arg, *x = &rows[*(const uint32_t *)a], *y = &rows[*(const uint32_t *)b];
    int order = compare(x->item, y->item);
    if (!order)
        order = compare(x->kind, y->kind);
    return order ? order : by_age(a, b, arg);
}

/* The end of a run of s->sorted that is of one item, and where its kind counts of one kind. */
static size_t run_end(const struct split *s, size_t from, size_t m, bool of_kind)
{
    const struct row *first = &s->rows[s->sorted[from]];
    size_t to = from + 1;
    for (; to < m; to++) {
        const struct row *r = &s->rows[s->sorted[to]];
        if (r->item != first->item || (of_kind && r->kind != first->kind))
            break;
    }
    return to;
}

static uint32_t newest_of(const struct split *s, size_t from, size_t to)
{
    uint32_t newest = s->sorted[from];
    for (size_t i = from + 1; i < to; i++)
        if (by_age(&s->sorted[i], &newest, s->rows) > 0)
            newest = s->sorted[i];
    return newest;
}

/* Leaves out all but the newest row of each item and kind of a user, m rows at order. The newest row of each
 * item stands for it in s->distinct, in order of age. Returns how many. */
static size_t keep_newest(struct split *s, const uint32_t *order, size_t m)
{
    size_t kept = 0;
    memcpy(s->sorted, order, m * sizeof *order);
    qsort_r(s->sorted, m, sizeof *order, by_item, s->rows);
    for (size_t from = 0, to; from < m; from = to) {
        to = run_end(s, from, m, true);
        for (size_t i = from; i + 1 < to; i++)
            s->to[s->sorted[i]] = SPLIT_NOWHERE;
        s->report->n_merged += (int64_t)(to - from - 1);
    }
    for (size_t from = 0, to; from < m; from = to) {
        to = run_end(s, from, m, false);
        s->distinct[kept++] = newest_of(s, from, to);
    }
    qsort_r(s->distinct, kept, sizeof *order, by_age, s->rows);
    return kept;
}

/* Of an item that is tested nothing is learned: its rows of other kinds go where the newest went. */
static void place_kinds(struct split *s, size_t m)
{
    for (size_t from = 0, to; from < m; from = to) {
        to = run_end(s, from, m, false);
        uint32_t newest = newest_of(s, from, to);
        for (size_t i = from; i < to; i++)
            if (s->to[s->sorted[i]] != SPLIT_NOWHERE)
                s->to[s->sorted[i]] = s->to[newest];
    }
}

/* How many of n a share is: the nearest by chance, so that shares of few add up. */
static size_t share_of(double share, size_t n, struct rng *r)
{
    size_t m = (size_t)(share * (double)n + rng_uniform(r));
    return m < n ? m : n - 1;
}

/* The n rows of a user in s->distinct. */
static void place_user(struct split *s, size_t n, bool whole, struct rng *r)
{
    size_t n_test = 0;
    if (s->options->by == SPLIT_NEWEST)
        n_test = 1;
    else if (s->options->by == SPLIT_RANDOM)
        n_test = share_of(s->options->share, n, r);
    else if (whole)
        n_test = (n + 4) / 5;
    if (s->options->by == SPLIT_RANDOM)
        rng_shuffle(r, s->distinct, n);
    for (size_t i = 0; i < n; i++)
        s->to[s->distinct[i]] = i + n_test >= n ? SPLIT_TEST : whole ? SPLIT_KNOWN : SPLIT_TRAIN;
    s->report->n_tested += n_test > 0;
}

/* Users with two interactions or more. */
static int64_t count_eligible(struct split *s)
{
    int64_t n = 0;
    for (size_t from = 0, to; from < s->n; from = to) {
        for (to = from + 1; to < s->n && s->rows[s->order[to]].user == s->rows[s->order[from]].user;)
            to++;
        bool two = false;
        for (size_t i = from + 1; i < to && !two; i++)
            two = s->rows[s->order[i]].item != s->rows[s->order[from]].item;
        n += two;
    }
    return n;
}

static void place_all(struct split *s)
{
    struct rng r;
    int64_t left = s->options->by == SPLIT_USERS ? count_eligible(s) : 0; /* users that may yet be drawn */
    int64_t wanted = (int64_t)(s->options->share * (double)left + 0.5);
    wanted = left && wanted < 1 ? 1 : wanted;
    rng_init(&r, s->options->seed, 1);
    for (size_t from = 0, to; from < s->n; from = to) {
        for (to = from + 1; to < s->n && s->rows[s->order[to]].user == s->rows[s->order[from]].user;)
            to++;
        size_t n = keep_newest(s, s->order + from, to - from);
        bool whole = false;
        if (n > 1 && s->options->by == SPLIT_USERS) {
            whole = (int64_t)rng_below(&r, (uint64_t)left--) < wanted;
            wanted -= whole;
        }
        if (n > 1)
            place_user(s, n, whole, &r);
        if (n > 1 && s->has[3])
            place_kinds(s, to - from);
    }
}

static enum err_code place(struct split *s, struct err *e)
{
    s->order = mem_alloc_array(s->n, sizeof *s->order);
    s->distinct = mem_alloc_array(s->n, sizeof *s->distinct);
    s->sorted = mem_alloc_array(s->n, sizeof *s->sorted);
    s->to = mem_zalloc_array(s->n, 1); /* SPLIT_TRAIN */
    if (!s->order || !s->distinct || !s->sorted || !s->to)
        return err_set(e, ERR_NOMEM, "no memory for %zu rows", s->n);
    for (size_t i = 0; i < s->n; i++)
        s->order[i] = (uint32_t)i;
    if (s->n)
        qsort_r(s->order, s->n, sizeof *s->order, by_age, s->rows);
    place_all(s);
    int64_t *const counts[] = {&s->report->n_train, &s->report->n_test, &s->report->n_known};
    for (size_t i = 0; i < s->n; i++)
        if (s->to[i] != SPLIT_NOWHERE)
            ++*counts[s->to[i]];
    s->report->n_rows = (int64_t)s->n;
    s->report->n_users = s->n_users;
    s->report->timed = s->has[2];
    if (!s->report->n_test)
        return err_set(
            e, ERR_INVALID,
            "nothing to hold out: %zu row%s of %u user%s, none with two items (or the share is too small)",
            s->n, s->n == 1 ? "" : "s", s->n_users, s->n_users == 1 ? "" : "s");
    return ERR_OK;
}

/* ---- all ---- */

static enum err_code check_names(const struct table_naming *naming, struct err *e)
{
    for (size_t i = 0; i < naming->n; i++)
        if (!naming->names[i].seen)
            return err_set(e, ERR_INVALID, "--column %s: no table has such a column",
                           naming->names[i].called);
    return ERR_OK;
}

static enum err_code write_files(struct split *s, struct err *e)
{
    struct split_files *files;
    enum err_code code = split_files_open(s->options->out, s->options->by == SPLIT_USERS, s->has, &files, e);
    if (code)
        return code;
    code = each_row(s, files, e);
    if (!code)
        code = split_files_finish(files, e);
    split_files_free(files);
    return code;
}

enum err_code split_run(const struct split_options *options, struct split_report *report, struct err *e)
{
    struct split s = {.options = options, .report = report};
    *report = (struct split_report){0};
    enum err_code code =
        split_files_check(options->out, options->by == SPLIT_USERS, options->paths, options->n_paths, e);
    if (!code)
        code = each_row(&s, NULL, e);
    if (!code)
        code = check_names(&options->naming, e);
    if (!code)
        code = place(&s, e);
    if (!code)
        code = write_files(&s, e);
    mem_free(s.rows);
    mem_free(s.slots);
    mem_free(s.order);
    mem_free(s.distinct);
    mem_free(s.sorted);
    mem_free(s.to);
    return code;
}
