/* server/serving/change_follower.c: what others write is followed; risks: a change that is lost because
 * reading it failed once, weights dropped that reflect the change already, a write between opening and
 * watching. */
#include "server/serving/change_follower.h"

#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static struct api_world w;
static struct change_follower *follower;
static struct store_conn *other; /* as another process would write */

static void must(enum err_code code, const struct err *e)
{
    ck_assert_msg(code == ERR_OK, "%s", e->text);
}

static void set_up(void (*init)(struct api_world *))
{
    struct err e = {0};
    init(&w);
    must(store_connect(w.store, &other, &e), &e);
    follower = NULL;
}

static void setup(void)
{
    set_up(api_world_init);
}

static void setup_in_memory(void)
{
    set_up(api_world_init_in_memory);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    change_follower_stop(follower);
    store_disconnect(other);
    api_world_fini(&w);
}

static void watch(void)
{
    struct err e = {0};
    must(change_follower_start(&w.serving, &w.metrics.serving, &follower, &e), &e);
}

static unsigned long followed(void)
{
    return atomic_load(&w.metrics.serving.changes_followed);
}

/* Waits for a condition; the limit of all tests (support/patience.c) ends it. */
#define WAIT_FOR(condition)                                                                                  \
    while (!(condition))                                                                                     \
    nap()

static void nap(void)
{
    struct timespec t = {.tv_nsec = 2000000};
    (void)nanosleep(&t, NULL);
}

static int64_t touch(const char *user)
{
    struct err e = {0};
    int64_t revision;
    must(store_begin(other, &e), &e);
    must(store_touch_user(other, text_of(user), &revision, &e), &e);
    must(store_commit(other, &e), &e);
    return revision;
}

static void retitle(const char *title)
{
    struct err e = {0};
    bool created;
    struct store_item item = {.id = text_of("1"), .title = text_of(title)};
    must(store_begin(other, &e), &e);
    must(store_put_item(other, &item, &created, &e), &e);
    must(store_commit(other, &e), &e);
}

static size_t entries(void)
{
    struct weights_cache_stats s;
    weights_cache_read_stats(w.serving.cache, &s);
    return s.n_entries;
}

static void add_users(void)
{
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/users/ann", "{}", NULL), 201);
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/users/bob", "{}", NULL), 201);
}

static void ask(const char *target, const char *part)
{
    char *answer;
    ck_assert_int_eq(api_world_json(&w, "GET", target, NULL, &answer), 200);
    if (part)
        ck_assert_msg(strstr(answer, part) != NULL, "%s", answer);
    mem_free(answer);
}

static struct served_model *served(size_t i)
{
    return atomic_load(&w.serving.models)->models[i];
}

static struct weights *cached_of(const char *user)
{
    struct recommender *p = w.http->session.recommender;
    return recommender_cached(p, recommender_find(p, NULL), WEIGHTS_OF_USER, text_of(user));
}

START_TEST(a_change_of_a_user_drops_that_user_s_weights)
{
    add_users();
    watch();
    WAIT_FOR(followed() >= 2);
    ask("/v1/users/ann/recommendations", NULL);
    ask("/v1/users/bob/recommendations", NULL);
    ck_assert_uint_eq(entries(), 2);
    (void)touch("ann");
    WAIT_FOR(followed() >= 3);
    ck_assert_uint_eq(entries(), 1);
    ck_assert_ptr_null(cached_of("ann"));
}
END_TEST

static void forget(const char *user)
{
    struct err e = {0};
    must(store_begin(other, &e), &e);
    must(store_delete_user(other, text_of(user), &e), &e);
    must(store_commit(other, &e), &e);
}

START_TEST(the_follower_drops_the_weights_of_who_was_forgotten_elsewhere)
{
    add_users();
    watch();
    WAIT_FOR(followed() >= 2);
    ask("/v1/users/ann/recommendations", NULL);
    ask("/v1/users/bob/recommendations", NULL);
    forget("ann"); /* the log of changes does not say who that was */
    WAIT_FOR(followed() >= 3);
    ck_assert_uint_eq(entries(), 1);
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann/recommendations", NULL, NULL), 404);
    struct weights *kept = cached_of("bob");
    ck_assert_ptr_nonnull(kept);
    weights_unref(kept);
}
END_TEST

