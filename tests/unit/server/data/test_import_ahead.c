/* server/data/import_ahead.c: rows of users and items that change nothing, or that are written before the
 * transaction. Risks: a row that is left out though it changes something, by itself, after another row of the
 * table, or after what others wrote meanwhile; a new one that is seen too early, or never; a report that
 * counts otherwise. Long because each way in which others write meanwhile stands beside each kind of row. */
#include "base/mem.h"
#include "server/data/import.h"
#include "store/sqlite/load.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct store_fixture f;
static char path[128];

static void setup(void)
{
    store_fixture_start(&f);
    (void)snprintf(path, sizeof path, "%s/users.csv", f.dir);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    store_fixture_stop(&f);
}

static const struct import_report *import_kind(enum table_kind kind, const char *rows, bool replace)
{
    static struct import_report report;
    const struct import_options options = {
        .store = f.path, .files = {{path, kind}}, .n_files = 1, .stage_from = 1, .replace = replace};
    store_fixture_write_file(path, rows, strlen(rows));
    STORE_OK(import_run(&options, &report, &e));
    import_report_fini(&report);
    return &report;
}

static const struct import_report *import(const char *rows)
{
    return import_kind(TABLE_USERS, rows, false);
}

static const struct import_report *import_items(const char *rows)
{
    return import_kind(TABLE_ITEMS, rows, false);
}

static int64_t revision_of(const char *user)
{
    store_fixture_read(&f, user);
    return f.user.revision;
}

static void assert_profile(const char *user, const char *profile)
{
    store_fixture_read(&f, user);
    ck_assert_uint_eq(f.user.profile.len, strlen(profile));
    ck_assert_msg(memcmp(f.user.profile.data, profile, f.user.profile.len) == 0, "%.*s",
                  (int)f.user.profile.len, f.user.profile.data);
}

static const char table[] = "user,age,city\nann,31,Bern\nbob,40,Basel\neve,25,Chur\n";

START_TEST(users_who_are_as_they_were_are_left_alone_and_counted_all_the_same)
{
    (void)import(table);
    int64_t ann = revision_of("ann"), bob = revision_of("bob");
    const struct import_report *r =
        import("user,age,city\nann,31,Bern\nbob,41,Basel\neve,25,Chur\nnew,1,Sion\n"
               "eve,25,Chur\n");
    ck_assert_int_eq(r->n_rows[TABLE_USERS], 5);
    ck_assert_int_eq(r->n_known[TABLE_USERS], 3);
    ck_assert_int_eq(r->n_repeated[TABLE_USERS], 1);
    ck_assert_int_eq(revision_of("ann"), ann);
    ck_assert_int_gt(revision_of("bob"), bob);
    assert_profile("bob", "{\"age\":\"41\",\"city\":\"Basel\"}");
    assert_profile("new", "{\"age\":\"1\",\"city\":\"Sion\"}");
}
END_TEST

START_TEST(a_part_of_a_profile_that_is_as_it_was_changes_nothing)
{
    (void)import(table);
    int64_t ann = revision_of("ann");
    (void)import("user,city\nann,Bern\nbob,Brig\n");
    ck_assert_int_eq(revision_of("ann"), ann);
    assert_profile("bob", "{\"age\":\"40\",\"city\":\"Brig\"}");
}
END_TEST

START_TEST(a_row_that_takes_back_what_one_before_it_changed_is_stored)
{
    (void)import(table);
    const struct import_report *r =
        import("user,age,city\nann,32,Bern\nann,31,Bern\nbob,40,Basel\nbob,41,Basel\n");
    ck_assert_int_eq(r->n_known[TABLE_USERS], 2);
    ck_assert_int_eq(r->n_repeated[TABLE_USERS], 2);
    assert_profile("ann", "{\"age\":\"31\",\"city\":\"Bern\"}");
    assert_profile("bob", "{\"age\":\"41\",\"city\":\"Basel\"}");
}
END_TEST

/* ---- items ---- */

