/* Files that are no store, or no longer: cut at every kind of place, with flipped or random bytes, empty, of
 * another program, of a newer one. Each must give an error or a read that ends; never a crash, never a hang,
 * and never a change to what is not ours. */
#include "base/mem.h"
#include "base/rng.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, N_FLIPS = 400, N_CUTS = 120 };

static const struct store_context_key task_key = {"model", "1", "task"};
static struct store_fixture f;
static unsigned char *sound; /* a sound store's file */
static size_t sound_bytes;

static void start(void)
{
    store_fixture_start(&f);
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < 400; i++) {
        char user[32], item[32];
        int64_t revision;
        bool created;
        (void)snprintf(user, sizeof user, "user-%d", i % 40);
        (void)snprintf(item, sizeof item, "item-%d", i);
        STORE_OK(store_put_user(f.conn, text_of(user), text_of("{\"country\":\"nowhere\"}"), &revision,
                                &created, &e));
        STORE_OK(store_put_interaction(f.conn, text_of(user), text_of(item), 1, 2, i, NULL, &e));
        STORE_OK(store_put_context(f.conn, &store_fixture_key, text_of(user), revision, true,
                                   "embedding bytes", 15, &e));
        STORE_OK(store_put_task(f.conn, text_of(user), text_of("{\"a\":1}"), i % 3, &revision, &created, &e));
        STORE_OK(store_add_task_row(f.conn, text_of(user), text_of("{\"price\":2,\"units\":3}"), &e));
        STORE_OK(store_put_task_context(f.conn, &task_key, text_of(user), revision, true, "sums", 4, &e));
    }
    STORE_OK(store_commit(f.conn, &e));
    store_fixture_close(&f);
    sound = store_fixture_read_file(f.path, &sound_bytes);
    ck_assert_uint_gt(sound_bytes, 20 * PAGE);
}

static void stop(void)
{
    free(sound);
    store_fixture_stop(&f);
}

/* ---- using whatever is there ---- */

static bool any_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    (void)key, (void)revision;
    *(size_t *)arg += 1 + (id.len ? (unsigned char)id.data[id.len - 1] : 0) +
                      (profile.len ? (unsigned char)profile.data[profile.len - 1] : 0);
    return true;
}

static bool any_item(void *arg, const struct store_item *item)
{
    ck_assert_ptr_nonnull(item->id.data);
    *(size_t *)arg += item->id.len + item->title.len + item->metadata.len;
    return true;
}

static enum store_look look_at_any(void *arg, int64_t key, struct text id)
{
    ck_assert_ptr_nonnull(id.data);
    *(size_t *)arg += id.len + (size_t)(key > 0);
    return STORE_TAKE;
}

static bool any_interaction(void *arg, int64_t key, const struct store_interaction *x)
{
    (void)key;
    *(size_t *)arg += x->weight > 0;
    return true;
}

static bool any_change(void *arg, const struct store_change *change)
{
    bool named = change->kind == STORE_CHANGE_USER || change->kind == STORE_CHANGE_ITEM ||
                 change->kind == STORE_CHANGE_TASK;
    ck_assert(named == (change->id.data != NULL));
    *(size_t *)arg += change->id.len;
    return true;
}

static bool any_row(void *arg, int64_t number, struct text row)
{
    ck_assert_ptr_nonnull(row.data);
    *(size_t *)arg += (size_t)number + row.len;
    return true;
}

/* A failure must have a text and must not be called a defect of this program. */
static void look_at(enum err_code code, struct err *e)
{
    ck_assert_int_eq(code, e->code);
    if (code)
        ck_assert_uint_gt(strlen(e->text), 5);
    ck_assert_msg(code != ERR_INTERNAL, "%s", e->text);
    err_clear(e);
}

