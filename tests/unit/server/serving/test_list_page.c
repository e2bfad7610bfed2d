/* server/serving/list_page.c: tokens of the next page. Risks: a token that somebody changed, or made; one
 * that is read past its end; a number that does not come back as it went. */
#include "server/serving/list_page.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/support/suite.h"

#include <string.h>

static const struct siphash_key key = {{1, 2}}, other_key = {{1, 3}};
static struct buf token;

static void setup(void)
{
    buf_init(&token, LIMIT_PAGE_TOKEN_BYTES);
}

static void teardown(void)
{
    buf_fini(&token);
}

static void write_page(const struct list_page *p)
{
    token.len = 0;
    list_page_write(p, &key, &token);
    ck_assert(!token.failed);
    for (size_t i = 0; i < token.len; i++)
        ck_assert(token.data[i] == '-' || token.data[i] == '_' ||
                  (token.data[i] >= '0' && token.data[i] <= '9') ||
                  ((token.data[i] | 32) >= 'a' && (token.data[i] | 32) <= 'z'));
}

static enum err_code read_with(struct text text, const struct siphash_key *with)
{
    struct list_page got;
    struct err e = {0};
    enum err_code code = list_page_read(text, with, &got, &e);
    list_page_fini(&got);
    return code;
}

static void check_round_trip(const struct list_page *p)
{
    struct list_page got;
    write_page(p);
    ck_assert_int_eq(list_page_read((struct text){token.data, token.len}, &key, &got, NULL), ERR_OK);
    ck_assert(got.question == p->question && got.revision == p->revision && got.n_unknown == p->n_unknown);
    ck_assert_uint_eq(got.n_shown, p->n_shown);
    for (size_t i = 0; i < p->n_shown; i++)
        ck_assert_uint_eq(got.shown[i], p->shown[i]);
    list_page_fini(&got);
}

START_TEST(a_page_comes_back_as_it_went)
{
    struct list_page none = {.question = UINT64_MAX, .revision = LIST_PAGE_OF_PRIOR};
    struct list_page some = {.question = 7, .revision = INT64_MAX, .n_unknown = LIMIT_LISTED_IDS};
    struct topk_entry entries[] = {{1, 4000000000u}, {0.5f, 3}, {0.25f, 0}, {0, 128}, {0, 127}};
    check_round_trip(&none);
    ck_assert_int_eq(list_page_add(&some, entries, 2, NULL), ERR_OK);
    ck_assert_int_eq(list_page_add(&some, entries + 2, 3, NULL), ERR_OK);
    static const uint32_t rising[] = {0, 3, 127, 128, 4000000000u};
    ck_assert_uint_eq(some.n_shown, 5);
    ck_assert_mem_eq(some.shown, rising, sizeof rising);
    check_round_trip(&some);
    list_page_fini(&some);
}
END_TEST

START_TEST(the_longest_list_has_a_token)
{
    static struct topk_entry entries[LIMIT_PAGED_ITEMS];
    struct list_page p = {.question = 7};
    for (uint32_t i = 0; i < LIMIT_PAGED_ITEMS; i++)
        entries[i].index = i * 400000;
    ck_assert_int_eq(list_page_add(&p, entries, LIMIT_PAGED_ITEMS, NULL), ERR_OK);
    check_round_trip(&p);
    ck_assert_uint_le(token.len, LIMIT_PAGE_TOKEN_BYTES);
    list_page_fini(&p);
}
END_TEST

START_TEST(a_token_that_was_changed_anywhere_is_refused)
{
    uint32_t shown[] = {3, 500, 70000};
    struct list_page p = {.question = 0x123456789abcdef, .revision = 90, .shown = shown, .n_shown = 3};
    write_page(&p);
    struct text whole = {token.data, token.len};
    ck_assert_int_eq(read_with(whole, &key), ERR_OK);
    ck_assert_int_eq(read_with(whole, &other_key), ERR_INVALID);
    for (size_t i = 0; i < token.len; i++) {
        char was = token.data[i];
        for (int c = 0; c < 256; c++) {
            token.data[i] = (char)c;
            if (token.data[i] != was)
                ck_assert_int_eq(read_with(whole, &key), ERR_INVALID);
        }
        token.data[i] = was;
        ck_assert_int_eq(read_with((struct text){token.data, i}, &key), ERR_INVALID);
    }
    buf_addc(&token, 'A');
    ck_assert_int_eq(read_with((struct text){token.data, token.len}, &key), ERR_INVALID);
}
END_TEST

START_TEST(what_is_no_token_is_refused)
{
    struct rng rng;
    rng_init(&rng, 4, 0);
    ck_assert_int_eq(read_with(text_of(""), &key), ERR_INVALID);
    for (int round = 0; round < 20000; round++) {
        char text[40];
        size_t n = rng_below(&rng, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = "ABCDEFabcdef0189-_"[rng_below(&rng, 18)];
        ck_assert_int_eq(read_with((struct text){text, n}, &key), ERR_INVALID);
    }
}
END_TEST

START_TEST(want_of_memory_is_told_and_leaves_the_page_as_it_was)
{
    uint32_t shown[] = {3, 500};
    struct topk_entry more[] = {{1, 9}};
    struct list_page p = {.question = 1, .shown = shown, .n_shown = 2}, got;
    struct err e = {0};
    write_page(&p);
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code == ERR_NOMEM; n++) {
        mem_fail_at(n, 1);
        code = list_page_read((struct text){token.data, token.len}, &key, &got, &e);
        if (!code)
            code = list_page_add(&got, more, 1, &e);
        mem_fail_at(0, 0);
        ck_assert(n < 20);
        ck_assert(code == ERR_OK || got.n_shown == 0 || got.n_shown == 2);
        if (code)
            err_clear(&e);
        else
            ck_assert_uint_eq(got.n_shown, 3);
        list_page_fini(&got);
    }
    ck_assert_int_eq(code, ERR_OK);
}
END_TEST

SUITE("server/serving/list_page", setup, teardown, {a_page_comes_back_as_it_went},
      {the_longest_list_has_a_token}, {a_token_that_was_changed_anywhere_is_refused},
      {what_is_no_token_is_refused}, {want_of_memory_is_told_and_leaves_the_page_as_it_was})
