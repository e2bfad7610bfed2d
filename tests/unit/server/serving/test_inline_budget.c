/* server/serving/inline_budget.c: whose weights are made between other answers. Risks: somebody's that take long, or that wait for a batch; a start
 * that fails for want of what is only measured. */
#include "server/serving/inline_budget.h"

#include "base/mem.h"
#include "tests/support/api_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct api_world w;

static void setup(void)
{
    api_world_init(&w);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    api_world_fini(&w);
}

static struct inline_budget measured(size_t slot, int64_t max_ns)
{
    struct served_model *m = &w.serving.models[slot];
    struct inline_budget out;
    struct err e = {0};
    ck_assert_msg(inline_budget_measure(m->model, m->items, m->batcher, max_ns, &out, &e) == ERR_OK, "%s",
                  e.text);
    return out;
}

START_TEST(with_all_the_time_it_is_everybody_and_with_none_who_has_nothing)
{
    struct inline_budget all = measured((size_t)_i, INT64_MAX), none = measured((size_t)_i, 0);
    ck_assert(all.any && all.max_read == 1024 && all.max_taken == 4096);
    ck_assert(none.any && none.max_read == 0 && none.max_taken == 0);
}
END_TEST

START_TEST(with_enough_time_it_is_everybody)
{
    size_t read = 0, taken = 0;
    for (int64_t ns = 1; ns < (int64_t)1 << 56; ns *= 64) {
        struct inline_budget now = measured(0, ns);
        ck_assert(now.max_read <= 1024 && now.max_taken <= 4096);
        read = now.max_read;
        taken = now.max_taken;
    }
    ck_assert(read == 1024 && taken == 4096);
}
END_TEST

/* Others' items are no part of what its users cost: the measured ones are the model's own, wherever their keys are. */
START_TEST(a_store_with_many_other_items_changes_nothing)
{
    struct err e = {0};
    struct store_conn *c;
    struct store_bulk *bulk;
    ck_assert_int_eq(store_connect(w.store, &c, &e), ERR_OK);
    ck_assert_int_eq(store_begin(c, &e), ERR_OK);
    ck_assert_int_eq(store_bulk_begin(c, &bulk, &e), ERR_OK);
    for (int i = 0; i < 20000; i++) {
        char id[16];
        struct store_item item = {.id = {id, (size_t)snprintf(id, sizeof id, "other%d", i)}};
        ck_assert_int_eq(store_bulk_item(bulk, &item, &e), ERR_OK);
    }
    ck_assert_int_eq(store_bulk_end(bulk, NULL, &e), ERR_OK);
    ck_assert_int_eq(store_commit(c, &e), ERR_OK);
    ck_assert_msg(serving_follow_items(&w.serving, c, &e) == ERR_OK, "%s", e.text);
    ck_assert_int_gt(item_snapshot_last_key(w.serving.models[1].items), 20000);
    struct inline_budget now = measured(1, INT64_MAX);
    ck_assert_uint_eq(now.n_items, w.serving.models[1].model->spec.n_items);
    ck_assert(now.any && now.max_read == 1024 && now.max_taken == 4096);
    store_disconnect(c);
}
END_TEST

START_TEST(where_generations_are_gathered_or_not_measured_it_is_nobody)
{
    struct batcher_config config = {.n_running = 1};
    struct served_model *m = &w.serving.models[0];
    struct batcher *g;
    struct inline_budget out = {.any = true};
    ck_assert_int_eq(batcher_new(m->model, &config, &g, NULL), ERR_OK);
    ck_assert(batcher_pays(g) && !batcher_max_batch(g) && !batcher_max_batch(NULL) &&
              batcher_max_batch(m->batcher));
    ck_assert_int_eq(inline_budget_measure(m->model, m->items, g, INT64_MAX, &out, NULL), ERR_OK);
    ck_assert(!out.any);
    out.any = true;
    ck_assert_int_eq(inline_budget_measure(m->model, m->items, NULL, INT64_MAX, &out, NULL), ERR_OK);
    ck_assert(!out.any);
    batcher_free(g);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
    struct served_model *m = &w.serving.models[0];
    enum err_code code = ERR_NOMEM;
    long n = 1;
    for (; code != ERR_OK; n++) {
        struct inline_budget out;
        struct err e = {0};
        mem_fail_at(n, 0);
        code = inline_budget_measure(m->model, m->items, m->batcher, INT64_MAX, &out, &e);
        mem_fail_at(0, 0);
        ck_assert(code == ERR_OK || (code == ERR_NOMEM && e.code == ERR_NOMEM));
    }
    ck_assert_int_gt(n, 10); /* some of them inside makings */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("at once");
    TCase *t = tcase_create("at once");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, with_all_the_time_it_is_everybody_and_with_none_who_has_nothing, 0, 2);
    tcase_add_test(t, with_enough_time_it_is_everybody);
    tcase_add_test(t, a_store_with_many_other_items_changes_nothing);
    tcase_add_test(t, where_generations_are_gathered_or_not_measured_it_is_nobody);
    tcase_add_test(t, without_memory_it_says_so);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
