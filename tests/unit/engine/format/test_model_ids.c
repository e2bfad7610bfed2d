/* engine/format/model_ids.c: ids of every length are found and told apart. Risk: one that stands in its slot
 * taken for another with the same bytes at the beginning or at the end, or of another length. */
#include "engine/format/model_ids.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEN = 20, MAX_IDS = 3000 };

static char bytes[MAX_IDS * MAX_LEN];
static int64_t offsets[MAX_IDS + 1];
static size_t n_ids;

static void add(const char *id, size_t len)
{
    memcpy(bytes + offsets[n_ids], id, len);
    offsets[n_ids + 1] = offsets[n_ids] + (int64_t)len;
    n_ids++;
}

static void init(struct model_ids_index *x)
{
    struct err e = {0};
    ck_assert_msg(model_ids_init(x, bytes, (size_t)offsets[n_ids], offsets, n_ids, "catalogue", &e) == ERR_OK,
                  "%s", e.text);
}

static void all_are_found(void)
{
    struct model_ids_index x;
    init(&x);
    for (size_t i = 0; i < n_ids; i++) {
        size_t len;
        const char *id = model_ids_get(&x, i, &len);
        ck_assert_int_eq(model_ids_find(&x, id, len), (long)i);
    }
    model_ids_fini(&x);
}

/* Tables so small that many of them stand one after the other. */
START_TEST(test_ids_that_differ_in_one_byte_are_told_apart)
{
    char id[MAX_LEN];
    for (size_t len = 1; len <= MAX_LEN; len++)
        for (size_t at = 0; at < len; at++) {
            n_ids = 0;
            memset(id, 'a', sizeof id);
            for (id[at] = '!'; id[at] < '~'; id[at]++)
                add(id, len);
            all_are_found();
        }
}
END_TEST

START_TEST(test_ids_that_differ_in_length_are_told_apart)
{
    char id[MAX_LEN];
    for (char letter = '!'; letter < '~'; letter++) {
        n_ids = 0;
        memset(id, letter, sizeof id);
        for (size_t len = 1; len <= MAX_LEN; len++)
            add(id, len);
        all_are_found();
    }
}
END_TEST

/* Of each length one; then decimal numbers. */
static void add_many(void)
{
    char id[MAX_LEN];
    n_ids = 0;
    memset(id, 'a', sizeof id);
    for (size_t len = 1; len <= MAX_LEN; len++)
        add(id, len);
    for (int i = 0; i < 2000; i++)
        add(id, (size_t)snprintf(id, sizeof id, "%d", i));
}

START_TEST(test_what_differs_in_one_byte_or_in_length_is_not_found)
{
    struct model_ids_index x;
    char other[MAX_LEN + 1];
    add_many();
    init(&x);
    for (size_t len = 1; len <= MAX_LEN; len++)
        for (size_t at = 0; at < len; at++) {
            memset(other, 'a', sizeof other);
            other[at] = 'x';
            ck_assert_int_eq(model_ids_find(&x, other, len), -1);
            other[at] = 0; /* what a slot is filled up with */
            ck_assert_int_eq(model_ids_find(&x, other, len), -1);
        }
    memset(other, 'a', sizeof other);
    ck_assert_int_eq(model_ids_find(&x, other, MAX_LEN + 1), -1);
    ck_assert_int_eq(model_ids_find(&x, "", 0), -1);
    model_ids_fini(&x);
}
END_TEST

START_TEST(test_an_id_twice_is_refused_with_both_places)
{
    struct model_ids_index x;
    struct err e = {0};
    static const size_t places[] = {0, 10, 11, MAX_LEN + 1999};
    const char *id;
    size_t len;
    add_many();
    init(&x);
    id = model_ids_get(&x, places[_i], &len);
    model_ids_fini(&x);
    add(id, len);
    ck_assert_int_eq(model_ids_init(&x, bytes, (size_t)offsets[n_ids], offsets, n_ids, "catalogue", &e),
                     ERR_INVALID);
    char expected[32];
    (void)snprintf(expected, sizeof expected, "ids %zu and %zu", places[_i], n_ids - 1);
    ck_assert_msg(strstr(e.text, expected) != NULL, "%s", e.text);
}
END_TEST

SUITE("engine model_ids", NULL, NULL, {test_ids_that_differ_in_one_byte_are_told_apart},
      {test_ids_that_differ_in_length_are_told_apart},
      {test_what_differs_in_one_byte_or_in_length_is_not_found},
      {test_an_id_twice_is_refused_with_both_places, 4})