static bool write_item(void *arg, const struct store_item *item)
{
    (void)snprintf(arg, 96, "%.*s %.*s %.*s%s", (int)item->title.len, item->title.data,
                   (int)item->categories.len, item->categories.data, (int)item->metadata.len,
                   item->metadata.data, item->deleted ? " deleted" : "");
    return true;
}

static void assert_item(const char *id, const char *wanted)
{
    char found[96] = "";
    STORE_OK(store_read_item(f.conn, text_of(id), write_item, found, &e));
    ck_assert_str_eq(found, wanted);
}

static bool take_revision(void *arg, const struct store_item *item)
{
    *(int64_t *)arg = item->revision;
    return true;
}

static int64_t revision_of_item(const char *id)
{
    int64_t revision;
    STORE_OK(store_read_item(f.conn, text_of(id), take_revision, &revision, &e));
    return revision;
}

static const char catalogue[] = "item,title,categories,price\na,A,x|y,1\nb,B,,2\nc,,x,3\n";

START_TEST(items_that_are_as_they_were_are_left_alone_and_new_ones_come)
{
    (void)import_items(catalogue);
    int64_t a = revision_of_item("a"), b = revision_of_item("b"), c = revision_of_item("c");
    const struct import_report *r =
        import_items("item,title,categories,price\na,A,x|y,1\nb,B,,4\nc,,x,3\nd,D,y,5\nd,E,,\n");
    ck_assert_int_eq(r->n_rows[TABLE_ITEMS], 5);
    ck_assert_int_eq(r->n_known[TABLE_ITEMS], 3);
    ck_assert_int_eq(r->n_repeated[TABLE_ITEMS], 1);
    ck_assert_int_eq(revision_of_item("a"), a);
    ck_assert_int_eq(revision_of_item("c"), c);
    ck_assert_int_gt(revision_of_item("b"), b);
    assert_item("b", "B  {\"price\":\"4\"}");
    assert_item("d", "E [\"y\"] {\"price\":\"5\"}");
    r = import_items("item,price\na,1\nc,9\n");
    ck_assert_int_eq(r->n_known[TABLE_ITEMS], 2);
    ck_assert_int_eq(revision_of_item("a"), a);
    assert_item("c", " [\"x\"] {\"price\":\"9\"}");
}
END_TEST

START_TEST(items_keep_the_order_of_their_file)
{
    (void)import_items("item,title\nz,Z\nb,B\nm,M\n");
    int64_t z, b, m;
    STORE_OK(store_item_key_of(f.conn, text_of("z"), &z, &e));
    STORE_OK(store_item_key_of(f.conn, text_of("b"), &b, &e));
    STORE_OK(store_item_key_of(f.conn, text_of("m"), &m, &e));
    ck_assert_int_lt(z, b);
    ck_assert_int_lt(b, m);
}
END_TEST

START_TEST(a_table_of_all_items_keeps_those_that_are_as_they_were_and_new_ones)
{
    (void)import_items(catalogue);
    const struct import_report *r =
        import_kind(TABLE_ITEMS, "item,title,categories,price\na,A,x|y,1\nd,D,y,5\n", true);
    ck_assert_int_eq(r->n_items_deleted, 2);
    assert_item("a", "A [\"x\",\"y\"] {\"price\":\"1\"}");
    assert_item("b", "B  {\"price\":\"2\"} deleted");
    assert_item("d", "D [\"y\"] {\"price\":\"5\"}");
    r = import_items(catalogue);
    ck_assert_int_eq(r->n_items_kept_deleted, 2);
    r = import_kind(TABLE_ITEMS, catalogue, true);
    ck_assert_int_eq(r->n_items_deleted, 1);
    assert_item("b", "B  {\"price\":\"2\"}");
}
END_TEST

/* ---- what others do before a lock is taken ---- */

static void (*meanwhile)(struct store_conn *c);
static int n_locks_before; /* that the import takes first */