START_TEST(the_follower_keeps_the_weights_of_who_got_the_key_of_a_forgotten_one)
{
    add_users();
    forget("bob"); /* the last key comes back */
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/users/eve", "{}", NULL), 201);
    ask("/v1/users/eve/recommendations", NULL);
    watch();
    WAIT_FOR(followed() >= 4);
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(the_follower_empties_the_log_of_what_was_deleted)
{
    char path[128];
    struct stat log;
    (void)snprintf(path, sizeof path, "%s-wal", w.store_path);
    add_users();
    watch();
    ck_assert_int_eq(api_world_json(&w, "DELETE", "/v1/admin/users/ann", NULL, NULL), 204);
    WAIT_FOR(stat(path, &log) == 0 && log.st_size == 0);
}
END_TEST

START_TEST(the_follower_keeps_weights_that_reflect_the_change)
{
    add_users(); /* two changes that the follower has still to follow */
    ask("/v1/users/ann/recommendations", NULL);
    watch();
    WAIT_FOR(followed() >= 2);
    ck_assert_uint_eq(entries(), 1);
    ask("/v1/users/ann/recommendations", NULL);
    struct weights_cache_stats s;
    weights_cache_read_stats(w.serving.cache, &s);
    ck_assert_uint_eq(s.made, 1); /* the second answer came from the cache */
}
END_TEST

START_TEST(the_follower_sees_what_was_written_before_it_looked)
{
    add_users();
    ask("/v1/users/ann/recommendations", NULL);
    (void)touch("ann"); /* before the follower has a connection: nothing announces it */
    watch();
    WAIT_FOR(followed() >= 3);
    ck_assert_uint_eq(entries(), 0);
}
END_TEST

START_TEST(the_follower_shows_a_new_title)
{
    add_users();
    watch();
    WAIT_FOR(followed() >= 2);
    ask("/v1/users/ann/recommendations?limit=1000", NULL);
    unsigned before = atomic_load(&served(0)->items_version);
    retitle("A new title");
    WAIT_FOR(atomic_load(&served(1)->items_version) > before);
    ask("/v1/users/ann/recommendations?limit=1000", "A new title");
}
END_TEST

START_TEST(the_follower_tries_again_what_it_could_not_follow)
{
    add_users();
    watch();
    WAIT_FOR(followed() >= 2);
    unsigned before = atomic_load(&served(0)->items_version);
    struct err e = {0};
    bool created;
    struct store_item item = {.id = text_of("1"), .title = text_of("In the end")};
    must(store_begin(other, &e), &e);
    must(store_put_item(other, &item, &created, &e), &e);
    mem_fail_at(1, 1); /* the table of items cannot be made, time and again */
    must(store_commit(other, &e), &e);
    WAIT_FOR(atomic_load(&w.metrics.serving.store_errors) >= 2);
    ck_assert_uint_eq(atomic_load(&served(0)->items_version), before);
    ck_assert(!change_follower_store_answers(&w.serving));
    mem_fail_at(0, 0); /* nobody writes any more */
    WAIT_FOR(atomic_load(&served(1)->items_version) > before);
    ask("/v1/users/ann/recommendations?limit=1000", "In the end");
    WAIT_FOR(change_follower_store_answers(&w.serving));
}
END_TEST

START_TEST(the_follower_tells_that_the_store_answers)
{
    atomic_store(&w.serving.store_read_ns, 0);
    ck_assert(!change_follower_store_answers(&w.serving));
    ck_assert_int_eq(api_world_json(&w, "GET", "/readyz", NULL, NULL), 503);
    watch();
    ck_assert(change_follower_store_answers(&w.serving));
    size_t handed_over = w.n_handed_over;
    ask("/readyz", "ready");
    ck_assert_uint_eq(w.n_handed_over, handed_over); /* readiness waits for no worker */
}
END_TEST

START_TEST(what_could_not_be_followed_for_want_of_memory_is_tried_again)
{
    struct err e = {0};
    bool created;
    must(store_begin(other, &e), &e);
    must(store_put_item(other, &(const struct store_item){.id = text_of("new")}, &created, &e), &e);
    must(store_commit(other, &e), &e);
    must(serving_follow_items(&w.serving, other, &e), &e);
    atomic_store(&w.serving.written_to, true);
    atomic_store(&w.serving.unfollowed, true);
    mem_fail_at(1, 1);
    ck_assert_int_eq(serving_follow_takers(&w.serving, other, &e), ERR_NOMEM);
    mem_fail_at(0, 0);
    ck_assert(atomic_load(&w.serving.unfollowed));
    err_clear(&e);
    must(serving_follow_takers(&w.serving, other, &e), &e);
    ck_assert(!atomic_load(&w.serving.unfollowed));
}
END_TEST

/* Whatever the store is. */
static void add(TCase *t)
{
    tcase_add_test(t, a_change_of_a_user_drops_that_user_s_weights);
    tcase_add_test(t, the_follower_keeps_weights_that_reflect_the_change);
    tcase_add_test(t, the_follower_sees_what_was_written_before_it_looked);
    tcase_add_test(t, the_follower_drops_the_weights_of_who_was_forgotten_elsewhere);
    tcase_add_test(t, the_follower_shows_a_new_title);
    tcase_add_test(t, the_follower_tries_again_what_it_could_not_follow);
    tcase_add_test(t, the_follower_tells_that_the_store_answers);
    tcase_add_test(t, what_could_not_be_followed_for_want_of_memory_is_tried_again);
}

int main(void)
{
    Suite *s = suite_create("server/serving/change_follower");
    TCase *t = tcase_create("follower"), *memory = tcase_create("in memory");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_checked_fixture(memory, setup_in_memory, teardown);
    tcase_add_test(t, the_follower_keeps_the_weights_of_who_got_the_key_of_a_forgotten_one);
    tcase_add_test(t, the_follower_empties_the_log_of_what_was_deleted);
    add(t);
    add(memory);
    suite_add_tcase(s, t);
    suite_add_tcase(s, memory);
    return suite_run(s);
}
