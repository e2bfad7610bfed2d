/* server/serving/shown_marks.c: what waits is written at its time, and no earlier; risks: a list that is lost
 * when the store cannot be written, memory without bound, an order that the queue forgets. */
#include "server/serving/shown_marks.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 5, LATER = 2000000000 };

static struct api_world w;
static int64_t clock_s;

static int64_t now(void)
{
    return clock_s;
}

static void setup(void)
{
    struct err e = {0};
    clock_s = LATER - 100; /* the thread looks by it too */
    api_world_init(&w);
    w.serving.now = now;
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/users/ann", "{}", NULL), 201);
    ck_assert_int_eq(shown_marks_start(&w.serving, &w.metrics.serving, &e), ERR_OK);
}

static void teardown(void)
{
    shown_marks_stop(&w.serving);
    api_world_fini(&w);
}

static void fill(struct shown_list *l, const char *user, size_t n)
{
    struct err e = {0};
    shown_list_init(l);
    for (size_t i = 0; i < n; i++) {
        char item[LIMIT_ID_BYTES + 1]; /* as the sample model's are */
        size_t n_bytes = (size_t)snprintf(item, sizeof item, i % 3 ? "%zu" : "\xC3\xA9%zu/", i);
        while (n_bytes < i && i < LIMIT_ID_BYTES)
            item[n_bytes++] = 'x';
        item[n_bytes] = '\0';
        ck_assert_int_eq(shown_list_add(l, text_of(user), text_of(item), &e), ERR_OK);
    }
}

static void wait_for(const char *user, size_t n, int64_t due)
{
    struct shown_list l;
    struct err e = {0};
    fill(&l, user, n);
    ck_assert_int_eq(shown_marks_add(w.serving.marks, &l, SHOWN, due, &e), ERR_OK);
    ck_assert_uint_eq(l.n, 0);
    shown_list_fini(&l);
}

static size_t stored(void)
{
    return (size_t)api_world_counts(&w).n_interactions;
}

START_TEST(each_is_written_at_its_time_whatever_the_order_in_which_it_came)
{
    wait_for("ann", 3, LATER + 20);
    wait_for("ann", 1, LATER + 10);
    wait_for("ann", 2, LATER + 20);
    wait_for("nobody", 2, LATER + 10);
    shown_marks_write(w.serving.marks, LATER + 9);
    ck_assert_uint_eq(stored(), 0);
    shown_marks_write(w.serving.marks, LATER + 10);
    ck_assert_uint_eq(stored(), 1);
    ck_assert_uint_eq(shown_marks_waiting(w.serving.marks), 5);
    shown_marks_write(w.serving.marks, LATER + 20);
    ck_assert_uint_eq(stored(), 3); /* an item is one interaction, however often it is shown */
    ck_assert_uint_eq(shown_marks_waiting(w.serving.marks), 0);
    wait_for("ann", 1, LATER + 30);
    ck_assert_uint_eq(shown_marks_waiting(w.serving.marks), 1);
}
END_TEST

START_TEST(a_stop_writes_what_waits)
{
    wait_for("ann", 2, LATER + 86400);
    shown_marks_stop(&w.serving);
    ck_assert_uint_eq(stored(), 2);
}
END_TEST

START_TEST(what_cannot_be_written_waits_on)
{
    struct err e = {0};
    bool done = false;
    wait_for("ann", 2, LATER);
    for (long n = 1; n < 2000 && !done; n++) {
        mem_fail_at(n, 1);
        shown_marks_write(w.serving.marks, LATER);
        mem_fail_at(0, 0);
        done = stored() == 2;
        ck_assert_uint_eq(shown_marks_waiting(w.serving.marks), done ? 0 : 2);
    }
    ck_assert(done);
    for (long n = 1; n < 4; n++) { /* and what cannot be taken stays the caller's */
        struct shown_list l;
        fill(&l, "ann", 1);
        mem_fail_at(1, 1);
        ck_assert_int_eq(shown_marks_add(w.serving.marks, &l, SHOWN, LATER, &e), ERR_NOMEM);
        mem_fail_at(0, 0);
        ck_assert_uint_eq(l.n, 1);
        shown_list_fini(&l);
        err_clear(&e);
    }
}
END_TEST

START_TEST(memory_has_a_bound)
{
    enum { LISTS = 2 * LIMIT_MARKS_BYTES / 16384 };
    struct shown_list l;
    struct err e = {0};
    enum err_code code = ERR_OK;
    size_t n = 0;
    for (; n < LISTS && !code; n++) {
        fill(&l, "ann", 1000);
        code = shown_marks_add(w.serving.marks, &l, SHOWN, LATER, &e);
        shown_list_fini(&l);
    }
    ck_assert_int_eq(code, ERR_LIMIT);
    ck_assert_uint_lt(shown_marks_waiting(w.serving.marks) * sizeof(struct shown_item), LIMIT_MARKS_BYTES);
    shown_marks_write(w.serving.marks, LATER);
    fill(&l, "ann", 1000);
    err_clear(&e);
    ck_assert_int_eq(shown_marks_add(w.serving.marks, &l, SHOWN, LATER, &e), ERR_OK);
    shown_list_fini(&l);
}
END_TEST

START_TEST(a_list_holds_what_a_call_may_mark)
{
    struct shown_list l;
    struct err e = {0};
    fill(&l, "ann", LIMIT_EVENTS_PER_CALL);
    ck_assert_int_eq(shown_list_add(&l, text_of("ann"), text_of("1"), &e), ERR_LIMIT);
    shown_list_cut(&l, 5);
    ck_assert_uint_eq(l.n, 5);
    shown_list_fini(&l);
}
END_TEST

SUITE("server/serving/shown_marks", setup, teardown,
      {each_is_written_at_its_time_whatever_the_order_in_which_it_came}, {a_stop_writes_what_waits},
      {what_cannot_be_written_waits_on}, {memory_has_a_bound}, {a_list_holds_what_a_call_may_mark})