static int before_the_lock(unsigned kind, void *arg, void *statement, void *sql)
{
    void (*what)(struct store_conn *) = meanwhile;
    (void)kind;
    (void)arg;
    (void)statement;
    if (what && strncmp(sql, "BEGIN IMMEDIATE", 15) == 0 && n_locks_before-- == 0) {
        meanwhile = NULL;
        what(f.conn);
    }
    return 0;
}

static int trace_connection(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, before_the_lock, NULL);
}

static void import_and(enum table_kind kind, const char *rows, int n_locks,
                       void (*what)(struct store_conn *c))
{
    ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))trace_connection), SQLITE_OK);
    meanwhile = what;
    n_locks_before = n_locks;
    (void)import_kind(kind, rows, false);
    (void)sqlite3_cancel_auto_extension((void (*)(void))trace_connection);
    ck_assert_ptr_null(meanwhile);
}

static void change_ann(struct store_conn *c)
{
    (void)store_fixture_user(c, "ann", "{\"age\":\"99\"}");
}

static void forget_ann(struct store_conn *c)
{
    store_fixture_delete(c, "ann");
}

START_TEST(a_user_whom_others_changed_meanwhile_is_as_the_table_says)
{
    (void)import(table);
    import_and(TABLE_USERS, table, 0, change_ann);
    assert_profile("ann", "{\"age\":\"31\",\"city\":\"Bern\"}");
}
END_TEST

START_TEST(a_user_who_was_deleted_meanwhile_stays_deleted)
{
    (void)import(table);
    import_and(TABLE_USERS, table, 0, forget_ann);
    store_fixture_assert_counts(f.conn, 2, 0, 0, 0);
}
END_TEST

static void change_item_a(struct store_conn *c)
{
    store_fixture_item(c, "a", "Other");
}

START_TEST(an_item_that_others_changed_meanwhile_is_as_the_table_says)
{
    (void)import_items(catalogue);
    import_and(TABLE_ITEMS, catalogue, 0, change_item_a);
    assert_item("a", "A [\"x\",\"y\"] {\"price\":\"1\"}");
}
END_TEST

/* Registers somebody of whom the table has a row, once that is written. */
static void register_ann(struct store_conn *c)
{
    store_fixture_assert_counts(c, 0, 0, 0, 0);
    (void)store_fixture_user(c, "ann", "{\"age\":99,\"plan\":\"free\"}");
    store_fixture_event(c, "ann", "x", 1, 0);
}

static void import_elsewhere(struct store_conn *c)
{
    struct store_bulk *b;
    STORE_OK(store_begin(c, &e));
    STORE_OK(store_bulk_begin(c, &b, &e));
    STORE_OK(store_bulk_user(b, text_of("ann"), text_of("{\"age\":\"99\"}"), &e));
    STORE_OK(store_bulk_user(b, text_of("new"), text_of("{\"age\":\"98\"}"), &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(c, &e));
}

START_TEST(what_another_import_changed_meanwhile_is_as_the_table_says)
{
    (void)import(table);
    int64_t bob = revision_of("bob");
    import_and(TABLE_USERS, "user,age,city\nann,31,Bern\nbob,40,Basel\nnew,1,Sion\n", 2, import_elsewhere);
    assert_profile("ann", "{\"age\":\"31\",\"city\":\"Bern\"}");
    assert_profile("new", "{\"age\":\"1\",\"city\":\"Sion\"}");
    ck_assert_int_eq(revision_of("bob"), bob);
}
END_TEST

START_TEST(a_new_user_who_registers_meanwhile_is_as_the_table_says_and_keeps_the_rest)
{
    enum { NUMBER_AND_ROWS = 2 }; /* the locks before that of the last transaction */
    import_and(TABLE_USERS, table, NUMBER_AND_ROWS, register_ann);
    assert_profile("ann", "{\"age\":\"31\",\"plan\":\"free\",\"city\":\"Bern\"}");
    store_fixture_assert_counts(f.conn, 3, 1, 1, 0);
}
END_TEST

/* ---- who is deleted meanwhile ---- */

/* What is done before which lock of the import. */
static struct {
    int lock;
    void (*what)(struct store_conn *c);
} steps[2];
static int n_locks;
static bool all_done; /* the import took the locks of all steps */

static int step_before_the_lock(unsigned kind, void *arg, void *statement, void *sql)
{
    (void)kind;
    (void)arg;
    (void)statement;
    if (strncmp(sql, "BEGIN IMMEDIATE", 15) != 0)
        return 0;
    for (int i = 0; i < 2; i++)
        if (steps[i].lock == n_locks && steps[i].what)
            steps[i].what(f.conn);
    all_done = steps[1].lock <= n_locks++;
    return 0;
}

static int trace_steps(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, step_before_the_lock, NULL);
}

