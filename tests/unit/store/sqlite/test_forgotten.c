/* store/sqlite/log.c, schema/sqlite/0005_nameless.sql: what is deleted of people is in no file afterwards.
 * Risks: the log, pages that were filled anew beside others (thousands of users split and join them), the log
 * of changes, files that others may read. */
#include "store/sqlite/private.h"

#include "schema/schema.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

STORE_FIXTURE(f)

/* A distinct id, the same for the same number; spread, so that rows come between others. */
static const char *id_of(int i)
{
    static char id[48];
    (void)snprintf(id, sizeof id, "person-%016llx", (unsigned long long)(i + 1) * 0x9E3779B97F4A7C15u);
    return id;
}

static void put(int i, size_t n_filling, const char *word)
{
    static char profile[4096];
    const char *id = id_of(i);
    int64_t revision;
    bool created;
    char embedding[160];
    memset(embedding, i, sizeof embedding);
    (void)snprintf(profile, sizeof profile, "{\"secret\":\"%s-%s\",\"filling\":\"%0*d\"}", word, id,
                   (int)n_filling, i);
    STORE_OK(store_put_user(f.conn, text_of(id), text_of(profile), &revision, &created, &e));
    STORE_OK(store_put_context(f.conn, &store_fixture_key, text_of(id), revision, false, embedding,
                               sizeof embedding, &e));
    STORE_OK(store_put_interaction(f.conn, text_of(id), text_of(i % 2 ? "odd" : "even"), 1, (double)NAN, i,
                                   NULL, &e));
}

#ifdef __SANITIZE_THREAD__
enum { MAX_USERS = 600 }; /* ThreadSanitizer takes a minute a thousand */
#else
enum { MAX_USERS = 6000 };
#endif

/* Marks whose ids follow the word in a file. */
static void mark(const char *path, const char *word, bool marks[MAX_USERS])
{
    size_t n;
    char *bytes = store_fixture_read_file(path, &n), wanted[64];
    (void)snprintf(wanted, sizeof wanted, "%sperson-", word);
    for (const char *at = bytes; (at = memmem(at, n - (size_t)(at - bytes), wanted, strlen(wanted)));) {
        at += strlen(wanted);
        char digits[17] = {0};
        memcpy(digits, at, (size_t)(bytes + n - at) < 16 ? (size_t)(bytes + n - at) : 16);
        uint64_t i = strtoull(digits, NULL, 16) * 0xF1DE83E19937733Du - 1; /* undoes the product of id_of */
        if (i < MAX_USERS)
            marks[i] = true;
    }
    free(bytes);
}

/* How many of the users from, from + step, ... are, with the word before them, in a file of the folder. */
static int found(const char *word, int from, int to, int step)
{
    static bool marks[MAX_USERS];
    DIR *dir = opendir(f.dir);
    int n = 0;
    ck_assert_int_le(to, MAX_USERS);
    memset(marks, 0, sizeof marks);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char path[400];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s", f.dir, entry->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            mark(path, word, marks);
    }
    (void)closedir(dir);
    for (int i = from; i < to; i += step)
        n += marks[i];
    return n;
}

