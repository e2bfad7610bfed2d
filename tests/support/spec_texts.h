/* spec_texts - descriptions of models as texts: read, written again, and refused when one thing is changed.
 * Layer: tests/support
 * Threads: any.
 * Memory: what is read is the caller's, who calls model_spec_fini. */
#ifndef TESTS_SUPPORT_SPEC_TEXTS_H
#define TESTS_SUPPORT_SPEC_TEXTS_H

#include "engine/format/model_json.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static inline void must_decode(const char *text, struct model_spec *spec)
{
    struct err e = {0};
    memset(spec, 0, sizeof *spec);
    ck_assert_msg(model_json_decode(text, spec, &e) == ERR_OK, "%s", e.text);
}

/* Writes a description, reads it into again and writes that: both texts are the same. */
static inline void check_round_trip(const struct model_spec *s, struct model_spec *again)
{
    struct buf first, second;
    struct err e = {0};
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    ck_assert_msg(model_json_encode(s, &first, &e) == ERR_OK, "%s", e.text);
    must_decode(buf_text(&first), again);
    ck_assert_int_eq(model_json_encode(again, &second, NULL), ERR_OK);
    ck_assert_str_eq(buf_text(&first), buf_text(&second));
    buf_fini(&first);
    buf_fini(&second);
}

/* One replacement in a description, and the refusal it must lead to. */
struct refusal {
    const char *from, *to, *reason;
};

static inline void check_refused(const char *whole, const struct refusal *r)
{
    char text[4096];
    const char *at = strstr(whole, r->from);
    struct model_spec s = {0}, zero = {0};
    struct err e = {0};
    ck_assert_ptr_nonnull(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, r->to, at + strlen(r->from));
    enum err_code code = model_json_decode(text, &s, &e);
    ck_assert_msg(code == ERR_INVALID, "%s: accepted, expected: %s", r->to, r->reason);
    ck_assert_msg(strstr(e.text, r->reason) != NULL, "%s: '%s' does not say '%s'", r->to, e.text, r->reason);
    ck_assert_mem_eq(&s, &zero, sizeof s);
}

#endif