static int do_not_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static void write_ann(struct store_conn *c)
{
    (void)store_fixture_user(c, "ann", "{\"age\":99}");
    store_fixture_event(c, "ann", "x", 1, 0);
}

static int (*usual_sleep)(sqlite3_vfs *, int);

/* Ann is written before the first of two locks, if she is not there, and deleted before the last. */
static void begin_steps(bool known, int first, int last)
{
    steps[0].lock = first;
    steps[0].what = known ? NULL : write_ann;
    steps[1].lock = last;
    steps[1].what = forget_ann;
    n_locks = 0;
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    usual_sleep = files->xSleep;
    files->xSleep = do_not_sleep; /* nobody waits for the lock */
    ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))trace_steps), SQLITE_OK);
}

static void end_steps(void)
{
    sqlite3_vfs_find(NULL)->xSleep = usual_sleep;
    (void)sqlite3_cancel_auto_extension((void (*)(void))trace_steps);
}

/* A store of others' rows, and of ann's where she is known; then what an import of her row is, with her
 * taking one step before a lock and another before a later one. Few interactions beside many are not
 * staged. */
static void import_beside(bool known, bool twice, bool staged, int first, int last)
{
    static struct import_report report;
    char events[160];
    (void)snprintf(events, sizeof events, "%s/events.csv", f.dir);
    static const char rows[] = "user,item\nann,x\nann,y\n";
    const char *users =
        twice ? "user,city\nann,Bern\nbob,Basel\nann,Brig\n" : "user,city\nann,Bern\nbob,Basel\n";
    const struct import_options options = {.store = f.path,
                                           .files = {{path, TABLE_USERS}, {events, TABLE_INTERACTIONS}},
                                           .n_files = 2,
                                           .stage_from = 1};
    store_fixture_write_file(events, rows, strlen(rows));
    store_fixture_write_file(path, users, strlen(users));
    (void)store_fixture_user(f.conn, "eve", NULL);
    for (int i = 0; i < (staged ? 1 : 30); i++) {
        char item[16];
        (void)snprintf(item, sizeof item, "i%d", i);
        store_fixture_event(f.conn, "eve", item, 1, 0);
    }
    if (known)
        write_ann(f.conn);
    begin_steps(known, first, last);
    STORE_OK(import_run(&options, &report, &e));
    end_steps();
    import_report_fini(&report);
}

enum { NEW_IS_WRITTEN = 2, N_CASES = 8 }; /* the load's number, and its rows */

START_TEST(who_is_deleted_while_an_import_runs_stays_deleted_whenever_that_is)
{
    bool known = _i & 1, twice = _i & 2, staged = _i & 4;
    int from = known ? 0 : NEW_IS_WRITTEN, n = 0;
    for (int last = from;; last++)
        for (int first = last; first >= from; first = twice && first > from ? from : -1) {
            import_beside(known, twice, staged, first, last);
            if (!all_done) {
                ck_assert_int_gt(n, 1);
                return;
            }
            n++;
            store_fixture_assert_counts(f.conn, 2, staged ? 3 : 32, staged ? 1 : 30, 0);
            store_fixture_read(&f, "bob");
            teardown();
            setup();
        }
}
END_TEST