static void read_everything(struct store_conn *c)
{
    struct err e = {0};
    struct store_user u = {0};
    struct store_user_context context = {0};
    struct store_task t = {0};
    struct store_counts counts;
    size_t sum = 0;
    int64_t number;
    bool changed, found;
    look_at(store_ping(c, &e), &e);
    look_at(store_wait_changes(c, 0, 0, &changed, &e), &e);
    look_at(store_count(c, &counts, &e), &e);
    look_at(store_each_user(c, any_user, &sum, &e), &e);
    look_at(store_each_item(c, 0, any_item, &sum, &e), &e);
    look_at(store_list_users(c, text_of("user-2"), look_at_any, any_user, &sum, &e), &e);
    look_at(store_list_items(c, text_of("item-2"), look_at_any, any_item, &sum, &e), &e);
    look_at(store_each_interaction(c, any_interaction, &sum, &e), &e);
    look_at(store_last_change(c, &number, &e), &e);
    look_at(store_changes(c, 0, any_change, &sum, &e), &e);
    for (int i = 0; i < 40; i++) {
        char user[32];
        (void)snprintf(user, sizeof user, "user-%d", i);
        look_at(store_read_user(c, text_of(user), &store_fixture_key, &u, &e), &e);
        look_at(store_read_context(c, text_of(user), &store_fixture_key, &context, &found, &e), &e);
        look_at(store_item_key_of(c, text_of("item-7"), &number, &e), &e);
        look_at(store_read_task(c, text_of(user), &task_key, &t, &e), &e);
        look_at(store_each_task_row(c, text_of(user), any_row, &sum, &e), &e);
    }
    look_at(store_each_task(c, any_user, &sum, &e), &e);
    store_task_fini(&t);
    store_user_fini(&u);
    store_user_context_fini(&context);
}

static void write_something(struct store_conn *c)
{
    struct err e = {0};
    int64_t revision;
    bool created;
    enum err_code code = store_begin(c, &e);
    if (!code)
        code = store_put_user(c, text_of("user-new"), text_of("{}"), &revision, &created, &e);
    for (int i = 0; i < 40 && !code; i++) {
        char user[32];
        (void)snprintf(user, sizeof user, "user-%d", i);
        code = i % 2 ? store_delete_user(c, text_of(user), &e)
                     : store_put_interaction(c, text_of("user-new"), text_of(user), 1, NAN, i, NULL, &e);
        if (!code)
            code = i % 2 ? store_delete_task(c, text_of(user), &e)
                         : store_add_task_row(c, text_of(user), text_of("{}"), &e);
    }
    look_at(code, &e);
    if (code)
        store_rollback(c);
    else
        look_at(store_commit(c, &e), &e);
}

/* Opens the file and does everything that still can be done. */
static enum err_code use(void)
{
    struct err e = {0};
    struct store *s = NULL;
    struct store_conn *c = NULL;
    enum err_code code = store_open(f.path, STORE_READ_WRITE, &s, &e);
    if (code) {
        ck_assert_ptr_nonnull(strstr(e.text, f.path));
        look_at(code, &e);
        return code;
    }
    code = store_connect(s, &c, &e);
    look_at(code, &e);
    if (!code) {
        char copy[128];
        (void)snprintf(copy, sizeof copy, "%s/copy.db", f.dir);
        read_everything(c);
        write_something(c);
        if (store_backup(c, copy, NULL, NULL) == ERR_OK)
            (void)unlink(copy);
        read_everything(c);
    }
    store_disconnect(c);
    store_close(s);
    return ERR_OK;
}

static void put_file(const void *bytes, size_t n)
{
    char name[128];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "%s%s", f.path,
                       (const char *const[]){"-wal", "-shm", "-journal"}[i]);
        (void)unlink(name);
    }
    store_fixture_write_file(f.path, bytes, n);
}

/* ---- tests ---- */

START_TEST(test_a_sound_file_is_used_without_an_error)
{
    ck_assert_int_eq(use(), ERR_OK);
}
END_TEST

START_TEST(test_a_file_cut_anywhere_is_an_error_or_reads_to_its_end)
{
    for (size_t n = 1; n < 600; n += 37) { /* inside the header and the first page */
        put_file(sound, n);
        ck_assert_int_eq(use(), ERR_CORRUPT);
    }
    for (size_t i = 0; i < N_CUTS; i++) {
        put_file(sound, 600 + i * (sound_bytes - 600) / N_CUTS);
        (void)use();
    }
    for (size_t n = PAGE; n < sound_bytes; n += PAGE) {
        put_file(sound, n);
        (void)use();
    }
}
END_TEST

