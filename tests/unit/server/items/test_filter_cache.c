/* server/items/filter_cache.c: bits by texts, within its limits. Risks: bits of another filter, one that is
 * in use and freed, more bytes than are allowed. */
#include "server/items/filter_cache.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/suite.h"

#include <stdio.h>

static struct filter_cache *cache;

static void start(void)
{
    cache = filter_cache_new();
    ck_assert_ptr_nonnull(cache);
}

static void stop(void)
{
    filter_cache_unref(cache);
}

static struct filter_bits *bits_of(size_t n_words)
{
    struct filter_bits *b = mem_alloc(sizeof *b + n_words * sizeof *b->words);
    ck_assert_ptr_nonnull(b);
    atomic_init(&b->refs, 1);
    b->n_words = n_words;
    return b;
}

static void keep(const char *text, size_t n_words)
{
    struct filter_bits *b = bits_of(n_words);
    filter_cache_keep(cache, text_of(text), b);
    filter_bits_unref(b);
}

static bool is_kept(const char *text)
{
    struct filter_bits *b = filter_cache_get(cache, text_of(text));
    filter_bits_unref(b);
    return b != NULL;
}

START_TEST(bits_are_found_by_their_text)
{
    struct filter_bits *a = bits_of(2), *b = bits_of(3);
    filter_cache_keep(cache, text_of("a"), a);
    filter_cache_keep(cache, text_of("b"), b);
    for (int i = 0; i < 2; i++) {
        struct filter_bits *got = filter_cache_get(cache, text_of("a"));
        ck_assert_ptr_eq(got, a);
        filter_bits_unref(got);
        got = filter_cache_get(cache, text_of("b"));
        ck_assert_ptr_eq(got, b);
        filter_bits_unref(got);
        ck_assert(!is_kept("c"));
    }
    filter_bits_unref(a);
    filter_bits_unref(b);
}
END_TEST

START_TEST(bytes_have_a_limit_and_what_was_used_last_stays)
{
    enum { WORDS = LIMIT_FILTER_CACHE / 8 / 10, FILTERS = 40 };
    char text[16];
    size_t n;
    keep("often", WORDS);
    for (int i = 0; i < FILTERS; i++) {
        (void)snprintf(text, sizeof text, "f%d", i);
        keep(text, WORDS);
        ck_assert(is_kept("often"));
        ck_assert_uint_le(filter_cache_bytes(cache, &n), LIMIT_FILTER_CACHE);
        ck_assert_uint_le(n, 10);
    }
    ck_assert(is_kept("f39"));
    ck_assert(!is_kept("f0"));
}
END_TEST

START_TEST(one_that_is_too_large_is_not_kept_and_still_used)
{
    struct filter_bits *b = bits_of(LIMIT_FILTER_CACHE / 8 + 1);
    filter_cache_keep(cache, text_of("large"), b);
    ck_assert(!is_kept("large"));
    b->words[0] = 1;
    filter_bits_unref(b);
}
END_TEST

START_TEST(the_same_text_is_kept_once)
{
    size_t n;
    keep("a", 1);
    keep("a", 1);
    (void)filter_cache_bytes(cache, &n);
    ck_assert_uint_eq(n, 1);
}
END_TEST

SUITE("server/items/filter_cache", start, stop, {bits_are_found_by_their_text},
      {bytes_have_a_limit_and_what_was_used_last_stays}, {one_that_is_too_large_is_not_kept_and_still_used},
      {the_same_text_is_kept_once})