/* An import of a context of ann's and, where she is named in it, of her interactions. */
static void import_contexts_beside(bool known, bool named, bool staged, int first, int last)
{
    static struct import_report report;
    char events[160];
    (void)snprintf(events, sizeof events, "%s/events.csv", f.dir);
    const char *rows = named ? "user,item\nann,x\nbob,y\n" : "user,item\nbob,x\nbob,y\n";
    static const char contexts[] = "user,embedding\nann,1 2 3\nbob,1 2 3\n";
    const struct import_options options = {.store = f.path,
                                           .model = "model",
                                           .model_version = "1",
                                           .files = {{path, TABLE_CONTEXTS}, {events, TABLE_INTERACTIONS}},
                                           .n_files = 2,
                                           .stage_from = staged ? 1 : 1000};
    store_fixture_write_file(events, rows, strlen(rows));
    store_fixture_write_file(path, contexts, strlen(contexts));
    if (known)
        write_ann(f.conn);
    begin_steps(known, first, last);
    STORE_OK(import_run(&options, &report, &e));
    end_steps();
    import_report_fini(&report);
}

/* Of one who is not known but by interactions her rows are written ahead of the last lock, where they are
 * staged; of one who is known, once the table of contexts was read. */
START_TEST(a_context_brings_nobody_back_who_was_deleted_meanwhile)
{
    bool known = _i & 1, named = _i & 2, staged = _i & 4;
    if (!known && !(named && staged))
        return;
    int from = known ? 0 : NEW_IS_WRITTEN + 1; /* with the interactions, of which there is no lock before */
    for (int last = from;; last++) {
        import_contexts_beside(known, named, staged, last, last);
        if (!all_done) {
            ck_assert_int_gt(last, from);
            return;
        }
        ck_assert_msg(store_read_user(f.conn, text_of("ann"), NULL, &f.user, NULL) == ERR_NOTFOUND,
                      "before lock %d", last);
        store_fixture_read(&f, "bob");
        teardown();
        setup();
    }
}
END_TEST

static void put_and_delete_a(struct store_conn *c)
{
    store_fixture_item(c, "a", "Other");
    STORE_OK(store_begin(c, &e));
    STORE_OK(store_delete_item(c, text_of("a"), &e));
    STORE_OK(store_commit(c, &e));
}

START_TEST(an_item_that_is_deleted_while_an_import_runs_stays_deleted)
{
    import_and(TABLE_ITEMS, _i ? "item,title\na,A\nb,B\na,C\n" : "item,title\na,A\nb,B\n", NEW_IS_WRITTEN,
               put_and_delete_a);
    assert_item("a", _i ? "C   deleted" : "A   deleted");
    assert_item("b", "B  ");
}
END_TEST

/* ---- many that change: more than are looked at when they are stored ---- */

enum { N_MANY = 300, TWICE = 200 };

/* A table of many, with another second column each time; one of them is there twice. */
static const char *many(const char *header, const char *second)
{
    static char rows[N_MANY * 32 + 64];
    char *at = rows + sprintf(rows, "%s\n", header);
    for (int i = 0; i < N_MANY; i++)
        at += sprintf(at, "m%d,%s%d\n", i, second, i);
    (void)sprintf(at, "m%d,twice\n", TWICE);
    return rows;
}

static void change_one(struct store_conn *c)
{
    (void)store_fixture_user(c, "m250", "{\"plan\":\"pro\"}");
}