START_TEST(test_flipped_bits_crash_nothing)
{
    struct rng r;
    unsigned char *damaged = malloc(sound_bytes);
    rng_init(&r, 5, (uint64_t)_i);
    for (int round = 0; round < N_FLIPS / 8; round++) {
        memcpy(damaged, sound, sound_bytes);
        int n = 1 + (int)rng_below(&r, 20);
        for (int k = 0; k < n; k++) {
            /* Half of them where they hurt: the header, the schema, the heads of the pages. */
            size_t at = rng_below(&r, 2)
                            ? rng_below(&r, (unsigned)sound_bytes)
                            : rng_below(&r, (unsigned)(sound_bytes / PAGE)) * PAGE + rng_below(&r, 128);
            damaged[at] ^= (unsigned char)(1u << rng_below(&r, 8));
        }
        put_file(damaged, sound_bytes);
        (void)use();
    }
    free(damaged);
}
END_TEST

START_TEST(test_every_byte_of_the_header_can_be_wrong)
{
    unsigned char *damaged = malloc(sound_bytes);
    for (size_t at = 0; at < 108; at++) {
        memcpy(damaged, sound, sound_bytes);
        damaged[at] ^= 0xFF;
        put_file(damaged, sound_bytes);
        (void)use();
    }
    free(damaged);
}
END_TEST

START_TEST(test_a_page_of_noise_or_of_another_place_crashes_nothing)
{
    struct rng r;
    unsigned char *damaged = malloc(sound_bytes);
    rng_init(&r, 6, 0);
    for (size_t page = 0; page < sound_bytes / PAGE; page++) {
        memcpy(damaged, sound, sound_bytes);
        if (page % 2)
            for (size_t i = 0; i < PAGE; i++)
                damaged[page * PAGE + i] = (unsigned char)rng_below(&r, 256);
        else
            memcpy(damaged + page * PAGE, sound + (page + 1) * PAGE % sound_bytes, PAGE);
        put_file(damaged, sound_bytes);
        (void)use();
    }
    free(damaged);
}
END_TEST

START_TEST(test_random_bytes_are_no_store)
{
    static unsigned char noise[40000];
    struct rng r;
    rng_init(&r, 9, 0);
    for (size_t n = 1; n <= sizeof noise; n = n * 2 + 1) {
        for (size_t i = 0; i < n; i++)
            noise[i] = (unsigned char)rng_below(&r, 256);
        put_file(noise, n);
        ck_assert_int_eq(use(), ERR_CORRUPT);
        struct store *s;
        STORE_FAILS(store_open(f.path, STORE_CREATE, &s, &e), ERR_CORRUPT);
        size_t n_after;
        unsigned char *after = store_fixture_read_file(f.path, &n_after);
        ck_assert_uint_eq(n_after, n);
        ck_assert_mem_eq(after, noise, n);
        free(after);
    }
}
END_TEST

START_TEST(test_an_empty_file_becomes_a_store_only_when_one_may_be_made)
{
    struct stat st;
    put_file("", 0);
    ck_assert_int_eq(use(), ERR_CORRUPT);
    ck_assert_int_eq(stat(f.path, &st), 0);
    ck_assert_int_eq(st.st_size, 0);
    STORE_OK(store_open(f.path, STORE_CREATE, &f.store, &e));
    store_fixture_reopen(&f);
    char *content = store_fixture_dump(f.conn);
    ck_assert_str_eq(content, "");
    mem_free(content);
}
END_TEST

START_TEST(test_a_folder_and_a_device_are_no_store)
{
    struct store *s;
    for (int mode = STORE_READ_WRITE; mode <= STORE_CREATE; mode++) {
        struct err why = {0};
        STORE_FAILS(store_open(f.dir, (enum store_mode)mode, &s, &e), ERR_IO);
        ck_assert_int_ne(store_open("/dev/null", (enum store_mode)mode, &s, &why), ERR_OK);
        ck_assert_int_ne(why.code, ERR_INTERNAL);
    }
}
END_TEST

static void run_sql(const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, &why);
    ck_assert_msg(rc == SQLITE_OK, "%s", why);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

