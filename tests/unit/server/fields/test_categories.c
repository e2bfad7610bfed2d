/* server/fields/categories.c: the names of a stored array, one by one. Risks: a text that is no array, or has
 * something else in it; a caller that stops and is called on. */
#include "server/fields/categories.h"

#include "base/buf.h"
#include "tests/support/suite.h"

#include <string.h>

struct reading {
    struct buf names; /* each with a comma */
    int most;         /* after so many it stops */
};

static bool add_name(void *arg, struct text name)
{
    struct reading *r = arg;
    ck_assert_uint_eq(strlen(name.data), name.len);
    buf_add(&r->names, name.data, name.len);
    buf_addc(&r->names, ',');
    return --r->most > 0;
}

static const struct {
    const char *json, *want;
    int most;
    bool goes_on;
} cases[] = {
    {"[\"a\",\"b c\",\"\"]", "a,b c,,", 9, true},
    {"[\"a\",5,null,[\"x\"],{\"y\":\"z\"},\"b\"]", "a,b,", 9, true},
    {"[\"a\",\"b\",\"c\"]", "a,b,", 2, false},
    {"[]", "", 9, true},
    {"{\"a\":\"b\"}", "", 9, true},
    {"\"a\"", "", 9, true},
    {"[\"a\"", "", 9, true},
    {"", "", 9, true},
};
enum { N_CASES = sizeof cases / sizeof *cases };

START_TEST(names_come_in_order_until_the_caller_stops)
{
    struct reading r = {.most = cases[_i].most};
    buf_init(&r.names, 100);
    bool goes_on = categories_each(text_of(cases[_i].json), add_name, &r);
    ck_assert_int_eq(goes_on, cases[_i].goes_on);
    ck_assert_str_eq(buf_text(&r.names), cases[_i].want);
    buf_fini(&r.names);
}
END_TEST

START_TEST(an_item_without_categories_has_none)
{
    ck_assert(categories_each((struct text){NULL, 0}, add_name, NULL));
}
END_TEST

SUITE("server/fields/categories", NULL, NULL, {names_come_in_order_until_the_caller_stops, N_CASES},
      {an_item_without_categories_has_none})
