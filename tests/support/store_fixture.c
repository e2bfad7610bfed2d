/* The folder lies in the working file system's /tmp; removal is by nftw, so that a test may leave what it
 * likes there. */
#include "tests/support/store_fixture.h"

#include "base/mem.h"
#include "tests/support/memory_store.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct store_context_key store_fixture_key = {"model", "1", "user"};

/* ---- backends ---- */

static bool in_memory; /* the backend of the case at hand */

static void use_sqlite(void)
{
    in_memory = false;
}

static void use_memory(void)
{
    in_memory = true;
}

int store_fixture_run(const char *suite, TCase *sqlite, TCase *memory)
{
    Suite *s = suite_create(suite);
    tcase_add_unchecked_fixture(sqlite, use_sqlite, NULL); /* before any test of the case */
    tcase_add_unchecked_fixture(memory, use_memory, NULL);
    suite_add_tcase(s, sqlite);
    suite_add_tcase(s, memory);
    return suite_run(s);
}

/* ---- life ---- */

void store_fixture_folder(struct store_fixture *f)
{
    memset(f, 0, sizeof *f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/hypernet_store_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/s.db", f->dir);
    (void)snprintf(f->name, sizeof f->name, "memory:%s", f->dir);
}

const char *store_fixture_url(const struct store_fixture *f)
{
    return in_memory ? f->name : f->path;
}

void store_fixture_start(struct store_fixture *f)
{
    store_fixture_folder(f);
    STORE_OK(store_open(store_fixture_url(f), STORE_CREATE, &f->store, &e));
    STORE_OK(store_connect(f->store, &f->conn, &e));
}

void store_fixture_close(struct store_fixture *f)
{
    store_disconnect(f->conn);
    store_close(f->store);
    f->conn = NULL;
    f->store = NULL;
}

void store_fixture_reopen(struct store_fixture *f)
{
    store_fixture_close(f);
    STORE_OK(store_open(store_fixture_url(f), STORE_READ_WRITE, &f->store, &e));
    STORE_OK(store_connect(f->store, &f->conn, &e));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void store_fixture_stop(struct store_fixture *f)
{
    store_user_fini(&f->user);
    store_user_context_fini(&f->context);
    store_fixture_close(f);
    memory_store_forget(f->dir);
    ck_assert_int_eq(nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- single writes ---- */

int64_t store_fixture_user(struct store_conn *c, const char *user, const char *profile)
{
    int64_t revision;
    bool created;
    STORE_WRITE(c, store_put_user(c, text_of(user), text_of(profile), &revision, &created, &e));
    return revision;
}

int64_t store_fixture_event(struct store_conn *c, const char *user, const char *item, double weight,
                            int64_t timestamp)
{
    int64_t revision;
    STORE_OK(store_begin(c, &e));
    STORE_OK(
        store_put_interaction(c, text_of(user), text_of(item), weight, (double)NAN, timestamp, NULL, &e));
    STORE_OK(store_touch_user(c, text_of(user), &revision, &e));
    STORE_OK(store_commit(c, &e));
    return revision;
}

void store_fixture_item(struct store_conn *c, const char *item, const char *title)
{
    struct store_item record = {.id = text_of(item), .title = text_of(title)};
    bool created;
    STORE_WRITE(c, store_put_item(c, &record, &created, &e));
}

void store_fixture_delete(struct store_conn *c, const char *user)
{
    STORE_WRITE(c, store_delete_user(c, text_of(user), &e));
}

int64_t store_fixture_task(struct store_conn *c, const char *task, const char *profile, bool keeps_rows)
{
    int64_t revision;
    bool created;
    STORE_WRITE(c, store_put_task(c, text_of(task), text_of(profile), keeps_rows, &revision, &created, &e));
    return revision;
}

int64_t store_fixture_task_row(struct store_conn *c, const char *task, const char *row)
{
    int64_t revision;
    STORE_OK(store_begin(c, &e));
    STORE_OK(store_add_task_row(c, text_of(task), text_of(row), &e));
    STORE_OK(store_touch_task(c, text_of(task), &revision, &e));
    STORE_OK(store_commit(c, &e));
    return revision;
}

void store_fixture_context(struct store_conn *c, const struct store_context_key *key, const char *id,
                           int64_t revision, bool given, const char *bytes)
{
    STORE_WRITE(c, (strcmp(key->kind, "task") == 0 ? store_put_task_context : store_put_context)(
                       c, key, text_of(id), revision, given, bytes, strlen(bytes), &e));
}

/* ---- reads ---- */

void store_fixture_read(struct store_fixture *f, const char *user)
{
    STORE_OK(store_read_user(f->conn, text_of(user), &store_fixture_key, &f->user, &e));
}

void store_fixture_encoded(struct store_fixture *f, const char *user, const char *bytes)
{
    store_fixture_read(f, user);
    STORE_WRITE(f->conn, store_put_encoded(f->conn, &store_fixture_key, text_of(user), &f->user, bytes,
                                           strlen(bytes), &e));
}

bool store_fixture_finds_context(struct store_fixture *f, const char *user)
{
    bool found;
    STORE_OK(store_read_context(f->conn, text_of(user), &store_fixture_key, &f->context, &found, &e));
    return found;
}

void store_fixture_assert_counts(struct store_conn *c, int64_t users, int64_t items, int64_t interactions,
                                 int64_t contexts)
{
    struct store_counts n;
    STORE_OK(store_count(c, &n, &e));
    ck_assert_int_eq(n.n_users, users);
    ck_assert_int_eq(n.n_items, items);
    ck_assert_int_eq(n.n_interactions, interactions);
    ck_assert_int_eq(n.n_contexts, contexts);
}

void store_fixture_assert_tasks(struct store_conn *c, int64_t tasks, int64_t rows)
{
    struct store_counts n;
    STORE_OK(store_count(c, &n, &e));
    ck_assert_int_eq(n.n_tasks, tasks);
    ck_assert_int_eq(n.n_task_rows, rows);
}

/* ---- the whole store as text ---- */

struct dump_row {
    int64_t key;
    char *id;
    char *line; /* items: what follows the id */
};

struct dump_rows {
    struct dump_row *rows;
    size_t n;
};

static struct dump_row *add_row(struct dump_rows *all, int64_t key, struct text id)
{
    all->rows = realloc(all->rows, (all->n + 1) * sizeof *all->rows);
    ck_assert_ptr_nonnull(all->rows);
    all->rows[all->n] = (struct dump_row){key, strndup(id.data, id.len), NULL};
    return &all->rows[all->n++];
}

static bool collect_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    (void)profile, (void)revision;
    add_row(arg, key, id);
    return true;
}

static void add_optional(struct buf *b, struct text text)
{
    buf_addc(b, ' ');
    if (text.data)
        buf_add_json_string(b, text.data, text.len);
    else
        buf_addc(b, '-');
}

static bool collect_item(void *arg, const struct store_item *item)
{
    struct dump_row *row = add_row(arg, item->key, item->id);
    struct buf b;
    buf_init(&b, 1 << 20);
    add_optional(&b, item->title);
    add_optional(&b, item->categories);
    add_optional(&b, item->metadata);
    row->line = buf_steal(&b, NULL);
    return true;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct dump_row *)a)->id, ((const struct dump_row *)b)->id);
}

