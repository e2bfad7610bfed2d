/* server/data/import.c, without the command; risks: a refused import that leaves a trace, or stops at the
 * first of several faults; rows that are counted wrongly; what a row leaves out is lost; memory that ends
 * half way. */
#include "server/data/import.h"

#include "base/mem.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct store_fixture f;
static struct import_report report;
static char paths[4][96]; /* by enum table_kind */

static void setup(void)
{
    store_fixture_folder(&f);
    memset(&report, 0, sizeof report);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    import_report_fini(&report);
    store_fixture_stop(&f);
}

/* ---- tables ---- */

/* A table of a kind, and the file's place in the options; the newest of a kind is there. */
static void add(struct import_options *o, enum table_kind kind, const char *text)
{
    static const char *const names[] = {[TABLE_INTERACTIONS] = "interactions.csv",
                                        [TABLE_USERS] = "users.csv",
                                        [TABLE_ITEMS] = "items.csv",
                                        [TABLE_CONTEXTS] = "contexts.csv"};
    (void)snprintf(paths[kind], sizeof paths[0], "%s/%s", f.dir, names[kind]);
    store_fixture_write_file(paths[kind], text, strlen(text));
    o->files[o->n_files++] = (struct import_file){paths[kind], kind};
}

static struct import_options options(void)
{
    return (struct import_options){.store = f.path, .model = "model", .model_version = "1"};
}

static enum err_code run(const struct import_options *o, struct err *e)
{
    import_report_fini(&report);
    return import_run(o, &report, e);
}

static void must_run(const struct import_options *o)
{
    STORE_OK(run(o, &e));
}

static const char some_items[] = "item,title,categories,price\na,First,War|Noir,3\nb,Second,,\n";
static const char some_users[] = "user,age,city\nann,30,Bern\nbob,,\n";
static const char some_rows[] = "user,item,rating,timestamp\nann,a,4,100\nann,b,2,101\nbob,a,5,99\n";

/* A store with these. */
static void fill(void)
{
    struct import_options o = options();
    add(&o, TABLE_ITEMS, some_items);
    add(&o, TABLE_USERS, some_users);
    add(&o, TABLE_INTERACTIONS, some_rows);
    must_run(&o);
}

/* ---- what is in the store ---- */

static void open_store(void)
{
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
}

struct trace {
    char *content;
    int64_t change;
};

static struct trace trace(void)
{
    struct trace now;
    open_store();
    now.content = store_fixture_dump(f.conn);
    STORE_OK(store_last_change(f.conn, &now.change, &e));
    store_fixture_close(&f);
    return now;
}

static void assert_no_trace_since(struct trace *before)
{
    struct trace now = trace();
    ck_assert_str_eq(now.content, before->content);
    ck_assert_int_eq(now.change, before->change);
    mem_free(now.content);
    mem_free(before->content);
}

static void assert_counts(int64_t users, int64_t items, int64_t interactions, int64_t contexts)
{
    open_store();
    store_fixture_assert_counts(f.conn, users, items, interactions, contexts);
    store_fixture_close(&f);
}

static bool content_has(const char *part)
{
    struct trace now = trace();
    bool found = strstr(now.content, part) != NULL;
    mem_free(now.content);
    return found;
}

/* ---- whole ---- */

START_TEST(tables_of_all_kinds_come_into_a_store_that_is_made)
{
    struct import_options o = options();
    add(&o, TABLE_ITEMS, some_items);
    add(&o, TABLE_USERS, some_users);
    add(&o, TABLE_INTERACTIONS, some_rows);
    add(&o, TABLE_CONTEXTS, "user,embedding\nann,1 2 3\nzoe,4 5 6\n");
    must_run(&o);
    ck_assert_int_eq(report.n_rows[TABLE_ITEMS], 2);
    ck_assert_int_eq(report.n_rows[TABLE_USERS], 2);
    ck_assert_int_eq(report.n_rows[TABLE_INTERACTIONS], 3);
    ck_assert_int_eq(report.n_rows[TABLE_CONTEXTS], 2);
    ck_assert_int_eq(report.total.n_users, 3); /* zoe has a context alone */
    ck_assert_int_eq(report.total.n_contexts, 2);
    ck_assert_int_eq(report.n_bad, 0);
    assert_counts(3, 2, 3, 2);
    open_store();
    store_fixture_read(&f, "zoe");
    ck_assert(f.user.embedding_given && f.user.embedding_revision == f.user.revision);
    ck_assert_uint_eq(f.user.embedding.len, 3 * sizeof(float));
}
END_TEST

