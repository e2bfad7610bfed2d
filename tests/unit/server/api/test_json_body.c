/* server/api/json_body.c: bodies; risks: a value of the wrong type that passes, a pointer that does not lead
 * to it, a number that is finite as double and infinite as float, bytes read past the end. */
#include "base/limits.h"
#include "server/api/json_body.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct request *r;
static json_t *root;

static void setup(void)
{
    r = request_new("/", 100);
    ck_assert_ptr_nonnull(r);
    root = NULL;
}

static void teardown(void)
{
    json_decref(root);
    request_free(r);
}

static json_t *body(const char *text)
{
    json_decref(root);
    root = json_body_parse(r, text, strlen(text), 0);
    ck_assert_msg(root != NULL, "%s", buf_text(&r->answer));
    return root;
}

static void assert_refused(int status, const char *pointer)
{
    ck_assert_int_eq(r->status, status);
    json_t *document = json_loadb(r->answer.data, r->answer.len, 0, NULL);
    ck_assert_ptr_nonnull(document);
    const char *got = json_string_value(json_object_get(document, "pointer"));
    if (pointer)
        ck_assert_str_eq(got, pointer);
    json_decref(document);
    r->status = 0;
}

/* ---- parsing ---- */

static const struct {
    const char *text;
    size_t n; /* 0: the whole text */
    int line_offset, line, column, status;
} broken[] = {
    {"", 0, 0, 1, 1, 400},
    {"{\"a\":1", 0, 0, 1, 6, 400},
    {"{\n\"a\": x}", 0, 0, 2, 6, 400},
    {"[1,]", 0, 7, 8, 4, 400},
    {"{\"a\":1}", 6, 0, 1, 6, 400},
    {"{} {}", 0, 0, 1, 4, 400},
    {"{\"a\":1,\"a\":2}", 0, 0, 1, 10, 400},
    {"\"\xFF\"", 0, 0, 1, 1, 400},
    {"\"\\u0000\"", 0, 0, 1, 8, 400},
};

START_TEST(test_json_in_says_where_a_text_breaks)
{
    size_t n = broken[_i].n ? broken[_i].n : strlen(broken[_i].text);
    char *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read past it */
    memcpy(exact, broken[_i].text, n);
    ck_assert_ptr_null(json_body_parse(r, exact, n, broken[_i].line_offset));
    free(exact);
    ck_assert_int_eq(r->status, broken[_i].status);
    json_t *document = json_loadb(r->answer.data, r->answer.len, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(document, "line")), broken[_i].line);
    ck_assert_int_eq(json_integer_value(json_object_get(document, "column")), broken[_i].column);
    json_decref(document);
}
END_TEST

START_TEST(test_json_in_nests_up_to_its_limit)
{
    char text[2 * LIMIT_JSON_DEPTH + 4];
    memset(text, '[', sizeof text);
    memset(text + LIMIT_JSON_DEPTH, ']', LIMIT_JSON_DEPTH);
    text[2 * LIMIT_JSON_DEPTH] = '\0';
    (void)body(text);
    memset(text, '[', LIMIT_JSON_DEPTH + 1);
    memset(text + LIMIT_JSON_DEPTH + 1, ']', LIMIT_JSON_DEPTH + 1);
    ck_assert_ptr_null(json_body_parse(r, text, 2 * LIMIT_JSON_DEPTH + 2, 0));
    assert_refused(400, NULL);
    (void)body("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ \\\" [[[[[[[[[[[[[[[[[[[[[[[\"");
}
END_TEST

START_TEST(test_json_in_a_number_beyond_a_double_is_an_invalid_value)
{
    ck_assert_ptr_null(json_body_parse(r, "[1e999]", 7, 0));
    assert_refused(422, NULL);
}
END_TEST

/* ---- places ---- */

START_TEST(test_json_in_places_are_json_pointers)
{
    struct json_place at = json_place_root();
    ck_assert_str_eq(at.text, "");
    at = json_place_key(&at, "events");
    at = json_place_index(&at, 12);
    at = json_place_key(&at, "a/b~c");
    ck_assert_str_eq(at.text, "/events/12/a~1b~0c");
}
END_TEST

START_TEST(test_json_in_places_are_cut_at_characters)
{
    char key[2 * JSON_POINTER_BYTES + 2] = "x";
    for (size_t i = 1; i + 2 < sizeof key; i += 2)
        memcpy(key + i, "\xC3\xA9", 3);
    struct json_place root_place = json_place_root(), at = json_place_key(&root_place, key);
    ck_assert_uint_lt(strlen(at.text), sizeof at.text);
    json_t *text = json_string(at.text); /* NULL unless UTF-8 */
    ck_assert_ptr_nonnull(text);
    json_decref(text);
    at = json_place_key(&at, "more");
    ck_assert_uint_lt(strlen(at.text), sizeof at.text);
}
END_TEST

