/* server/data/task_rows.c: which task a row is of, what it has in its columns, its target and its time, in
 * every format. Risks: a key that joins to another task's id, a row without a target that leaves cells
 * behind, a fault that is told without its place. */
#include "server/data/task_rows.h"

#include "tests/support/suite.h"
#include "tests/support/table_rows.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct task_rows rows;

static const struct task_rows_options two_keys = {
    .keys = {"store", "brand"}, .n_keys = 2, .target = "units", .time = "week"};
static const struct task_rows_options one_key = {.keys = {"store"}, .n_keys = 1, .target = "units"};

static void fini(void)
{
    task_rows_fini(&rows);
}

static void read_text(const char *name, const char *text, const struct task_rows_options *o)
{
    struct err e = {0};
    task_rows_fini(&rows);
    enum err_code code = task_rows_read(table_rows_write(name, text, strlen(text)), o, &rows, &e);
    table_rows_remove();
    ck_assert_msg(code == ERR_OK, "%s: %s", name, e.text);
}

static void refuse(const char *name, const char *text, const struct task_rows_options *o, const char *reason)
{
    struct err e = {0};
    task_rows_fini(&rows);
    enum err_code code = task_rows_read(table_rows_write(name, text, strlen(text)), o, &rows, &e);
    table_rows_remove();
    ck_assert_msg(code == ERR_INVALID, "%s was not refused: %s", text, e.text);
    ck_assert_msg(strstr(e.text, reason) != NULL, "'%s' does not say '%s'", e.text, reason);
    ck_assert_msg(!strstr(reason, ":") || strstr(e.text, name), "'%s' does not say the file", e.text);
}

static void add(char *out, struct text t)
{
    (void)sprintf(out + strlen(out), "%.*s", (int)t.len, t.data);
}

static void add_cell(char *out, const struct task_cell *cell)
{
    if (isnan(cell->number))
        add(out, id_table_text(&rows.texts, cell->text));
    else
        (void)sprintf(out + strlen(out), "#%g", cell->number);
}

/* All rows as "line task@time=target column:value,...;", numbers with a hash. */
static const char *all(void)
{
    static char out[4096];
    out[0] = '\0';
    for (size_t i = 0; i < rows.n_rows; i++) {
        const struct task_row *r = &rows.rows[i];
        (void)sprintf(out + strlen(out), "%d ", (int)r->line);
        add(out, id_table_text(&rows.tasks, r->task));
        (void)sprintf(out + strlen(out), "@%g=", r->time);
        if (rows.has_targets)
            add_cell(out, &r->target);
        for (size_t k = r->first; k < rows.rows[i + 1].first; k++) {
            strcat(out, k == r->first ? " " : ",");
            add(out, id_table_text(&rows.columns, rows.cells[k].column));
            strcat(out, ":");
            add_cell(out, &rows.cells[k]);
        }
        strcat(out, ";");
    }
    return out;
}

static const char expected[] = "2 s1/b@40=#12 store:s1,price:#2.5,brand:b,deal:#1,note:new;"
                               "3 s1/c@41=#7 store:s1,price:#3,brand:c,deal:#0;"
                               "4 s1/b@39=#0 store:s1,brand:b;";

START_TEST(csv_tsv_and_ndjson_say_the_same)
{
    read_text("a.csv",
              "store,price,brand,units,deal,week,note\n"
              "s1,2.5,b,12,true,40,new\n"
              "s1,3,c,7,false,41,\n"
              "s1,,b,0,,39,\n",
              &two_keys);
    ck_assert_str_eq(all(), expected);
    read_text("a.tsv",
              "store\tprice\tbrand\tunits\tdeal\tweek\tnote\n"
              "s1\t2.5\tb\t12\tTrue\t40\tnew\n"
              "s1\t3.0\tc\t7\tFALSE\t41\tNA\n"
              "s1\tnan\tb\t0\t\\N\t39\tNULL\n",
              &two_keys);
    ck_assert_str_eq(all(), expected);
    read_text("a.ndjson",
              "\n{\"store\":\"s1\",\"price\":2.5,\"brand\":\"b\",\"units\":12,\"deal\":true,\"week\":40,"
              "\"note\":\"new\"}\n"
              "{\"store\":\"s1\",\"price\":3,\"brand\":\"c\",\"units\":7,\"deal\":false,\"week\":41,\"note\":"
              "null}\n"
              "{\"store\":\"s1\",\"brand\":\"b\",\"units\":0,\"week\":39,\"note\":\"\"}\n",
              &two_keys);
    ck_assert_str_eq(all(), expected);
    ck_assert_uint_eq(rows.tasks.n, 2);
    ck_assert_uint_eq(rows.columns.n, 5); /* of several keys each says something, too */
}
END_TEST

