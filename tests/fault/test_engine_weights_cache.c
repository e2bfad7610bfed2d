/* engine/cache/weights_cache.c without memory: a request is answered whenever its weights could be made; what
 * could not be kept is not, and the next request finds a cache that works. */
#include "base/mem.h"
#include "engine/cache/weights_cache.h"
#include "tests/support/cached_weights.h"
#include "tests/support/suite.h"

static enum err_code make_ten(void *arg, struct weights **out, struct err *e)
{
    real *theta;
    uint32_t *seen;
    ++*(int *)arg;
    *out = weights_new(10, 2, &theta, &seen);
    if (!*out)
        return err_set(e, ERR_NOMEM, "no memory for ten weights");
    for (size_t i = 0; i < 10; i++)
        theta[i] = (real)i;
    seen[0] = 1;
    seen[1] = 2;
    return ERR_OK;
}

START_TEST(a_cache_without_memory_is_not_made)
{
    for (long n = 1;; n++) {
        struct weights_cache *c = NULL;
        struct err e = {0};
        mem_fail_at(n, _i);
        enum err_code code = weights_cache_new((size_t)64 << 20, 0, &c, &e);
        mem_fail_at(0, 0);
        if (code == ERR_OK) {
            ck_assert_int_eq(n, 2 + 8 + 1); /* the cache, its shards, eight tables */
            weights_cache_free(c);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_ptr_null(c);
    }
}
END_TEST

/* The allocations of a miss are, in order: the flight, the weights (the maker's), the entry. */
START_TEST(a_request_is_answered_whenever_its_weights_exist)
{
    struct weights_cache *c = NULL;
    ck_assert_int_eq(weights_cache_new(1 << 20, 0, &c, NULL), ERR_OK);
    struct weights_cache_stats s;
    weights_cache_read_stats(c, &s);
    size_t fixed = s.used_bytes;
    for (long n = 1; n <= 4; n++) {
        struct weights *w = NULL;
        struct err e = {0};
        bool hit = true;
        int calls = 0;
        mem_fail_at(n, 0);
        enum err_code code = cached_weights_acquire(c, "u", 1, make_ten, &calls, &w, &hit, &e);
        mem_fail_at(0, 0);
        weights_cache_read_stats(c, &s);
        ck_assert_int_eq(calls, 1);
        ck_assert(!hit);
        ck_assert_int_eq(code, n == 2 ? ERR_NOMEM : ERR_OK);
        ck_assert_int_eq(e.code, code);
        ck_assert_int_eq(w != NULL, n != 2);
        ck_assert_uint_eq(s.n_entries, n == 4); /* only with all of them it is kept */
        if (n < 4)
            ck_assert_uint_eq(s.used_bytes, fixed);
        if (w)
            ck_assert(w->theta[9] == 9 && w->seen[1] == 2);
        weights_unref(w);
    }
    ck_assert_uint_eq(s.not_kept, 2);
    ck_assert_uint_eq(s.failed, 1);
    weights_cache_free(c);
}
END_TEST

/* In the same order. */
START_TEST(a_try_without_memory_for_its_weights_is_left_to_others)
{
    struct weights_cache *c = NULL;
    ck_assert_int_eq(weights_cache_new(1 << 20, 0, &c, NULL), ERR_OK);
    for (long n = 1; n <= 4; n++) {
        bool hit = true;
        int calls = 0;
        mem_fail_at(n, 0);
        struct weights *w = cached_weights_try(c, "u", 1, make_ten, &calls, &hit);
        mem_fail_at(0, 0);
        ck_assert_int_eq(w != NULL, n != 2);
        ck_assert(calls == 1 && !hit);
        weights_unref(w);
    }
    struct weights_cache_stats s;
    weights_cache_read_stats(c, &s);
    ck_assert(s.n_entries == 1 && s.not_kept == 2 && s.failed == 0 && s.misses == 3);
    weights_cache_free(c);
}
END_TEST

START_TEST(a_hit_needs_no_memory)
{
    struct weights_cache *c = NULL;
    struct weights *w = NULL;
    bool hit;
    int calls = 0;
    ck_assert_int_eq(weights_cache_new(1 << 20, 0, &c, NULL), ERR_OK);
    ck_assert_int_eq(cached_weights_acquire(c, "u", 1, make_ten, &calls, &w, &hit, NULL), ERR_OK);
    weights_unref(w);
    mem_fail_at(1, 1);
    enum err_code code = cached_weights_acquire(c, "u", 1, make_ten, &calls, &w, &hit, NULL);
    struct weights *again = weights_cache_get(c, "u", 1);
    weights_cache_drop_older(c, "u", 1, INT64_MAX);
    weights_cache_clear(c);
    mem_fail_at(0, 0);
    ck_assert_int_eq(code, ERR_OK);
    ck_assert(hit);
    ck_assert_ptr_eq(w, again);
    ck_assert_int_eq(calls, 1);
    weights_unref(w);
    weights_unref(again);
    weights_cache_free(c);
}
END_TEST

SUITE("engine/weights_cache faults", NULL, NULL, {a_cache_without_memory_is_not_made, 2},
      {a_request_is_answered_whenever_its_weights_exist},
      {a_try_without_memory_for_its_weights_is_left_to_others}, {a_hit_needs_no_memory})
