/* server/data/task_profiles.c: what is known of tasks as such. Risks: a profile of another task, one that is
 * found by half of its keys where it has both, two of one task, a column of the rows that the profile has
 * too. */
#include "server/data/task_profiles.h"

#include "base/limits.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/test_task_profiles_XXXXXX", profiles_path[64], rows_path[64];
static struct task_rows_options of_stores, of_shelves;
static struct task_profiles profiles;
static struct task_rows rows;
static struct err e;

static void set_up(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(profiles_path, sizeof profiles_path, "%s/p", folder);
    (void)snprintf(rows_path, sizeof rows_path, "%s/r", folder);
    of_stores = (struct task_rows_options){.keys = {"store"}, .n_keys = 1, .target = "units"};
    of_shelves = (struct task_rows_options){.keys = {"store", "brand"}, .n_keys = 2, .target = "units"};
    e = (struct err){0};
}

static void tear_down(void)
{
    task_profiles_fini(&profiles);
    task_rows_fini(&rows);
    (void)unlink(profiles_path);
    (void)unlink(rows_path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static enum err_code read_profiles(const struct task_rows_options *o, const char *text)
{
    write_file(profiles_path, text);
    return task_profiles_read(profiles_path, o, &profiles, &e);
}

static size_t find(const struct task_rows_options *o, const char *store, const char *brand)
{
    struct text texts[] = {{store, strlen(store)}, {brand, brand ? strlen(brand) : 0}};
    return task_profiles_find(&profiles, o->keys, texts, o->n_keys);
}

START_TEST(a_profile_is_found_by_the_keys_that_it_has)
{
    ck_assert_msg(!read_profiles(&of_shelves, "store,district\ns1,north\ns2,south\n"), "%s", e.text);
    ck_assert_uint_eq(profiles.n_keys, 1);
    ck_assert_uint_eq(find(&of_shelves, "s2", "b7"), 1); /* of each shelf of the store */
    ck_assert_uint_eq(find(&of_shelves, "s2", "b1"), 1);
    ck_assert_uint_eq(find(&of_shelves, "s3", "b1"), 2); /* none */
    task_profiles_fini(&profiles);
    ck_assert_msg(!read_profiles(&of_shelves, "brand,maker\nb1,x\nb7,y\n"), "%s", e.text);
    ck_assert_uint_eq(find(&of_shelves, "s2", "b7"), 1); /* by the second key alone */
    ck_assert_uint_eq(find(&of_shelves, "b7", "s2"), 2);
    task_profiles_fini(&profiles);
    ck_assert_msg(!read_profiles(&of_shelves, "brand,store,width\nb1,s1,2\nb1,s2,4\n"), "%s", e.text);
    ck_assert_uint_eq(profiles.n_keys, 2); /* in the task's order, whatever the table's */
    ck_assert_uint_eq(find(&of_shelves, "s2", "b1"), 1);
    ck_assert_uint_eq(find(&of_shelves, "s2", "b2"), 2);
}
END_TEST

START_TEST(a_table_without_a_key_or_with_two_of_one_task_is_refused)
{
    ck_assert_int_eq(read_profiles(&of_stores, "shop,district\ns1,north\n"), ERR_INVALID);
    ck_assert_msg(strstr(e.text, "there is no column 'store'; its first one is 'shop'") != NULL, "%s",
                  e.text);
    err_clear(&e);
    task_profiles_fini(&profiles);
    ck_assert_int_eq(read_profiles(&of_stores, "store;district\ns1;north\n"), ERR_INVALID);
    ck_assert_msg(strstr(e.text, "its fields are separated by ';'") != NULL, "%s", e.text);
    err_clear(&e);
    task_profiles_fini(&profiles);
    ck_assert_int_eq(read_profiles(&of_stores, ""), ERR_INVALID);
    ck_assert_msg(strstr(e.text, "has no row") != NULL, "%s", e.text);
    err_clear(&e);
    task_profiles_fini(&profiles);
    ck_assert_int_eq(read_profiles(&of_stores, "store,district\ns1,north\ns2,south\ns1,east\n"), ERR_INVALID);
    ck_assert_msg(strstr(e.text, ":4: a second profile of 's1'") != NULL, "%s", e.text);
}
END_TEST

START_TEST(the_longest_id_has_a_profile_too)
{
    char store[LIMIT_ID_BYTES + 1], text[LIMIT_ID_BYTES + 64], brand[LIMIT_ID_BYTES - 1];
    memset(store, 'x', LIMIT_ID_BYTES);
    store[LIMIT_ID_BYTES] = '\0';
    (void)snprintf(text, sizeof text, "store,district\n%s,north\n", store);
    ck_assert_msg(!read_profiles(&of_stores, text), "%s", e.text);
    ck_assert_uint_eq(find(&of_stores, store, NULL), 0);
    task_profiles_fini(&profiles);
    memset(brand, 'y', sizeof brand - 1); /* "s/" and this one: as long */
    brand[sizeof brand - 1] = '\0';
    (void)snprintf(text, sizeof text, "store,brand,width\ns,%s,2\n", brand);
    ck_assert_msg(!read_profiles(&of_shelves, text), "%s", e.text);
    ck_assert_uint_eq(find(&of_shelves, "s", brand), 0);
    ck_assert_uint_eq(find(&of_shelves, "s2", brand), 1); /* too long: none */
}
END_TEST

static bool stop(void *arg, const struct progress *p)
{
    (void)arg, (void)p;
    return false;
}

START_TEST(reading_profiles_can_be_stopped_and_has_a_bound_of_memory)
{
    enum { N = 20000, LINE_BYTES = 16 }; /* it is looked at now and then */
    char *text = malloc(N * LINE_BYTES + 32);
    ck_assert_ptr_nonnull(text);
    int n = snprintf(text, 32, "store,width\n");
    for (int i = 0; i < N; i++)
        n += snprintf(text + n, LINE_BYTES, "s%d,2\n", i);
    of_stores.progress = stop;
    ck_assert_int_eq(read_profiles(&of_stores, text), ERR_DEADLINE);
    err_clear(&e);
    task_profiles_fini(&profiles);
    of_stores.progress = NULL;
    of_stores.most_bytes = 1;
    ck_assert_int_eq(read_profiles(&of_stores, text), ERR_LIMIT);
    free(text);
}
END_TEST

/* The cell of a row in a column; NULL: none. */
static const struct task_cell *cell(size_t row, const char *column)
{
    uint32_t number = id_table_find(&rows.columns, (struct text){column, strlen(column)});
    for (size_t i = rows.rows[row].first; i < rows.rows[row + 1].first; i++)
        if (rows.cells[i].column == number)
            return &rows.cells[i];
    return NULL;
}

START_TEST(rows_have_the_columns_of_their_task_s_profile)
{
    ck_assert_msg(!read_profiles(&of_stores, "store,size,district\ns1,12.5,north\ns2,,south\n"), "%s",
                  e.text);
    of_stores.profiles = &profiles;
    write_file(rows_path, "store,price,units\ns2,2,5\ns1,3,6\ns9,4,7\n");
    ck_assert_msg(task_rows_read(rows_path, &of_stores, &rows, &e) == ERR_OK, "%s", e.text);
    ck_assert_ptr_null(cell(0, "size")); /* empty there */
    ck_assert_ptr_null(cell(2, "district"));
    ck_assert_double_eq(cell(1, "size")->number, 12.5);
    struct text district = id_table_text(&rows.texts, cell(0, "district")->text);
    ck_assert(text_is(district, "south"));
    ck_assert_double_eq(cell(2, "price")->number, 4);
}
END_TEST

START_TEST(a_column_of_both_is_refused)
{
    ck_assert_msg(!read_profiles(&of_stores, "store,price\ns1,12.5\n"), "%s", e.text);
    of_stores.profiles = &profiles;
    write_file(rows_path, "store,price,units\ns1,3,6\n");
    ck_assert_int_eq(task_rows_read(rows_path, &of_stores, &rows, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, "column 'price' is in the rows and in the profiles") != NULL, "%s", e.text);
}
END_TEST

SUITE("server/data: task_profiles", set_up, tear_down, {a_profile_is_found_by_the_keys_that_it_has},
      {a_table_without_a_key_or_with_two_of_one_task_is_refused}, {the_longest_id_has_a_profile_too},
      {reading_profiles_can_be_stopped_and_has_a_bound_of_memory},
      {rows_have_the_columns_of_their_task_s_profile}, {a_column_of_both_is_refused})
