/* server/serving/group_limit.c: at most so many items of a group. Risks: an item of several groups that is
 * counted in some of them although it was not taken, a table that grows, an item that is in no group. */
#include "server/serving/group_limit.h"

#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <stdio.h>

static struct api_world w;
static const struct item_snapshot *items;

static void put(const char *id, const char *body)
{
    char target[64];
    (void)snprintf(target, sizeof target, "/v1/admin/items/%s", id);
    int status = api_world_json(&w, "PUT", target, body, NULL);
    ck_assert(status == 201 || status == 200);
}

static void setup(void)
{
    api_world_init(&w);
}

static void teardown(void)
{
    api_world_fini(&w);
}

/* The newest items; before the first take, since it is what the thread has from then on. */
static void see_items(void)
{
    struct model_handle *handle = recommender_find(w.worker->session.recommender, "sample");
    ck_assert_ptr_nonnull(handle);
    items = model_handle_items(handle);
}

static bool take(struct group_limit *g, const char *id)
{
    long index = item_snapshot_find_ranked(items, text_of(id));
    ck_assert_int_ge(index, 0);
    bool taken = group_limit_take(g, (uint32_t)index);
    ck_assert(!g->failed);
    return taken;
}

START_TEST(a_category_has_its_share_and_who_is_in_a_full_one_counts_in_none)
{
    struct max_per one = {.n = 1, .categories = true};
    put("a", "{\"categories\":[\"x\"]}");
    put("ab", "{\"categories\":[\"x\",\"y\"]}");
    put("b", "{\"categories\":[\"y\"]}");
    put("b2", "{\"categories\":[\"y\"]}");
    put("none", "{}");
    see_items();
    struct group_limit g = group_limit_of(items, &one);
    ck_assert(take(&g, "a"));
    ck_assert(!take(&g, "ab")); /* x is full, so y is still free */
    ck_assert(take(&g, "b"));
    ck_assert(!take(&g, "b2"));
    ck_assert(take(&g, "none") && take(&g, "none"));
    group_limit_clear(&g);
    ck_assert(take(&g, "ab"));
    ck_assert(!take(&g, "a") && !take(&g, "b"));
    group_limit_fini(&g);
}
END_TEST

START_TEST(a_value_of_a_field_is_a_group_and_so_is_each_member_of_a_list)
{
    struct max_per two = {.n = 2, .name = {"brand", 5}};
    put("a", "{\"metadata\":{\"brand\":\"acme\"}}");
    put("b", "{\"metadata\":{\"brand\":[\"acme\",\"zeta\",\"acme\"]}}");
    put("c", "{\"metadata\":{\"brand\":\"acme\"}}");
    put("d", "{\"metadata\":{\"brand\":\"zeta\"}}");
    put("e", "{\"metadata\":{\"other\":\"acme\"}}");
    see_items();
    struct group_limit g = group_limit_of(items, &two);
    ck_assert(take(&g, "a") && take(&g, "b"));
    ck_assert(!take(&g, "c"));
    ck_assert(take(&g, "d"));
    ck_assert(!take(&g, "d"));
    ck_assert(take(&g, "e") && take(&g, "e") && take(&g, "e"));
    group_limit_fini(&g);
    struct max_per unknown = {.n = 1, .name = {"no such", 7}};
    g = group_limit_of(items, &unknown);
    ck_assert(take(&g, "a") && take(&g, "a"));
    group_limit_fini(&g);
}
END_TEST

/* The table of counts grows several times, and knows them all afterwards. */
START_TEST(many_groups_keep_their_counts)
{
    enum { N = 300 };
    struct max_per one = {.n = 1, .categories = true};
    char id[16], body[64];
    for (int i = 0; i < N; i++) {
        (void)snprintf(id, sizeof id, "many%d", i);
        (void)snprintf(body, sizeof body, "{\"categories\":[\"c%d\"]}", i);
        put(id, body);
    }
    see_items();
    struct group_limit g = group_limit_of(items, &one);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i++) {
            (void)snprintf(id, sizeof id, "many%d", i);
            ck_assert(take(&g, id) == (round == 0));
        }
    group_limit_fini(&g);
}
END_TEST

START_TEST(want_of_memory_is_said)
{
    struct max_per one = {.n = 1, .categories = true};
    put("a", "{\"categories\":[\"x\",\"y\"]}");
    see_items();
    long index = item_snapshot_find_ranked(items, text_of("a")), n = 0;
    bool taken = false;
    while (!taken && ++n < 20) {
        struct group_limit g = group_limit_of(items, &one);
        mem_fail_at(n, 1);
        taken = group_limit_take(&g, (uint32_t)index);
        mem_fail_at(0, 0);
        ck_assert(g.failed == !taken);
        group_limit_fini(&g);
    }
    ck_assert(taken && n > 1);
}
END_TEST

SUITE("server/serving/group_limit", setup, teardown,
      {a_category_has_its_share_and_who_is_in_a_full_one_counts_in_none},
      {a_value_of_a_field_is_a_group_and_so_is_each_member_of_a_list}, {many_groups_keep_their_counts},
      {want_of_memory_is_said})
