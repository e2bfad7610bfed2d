/* server/fields/merge_patch.c: the examples of RFC 7396, appendix A, that concern objects; risks: nulls that
 * stay in new objects, sizes, texts that are no objects. */
#include "server/fields/merge_patch.h"

#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

static struct text text(const char *t)
{
    return (struct text){*t ? t : NULL, strlen(t)};
}

static const struct {
    const char *old, *patch, *result;
} cases[] = {
    {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"a\":null}", ""},
    {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
    {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
    {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
    {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
    {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
    {"", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    {"{\"a\":\"foo\"}", "{\"a\":{\"b\":1,\"c\":null}}", "{\"a\":{\"b\":1}}"},
    {"{\"a\":[null]}", "{\"b\":[null]}", "{\"a\":[null],\"b\":[null]}"}, /* arrays are replaced whole */
    {"{\"a\":1}", "", "{\"a\":1}"},
    {"{\"a\":9007199254740993,\"b\":0.5}", "{\"c\":1}", "{\"a\":9007199254740993,\"b\":0.5,\"c\":1}"},
};

START_TEST(test_merge_patch_does_as_rfc_7396_says)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 1024);
    enum err_code code = merge_patch(text(cases[_i].old), text(cases[_i].patch), "profile", &out, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(out.len, strlen(cases[_i].result));
    ck_assert(out.len == 0 || memcmp(out.data, cases[_i].result, out.len) == 0);
    buf_fini(&out);
}
END_TEST

START_TEST(test_merge_patch_refuses_what_would_be_too_large)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 16);
    ck_assert_int_eq(merge_patch(text("{\"a\":\"12345\"}"), text("{\"b\":\"12345\"}"), "profile", &out, &e),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "25 bytes; at most 16"));
    buf_fini(&out);
}
END_TEST

START_TEST(test_merge_patch_tells_a_bad_patch_from_a_bad_object)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 1024);
    ck_assert_int_eq(merge_patch(text("{}"), text("[1]"), "profile", &out, &e), ERR_INVALID);
    err_clear(&e);
    ck_assert_int_eq(merge_patch(text("{\"a\""), text("{}"), "profile", &out, &e), ERR_CORRUPT);
    buf_fini(&out);
}
END_TEST

SUITE("merge_patch", NULL, NULL, {test_merge_patch_does_as_rfc_7396_says, sizeof cases / sizeof *cases},
      {test_merge_patch_refuses_what_would_be_too_large},
      {test_merge_patch_tells_a_bad_patch_from_a_bad_object})
