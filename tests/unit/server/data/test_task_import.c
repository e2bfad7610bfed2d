/* server/data/task_import.c: tables of tasks into the store. Risks: a row under another task or out of its
 * order, a value that reads back as another, a refused table that leaves a trace, memory that ends. */
#include "server/data/task_import.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <stdio.h>
#include <unistd.h>

static struct store_fixture f;
static struct task_import_report report;
static char rows_path[96], profiles_path[96];
static const char *const one_key[] = {"shop"}, *const two_keys[] = {"shop", "brand"};

static void start(void)
{
    store_fixture_folder(&f);
    (void)snprintf(rows_path, sizeof rows_path, "%s/rows.csv", f.dir);
    (void)snprintf(profiles_path, sizeof profiles_path, "%s/profiles.csv", f.dir);
}

static void stop(void)
{
    mem_fail_at(0, 0);
    store_fixture_stop(&f);
}

/* Tables of these texts; NULL: none. */
static struct task_import_options tables(const char *rows, const char *profiles)
{
    if (rows)
        store_fixture_write_file(rows_path, rows, strlen(rows));
    if (profiles)
        store_fixture_write_file(profiles_path, profiles, strlen(profiles));
    return (struct task_import_options){.store = f.path,
                                        .rows = rows ? rows_path : NULL,
                                        .profiles = profiles ? profiles_path : NULL,
                                        .keys = one_key,
                                        .n_keys = 1};
}

static void import(const struct task_import_options *o)
{
    STORE_OK(task_import_run(o, &report, &e));
}

static void refuse(const struct task_import_options *o, const char *why)
{
    struct err e = {0};
    enum err_code code = task_import_run(o, &report, &e);
    ck_assert_msg(code == ERR_INVALID, "%s: %s", err_name(code), e.text);
    ck_assert_msg(strstr(e.text, why) != NULL, "'%s' does not say '%s'", e.text, why);
}

/* ---- the store as text ---- */

struct dump {
    struct store_conn *conn; /* that reads the rows of a task beside the tasks */
    char text[2048];
};

static void add(struct dump *d, struct text text)
{
    size_t at = strlen(d->text);
    text = text.data ? text : text_of("-");
    (void)snprintf(d->text + at, sizeof d->text - at, "%.*s ", (int)text.len, text.data);
}

static bool dump_row(void *arg, int64_t number, struct text row)
{
    (void)number;
    add(arg, row);
    return true;
}

static bool dump_task(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    (void)key, (void)revision;
    struct dump *d = arg;
    add(d, id);
    add(d, profile);
    STORE_OK(store_each_task_row(d->conn, id, dump_row, d, &e));
    add(d, text_of("|"));
    return true;
}

/* "id profile row row | id ..." by key, and the last change. */
static const char *dump(int64_t *change)
{
    static struct dump d;
    memset(&d, 0, sizeof d);
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    STORE_OK(store_connect(f.store, &d.conn, &e));
    STORE_OK(store_each_task(f.conn, dump_task, &d, &e));
    if (change)
        STORE_OK(store_last_change(f.conn, change, &e));
    store_disconnect(d.conn);
    store_fixture_close(&f);
    return d.text;
}

static void assert_store(const char *expected)
{
    ck_assert_str_eq(dump(NULL), expected);
}

/* ---- what is imported ---- */

START_TEST(rows_come_under_their_tasks_in_their_order)
{
    struct task_import_options o =
        tables("shop,price,units\nb,2.50,1\na,3,\nb,\"2\",7\n\"a b\",,4\n", "shop,age\na,30\nz,1\n");
    import(&o);
    assert_store("b - {\"price\":2.50,\"units\":1} {\"price\":2,\"units\":7} | "
                 "a {\"age\":30} {\"price\":3} | a b - {\"units\":4} | z {\"age\":1} | ");
    ck_assert(report.n_rows == 4 && report.n_row_tasks == 3 && report.n_profiles == 2 && report.n_new == 4);
    ck_assert(report.total.n_tasks == 4 && report.total.n_task_rows == 4 && report.n_added_to == 0);
}
END_TEST