START_TEST(many_users_who_change_are_as_the_table_says_and_keep_the_rest)
{
    (void)import(many("user,age", "a"));
    import_and(TABLE_USERS, many("user,city", "c"), 0, change_one);
    assert_profile("m7", "{\"age\":\"a7\",\"city\":\"c7\"}");
    assert_profile("m299", "{\"age\":\"a299\",\"city\":\"c299\"}");
    assert_profile("m200", "{\"age\":\"twice\",\"city\":\"twice\"}");
    assert_profile("m250", "{\"plan\":\"pro\",\"city\":\"c250\"}");
    const struct import_report *r = import(many("user,city", "d"));
    ck_assert_int_eq(r->n_known[TABLE_USERS], N_MANY);
    ck_assert_int_eq(r->n_repeated[TABLE_USERS], 1);
    assert_profile("m299", "{\"age\":\"a299\",\"city\":\"d299\"}");
}
END_TEST

START_TEST(many_items_that_change_are_as_the_table_says_and_keep_the_rest)
{
    (void)import_items(many("item,title", "t"));
    const struct import_report *r = import_items(many("item,price", "p"));
    ck_assert_int_eq(r->n_known[TABLE_ITEMS], N_MANY);
    assert_item("m7", "t7  {\"price\":\"p7\"}");
    assert_item("m299", "t299  {\"price\":\"p299\"}");
    assert_item("m200", "twice  {\"price\":\"twice\"}");
    r = import_kind(TABLE_ITEMS, many("item,price", "q"), true);
    ck_assert_int_eq(r->n_items_deleted, 0);
    assert_item("m299", "t299  {\"price\":\"q299\"}");
}
END_TEST

START_TEST(a_refused_table_leaves_nothing_of_what_was_written_ahead)
{
    static struct import_report report;
    const struct import_options options = {
        .store = f.path, .files = {{path, TABLE_USERS}}, .n_files = 1, .stage_from = 1};
    enum { LONG = 10000 }; /* each field is short enough, and both together are too long */
    static char field[LONG + 1], rows[2 * LONG + 100];
    memset(field, 'x', LONG);
    (void)snprintf(rows, sizeof rows, "user,a,b\nnew,1,2\nann,%s,\nann,,%s\n", field, field);
    store_fixture_write_file(path, rows, strlen(rows));
    (void)store_fixture_user(f.conn, "old", NULL);
    char *before = store_fixture_dump(f.conn);
    STORE_FAILS(import_run(&options, &report, &e), ERR_INVALID);
    ck_assert_msg(strstr(report.listed[0].text, "users.csv:4"), "%s", report.listed[0].text);
    import_report_fini(&report);
    char *after = store_fixture_dump(f.conn);
    ck_assert_str_eq(before, after);
    mem_free(before);
    mem_free(after);
}
END_TEST

START_TEST(an_import_without_memory_changes_nothing)
{
    static struct import_report report;
    const struct import_options options = {
        .store = f.path, .files = {{path, TABLE_USERS}}, .n_files = 1, .stage_from = 1};
    bool done = false;
    (void)import(table);
    static const char next[] = "user,age,city\nann,31,Bern\nbob,41,Basel\nnew,1,Sion\n";
    store_fixture_write_file(path, next, strlen(next));
    for (long n = 1; !done; n++) {
        struct err e = {0};
        char *before = store_fixture_dump(f.conn), *after;
        mem_fail_at(n, 1);
        done = import_run(&options, &report, &e) == ERR_OK;
        mem_fail_at(0, 0);
        import_report_fini(&report);
        after = store_fixture_dump(f.conn);
        ck_assert(done || strcmp(before, after) == 0);
        mem_free(before);
        mem_free(after);
    }
    assert_profile("bob", "{\"age\":\"41\",\"city\":\"Basel\"}");
}
END_TEST

/* ---- one at a time ---- */

static int64_t slept_us;

static int count_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    slept_us += us;
    return us;
}

/* Each kind of table, and how many of its rows are a large import. */
static const struct {
    enum table_kind kind;
    size_t n;
    const char *head, *before, *after; /* a row's number */
} large[] = {
    {TABLE_USERS, 20000, "user,age", "u", ",1"},
    {TABLE_ITEMS, 20000, "item,title", "i", ",T"},
    {TABLE_INTERACTIONS, 400000, "user,item,timestamp", "u,i,", ""},
};