static off_t log_bytes(void)
{
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s-wal", f.path);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

START_TEST(test_nothing_of_deleted_users_is_left_in_any_file)
{
    enum { USERS = MAX_USERS, AT_ONCE = 50 };
    for (int i = 0; i < USERS; i += AT_ONCE) {
        STORE_OK(store_begin(f.conn, &e));
        for (int k = i; k < i + AT_ONCE; k++)
            put(k, (size_t)(k * 37 % 700), "first");
        STORE_OK(store_commit(f.conn, &e));
    }
    ck_assert_int_gt(found("", 0, USERS, 500), 0);
    for (int i = 0; i < USERS;) {
        STORE_OK(store_begin(f.conn, &e));
        for (int k = 0; k < AT_ONCE && i < USERS; k++, i += 3)
            STORE_OK(store_delete_user(f.conn, text_of(id_of(i)), &e));
        STORE_OK(store_commit(f.conn, &e));
    }
    ck_assert_int_gt(found("", 0, USERS, 3), 0); /* in the log, at least */
    STORE_OK(store_settle(f.conn, &e));
    ck_assert_int_eq(log_bytes(), 0);
    ck_assert_int_eq(found("", 0, USERS, 3), 0);
    ck_assert_int_eq(found("first-", 0, USERS, 3), 0);
    store_fixture_assert_counts(f.conn, USERS - USERS / 3, 2, USERS - USERS / 3, USERS - USERS / 3);
    store_fixture_close(&f);
    ck_assert_int_eq(found("", 0, USERS, 3), 0);
}
END_TEST

START_TEST(test_nothing_of_a_replaced_profile_is_left)
{
    enum { USERS = MAX_USERS < 1500 ? MAX_USERS : 1500 };
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < USERS; i++)
        put(i, 100, "first");
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < USERS; i++)
        put(i, (size_t)(i * 37 % 1500), "second");
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_settle(f.conn, &e));
    ck_assert_int_eq(found("first-", 0, USERS, 1), 0);
    ck_assert_int_eq(found("second-", 0, USERS, 1), USERS);
}
END_TEST

/* Whether these bytes are in a file of the folder. */
static bool any_file_has(const void *bytes, size_t n_bytes)
{
    DIR *dir = opendir(f.dir);
    bool any = false;
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char path[400];
        struct stat st;
        size_t n;
        (void)snprintf(path, sizeof path, "%s/%s", f.dir, entry->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        char *text = store_fixture_read_file(path, &n);
        any = any || memmem(text, n, bytes, n_bytes);
        free(text);
    }
    (void)closedir(dir);
    return any;
}

START_TEST(test_nothing_of_interactions_that_were_cleared_alone_is_left)
{
    const double weight = 1.2345678901234567e98; /* as SQLite writes it, the first byte first: */
    char bytes[8];
    memcpy(bytes, &weight, sizeof bytes);
    for (int i = 0; i < 4; i++) {
        char swapped = bytes[i];
        bytes[i] = bytes[7 - i];
        bytes[7 - i] = swapped;
    }
    STORE_OK(store_begin(f.conn, &e));
    put(1, 100, "first");
    STORE_OK(
        store_put_interaction(f.conn, text_of(id_of(1)), text_of("diary"), weight, (double)NAN, 7, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_settle(f.conn, &e));
    ck_assert(any_file_has(bytes, sizeof bytes));
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_clear_user(f.conn, text_of(id_of(1)), STORE_CLEAR_INTERACTIONS, &e));
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_settle(f.conn, &e));
    ck_assert(!any_file_has(bytes, sizeof bytes));
    ck_assert_int_eq(log_bytes(), 0);
}
END_TEST

START_TEST(test_nothing_of_a_profile_that_an_import_replaced_is_left)
{
    struct store_bulk *bulk;
    STORE_OK(store_begin(f.conn, &e));
    put(1, 100, "first");
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    STORE_OK(store_bulk_user(bulk, text_of(id_of(1)), text_of("{}"), &e));
    STORE_OK(store_bulk_end(bulk, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_settle(f.conn, &e));
    ck_assert_int_eq(found("first-", 1, 2, 1), 0);
}
END_TEST

START_TEST(test_a_reader_delays_the_emptying_and_does_not_prevent_it)
{
    struct store_conn *reader;
    struct store_counts counts;
    STORE_OK(store_begin(f.conn, &e));
    put(1, 10, "first");
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_connect(f.store, &reader, &e));
    STORE_OK(store_snapshot_begin(reader, &e));
    STORE_OK(store_count(reader, &counts, &e));
    store_fixture_delete(f.conn, id_of(1));
    STORE_FAILS(store_settle(f.conn, &e), ERR_BUSY);
    store_fixture_assert_counts(reader, 1, 1, 1, 1); /* it goes on reading what it read */
    STORE_FAILS(store_settle(f.conn, &e), ERR_BUSY);
    store_snapshot_end(reader);
    STORE_OK(store_settle(f.conn, &e));
    ck_assert_int_eq(log_bytes(), 0);
    ck_assert_int_eq(found("", 1, 2, 1), 0);
    store_disconnect(reader);
}
END_TEST