START_TEST(several_keys_are_joined_and_stay_columns)
{
    struct task_import_options o = tables("shop,brand,units\n2,x,1\n2,y,2\n2,x,3\n3,x,4\n", NULL);
    o.keys = two_keys;
    o.n_keys = 2;
    import(&o);
    assert_store("2/x - {\"shop\":2,\"brand\":\"x\",\"units\":1} {\"shop\":2,\"brand\":\"x\",\"units\":3} | "
                 "2/y - {\"shop\":2,\"brand\":\"y\",\"units\":2} | "
                 "3/x - {\"shop\":3,\"brand\":\"x\",\"units\":4} | ");
    o = tables(NULL, "shop,city\n2,Paris\n9,Rome\n"); /* of some of the keys: for all tasks that have them */
    o.keys = two_keys;
    o.n_keys = 2;
    import(&o);
    ck_assert(report.n_profiles == 2 && report.n_profiles_unused == 1 && report.n_new == 0);
    ck_assert_ptr_nonnull(strstr(dump(NULL), "2/y {\"city\":\"Paris\"} {"));
    ck_assert_ptr_nonnull(strstr(dump(NULL), "3/x - {"));
}
END_TEST

START_TEST(a_value_is_stored_as_what_it_says)
{
    struct task_import_options o = tables("shop,v,w\n"
                                          "a,02139,+3.5\na,12345678901234567890,-0.25e2\na,True,FALSE\n"
                                          "a,\"say \"\"no\"\"\",1e99\na,NULL,  7 \na,Infinity,1\n",
                                          NULL);
    import(&o);
    assert_store("a - {\"v\":\"02139\",\"w\":\"+3.5\"} {\"v\":\"12345678901234567890\",\"w\":-25} "
                 "{\"v\":true,\"w\":false} {\"v\":\"say \\\"no\\\"\",\"w\":1e+99} {\"w\":7} "
                 "{\"v\":\"Infinity\",\"w\":1} | ");
}
END_TEST

START_TEST(rows_come_behind_those_that_are_there_or_in_their_place)
{
    int64_t first, second, third;
    struct task_import_options o = tables("shop,units\na,1\nb,2\n", NULL);
    import(&o);
    import(&o);
    ck_assert(report.n_added_to == 2 && report.n_had == 2 && report.n_new == 0);
    assert_store("a - {\"units\":1} {\"units\":1} | b - {\"units\":2} {\"units\":2} | ");
    o = tables("shop,units\na,1\na,5\n", NULL);
    o.replace_rows = true;
    import(&o);
    ck_assert(report.n_replaced == 2 && report.n_unchanged == 0 && report.n_added_to == 0);
    ck_assert_str_eq(dump(&first), "a - {\"units\":1} {\"units\":5} | b - {\"units\":2} {\"units\":2} | ");
    import(&o);
    ck_assert(report.n_replaced == 0 && report.n_unchanged == 1);
    (void)dump(&second);
    ck_assert_int_eq(first, second); /* what says nothing new changes nothing */
    o = tables("shop,units\na,1\na,6\n", NULL);
    o.replace_rows = true;
    import(&o);
    ck_assert_str_eq(dump(&third), "a - {\"units\":1} {\"units\":6} | b - {\"units\":2} {\"units\":2} | ");
    ck_assert_int_gt(third, second);
}
END_TEST

START_TEST(a_profile_joins_what_is_known)
{
    int64_t first, second;
    struct task_import_options o = tables(NULL, "shop,age,city\na,30,Paris\n");
    import(&o);
    o = tables(NULL, "shop,age,size\na,31,\n");
    import(&o);
    ck_assert_str_eq(dump(&first), "a {\"age\":31,\"city\":\"Paris\"} | ");
    import(&o);
    (void)dump(&second);
    ck_assert_int_eq(first, second);
}
END_TEST