/* Staged or not, which is seen by nobody but others who write. */
START_TEST(a_second_import_counts_what_is_known_repeated_and_older)
{
    struct import_options o = options();
    fill();
    o.stage_from = (size_t)_i;
    add(&o, TABLE_USERS, "user,age\nann,31\nann,32\nzoe,33\n");
    add(&o, TABLE_INTERACTIONS, "user,item,timestamp\nann,a,50\nann,c,200\nzoe,c,201\nzoe,c,202\n");
    must_run(&o);
    ck_assert_int_eq(report.n_known[TABLE_USERS], 1);
    ck_assert_int_eq(report.n_repeated[TABLE_USERS], 1);
    ck_assert_int_eq(report.n_known[TABLE_INTERACTIONS], 1);
    ck_assert_int_eq(report.n_repeated[TABLE_INTERACTIONS], 1);
    ck_assert_int_eq(report.n_older, 1);
    assert_counts(3, 3, 5, 0);
    ck_assert(content_has("32"));
}
END_TEST

START_TEST(what_a_row_leaves_out_is_kept)
{
    struct import_options o = options();
    fill();
    add(&o, TABLE_ITEMS, "item,price\na,9\n");
    add(&o, TABLE_USERS, "user,age\nann,31\n");
    must_run(&o);
    ck_assert(content_has("First") && content_has("Noir") && content_has("Bern"));
    ck_assert(content_has("31") && !content_has("30"));
}
END_TEST

START_TEST(a_table_that_has_all_items_deletes_the_others_and_brings_deleted_ones_back)
{
    struct import_options o = options();
    fill();
    o.replace = true;
    add(&o, TABLE_ITEMS, "item,title\nb,Second\nnew,Third\n");
    must_run(&o);
    ck_assert_int_eq(report.n_items_deleted, 1);
    o.n_files = 0;
    o.replace = false;
    add(&o, TABLE_ITEMS, "item,title\na,First again\n");
    must_run(&o);
    ck_assert_int_eq(report.n_items_kept_deleted, 1);
    o.replace = true;
    must_run(&o);
    ck_assert_int_eq(report.n_items_deleted, 2);
    ck_assert_int_eq(report.n_items_kept_deleted, 0);
    assert_counts(2, 3, 3, 0);
}
END_TEST

START_TEST(a_field_that_is_ignored_is_nowhere)
{
    struct import_options o = options();
    o.ignored[o.n_ignored++] = "city";
    add(&o, TABLE_USERS, some_users);
    must_run(&o);
    ck_assert(!content_has("Bern") && content_has("30"));
}
END_TEST

/* ---- refused ---- */

/* Each has a fault of another kind; the store has what fill() put. */
static void add_fault(struct import_options *o, int which)
{
    switch (which) {
    case 0:
        add(o, TABLE_INTERACTIONS, "user,item,rating\nann,c,3\nann,d,many\n");
        break;
    case 1:
        add(o, TABLE_INTERACTIONS, "user,item\n,c\n");
        break;
    case 2:
        add(o, TABLE_USERS, "user,age\nzoe,5\n\"\",6\n");
        break;
    case 3:
        add(o, TABLE_ITEMS, "item,title\nc,Third\nd\n");
        add(o, TABLE_INTERACTIONS, "user,item\nzoe,c\n");
        break;
    case 4:
        add(o, TABLE_CONTEXTS, "user,embedding\nann,1 2 3\nbob,1 2\n"); /* of two widths */
        add(o, TABLE_USERS, "user,age\nzoe,5\n");
        break;
    case 5:
        add(o, TABLE_USERS, "user,age\nzoe,5\n");
        add(o, TABLE_INTERACTIONS, "user,item\n"); /* is empty */
        break;
    case 6:
        add(o, TABLE_USERS, "user,age\nzoe,5\n");
        o->ignored[o->n_ignored++] = "aeg"; /* which no table has */
        break;
    case 7:
        add(o, TABLE_USERS, "user,age\nzoe,5\n");
        o->files[o->n_files++] = (struct import_file){"/nowhere/at.all", TABLE_ITEMS};
        break;
    case 8:
        o->replace = true; /* a bad line's item would be deleted, so none is left out */
        o->skip_bad = 10;
        add(o, TABLE_ITEMS, "item,title\na,First\nb\n");
        break;
    }
}
enum { N_FAULTS = 9 };

START_TEST(a_refused_import_leaves_no_trace)
{
    struct err why = {0};
    struct import_options o = options();
    fill();
    struct trace before = trace();
    add_fault(&o, _i);
    enum err_code code = run(&o, &why);
    ck_assert(code != ERR_OK && code == why.code && why.text[0]);
    assert_no_trace_since(&before);
}
END_TEST

START_TEST(a_store_that_was_made_for_a_refused_import_is_gone)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    struct err why = {0};
    struct import_options o = options();
    add(&o, TABLE_ITEMS, some_items);
    add_fault(&o, _i);
    ck_assert_int_ne(run(&o, &why), ERR_OK);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "%s%s", f.path, suffixes[i]);
        ck_assert_msg(access(name, F_OK) != 0, "%s is there", name);
    }
}
END_TEST

