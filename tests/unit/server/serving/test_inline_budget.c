/* server/serving/inline_budget.c: whose weights are made between other answers. Risks: somebody's that take
 * long, or that wait for a batch; a start that fails for want of what is only measured. */
#include "server/serving/inline_budget.h"

#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

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

static struct served_model *served(size_t i)
{
    return atomic_load(&w.serving.models)->models[i];
}

static struct inline_budget measured(size_t i, int64_t max_ns)
{
    struct served_model *m = served(i);
    struct inline_budget out;
    struct err e = {0};
    ck_assert_msg(inline_budget_measure(m->model, m->items, m->batcher, max_ns, &out, &e) == ERR_OK, "%s",
                  e.text);
    return out;
}

START_TEST(with_all_the_time_it_is_everybody_and_with_none_who_has_nothing)
{
    struct inline_budget all = measured((size_t)_i, INT64_MAX), none = measured((size_t)_i, 0);
    ck_assert(all.any && all.max_read == 1024 && all.max_items == 4096);
    ck_assert(none.any && none.max_read == 0 && none.max_items == 0);
}
END_TEST

static enum err_code a_hundred_each(void *arg, size_t n, int64_t max_ns, int64_t *ns, struct err *e)
{
    size_t *n_calls = arg;
    (void)max_ns;
    (void)e;
    ++*n_calls;
    *ns = (int64_t)n * 100;
    return ERR_OK;
}

START_TEST(with_more_time_it_is_more_items_and_in_the_end_everybody)
{
    static const struct {
        int64_t ns;
        size_t items;
    } cases[] = {{0, 0},        {99, 0},        {100, 1},       {199, 1},        {200, 2},
                 {399, 2},      {25600, 256},   {25699, 256},   {51199, 256},    {51200, 512},
                 {102399, 512}, {102400, 1024}, {409600, 1024}, {1 << 30, 1024}, {INT64_MAX, 1024}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t items = 7, n_calls = 0;
        struct err e = {0};
        ck_assert_int_eq(inline_budget_most(a_hundred_each, &n_calls, 1024, cases[i].ns, &items, &e), ERR_OK);
        ck_assert_msg(items == cases[i].items, "%lld ns: %zu", (long long)cases[i].ns, items);
        ck_assert_uint_le(n_calls, 12); /* it is measured at a start */
    }
}
END_TEST

static enum err_code no_memory(void *arg, size_t n, int64_t max_ns, int64_t *ns, struct err *e)
{
    (void)n;
    (void)max_ns;
    *ns = 0;
    return err_set(e, ERR_NOMEM, "%s", (const char *)arg);
}

START_TEST(a_cost_that_cannot_be_measured_is_an_error)
{
    struct err e = {0};
    size_t items;
    ck_assert_int_eq(inline_budget_most(no_memory, (void *)"none", 1024, 1 << 20, &items, &e), ERR_NOMEM);
}
END_TEST

/* Others' items are no part of what its users cost: the measured ones are the model's own, wherever their
 * keys are. */
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
    ck_assert_int_gt(item_index_last_key(item_snapshot_items(served(1)->items)), 20000);
    struct inline_budget now = measured(1, INT64_MAX);
    ck_assert_uint_eq(now.n_items, served(1)->model->spec.n_items);
    ck_assert(now.any && now.max_read == 1024 && now.max_items == 4096);
    store_disconnect(c);
}
END_TEST

START_TEST(where_generations_are_gathered_or_not_measured_it_is_nobody)
{
    struct batcher_config config = {.n_running = 1};
    struct served_model *m = served(0);
    struct batcher *g;
    struct inline_budget out = {.any = true};
    ck_assert_int_eq(batcher_new(m->model, &config, &g, NULL), ERR_OK);
    ck_assert(batcher_pays(g) && !batcher_allows_inline(g) && !batcher_allows_inline(NULL) &&
              batcher_allows_inline(m->batcher));
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
    struct served_model *m = served(0);
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

SUITE("at once", setup, teardown, {with_all_the_time_it_is_everybody_and_with_none_who_has_nothing, 2},
      {with_more_time_it_is_more_items_and_in_the_end_everybody},
      {a_cost_that_cannot_be_measured_is_an_error}, {a_store_with_many_other_items_changes_nothing},
      {where_generations_are_gathered_or_not_measured_it_is_nobody}, {without_memory_it_says_so})