static void write_table(size_t kind, size_t n)
{
    FILE *table_file = fopen(path, "w");
    ck_assert_ptr_nonnull(table_file);
    (void)fprintf(table_file, "%s\n", large[kind].head);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(table_file, "%s%zu%s\n", large[kind].before, i, large[kind].after);
    ck_assert_int_eq(fclose(table_file), 0);
}

/* One row less does not mind who is at work. */
START_TEST(a_large_import_waits_10_s_for_another_and_is_told_which_and_a_smaller_one_does_not)
{
    static struct import_report report;
    const struct import_options o = {.store = f.path, .files = {{path, large[_i].kind}}, .n_files = 1};
    struct sqlite_load_lock other;
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    int (*usual)(sqlite3_vfs *, int) = files->xSleep;
    struct err why = {0};
    int64_t before, after;
    char process[40];
    (void)snprintf(process, sizeof process, "(process %ld)", (long)getpid());
    STORE_OK(sqlite_load_acquire(f.path, 0, &other, &e));
    files->xSleep = count_sleep;
    slept_us = 0;
    write_table((size_t)_i, large[_i].n - 1);
    STORE_OK(import_run(&o, &report, &e));
    import_report_fini(&report);
    ck_assert_int_eq(slept_us, 0);
    STORE_OK(store_last_change(f.conn, &before, &e));
    write_table((size_t)_i, large[_i].n);
    enum err_code code = import_run(&o, &report, &why);
    import_report_fini(&report);
    ck_assert_msg(code == ERR_BUSY && strstr(why.text, process), "%s", why.text);
    ck_assert_int_ge(slept_us, 10000000);
    STORE_OK(store_last_change(f.conn, &after, &e));
    ck_assert_int_eq(before, after);
    sqlite_load_release(&other);
    STORE_OK(import_run(&o, &report, &e));
    import_report_fini(&report);
    files->xSleep = usual;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server/data/import_ahead");
    TCase *t = tcase_create("users");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, users_who_are_as_they_were_are_left_alone_and_counted_all_the_same);
    tcase_add_test(t, a_part_of_a_profile_that_is_as_it_was_changes_nothing);
    tcase_add_test(t, a_row_that_takes_back_what_one_before_it_changed_is_stored);
    tcase_add_test(t, items_that_are_as_they_were_are_left_alone_and_new_ones_come);
    tcase_add_test(t, items_keep_the_order_of_their_file);
    tcase_add_test(t, a_table_of_all_items_keeps_those_that_are_as_they_were_and_new_ones);
    tcase_add_test(t, a_user_whom_others_changed_meanwhile_is_as_the_table_says);
    tcase_add_test(t, a_user_who_was_deleted_meanwhile_stays_deleted);
    tcase_add_test(t, an_item_that_others_changed_meanwhile_is_as_the_table_says);
    tcase_add_test(t, what_another_import_changed_meanwhile_is_as_the_table_says);
    tcase_add_test(t, a_new_user_who_registers_meanwhile_is_as_the_table_says_and_keeps_the_rest);
    tcase_add_loop_test(t, who_is_deleted_while_an_import_runs_stays_deleted_whenever_that_is, 0, N_CASES);
    tcase_add_loop_test(t, a_context_brings_nobody_back_who_was_deleted_meanwhile, 0, N_CASES);
    tcase_add_loop_test(t, an_item_that_is_deleted_while_an_import_runs_stays_deleted, 0, 2);
    tcase_add_test(t, many_users_who_change_are_as_the_table_says_and_keep_the_rest);
    tcase_add_test(t, many_items_that_change_are_as_the_table_says_and_keep_the_rest);
    tcase_add_test(t, a_refused_table_leaves_nothing_of_what_was_written_ahead);
    tcase_add_test(t, an_import_without_memory_changes_nothing);
    tcase_add_loop_test(t, a_large_import_waits_10_s_for_another_and_is_told_which_and_a_smaller_one_does_not,
                        0, sizeof large / sizeof *large);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