START_TEST(one_run_lists_several_bad_lines_and_no_more_than_it_can)
{
    struct err why = {0};
    struct import_options o = options();
    add(&o, TABLE_INTERACTIONS,
        "user,item,rating\na,b,x\nc,d,1\n,e,1\nf,,1\ng,h,y\ni,j,z\nk,l,no\nm,n,never\n");
    ck_assert_int_eq(run(&o, &why), ERR_INVALID);
    ck_assert_uint_eq(report.n_listed, IMPORT_LISTED);
    static const char *const lines[IMPORT_LISTED] = {":2:", ":4:", ":5:", ":6:", ":7:"};
    for (size_t i = 0; i < IMPORT_LISTED; i++)
        ck_assert_msg(strstr(report.listed[i].text, lines[i]) != NULL, "%s", report.listed[i].text);
    ck_assert_ptr_nonnull(strstr(why.text, "at least 5 bad lines, 0 allowed"));
}
END_TEST

START_TEST(as_many_bad_lines_as_are_allowed_are_left_out_and_one_more_is_too_many)
{
    struct err why = {0};
    struct import_options o = options();
    o.skip_bad = 2;
    add(&o, TABLE_INTERACTIONS, "user,item,rating\na,b,x\nc,d,1\ne,f,y\ng,h,2\n");
    must_run(&o);
    ck_assert_int_eq(report.n_bad, 2);
    ck_assert_uint_eq(report.n_listed, 2);
    ck_assert_int_eq(report.files[0].n_bad, 2);
    assert_counts(2, 2, 2, 0);
    struct trace before = trace();
    o.skip_bad = 1;
    ck_assert_int_eq(run(&o, &why), ERR_INVALID);
    assert_no_trace_since(&before);
}
END_TEST

/* ---- stopped ---- */

static bool stop(void *arg, const struct progress *p)
{
    int *n_told = arg;
    ck_assert_str_eq(p->stage, paths[TABLE_INTERACTIONS]);
    ck_assert_int_gt(p->n_rows, 0);
    return ++*n_told < 2;
}

START_TEST(a_stopped_import_leaves_no_trace)
{
    enum { MANY = 50000, LINE = 24 };
    static char text[MANY * LINE + 16];
    int n_told = 0;
    struct err why = {0};
    struct import_options o = options();
    size_t n = (size_t)snprintf(text, sizeof text, "user,item\n");
    for (int i = 0; i < MANY; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "u%d,i%d\n", i, i % 10);
    fill();
    struct trace before = trace();
    add(&o, TABLE_INTERACTIONS, text);
    o.progress = stop;
    o.progress_arg = &n_told;
    ck_assert_int_eq(run(&o, &why), ERR_DEADLINE);
    ck_assert_int_eq(n_told, 2);
    assert_no_trace_since(&before);
}
END_TEST

START_TEST(without_memory_an_import_is_whole_or_leaves_no_trace)
{
    struct import_options o = options();
    fill();
    add(&o, TABLE_ITEMS, "item,title,size\nb,Second,2\nc,Third,\n");
    add(&o, TABLE_USERS, "user,age\nann,31\nzoe,5\n");
    add(&o, TABLE_INTERACTIONS, "user,item,timestamp\nann,c,200\nzoe,c,201\n");
    add(&o, TABLE_CONTEXTS, "user,embedding\nann,1 2 3\n");
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code; n += 1 + n / 40) { /* the first ones each, then a few of many that are alike */
        struct err why = {0};
        struct trace before = trace();
        mem_fail_at(n, _i);
        code = run(&o, &why);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, why.text);
        ck_assert(code == why.code && n < 100000);
        if (code)
            assert_no_trace_since(&before);
        else
            mem_free(before.content);
    }
    assert_counts(3, 3, 5, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server/import");
    TCase *c = tcase_create("import");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, tables_of_all_kinds_come_into_a_store_that_is_made);
    tcase_add_loop_test(c, a_second_import_counts_what_is_known_repeated_and_older, 0, 2);
    tcase_add_test(c, what_a_row_leaves_out_is_kept);
    tcase_add_test(c, a_table_that_has_all_items_deletes_the_others_and_brings_deleted_ones_back);
    tcase_add_test(c, a_field_that_is_ignored_is_nowhere);
    tcase_add_loop_test(c, a_refused_import_leaves_no_trace, 0, N_FAULTS);
    tcase_add_loop_test(c, a_store_that_was_made_for_a_refused_import_is_gone, 0, N_FAULTS);
    tcase_add_test(c, one_run_lists_several_bad_lines_and_no_more_than_it_can);
    tcase_add_test(c, as_many_bad_lines_as_are_allowed_are_left_out_and_one_more_is_too_many);
    tcase_add_test(c, a_stopped_import_leaves_no_trace);
    tcase_add_loop_test(c, without_memory_an_import_is_whole_or_leaves_no_trace, 0, 2);
    suite_add_tcase(s, c);
    return suite_run(s);
}