START_TEST(test_what_deletes_nothing_leaves_the_log_alone)
{
    STORE_OK(store_settle(f.conn, &e)); /* of the making of the store */
    STORE_OK(store_begin(f.conn, &e));
    put(1, 10, "first");
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_settle(f.conn, &e));
    ck_assert_int_gt(log_bytes(), 0);
}
END_TEST

START_TEST(test_every_connection_deletes_securely)
{
    struct store_conn *conns[2] = {f.conn, NULL};
    STORE_OK(store_connect(f.store, &conns[1], &e));
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *s;
        ck_assert_int_eq(
            sqlite3_prepare_v2(((struct sqlite_conn *)conns[i])->db, "PRAGMA secure_delete", -1, &s, NULL),
            SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
        ck_assert_int_eq(sqlite3_column_int(s, 0), 1);
        sqlite3_finalize(s);
    }
    store_disconnect(conns[1]);
}
END_TEST

START_TEST(test_files_are_their_owner_s_alone_whatever_the_umask)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".copy"};
    store_fixture_stop(&f);
    mode_t old = umask(0);
    store_fixture_start(&f);
    store_fixture_user(f.conn, "ann", "{}");
    char path[128];
    (void)snprintf(path, sizeof path, "%s.copy", f.path);
    STORE_OK(store_backup(f.conn, path, NULL, &e));
    for (size_t i = 0; i < 4; i++) {
        struct stat st;
        (void)snprintf(path, sizeof path, "%s%s", f.path, suffixes[i]);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_msg((st.st_mode & 0777) == 0600, "%s: %o", path, st.st_mode & 0777);
    }
    umask(old);
}
END_TEST

/* A store as the version before the log of changes named nobody: its log names somebody who is gone. */
static void make_old_store(void)
{
    static const char *const sql[] = {schema_sql_0001, schema_sql_0002, schema_sql_0003, schema_sql_0004,
                                      "INSERT INTO changes (kind, id) VALUES ('user', 'person-forgotten');"
                                      "INSERT INTO changes (kind, id) VALUES ('user', 'person-there');"
                                      "INSERT INTO users (id, revision) VALUES ('person-there', 2);"
                                      "PRAGMA application_id = 1752788596; PRAGMA user_version = 4"};
    sqlite3 *db;
    store_fixture_stop(&f);
    store_fixture_folder(&f);
    ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++)
        ck_assert_msg(sqlite3_exec(db, sql[i], NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static bool holds(const char *what)
{
    size_t n;
    char *bytes = store_fixture_read_file(f.path, &n);
    bool there = memmem(bytes, n, what, strlen(what)) != NULL;
    free(bytes);
    return there;
}

static bool take_change(void *arg, const struct store_change *change)
{
    *(struct store_change *)arg = *change;
    return true;
}

START_TEST(test_an_older_store_s_log_of_changes_forgets_who_was_named)
{
    int64_t last;
    struct store_change change = {0};
    make_old_store();
    ck_assert(holds("person-forgotten"));
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    STORE_OK(store_last_change(f.conn, &last, &e));
    ck_assert_int_eq(last, 2); /* numbers go on */
    STORE_OK(store_changes(f.conn, 0, take_change, &change, &e));
    ck_assert_int_eq(change.kind, STORE_CHANGE_ALL);
    ck_assert_int_eq(store_fixture_user(f.conn, "next", NULL), 3);
    store_fixture_close(&f);
    ck_assert(!holds("person-forgotten"));
    ck_assert(holds("person-there"));
}
END_TEST

SUITE("store forgotten", start, stop, {test_nothing_of_deleted_users_is_left_in_any_file},
      {test_nothing_of_a_replaced_profile_is_left},
      {test_nothing_of_interactions_that_were_cleared_alone_is_left},
      {test_nothing_of_a_profile_that_an_import_replaced_is_left},
      {test_a_reader_delays_the_emptying_and_does_not_prevent_it},
      {test_what_deletes_nothing_leaves_the_log_alone}, {test_every_connection_deletes_securely},
      {test_files_are_their_owner_s_alone_whatever_the_umask},
      {test_an_older_store_s_log_of_changes_forgets_who_was_named})