/* ---- getters ---- */

static const char *const keys[] = {"a", "b", NULL};

START_TEST(test_json_in_objects_have_known_members_only)
{
    struct json_place at = json_place_root();
    ck_assert(json_body_object(r, body("{}"), &at, keys));
    ck_assert(json_body_object(r, body("{\"b\":1,\"a\":2}"), &at, keys));
    ck_assert(!json_body_object(r, body("{\"a\":1,\"c/d\":2}"), &at, keys));
    assert_refused(422, "/c~1d");
    static const char *const others[] = {"[]", "null", "5", "\"a\"", "true"};
    for (size_t i = 0; i < 5; i++) {
        ck_assert(!json_body_object(r, body(others[i]), &at, keys));
        assert_refused(422, "");
    }
}
END_TEST

START_TEST(test_json_in_arrays_have_a_limit)
{
    struct json_place at = json_place_root();
    const json_t *out;
    ck_assert(json_body_array(r, body("{\"a\":[1,2]}"), "a", &at, 2, true, &out));
    ck_assert_uint_eq(json_array_size(out), 2);
    ck_assert(json_body_array(r, root, "b", &at, 2, false, &out));
    ck_assert_ptr_null(out);
    ck_assert(!json_body_array(r, root, "b", &at, 2, true, &out));
    assert_refused(422, "/b");
    ck_assert(!json_body_array(r, root, "a", &at, 1, true, &out));
    assert_refused(422, "/a");
    ck_assert(!json_body_array(r, body("{\"a\":null}"), "a", &at, 1, false, &out));
    assert_refused(422, "/a");
}
END_TEST

START_TEST(test_json_in_ids_are_short_strings)
{
    struct json_place at = json_place_root();
    struct text id;
    char text[LIMIT_ID_BYTES + 16];
    ck_assert(json_body_id(r, body("{\"a\":\"\xC3\xA9\"}"), "a", "task", &at, &id));
    ck_assert_uint_eq(id.len, 2);
    static const char *const wrong[] = {"{}", "{\"a\":5}", "{\"a\":\"\"}", "{\"a\":null}", "{\"a\":[\"x\"]}"};
    for (size_t i = 0; i < 5; i++) {
        ck_assert(!json_body_id(r, body(wrong[i]), "a", "task", &at, &id));
        assert_refused(422, "/a");
    }
    for (int longer = 0; longer < 2; longer++) {
        size_t n = LIMIT_ID_BYTES + (size_t)longer;
        memcpy(text, "{\"a\":\"", 6);
        memset(text + 6, 'x', n);
        memcpy(text + 6 + n, "\"}", 3);
        ck_assert_int_eq(json_body_id(r, body(text), "a", "task", &at, &id), !longer);
    }
    assert_refused(422, "/a");
}
END_TEST

START_TEST(test_json_in_of_a_number_as_an_id_it_is_said_how_it_is_written)
{
    static const char *const cases[][2] = {
        {"{\"a\":42}", "write \\\"42\\\", with the quotes"},
        {"{\"a\":-9007199254740993}", "write \\\"-9007199254740993\\\", with the quotes"},
        {"{\"a\":42.0}", "write \\\"42\\\", with the quotes, if that is the id"},
        {"{\"a\":0.5}", "write the id in quotes"},
        {"{\"a\":1e300}", "write the id in quotes"}};
    struct json_place at = json_place_root();
    struct text id;
    ck_assert(!json_body_id(r, body(cases[_i][0]), "a", "task", &at, &id));
    ck_assert_msg(strstr(buf_text(&r->answer), cases[_i][1]) != NULL, "%s", buf_text(&r->answer));
    assert_refused(422, "/a");
}
END_TEST

