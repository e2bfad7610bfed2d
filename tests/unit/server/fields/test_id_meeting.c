/* Which ids have one form, how two of them differ, and what is said of two sides. Risk: ids that are
 * strangers taken for one. */
#include "base/mem.h"
#include "server/fields/id_form.h"
#include "server/fields/id_meeting.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *id, *form;
} forms[] = {
    {"1.0", "1"},
    {"12.000", "12"},
    {"1.05", "1.5"},
    {"1.", "1."},
    {".0", ".0"},
    {"v1.0", "v1.0"},
    {"001", "1"},
    {"0", "0"},
    {"000", "0"},
    {"SKU-010", "sku-10"},
    {"a0b00", "a0b0"},
    {" x y ", "xy"},
    {"\xc2\xa0x\xe2\x80\x8b", "x"},
    {"\xc3\x84", "\xc3\x84"},
    {" ", ""},
};

START_TEST(test_id_form_loses_what_programs_add_and_nothing_else)
{
    struct buf out;
    buf_init(&out, 256);
    id_form(text_of(forms[_i].id), ID_FORM_ALL, &out);
    ck_assert_msg(out.len == strlen(forms[_i].form) &&
                      (!out.len || memcmp(out.data, forms[_i].form, out.len) == 0),
                  "'%s': '%.*s'", forms[_i].id, (int)out.len, out.data ? out.data : "");
    buf_fini(&out);
}
END_TEST

static struct id_meeting m;

/* Holds the first side and meets the second, each ended by NULL. */
static const char *say(const char *const *held, const char *const *others)
{
    static struct err said;
    struct err e = {0};
    bool more;
    said = (struct err){0};
    id_meeting_init(&m);
    for (; *held; held++)
        ck_assert_int_eq(id_meeting_hold(&m, text_of(*held), &more, &e), ERR_OK);
    for (; *others; others++)
        ck_assert_int_eq(id_meeting_meet(&m, text_of(*others), &e), ERR_OK);
    id_meeting_say(&m, "items", "A", "B", &said);
    id_meeting_fini(&m);
    return said.text;
}

#define SIDE(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(test_id_meeting_counts_what_is_apart_on_either_side)
{
    ck_assert_str_eq(say(SIDE("a", "b"), SIDE("b", "a", "c")), "");
    ck_assert_str_eq(
        say(SIDE("A1", "a1", "b"), SIDE("a1", "b")),
        "ids of items that differ by letter case alone and are taken for others: 1, as 'A1' in A and 'a1' "
        "in B; the same in both: 2; write them one way");
    ck_assert_str_eq(
        say(SIDE("a1", "b"), SIDE("a1", "A1", "A1 ", "b")),
        "ids of items that differ by letter case alone and are taken for others: 2, as 'a1' in A and 'A1' "
        "in B; the same in both: 2; write them one way");
    ck_assert_str_eq(say(SIDE(" ", "\xc2\xa0"), SIDE("x")), "");
    ck_assert_str_eq(say((const char *const[]){NULL}, SIDE("x")), "");
    ck_assert_str_eq(say(SIDE("x"), (const char *const[]){NULL}), "");
}
END_TEST

START_TEST(test_id_meeting_holds_so_many_and_no_more)
{
    struct err e = {0};
    bool more = true;
    size_t n = 0;
    id_meeting_init(&m);
    while (more) {
        char id[16];
        ck_assert_uint_le(n, ID_MEETING_MOST);
        (void)snprintf(id, sizeof id, "x%zu", n++);
        ck_assert_int_eq(id_meeting_hold(&m, text_of(id), &more, &e), ERR_OK);
    }
    ck_assert_uint_eq(m.ids.n, ID_MEETING_MOST);
    id_meeting_fini(&m);
}
END_TEST

static enum err_code hold_and_meet(void)
{
    struct err e = {0};
    bool more;
    enum err_code code = ERR_OK;
    id_meeting_init(&m);
    for (int i = 0; i < 300 && !code; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "X%03d", i);
        code = id_meeting_hold(&m, text_of(id), &more, &e);
    }
    for (int i = 0; i < 300 && !code; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%c%d", i % 2 ? 'x' : 'y', i);
        code = id_meeting_meet(&m, text_of(id), &e);
    }
    struct err said = {0};
    if (!code) {
        id_meeting_say(&m, "items", "A", "B", &said);
        ck_assert_ptr_nonnull(strstr(said.text, "others: 150,"));
    }
    id_meeting_fini(&m);
    return code;
}

START_TEST(test_id_meeting_without_memory_is_an_error_at_every_allocation)
{
    bool done = false;
    for (long at = 1; !done; at++) {
        ck_assert_int_lt(at, 1000);
        mem_fail_at(at, 0);
        enum err_code code = hold_and_meet();
        ck_assert(code == ERR_OK || code == ERR_NOMEM);
        done = code == ERR_OK && mem_count() < at;
    }
    mem_fail_at(0, 0);
}
END_TEST

SUITE("server id_meeting", NULL, NULL,
      {test_id_form_loses_what_programs_add_and_nothing_else, sizeof forms / sizeof *forms},
      {test_id_meeting_counts_what_is_apart_on_either_side}, {test_id_meeting_holds_so_many_and_no_more},
      {test_id_meeting_without_memory_is_an_error_at_every_allocation})
