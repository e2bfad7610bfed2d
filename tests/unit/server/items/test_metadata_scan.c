/* server/items/metadata_scan.c: members of a stored object, as the JSON library that wrote it reads them.
 * Risks: a text with escapes, a number that is another one than the library's, a nested value that ends too
 * early, memory. */
#include "server/items/metadata_scan.h"

#include "base/mem.h"
#include "tests/support/suite.h"

#include <jansson.h>
#include <string.h>

static struct metadata_scan scan;

static void start(void)
{
    metadata_scan_init(&scan);
}

static void stop(void)
{
    metadata_scan_fini(&scan);
}

static bool is_text(const json_t *value, struct text text)
{
    return json_is_string(value) && json_string_length(value) == text.len &&
           memcmp(json_string_value(value), text.data, text.len) == 0;
}

static bool is_list(const json_t *value)
{
    bool texts = json_is_array(value);
    for (size_t i = 0; texts && i < json_array_size(value); i++)
        texts = json_is_string(json_array_get(value, i));
    return texts;
}

static void check(const json_t *value, const struct metadata_value *got)
{
    if (json_is_number(value)) {
        ck_assert_int_eq(got->type, METADATA_NUMBER);
        ck_assert_msg(got->number == json_number_value(value), "%.17g, not %.17g", got->number,
                      json_number_value(value));
    } else if (json_is_string(value)) {
        ck_assert_int_eq(got->type, METADATA_TEXT);
        ck_assert(is_text(value, got->text));
    } else if (json_is_boolean(value)) {
        ck_assert_int_eq(got->type, METADATA_BOOL);
        ck_assert_int_eq(got->number != 0, json_is_true(value));
    } else if (json_is_null(value)) {
        ck_assert_int_eq(got->type, METADATA_NONE);
    } else if (is_list(value)) {
        ck_assert_int_eq(got->type, METADATA_LIST);
        ck_assert_uint_eq(got->n_members, json_array_size(value));
        for (size_t i = 0; i < got->n_members; i++)
            ck_assert(is_text(json_array_get(value, i), got->members[i]));
    } else {
        ck_assert_int_eq(got->type, METADATA_OTHER);
    }
}

/* Takes each member out of the library's object. */
static bool take_out(void *object, struct text name, const struct metadata_value *value)
{
    const json_t *expected = json_object_getn(object, name.data, name.len);
    ck_assert_ptr_nonnull(expected);
    check(expected, value);
    ck_assert_int_eq(json_object_deln(object, name.data, name.len), 0);
    return true;
}

static const char *const objects[] = {
    "{}",
    " { } ",
    "{\"a\":1,\"b\":-2.5,\"c\":1e3,\"d\":0.1,\"e\":123456789012345678,\"f\":-0.0,\"g\":3.14159265358979312,"
    "\"h\":99999.00001}",
    "{\"a\":true,\"b\":false,\"c\":null}",
    "{\"a\":\"\",\"b\":\"plain\",\"\":\"no name\",\"\\u00fc\\n\":\"\\ud83d\\ude00 \\\"x\\\" \\\\ \\/ "
    "\\b\\f\\n\\r\\t \\u0007\"}",
    "{\"a\":[],\"b\":[\"x\"],\"c\":[\"x\",\"\\u0041]\",\"\"],\"d\":[1],\"e\":[\"x\",1,[\"]\"]],\"f\":[[\"x\"]"
    "]}",
    "{\"a\":{\"b\":[\"}\\\"\",{\"c\":\"]\"}],\"d\":2},\"z\":7}",
    "{\n\t\"a\" : 1 ,\r\"b\" : [ \"x\" , \"y\" ] , \"c\" : { \"d\" : [ ] } }",
};
enum { N_OBJECTS = sizeof objects / sizeof *objects };

START_TEST(members_are_what_the_json_library_reads)
{
    json_t *object = json_loads(objects[_i], JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(object);
    ck_assert(metadata_scan_each(&scan, text_of(objects[_i]), take_out, object));
    ck_assert_uint_eq(json_object_size(object), 0);
    json_decref(object);
}
END_TEST

static bool take_any(void *arg, struct text name, const struct metadata_value *value)
{
    (void)name;
    (void)value;
    ++*(size_t *)arg;
    return true;
}

START_TEST(an_object_that_ends_early_is_told_up_to_there)
{
    const char *whole = objects[_i];
    for (size_t n = 0; n < strlen(whole); n++) {
        char *part = mem_alloc_array(n, 1); /* no byte behind it */
        size_t told = 0;
        ck_assert_ptr_nonnull(part);
        memcpy(part, whole, n);
        (void)metadata_scan_each(&scan, (struct text){part, n}, take_any, &told);
        mem_free(part);
    }
}
END_TEST

static bool stop_at_once(void *arg, struct text name, const struct metadata_value *value)
{
    (void)take_any(arg, name, value);
    return false;
}

START_TEST(a_caller_that_stops_is_not_called_on)
{
    size_t told = 0;
    ck_assert(!metadata_scan_each(&scan, text_of(objects[2]), stop_at_once, &told));
    ck_assert_uint_eq(told, 1);
}
END_TEST

START_TEST(want_of_memory_is_told)
{
    size_t told = 0;
    mem_fail_at(1, 0);
    bool ok = metadata_scan_each(&scan, text_of(objects[_i]), take_any, &told);
    mem_fail_at(0, 0);
    ck_assert(!ok);
    ck_assert(metadata_scan_each(&scan, text_of(objects[_i]), take_any, &told));
}
END_TEST

SUITE("server/items/metadata_scan", start, stop, {members_are_what_the_json_library_reads, N_OBJECTS},
      {an_object_that_ends_early_is_told_up_to_there, N_OBJECTS}, {a_caller_that_stops_is_not_called_on},
      {want_of_memory_is_told, 6, 4})
