/* server/data/class_rows.c: rows and classes from array files, for a first task and for tasks of a model
 * that there is. Risk: a class that is taken for another, a row that is learned from and measured on, an
 * array that lies about its size. What files may have wrong is tested through the command
 * (tests/http/test_trained_tasks.py). */
#include "server/data/class_rows.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { N = 40, D = 6 };

static char x_path[] = "/tmp/hypernet-class-rows-x-XXXXXX", y_path[] = "/tmp/hypernet-class-rows-y-XXXXXX";
static struct class_rows rows;
static struct err e;

/* An IDX file of bytes. */
static void write_idx(const char *path, const unsigned char *dims, unsigned char n_dims,
                      const unsigned char *values, size_t n)
{
    FILE *f = fopen(path, "wb");
    const unsigned char head[] = {0, 0, 8, n_dims};
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(head, 1, sizeof head, f), sizeof head);
    for (size_t i = 0; i < n_dims; i++) {
        const unsigned char dim[] = {0, 0, 0, dims[i]};
        ck_assert_uint_eq(fwrite(dim, 1, sizeof dim, f), sizeof dim);
    }
    ck_assert_uint_eq(fwrite(values, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* Row i has i in its first place; every fourth is of class 9, the others of 2. */
static void set_up(void)
{
    unsigned char x[N * D] = {0}, y[N];
    const unsigned char of_x[] = {N, 2, 3}, of_y[] = {N};
    strcpy(x_path + strlen(x_path) - 6, "XXXXXX");
    strcpy(y_path + strlen(y_path) - 6, "XXXXXX");
    (void)close(mkstemp(x_path));
    (void)close(mkstemp(y_path));
    for (size_t i = 0; i < N; i++) {
        x[i * D] = (unsigned char)i;
        y[i] = i % 4 ? 2 : 9;
    }
    write_idx(x_path, of_x, 3, x, sizeof x);
    write_idx(y_path, of_y, 1, y, sizeof y);
    memset(&rows, 0, sizeof rows);
    err_clear(&e);
}

static void tear_down(void)
{
    class_rows_fini(&rows);
    (void)unlink(x_path);
    (void)unlink(y_path);
}

START_TEST(a_first_task_has_the_classes_of_its_file_in_their_order)
{
    ck_assert_msg(class_rows_read(x_path, y_path, NULL, CLASS_ROWS_NEW, &rows, &e) == ERR_OK, "%s", e.text);
    ck_assert(rows.n == N && rows.d == D && rows.about.unit == 255);
    ck_assert(rows.about.n_dims == 2 && rows.about.dims[0] == 2 && rows.about.dims[1] == 3);
    ck_assert_uint_eq(rows.about.tasks[0].n, 2);
    ck_assert_str_eq(rows.about.tasks[0].names[0], "2");
    ck_assert_str_eq(rows.about.tasks[0].names[1], "9");
    for (size_t i = 0; i < N; i++) {
        ck_assert_uint_eq(rows.y[i], i % 4 == 0);
        ck_assert_float_eq_tol((float)rows.x[i * D], (float)i / 255, 1e-6f);
    }
}
END_TEST

START_TEST(a_task_of_a_model_has_the_model_s_unit_and_classes)
{
    struct trained_spec like = {.present = true, .unit = 10, .n_dims = 2, .dims = {2, 3}};
    const char *const other[] = {"1", "2"}, *const of_task[] = {"9", "5", "2"};
    ck_assert_int_eq(trained_spec_add(&like, other, 2, &e), ERR_OK);
    ck_assert_int_eq(trained_spec_add(&like, of_task, 3, &e), ERR_OK);
    ck_assert_msg(class_rows_read(x_path, y_path, &like, 1, &rows, &e) == ERR_OK, "%s", e.text);
    ck_assert(rows.about.unit == 10 && rows.about.tasks[0].n == 3);
    ck_assert(rows.y[0] == 0 && rows.y[1] == 2 && rows.y[4] == 0);
    class_rows_fini(&rows);
    ck_assert_int_eq(class_rows_read(x_path, y_path, &like, 0, &rows, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "row 0 is of class 9, which the task has not"));
    trained_spec_fini(&like);
}
END_TEST

START_TEST(what_is_held_out_is_not_learned_from_and_each_class_stays)
{
    static const double shares[] = {0, 0.1, 0.5, 1};
    static const size_t expected[] = {N, N - 4, N / 2, 2}; /* learned from */
    bool seen[N] = {false};
    ck_assert_int_eq(class_rows_read(x_path, y_path, NULL, CLASS_ROWS_NEW, &rows, &e), ERR_OK);
    size_t n = class_rows_hold_out(&rows, shares[_i], 7);
    ck_assert_uint_eq(n, expected[_i]);
    for (size_t i = 0; i < N; i++) { /* each row is there once, with its class */
        size_t row = (size_t)(255 * rows.x[i * D] + (real)0.5);
        ck_assert(row < N && !seen[row]);
        seen[row] = true;
        ck_assert_uint_eq(rows.y[i], row % 4 == 0);
    }
    ck_assert(rows.y[0] != rows.y[1]); /* one of each class is in front */
    const struct labelled_rows held = class_rows_part(&rows, n, N - n);
    ck_assert(held.n == N - n && held.y == rows.y + n && held.x == rows.x + n * D);
}
END_TEST

SUITE("server/data: class_rows", set_up, tear_down, {a_first_task_has_the_classes_of_its_file_in_their_order},
      {a_task_of_a_model_has_the_model_s_unit_and_classes},
      {what_is_held_out_is_not_learned_from_and_each_class_stays, 4})