/* A member, whether it passes, and its value. */
static const struct {
    const char *text, *key;
    bool ok;
    double value;
} members[] = {
    {"{\"weight\":1}", "weight", true, 1},
    {"{\"weight\":1e-6}", "weight", true, 1e-6},
    {"{\"weight\":0}", "weight", false, 0},
    {"{\"weight\":-1}", "weight", false, 0},
    {"{\"weight\":1e-30}", "weight", false, 0},
    {"{\"weight\":1000001}", "weight", false, 0},
    {"{\"weight\":\"1\"}", "weight", false, 0},
    {"{\"weight\":null}", "weight", false, 0},
    {"{\"weight\":9223372036854775807}", "weight", false, 0},
    {"{\"rating\":-1}", "rating", true, -1},
    {"{\"rating\":1e-320}", "rating", true, 0},
    {"{\"rating\":-3.5e38}", "rating", false, 0},
    {"{\"rating\":true}", "rating", false, 0},
    {"{\"timestamp\":0}", "timestamp", true, 0},
    {"{\"timestamp\":1700000000.5}", "timestamp", true, 1700000000},
    {"{\"timestamp\":1700000000000}", "timestamp", true, 1700000000},
    {"{\"timestamp\":\"2023-11-14T22:13:20Z\"}", "timestamp", true, 1700000000},
    {"{\"timestamp\":\"2023-11-14 22:13:20.5 UTC\"}", "timestamp", true, 1700000000},
    {"{\"timestamp\":\"Tue, 14 Nov 2023 22:13:20 GMT\"}", "timestamp", true, 1700000000},
    {"{\"timestamp\":\"01/02/2025\"}", "timestamp", false, 0},
    {"{\"timestamp\":\"1700000000\"}", "timestamp", false, 0},
    {"{\"timestamp\":\"soon\"}", "timestamp", false, 0},
    {"{\"timestamp\":-1}", "timestamp", false, 0},
    {"{\"timestamp\":9223372036854775807}", "timestamp", false, 0},
    {"{\"timestamp\":\"2200-01-01\"}", "timestamp", false, 0},
    {"{\"timestamp\":null}", "timestamp", false, 0},
};

static bool read_member(const json_t *object, const char *key, double *x)
{
    struct json_place at = json_place_root();
    int64_t time = (int64_t)*x;
    if (strcmp(key, "weight") == 0)
        return json_body_weight(r, object, &at, x);
    if (strcmp(key, "rating") == 0)
        return json_body_rating(r, object, &at, x);
    bool given, read = json_body_timestamp(r, object, &at, 1790000000, &time, &given);
    *x = (double)time;
    return read && given;
}

START_TEST(test_json_in_members_of_an_interaction_pass_by_the_rules_of_fields)
{
    double x = -7;
    char pointer[32];
    ck_assert_int_eq(read_member(body(members[_i].text), members[_i].key, &x), members[_i].ok);
    ck_assert_double_eq(x, members[_i].ok ? members[_i].value : -7);
    (void)snprintf(pointer, sizeof pointer, "/%s", members[_i].key);
    if (!members[_i].ok)
        assert_refused(422, pointer);
}
END_TEST

START_TEST(test_json_in_absent_numbers_keep_their_default)
{
    struct json_place at = json_place_root();
    double x = 5;
    int64_t n = 6;
    bool given = true;
    ck_assert(json_body_weight(r, body("{}"), &at, &x) && json_body_rating(r, root, &at, &x) && x == 5);
    ck_assert(json_body_timestamp(r, root, &at, 0, &n, &given) && n == 6 && !given);
}
END_TEST

START_TEST(test_json_in_floats_round_as_floats)
{
    struct json_place at = json_place_root();
    float x = 0;
    ck_assert(json_body_float(r, body("0.1"), &at, &x) && x == 0.1f);
    ck_assert(json_body_float(r, body("1e-60"), &at, &x) && x == 0);
    ck_assert(!json_body_float(r, body("1000001"), &at, &x));
    assert_refused(422, "");
    ck_assert(!json_body_float(r, body("\"1\""), &at, &x));
    assert_refused(422, "");
    ck_assert(!json_body_float(r, NULL, &at, &x));
    assert_refused(422, "");
}
END_TEST

SUITE("server/json_in", setup, teardown,
      {test_json_in_says_where_a_text_breaks, sizeof broken / sizeof *broken},
      {test_json_in_nests_up_to_its_limit}, {test_json_in_a_number_beyond_a_double_is_an_invalid_value},
      {test_json_in_places_are_json_pointers}, {test_json_in_places_are_cut_at_characters},
      {test_json_in_objects_have_known_members_only}, {test_json_in_arrays_have_a_limit},
      {test_json_in_ids_are_short_strings},
      {test_json_in_of_a_number_as_an_id_it_is_said_how_it_is_written, 5},
      {test_json_in_members_of_an_interaction_pass_by_the_rules_of_fields, sizeof members / sizeof *members},
      {test_json_in_absent_numbers_keep_their_default}, {test_json_in_floats_round_as_floats})
