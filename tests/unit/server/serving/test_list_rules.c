/* server/serving/list_rules.c: what a caller leaves out of a list, by items and by score. Risks: a bit beside
 * the one that is meant, a score that does not reach itself. */
#include "server/serving/list_rules.h"

#include "tests/support/suite.h"

START_TEST(excluded_items_lose_their_bits_and_no_others_do)
{
    static const uint32_t excluded[] = {127, 0, 64, 63, 64};
    struct list_rules rules = {.excluded = excluded, .n_excluded = 5};
    uint64_t allowed[2] = {UINT64_MAX, UINT64_MAX};
    list_rules_exclude(&rules, allowed);
    ck_assert_uint_eq(allowed[0], UINT64_MAX & ~(uint64_t)1 & ~((uint64_t)1 << 63));
    ck_assert_uint_eq(allowed[1], UINT64_MAX & ~(uint64_t)1 & ~((uint64_t)1 << 63));
    list_rules_exclude(&rules, allowed);
    ck_assert_uint_eq(allowed[0], UINT64_MAX & ~(uint64_t)1 & ~((uint64_t)1 << 63));
}
END_TEST

START_TEST(entries_reach_a_score_that_is_theirs)
{
    static const struct topk_entry entries[] = {{3.5f, 0}, {0.1f, 1}, {0.1f, 2}, {-2, 3}};
    static const struct {
        double least;
        size_t n;
    } cases[] = {{-3, 4}, {-2, 4}, {-1, 3}, {0.1, 3}, {0.100001, 1}, {3.5, 1}, {4, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct list_rules rules = {.has_min_score = true, .min_score = cases[i].least};
        ck_assert_uint_eq(list_rules_reaching(&rules, entries, 4), cases[i].n);
        rules.has_min_score = false;
        ck_assert_uint_eq(list_rules_reaching(&rules, entries, 4), 4);
    }
    ck_assert_uint_eq(list_rules_reaching(&(struct list_rules){.has_min_score = true}, entries, 0), 0);
}
END_TEST

SUITE("server/serving/list_rules", NULL, NULL, {excluded_items_lose_their_bits_and_no_others_do},
      {entries_reach_a_score_that_is_theirs})
