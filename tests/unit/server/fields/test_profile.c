/* server/fields/profile.c: which pairs a profile gives; risks: numbers that change their text, nesting, input
 * that is no object. */
#include "server/fields/profile.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    char pairs[512]; /* field=value; ... */
    int most;        /* stops after so many; 0: never */
    int n;
};

static bool take(void *arg, const char *field, const char *value)
{
    struct seen *s = arg;
    size_t at = strlen(s->pairs);
    (void)snprintf(s->pairs + at, sizeof s->pairs - at, "%s=%s;", field, value);
    return ++s->n != s->most;
}

static const struct {
    const char *json, *pairs;
} cases[] = {
    {"", ""},
    {"{}", ""},
    {"{\"city\":\"Bonn\",\"age\":25}", "city=Bonn;age=25;"},
    {"{\"b\":1,\"a\":2}", "b=1;a=2;"}, /* in the order of the text */
    {"{\"x\":0.1,\"y\":1e21,\"z\":-3}", "x=0.1;y=1e+21;z=-3;"},
    {"{\"x\":20,\"y\":20.0,\"z\":\"20.0\",\"u\":\"2e1\",\"v\":\"20.50\"}",
     "x=20;y=20;z=20;u=20;v=20.5;"}, /* one value */
    {"{\"x\":\"True\",\"y\":\"FALSE\",\"z\":\"true\"}", "x=true;y=false;z=true;"},
    {"{\"x\":9007199254740993}", "x=9007199254740993;"}, /* an integer keeps all its digits */
    {"{\"t\":true,\"f\":false,\"n\":null,\"o\":{\"a\":1}}", "t=true;f=false;"},
    {"{\"likes\":[\"a\",2,null,[\"deep\"],\"b\"]}", "likes=a;likes=2;likes=b;"},
    {"{\"e\":\"\",\"l\":[]}", "e=;"},
    {"{\"stra\\u00dfe\":\"\\u00fc\"}", "stra\xc3\x9f"
                                       "e=\xc3\xbc;"},
};

START_TEST(test_profile_gives_the_pairs_of_the_text)
{
    struct seen s = {0};
    struct err e = {0};
    ck_assert_int_eq(profile_each(cases[_i].json, strlen(cases[_i].json), take, &s, &e), ERR_OK);
    ck_assert_str_eq(s.pairs, cases[_i].pairs);
}
END_TEST

static const char *const refused[] = {"[1]", "\"text\"", "5", "null", "{", "{\"a\":1} x", "{\"a\":\"\xff\"}"};

static bool take_given(void *arg, const char *field, const char *value)
{
    return take(arg, field, value ? value : "(none)");
}

START_TEST(test_profile_given_tells_of_nested_values_too)
{
    static const char json[] = "{\"a\":{\"x\":1},\"b\":null,\"c\":[1,[2]]}";
    struct seen s = {0};
    struct err e = {0};
    ck_assert_int_eq(profile_each_given(json, strlen(json), take_given, &s, &e), ERR_OK);
    ck_assert_str_eq(s.pairs, "a=(none);c=1;c=(none);");
}
END_TEST

START_TEST(test_profile_refuses_what_is_no_object)
{
    struct seen s = {0};
    struct err e = {0};
    ck_assert_int_eq(profile_each(refused[_i], strlen(refused[_i]), take, &s, &e), ERR_INVALID);
    ck_assert_int_eq(s.n, 0);
    ck_assert_ptr_nonnull(strstr(e.text, "JSON object"));
}
END_TEST

START_TEST(test_profile_reads_no_byte_past_its_length)
{
    struct seen s = {0};
    struct err e = {0};
    ck_assert_int_eq(profile_each("{\"a\":1}garbage", 7, take, &s, &e), ERR_OK);
    ck_assert_str_eq(s.pairs, "a=1;");
}
END_TEST

START_TEST(test_profile_stops_when_told)
{
    static const char *const json[] = {"{\"a\":1,\"b\":2}", "{\"a\":[1,2,3],\"b\":2}"};
    struct seen s = {.most = 1};
    struct err e = {0};
    ck_assert_int_eq(profile_each(json[_i], strlen(json[_i]), take, &s, &e), ERR_OK);
    ck_assert_str_eq(s.pairs, "a=1;");
}
END_TEST

START_TEST(test_profile_numbers_read_back_the_same)
{
    static const double numbers[] = {0.1, 1.0 / 3, 1e-300, 123456789.123456789, 5e-324};
    char json[64];
    struct seen s = {0};
    struct err e = {0};
    (void)snprintf(json, sizeof json, "{\"x\":%.17g}", numbers[_i]);
    ck_assert_int_eq(profile_each(json, strlen(json), take, &s, &e), ERR_OK);
    ck_assert(strtod(s.pairs + 2, NULL) == numbers[_i]);
}
END_TEST

static const struct {
    const char *json, *field, *value, *left;
} removals[] = {
    {"{\"a\":\"x\",\"b\":\"y\"}", "a", "x", "{\"b\":\"y\"}"},
    {"{\"a\":\"x\",\"b\":\"x\"}", "b", "x", "{\"a\":\"x\"}"},
    {"{\"a\":\"x\"}", "a", "y", "{\"a\":\"x\"}"},
    {"{\"a\":\"x\"}", "b", "x", "{\"a\":\"x\"}"},
    {"{\"a\":25,\"b\":0.5,\"c\":true}", "a", "25", "{\"b\":0.5,\"c\":true}"},
    {"{\"a\":25,\"b\":0.5,\"c\":true}", "b", "0.5", "{\"a\":25,\"c\":true}"},
    {"{\"a\":25,\"b\":0.5,\"c\":true}", "c", "true", "{\"a\":25,\"b\":0.5}"},
    {"{\"a\":[\"x\",\"y\",\"x\",null]}", "a", "x", "{\"a\":[\"y\",null]}"}, /* each time it stands there */
    {"{\"a\":[\"x\"]}", "a", "x", "{\"a\":[]}"},
    {"{\"a\":\"True\",\"b\":\"20.0\"}", "a", "true", "{\"b\":\"20.0\"}"},
    {"{\"a\":null}", "a", "null", "{\"a\":null}"}, /* it gave no pair */
};

START_TEST(test_profile_without_a_pair_keeps_the_others)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 1000);
    ck_assert_int_eq(profile_without(removals[_i].json, strlen(removals[_i].json), removals[_i].field,
                                     removals[_i].value, &out, &e),
                     ERR_OK);
    ck_assert_str_eq(buf_text(&out), removals[_i].left);
    buf_fini(&out);
}
END_TEST

START_TEST(test_profile_without_refuses_what_is_no_object_or_too_long)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 5);
    ck_assert_int_eq(profile_without("[1]", 3, "a", "1", &out, &e), ERR_INVALID);
    err_clear(&e);
    ck_assert_int_eq(profile_without("{\"a\":\"long\"}", 12, "b", "x", &out, &e), ERR_LIMIT);
    buf_fini(&out);
}
END_TEST

SUITE("server/profile", NULL, NULL, {test_profile_gives_the_pairs_of_the_text, sizeof cases / sizeof *cases},
      {test_profile_refuses_what_is_no_object, sizeof refused / sizeof *refused},
      {test_profile_given_tells_of_nested_values_too}, {test_profile_reads_no_byte_past_its_length},
      {test_profile_stops_when_told, 2}, {test_profile_numbers_read_back_the_same, 5},
      {test_profile_without_a_pair_keeps_the_others, sizeof removals / sizeof *removals},
      {test_profile_without_refuses_what_is_no_object_or_too_long})