START_TEST(null_takes_a_value_of_a_profile_away)
{
    struct task_import_options o = tables(NULL, "shop,age,city\na,30,Paris\nb,5,Rome\n");
    import(&o);
    o = tables("{\"shop\":\"a\",\"x\":null,\"y\":1}\n",
               "{\"shop\":\"a\",\"age\":null}\n{\"shop\":\"b\",\"age\":null,\"city\":null}\n"
               "{\"shop\":\"c\",\"age\":null,\"size\":2}\n");
    o.format = TABLE_NDJSON;
    import(&o);
    assert_store("a {\"city\":\"Paris\"} {\"y\":1} | b - | c {\"size\":2} | ");
}
END_TEST

START_TEST(a_column_that_is_ignored_is_nowhere)
{
    const char *const names[] = {"price"};
    bool seen[1] = {false};
    struct task_import_options o = tables("shop,price,units\na,1,2\n", NULL);
    o.ignored = (struct table_ignored){names, seen, 1};
    import(&o);
    assert_store("a - {\"units\":2} | ");
    o = tables("shop,units\na,2\n", NULL);
    seen[0] = false;
    o.ignored = (struct table_ignored){names, seen, 1};
    refuse(&o, "--ignore-field price");
}
END_TEST

/* ---- what is refused ---- */

#define FIVE(shop) shop ",1\n" shop ",2\n" shop ",3\n" shop ",4\n" shop ",5\n"
#define TWENTY     "shop,price\n" FIVE("a") FIVE("b") FIVE("c") FIVE("d")
#define TWENTY_TASKS                                                                                         \
    "shop,age\na,1\nb,1\nc,1\nd,1\ne,1\nf,1\ng,1\nh,1\ni,1\nj,1\nk,1\nl,1\nm,1\nn,1\no,1\np,1\nq,1\nr,1\ns," \
    "1\nt,1\n"
static const struct {
    const char *rows, *profiles, *why;
} faults[] = {
    {"shop,units\na,1\n,2\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,inf\na,2\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,2\na,-Infinity\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,2\na,\"NaN\"\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,2\na,1e999\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,1\n", "shop,age\na,inf\nb,2\n", "1 bad line, 0 allowed"},
    {"shop,price\na,2\na,1e300\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,2\na,-1e101\na,1e100\n", NULL, "1 bad line, 0 allowed"},
    {TWENTY "a,\"1,5\"\n", NULL, "1 bad line, 0 allowed"},
    {TWENTY "a,EUR 3\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,1\n", TWENTY_TASKS "u,\"1,5\"\n", "1 bad line, 0 allowed"},
    {"shop,price\na,1\nb\001,2\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,1,2\n", NULL, "1 bad line, 0 allowed"},
    {"shop,price\na,1\na,\n", NULL, "rows.csv:3: the row says nothing but its task"},
    {"store,price\na,1\n", NULL, "there is no column 'shop'"},
    {"shop,price\na,1\n", "store,age\na,1\n", "there is no column 'shop'"},
    {"shop,price\na,1\n", "shop,age\na,1\na,2\n", "a second profile of 'a'"},
    {"shop,price\n", NULL, "has no row"},
};
enum { N_FAULTS = sizeof faults / sizeof *faults };

START_TEST(a_refused_table_leaves_no_trace)
{
    int64_t before, after;
    struct task_import_options o = tables("shop,units\na,1\n", "shop,age\na,30\n");
    char was[2048];
    import(&o);
    (void)snprintf(was, sizeof was, "%s", dump(&before));
    o = tables(faults[_i].rows, faults[_i].profiles);
    refuse(&o, faults[_i].why);
    ck_assert_str_eq(dump(&after), was);
    ck_assert_int_eq(before, after);
}
END_TEST

START_TEST(a_store_is_not_made_for_a_refused_table)
{
    struct task_import_options o = tables(faults[_i].rows, faults[_i].profiles);
    refuse(&o, faults[_i].why);
    ck_assert_int_ne(access(f.path, F_OK), 0);
}
END_TEST