START_TEST(test_another_programs_database_is_refused_and_not_changed)
{
    static const char *const theirs[] = {"CREATE TABLE notes (a); INSERT INTO notes VALUES (1)",
                                         "PRAGMA application_id = 12345; CREATE TABLE users (user_key)",
                                         "PRAGMA user_version = 1; CREATE TABLE users (user_key)",
                                         "PRAGMA application_id = 7"};
    struct store *s;
    size_t n, n_after;
    ck_assert_int_eq(unlink(f.path), 0);
    run_sql(theirs[_i]);
    unsigned char *before = store_fixture_read_file(f.path, &n);
    STORE_FAILS(store_open(f.path, STORE_READ_WRITE, &s, &e), ERR_CORRUPT);
    STORE_FAILS(store_open(f.path, STORE_CREATE, &s, &e), ERR_CORRUPT);
    unsigned char *after = store_fixture_read_file(f.path, &n_after);
    ck_assert_uint_eq(n, n_after);
    ck_assert_mem_eq(before, after, n);
    free(before);
    free(after);
}
END_TEST

START_TEST(test_a_store_of_a_newer_program_is_refused)
{
    struct store *s;
    struct err why = {0};
    run_sql("PRAGMA user_version = 999");
    STORE_FAILS(store_open(f.path, STORE_CREATE, &s, &e), ERR_CORRUPT);
    ck_assert_int_eq(store_open(f.path, STORE_READ_WRITE, &s, &why), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, "newer"));
    run_sql("PRAGMA user_version = 0");
    STORE_FAILS(store_open(f.path, STORE_READ_WRITE, &s, &e), ERR_CORRUPT);
    run_sql("PRAGMA user_version = -1");
    STORE_FAILS(store_open(f.path, STORE_READ_WRITE, &s, &e), ERR_CORRUPT);
}
END_TEST

START_TEST(test_a_store_without_a_table_or_column_is_refused_when_opened)
{
    static const char *const losses[] = {"DROP TABLE contexts", "DROP TABLE changes",
                                         "ALTER TABLE items DROP COLUMN metadata",
                                         "ALTER TABLE users RENAME TO people"};
    struct store *s;
    run_sql(losses[_i]);
    STORE_FAILS(store_open(f.path, STORE_READ_WRITE, &s, &e), ERR_CORRUPT);
}
END_TEST

START_TEST(test_a_damaged_log_is_cut_where_it_is_sound)
{
    char wal[128];
    size_t n, n_db;
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    for (int i = 0; i < 10; i++)
        store_fixture_event(f.conn, "user-1", (const char *const[]){"a", "b"}[i % 2], 1, 1000 + i);
    (void)snprintf(wal, sizeof wal, "%s-wal", f.path);
    unsigned char *log = store_fixture_read_file(wal, &n), *db = store_fixture_read_file(f.path, &n_db);
    store_fixture_close(&f);
    ck_assert_uint_gt(n, 10000);
    (void)snprintf(f.path, sizeof f.path, "%s/crashed.db", f.dir);
    (void)snprintf(wal, sizeof wal, "%s-wal", f.path);
    for (size_t i = 0; i < 60;
         i++) { /* as after a crash of the machine: the log is cut, or wrong from here on */
        size_t at = i * n / 60;
        put_file(db, n_db);
        if (i % 2 == 0) {
            store_fixture_write_file(wal, log, at);
        } else {
            log[at] ^= 0x10;
            store_fixture_write_file(wal, log, n);
            log[at] ^= 0x10;
        }
        STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
        STORE_OK(store_connect(f.store, &f.conn, &e));
        struct store_user u = {0};
        STORE_OK(store_read_user(f.conn, text_of("user-1"), NULL, &u, &e));
        ck_assert(u.n_interactions >= 10 && u.n_interactions <= 12);
        store_user_fini(&u);
        store_fixture_event(f.conn, "user-1", "c", 1, 2000);
        store_fixture_close(&f);
    }
    free(log);
    free(db);
}
END_TEST

SUITE("store damaged", start, stop, {test_a_sound_file_is_used_without_an_error},
      {test_a_file_cut_anywhere_is_an_error_or_reads_to_its_end}, {test_flipped_bits_crash_nothing, 8},
      {test_every_byte_of_the_header_can_be_wrong},
      {test_a_page_of_noise_or_of_another_place_crashes_nothing}, {test_random_bytes_are_no_store},
      {test_an_empty_file_becomes_a_store_only_when_one_may_be_made},
      {test_a_folder_and_a_device_are_no_store},
      {test_another_programs_database_is_refused_and_not_changed, 4},
      {test_a_store_of_a_newer_program_is_refused},
      {test_a_store_without_a_table_or_column_is_refused_when_opened, 4},
      {test_a_damaged_log_is_cut_where_it_is_sound})
