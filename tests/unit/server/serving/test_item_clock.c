/* server/serving/item_clock.c: items come and go at their second, by a clock that the test sets. Risks: one
 * that comes late or goes early, a table that is replaced for nothing, want of memory that loses a moment. */
#include "server/serving/item_clock.h"

#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

static struct api_world w;
static int64_t now;

static int64_t clock_of_test(void)
{
    return now;
}

static void setup(void)
{
    api_world_init(&w);
    w.serving.now = clock_of_test;
    now = 1000;
    ck_assert_int_eq(api_world_json(&w, "PATCH", "/v1/admin/items/1",
                                    "{\"available_from\":1100,\"available_until\":1200}", NULL),
                     200);
}

static void teardown(void)
{
    api_world_fini(&w);
}

static const struct item_snapshot *items(void)
{
    return model_handle_items(recommender_find(w.worker->session.recommender, NULL));
}

static void tick(int64_t at)
{
    struct err e = {0};
    now = at;
    ck_assert_int_eq(item_clock_tick(&w.serving, &e), ERR_OK);
}

static bool is_there(void)
{
    return item_snapshot_find(items(), text_of("1")) >= 0;
}

START_TEST(an_item_comes_and_goes_at_its_second)
{
    ck_assert(!is_there());
    tick(1099);
    ck_assert(!is_there());
    tick(1100);
    ck_assert(is_there());
    tick(1199);
    ck_assert(is_there());
    tick(1200);
    ck_assert(!is_there());
    ck_assert_int_eq(item_snapshot_changes_at(items()), INT64_MAX);
}
END_TEST

START_TEST(nothing_is_made_before_its_time)
{
    const struct item_snapshot *before = items();
    tick(1099);
    ck_assert_ptr_eq(items(), before);
    tick(1100);
    ck_assert_ptr_ne(items(), before);
    ck_assert_ptr_eq(item_snapshot_columns(items()), w.serving.columns);
}
END_TEST

START_TEST(a_clock_that_stood_still_for_long_shows_what_is_of_now)
{
    tick(5000);
    ck_assert(!is_there());
    ck_assert_int_eq(atomic_load(&w.serving.items_change_at), INT64_MAX);
}
END_TEST

START_TEST(without_memory_the_next_tick_does_it)
{
    struct err e = {0};
    bool done = false;
    now = 1100;
    for (long n = 1; n < 100 && !done; n++) {
        err_clear(&e);
        mem_fail_at(n, 0);
        enum err_code code = item_clock_tick(&w.serving, &e);
        mem_fail_at(0, 0);
        ck_assert(code == ERR_OK || code == ERR_NOMEM);
        done = code == ERR_OK;
    }
    ck_assert(is_there());
}
END_TEST

SUITE("server/serving/item_clock", setup, teardown, {an_item_comes_and_goes_at_its_second},
      {nothing_is_made_before_its_time}, {a_clock_that_stood_still_for_long_shows_what_is_of_now},
      {without_memory_the_next_tick_does_it})