START_TEST(a_row_or_profile_that_is_too_large_is_refused_with_its_line)
{
    static char large[LIMIT_TASK_ROW_BYTES + 64];
    size_t n = (size_t)snprintf(large, sizeof large, "shop,note\na,x\nb,");
    memset(large + n, 'y', LIMIT_TASK_ROW_BYTES);
    struct task_import_options o = tables(large, NULL);
    refuse(&o, "rows.csv:3: the row has ");
    ck_assert_int_ne(access(f.path, F_OK), 0);
    large[n + LIMIT_PROFILE_BYTES] = '\0';
    o = tables(NULL, large);
    refuse(&o, "profiles.csv:3: ");
    ck_assert_int_ne(access(f.path, F_OK), 0); /* it was made, and is gone again */
}
END_TEST

START_TEST(a_number_that_is_written_otherwise_is_told_how_to_be_one)
{
    struct task_import_options o =
        tables(TWENTY FIVE("e") FIVE("f") FIVE("g") FIVE("h") "a,\"1,5\"\na,n/k\n", NULL);
    refuse(&o, "1 bad line, 0 allowed");
    ck_assert_ptr_nonnull(strstr(report.listed[0].text, "rows.csv:42: column 'price': '1,5' is no number"));
    ck_assert_ptr_nonnull(strstr(report.listed[0].text, "a decimal comma; write 1.5"));
    o = tables("shop,price\na,1\na,\"1,5\"\n", NULL); /* of a column that is no one's numbers it is a text */
    import(&o);
    assert_store("a - {\"price\":1} {\"price\":\"1,5\"} | ");
}
END_TEST

START_TEST(as_many_bad_lines_as_are_allowed_are_left_out)
{
    struct task_import_options o = tables("shop,price\na,1\n,2\nb,inf\na,3\n", NULL);
    o.skip_bad = 1;
    refuse(&o, "2 bad lines, 1 allowed");
    ck_assert_uint_eq(report.n_listed, 2);
    ck_assert_ptr_nonnull(strstr(report.listed[0].text, "rows.csv:3: column 'shop'"));
    o.skip_bad = 2;
    import(&o);
    assert_store("a - {\"price\":1} {\"price\":3} | "); /* a task of bad rows alone is not made */
    ck_assert_int_eq(report.n_bad, 2);
    o = tables("shop,note\na,x\n,\"of\ntwo lines\"\n", NULL); /* what is counted are lines of the file */
    o.skip_bad = 1;
    refuse(&o, "2 bad lines, 1 allowed");
}
END_TEST

START_TEST(a_task_that_keeps_no_rows_or_has_too_many_takes_none)
{
    struct task_import_options o = tables("shop,units\na,1\nb,2\n", "shop,age\na,1\nb,2\n");
    STORE_OK(store_open(f.path, STORE_CREATE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    store_fixture_task(f.conn, "b", NULL, false);
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < LIMIT_TASK_ROWS && _i; i++)
        STORE_OK(store_add_task_row(f.conn, text_of("b"), text_of("{}"), &e));
    STORE_OK(store_commit(f.conn, &e));
    if (_i)
        store_fixture_task(f.conn, "b", NULL, true);
    store_fixture_close(&f);
    refuse(&o, _i ? "task 'b' would have 100001 rows" : "task 'b' keeps no rows");
    if (_i)
        return;
    assert_store("b - | ");
    o = tables(NULL, "shop,age\nb,2\n"); /* a profile it takes, and keeps no rows further on */
    import(&o);
    assert_store("b {\"age\":2} | ");
    o = tables("shop,units\nb,2\n", NULL);
    refuse(&o, "task 'b' keeps no rows");
}
END_TEST

START_TEST(without_memory_an_import_is_whole_or_leaves_no_trace)
{
    struct task_import_options o = tables("shop,units\na,1\n", "shop,age\na,30\n");
    import(&o);
    const char *const was = "a {\"age\":30} {\"units\":1} | ";
    o = tables("shop,units,day\na,2,x\nb,3,y\na,4,z\n", "shop,city\nb,Rome\na,Paris\n");
    o.replace_rows = true;
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code; n += 1 + n / 12) { /* the first ones each, then a few of many that are alike */
        struct err why = {0};
        mem_fail_at(n, _i);
        code = task_import_run(&o, &report, &why);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, why.text);
        ck_assert(code == why.code && n < 100000);
        if (code)
            assert_store(was);
    }
    assert_store(
        "a {\"age\":30,\"city\":\"Paris\"} {\"units\":2,\"day\":\"x\"} {\"units\":4,\"day\":\"z\"} | "
        "b {\"city\":\"Rome\"} {\"units\":3,\"day\":\"y\"} | ");
}
END_TEST