static const char *id_of(const struct dump_rows *items, int64_t key)
{
    size_t low = 0, high = items->n; /* they are still by key, as store_each_item gave them */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (items->rows[middle].key == key)
            return items->rows[middle].id;
        if (items->rows[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return "no such item";
}

static void dump_user(struct store_conn *c, const char *id, const struct dump_rows *items,
                      struct store_user *u, struct buf *out)
{
    STORE_OK(store_read_user(c, text_of(id), &store_fixture_key, u, &e));
    buf_addf(out, "user %s %.*s", id, (int)u->profile.len, u->profile.len ? u->profile.data : "");
    if (u->embedding.len)
        buf_addf(out, " context %zu bytes given %d", u->embedding.len, u->embedding_given);
    buf_addc(out, '\n');
    for (size_t i = 0; i < u->n_interactions; i++) {
        const struct store_interaction *x = &u->interactions[i];
        buf_addf(out, "  %s weight %.17g rating %.17g at %lld", id_of(items, x->item_key), x->weight,
                 x->rating, (long long)x->timestamp);
        if (x->kind || x->count > 1)
            buf_addf(out, " kind %d count %d first %lld", (int)x->kind, (int)x->count,
                     (long long)(x->first ? x->first : x->timestamp));
        buf_addc(out, '\n');
    }
}

static bool add_task_row(void *arg, int64_t number, struct text row)
{
    buf_addf(arg, "  %lld %.*s\n", (long long)number, (int)row.len, row.data);
    return true;
}

static void dump_task(struct store_conn *c, const char *id, struct store_task *t, struct buf *out)
{
    const struct store_context_key key = {store_fixture_key.model, store_fixture_key.model_version, "task"};
    STORE_OK(store_read_task(c, text_of(id), &key, t, &e));
    buf_addf(out, "task %s %.*s keeps rows %d, %lld", id, (int)t->profile.len,
             t->profile.len ? t->profile.data : "", t->keeps_rows, (long long)t->n_rows);
    if (t->context.len)
        buf_addf(out, " context %zu bytes given %d", t->context.len, t->context_given);
    buf_addc(out, '\n');
    STORE_OK(store_each_task_row(c, text_of(id), add_task_row, out, &e));
}

static void free_rows(struct dump_rows *all)
{
    for (size_t i = 0; i < all->n; i++) {
        free(all->rows[i].id);
        mem_free(all->rows[i].line);
    }
    free(all->rows);
}

char *store_fixture_dump(struct store_conn *c)
{
    struct dump_rows users = {0}, items = {0}, tasks = {0};
    struct store_user u = {0};
    struct store_task t = {0};
    struct buf out;
    buf_init(&out, 64u << 20);
    STORE_OK(store_each_user(c, collect_user, &users, &e));
    STORE_OK(store_each_item(c, 0, collect_item, &items, &e));
    STORE_OK(store_each_task(c, collect_user, &tasks, &e));
    if (users.n)
        qsort(users.rows, users.n, sizeof *users.rows, by_id);
    for (size_t i = 0; i < users.n; i++)
        dump_user(c, users.rows[i].id, &items, &u, &out);
    if (items.n)
        qsort(items.rows, items.n, sizeof *items.rows, by_id);
    for (size_t i = 0; i < items.n; i++)
        buf_addf(&out, "item %s%s\n", items.rows[i].id, items.rows[i].line);
    if (tasks.n)
        qsort(tasks.rows, tasks.n, sizeof *tasks.rows, by_id);
    for (size_t i = 0; i < tasks.n; i++)
        dump_task(c, tasks.rows[i].id, &t, &out);
    store_user_fini(&u);
    store_task_fini(&t);
    free_rows(&users);
    free_rows(&items);
    free_rows(&tasks);
    char *text = buf_steal(&out, NULL);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* ---- files ---- */

void store_fixture_write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

void *store_fixture_read_file(const char *path, size_t *n)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fstat(fileno(f), &st), 0);
    *n = (size_t)st.st_size;
    void *bytes = malloc(*n + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *n, f), *n);
    ck_assert_int_eq(fclose(f), 0);
    return bytes;
}