START_TEST(keys_join_in_the_order_of_the_options)
{
    const struct task_rows_options other = {.keys = {"brand", "store"}, .n_keys = 2, .target = "units"};
    read_text("a.csv", "store,brand,units\n1,2,3\n2,1,4\n1.0,2,5\n", &other);
    ck_assert_str_eq(all(), "2 2/1@0=#3 store:#1,brand:#2;3 1/2@0=#4 store:#2,brand:#1;4 2/1.0@0=#5 "
                            "store:#1,brand:#2;"); /* a text is an id as it stands */
    read_text("a.ndjson",
              "{\"store\":1,\"brand\":0.1,\"units\":3}\n{\"store\":1.0,\"brand\":1e3,\"units\":3}\n", &other);
    ck_assert_str_eq(
        all(),
        "1 0.1/1@0=#3 store:#1,brand:#0.1;2 1000/1@0=#3 store:#1,brand:#1000;"); /* a number has one form */
}
END_TEST

START_TEST(codes_and_quoted_words_are_texts)
{
    read_text("a.csv", "store,zip,word,units\ns,02139,\"NA\",0\ns,0,None,1\ns,0.5,x,2\n", &one_key);
    ck_assert_str_eq(all(), "2 s@0=#0 zip:02139,word:NA;3 s@0=#1 zip:#0;4 s@0=#2 zip:#0.5,word:x;");
}
END_TEST

START_TEST(a_row_without_a_target_is_left_out_and_counted)
{
    read_text("a.csv", "store,x,units\na,1,5\nb,2,\na,3,NA\nc,4,6\n", &one_key);
    ck_assert_str_eq(all(), "2 a@0=#5 x:#1;5 c@0=#6 x:#4;");
    ck_assert_uint_eq(rows.n_without_target, 2);
    ck_assert_uint_eq(rows.tasks.n, 2);
    refuse("a.csv", "store,x,units\na,1,\n", &one_key, "has no row with a target");
    refuse("a.csv", "store,x,units\n", &one_key, "has no row");
}
END_TEST

START_TEST(without_a_target_its_column_is_one_of_the_others)
{
    const struct task_rows_options o = {.keys = {"store"}, .n_keys = 1};
    read_text("a.csv", "store,x,units\na,1,5\nb,2,\n", &o);
    ck_assert(!rows.has_targets);
    ck_assert_str_eq(all(), "2 a@0= x:#1,units:#5;3 b@0= x:#2;");
}
END_TEST

START_TEST(times_are_numbers_or_dates)
{
    const struct task_rows_options o = {.keys = {"store"}, .n_keys = 1, .target = "units", .time = "when"};
    read_text("a.csv", "store,when,units\na,1970-01-02,1\na,-3.5,2\na,1970-01-01T00:00:07Z,3\n", &o);
    ck_assert(rows.rows[0].time == 86400 && rows.rows[1].time == -3.5 && rows.rows[2].time == 7);
    refuse("a.csv", "store,when,units\na,1,1\na,soon,2\n", &o,
           "a.csv:3: column 'when': 'soon' is neither a number nor a time");
    refuse("a.csv", "store,when,units\na,1,1\na,,2\n", &o, "a.csv:3: column 'when', the time, is empty");
    read_text("a.csv", "store,when,units\na,2023-11-14T22:13:20Z,1\na,1700000000000,2\n", &o);
    ck_assert(rows.rows[0].time == 1700000000 && rows.rows[1].time == 1700000000);
    refuse("a.csv", "store,when,units\na,2026-01-01,1\na,2299-01-01,2\n", &o,
           "a.csv:3: column 'when': the time, read as ISO 8601, is 2299-01-01: more than a day ahead");
}
END_TEST