/* ---- large tables ---- */

enum { N_MANY = 40000 };

static const char *many_rows(void)
{
    static char text[N_MANY * 16 + 32];
    char *at = text + sprintf(text, "shop,day,units\n");
    for (int i = 0; i < N_MANY; i++)
        at += sprintf(at, "s%d,%d,%d\n", i % 7, i / 7, i % 5);
    return text;
}

struct told {
    int64_t read, stored;
    bool stop;
};

static bool note_rows(void *arg, const struct progress *p)
{
    struct told *told = arg;
    *(strcmp(p->stage, f.path) == 0 ? &told->stored : &told->read) = p->n_rows;
    return !told->stop;
}

START_TEST(rows_that_are_read_and_stored_are_told_of_and_a_stop_leaves_nothing)
{
    struct task_import_options o = tables(many_rows(), NULL);
    struct told told = {0};
    o.progress = note_rows;
    o.progress_arg = &told;
    told.stop = true;
    ck_assert_int_eq(task_import_run(&o, &report, NULL), ERR_DEADLINE);
    ck_assert_int_ne(access(f.path, F_OK), 0);
    told.stop = false;
    import(&o);
    ck_assert_int_ge(told.read, 32768);
    ck_assert_int_eq(told.stored, N_MANY);
}
END_TEST

START_TEST(a_table_that_has_no_room_in_memory_is_refused_and_leaves_nothing)
{
    struct task_import_options o = tables(many_rows(), NULL);
    struct err why = {0};
    o.memory_bytes = 1 << 20;
    ck_assert_int_eq(task_import_run(&o, &report, &why), ERR_LIMIT);
    ck_assert_msg(strstr(why.text, "give the table in parts"), "%s", why.text);
    ck_assert_int_ne(access(f.path, F_OK), 0);
    o.memory_bytes = (size_t)64 << 20;
    import(&o);
    ck_assert_int_eq(report.n_rows, N_MANY);
}
END_TEST

SUITE("server/data/task_import", start, stop, {rows_come_under_their_tasks_in_their_order},
      {several_keys_are_joined_and_stay_columns}, {a_value_is_stored_as_what_it_says},
      {rows_come_behind_those_that_are_there_or_in_their_place}, {a_profile_joins_what_is_known},
      {null_takes_a_value_of_a_profile_away}, {a_column_that_is_ignored_is_nowhere},
      {a_refused_table_leaves_no_trace, N_FAULTS}, {a_store_is_not_made_for_a_refused_table, N_FAULTS},
      {a_number_that_is_written_otherwise_is_told_how_to_be_one},
      {as_many_bad_lines_as_are_allowed_are_left_out},
      {a_row_or_profile_that_is_too_large_is_refused_with_its_line},
      {a_task_that_keeps_no_rows_or_has_too_many_takes_none, 2},
      {rows_that_are_read_and_stored_are_told_of_and_a_stop_leaves_nothing},
      {a_table_that_has_no_room_in_memory_is_refused_and_leaves_nothing},
      {without_memory_an_import_is_whole_or_leaves_no_trace, 2})
