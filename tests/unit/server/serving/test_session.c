/* server/serving/session.c and preconditions of what writes through it; risks: a thread that waits for
 * itself, a write without a writer, a key longer than its room. */
#include "server/serving/user_contexts.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <string.h>

static struct api_world w;
static struct err e;

static void setup(void)
{
    api_world_init(&w);
    err_clear(&e);
}

static void teardown(void)
{
    api_world_fini(&w);
}

START_TEST(a_writer_is_there_from_beginning_to_end)
{
    struct session *s = &w.worker->session;
    bool created;
    struct store_item item = {.id = {"new", 3}};
    ck_assert_ptr_null(s->writer);
    ck_assert_int_eq(session_begin_write(s, &e), ERR_OK);
    ck_assert_ptr_eq(s->writer, w.serving.writer);
    ck_assert_int_eq(store_put_item(s->writer, &item, &created, &e), ERR_OK);
    ck_assert_int_eq(session_end_write(s, ERR_OK, &e), ERR_OK);
    ck_assert_ptr_null(s->writer);
    ck_assert(atomic_load(&w.serving.written_to));
}
END_TEST

START_TEST(a_write_that_failed_is_its_error_and_the_next_one_begins)
{
    struct session *s = &w.worker->session;
    int64_t before, after;
    bool created;
    struct store_item item = {.id = {"new", 3}};
    ck_assert_int_eq(store_last_change(s->conn, &before, &e), ERR_OK);
    ck_assert_int_eq(session_begin_write(s, &e), ERR_OK);
    ck_assert_int_eq(store_put_item(s->writer, &item, &created, &e), ERR_OK);
    ck_assert_int_eq(session_end_write(s, ERR_INVALID, &e), ERR_INVALID);
    ck_assert_int_eq(store_last_change(s->conn, &after, &e), ERR_OK);
    ck_assert_int_eq(before, after);
    ck_assert_int_eq(session_begin_write(s, &e), ERR_OK);
    ck_assert_int_eq(session_end_write(s, ERR_OK, &e), ERR_OK);
}
END_TEST

/* ---- what no caller may do ends the program, in a release too ---- */

START_TEST(a_write_within_a_write_does_not_wait_for_itself)
{
    ck_assert_int_eq(session_begin_write(&w.worker->session, &e), ERR_OK);
    (void)!session_begin_write(&w.worker->session, &e);
}
END_TEST

START_TEST(an_end_has_a_beginning)
{
    (void)!session_end_write(&w.worker->session, ERR_OK, &e);
}
END_TEST

START_TEST(contexts_are_put_within_a_write)
{
    (void)!user_contexts_put(&w.worker->session, (struct text){"ann", 3}, NULL, NULL, &e);
}
END_TEST

START_TEST(a_key_has_room_for_an_id_that_can_be)
{
    static char id[LIMIT_ID_BYTES + 1];
    char key[MODEL_KEY_BYTES];
    size_t n = model_key(7, WEIGHTS_OF_USER, (struct text){id, LIMIT_ID_BYTES}, key);
    ck_assert_uint_eq(n, MODEL_KEY_BYTES);
    (void)model_key(7, WEIGHTS_OF_USER, (struct text){id, LIMIT_ID_BYTES + 1}, key);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server/serving/session");
    TCase *t = tcase_create("session");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_writer_is_there_from_beginning_to_end);
    tcase_add_test(t, a_write_that_failed_is_its_error_and_the_next_one_begins);
    suite_add_tcase(suite, t);
    t = tcase_create("preconditions");
    tcase_add_unchecked_fixture(t, setup, teardown); /* what ends by a signal is torn down by its parent */
    suite_add_aborting(t, a_write_within_a_write_does_not_wait_for_itself);
    suite_add_aborting(t, an_end_has_a_beginning);
    suite_add_aborting(t, contexts_are_put_within_a_write);
    suite_add_aborting(t, a_key_has_room_for_an_id_that_can_be);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