START_TEST(a_row_that_is_of_no_task_is_refused_with_its_line)
{
    refuse("a.csv", "store,brand,week,units\ns,b,1,5\n,b,1,5\n", &two_keys, "a.csv:3: column 'store'");
    refuse("a.csv", "store,brand,week,units\ns,,1,5\n", &two_keys, "a.csv:2: column 'brand'");
    refuse("a.csv", "store,brand,week,units\nNA,b,1,5\n", &two_keys, "a.csv:2: column 'store'");
    refuse("a.csv", "store,brand,week,units\ns,b/c,1,5\n", &two_keys, "a.csv:2: column 'brand' has a slash");
    refuse("a.ndjson", "{\"store\":\"s\",\"week\":1,\"units\":1}\n", &two_keys, "a.ndjson:1: column 'brand'");
    refuse("a.csv", "store,units\n\"a\nb\",5\n", &one_key, "control character");
    char text[2000], longest[1200];
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    (void)snprintf(text, sizeof text, "store,units\ns,1\n%s,5\n", longest);
    refuse("a.csv", text, &one_key, "a.csv:3: the id of the task has more than");
}
END_TEST

START_TEST(a_column_that_is_not_there_is_named)
{
    refuse("a.csv", "shop,units\ns,5\n", &one_key,
           "a.csv: there is no column 'store'; its first one is 'shop'");
    refuse("a.csv", "store;units\ns;5\n", &one_key,
           "'store'; its fields are separated by ';': write it with commas");
    refuse("a.csv", "store\tunits\ns\t5\n", &one_key, "it has tabs where its name or --format says commas");
    refuse("a.tsv", "store,units\ns,5\n", &one_key,
           "'store'; it has commas where its name or --format says tabs");
    refuse("a.csv", "store,sold\ns,5\n", &one_key, "a.csv: there is no column 'units'");
    refuse("a.csv", "store,brand,units\ns,b,5\n", &two_keys, "a.csv: there is no column 'week'");
    refuse("a.ndjson", "{\"store\":\"s\",\"sold\":1}\n", &one_key, "a.ndjson has no row with a target");
}
END_TEST

START_TEST(a_column_has_one_purpose)
{
    static const struct task_rows_options clashes[] = {
        {.keys = {"store", "store"}, .n_keys = 2, .target = "units"},
        {.keys = {"store"}, .n_keys = 1, .target = "store"},
        {.keys = {"store"}, .n_keys = 1, .target = "units", .time = "units"},
        {.keys = {"store"}, .n_keys = 1, .target = "units", .time = "store"},
    };
    for (size_t i = 0; i < sizeof clashes / sizeof *clashes; i++)
        refuse("a.csv", "store,units\ns,5\n", &clashes[i], "is named twice");
}
END_TEST

START_TEST(lines_that_are_no_rows_are_refused_with_their_line)
{
    refuse("a.csv", "store,units\ns,5\ns,\"5\n", &one_key, "a.csv:3");
    refuse("a.ndjson", "{\"store\":\"s\",\"units\":5}\n{\"store\":\"s\",\"units\":NaN}\n", &one_key,
           "a.ndjson:2: no valid JSON");
    refuse("a.ndjson", "{\"store\":\"s\",\"units\":5,\"x\":[1]}\n", &one_key,
           "a.ndjson:1: \"x\" is neither a number nor a text");
    refuse("a.ndjson", "[5]\n", &one_key, "a.ndjson:1");
}
END_TEST

START_TEST(more_columns_than_the_limit_are_refused)
{
    static char text[40000];
    strcpy(text, "{\"store\":\"s\",\"units\":1");
    for (size_t i = 0; i < 1025; i++)
        (void)sprintf(text + strlen(text), ",\"c%zu\":1", i);
    strcat(text, "}\n");
    refuse("a.ndjson", text, &one_key, "a.ndjson:1: there are more than 1024 columns");
}
END_TEST

SUITE("server/data: task_rows", NULL, fini, {csv_tsv_and_ndjson_say_the_same},
      {keys_join_in_the_order_of_the_options}, {codes_and_quoted_words_are_texts},
      {a_row_without_a_target_is_left_out_and_counted}, {without_a_target_its_column_is_one_of_the_others},
      {times_are_numbers_or_dates}, {a_row_that_is_of_no_task_is_refused_with_its_line},
      {a_column_that_is_not_there_is_named}, {a_column_has_one_purpose},
      {lines_that_are_no_rows_are_refused_with_their_line}, {more_columns_than_the_limit_are_refused})
