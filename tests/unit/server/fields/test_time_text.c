/* Times as databases, data frames and browsers write them; what could be two days is refused by naming it. */
#include "server/fields/field.h"
#include "server/fields/time_text.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

enum { TEN = 1767175200, NOW = 1767300000 }; /* 2025-12-31 10:00:00 UTC */

static const char *const tens[] = {
    "2025-12-31 10:00:00 UTC",                                        /* BigQuery */
    "2025-12-31 10:00:00.123456 UTC",                                 /* the same, with a fraction */
    "2025-12-31 10:00:00+00",                                         /* Postgres */
    "2025-12-31 10:00:00.25+00",                                      /* the same, with a fraction */
    "2025-12-31 05:30:00-04:30",                                      /* and another zone */
    "2025-12-31 10:19:32+00:19:32",                                   /* and a zone of old */
    "2025-12-31 10:00:00.000000",                                     /* MySQL */
    "2025-12-31 10:00:00+00:00",                                      /* pandas */
    "2025-12-31 10:00:00.123456789+00:00",                            /* the same, with nanoseconds */
    "2025-12-31T10:00:00.000Z",                                       /* JavaScript, toISOString */
    "Wed Dec 31 2025 10:00:00 GMT+0000 (Coordinated Universal Time)", /* toString */
    "Wed Dec 31 2025 11:00:00 GMT+0100 (Central European Standard Time)",
    "Wed, 31 Dec 2025 10:00:00 GMT", /* toUTCString, HTTP, mail */
    "Wed, 31 Dec 2025 11:00:00 +0100",
    "31 Dec 2025 10:00:00",
    "31-Dec-2025 10:00:00",
    "Dec 31, 2025 10:00",
    "2025-12-31 10:00:00 GMT",
    "2025-12-31 10:00:00 +0000",
    "2025-12-31 10:00:00 +0000 UTC", /* Go, Ruby */
    "2025-12-31 10:00:00 +00:00",
    "2025-12-31 10:00:00Z",
    "2025-12-31 10:00:00 Z",
    "2025-12-31t10:00:00z",
    "2025-12-31T10:00:00,5Z",
    "2025-12-31T11:00:00+01:00[Europe/Paris]", /* Java */
    "2025-12-31T10:00Z",
    "20251231T100000Z",
    "20251231T1000",
    "2025/12/31 10:00:00",
    "  2025-12-31  10:00:00  ",
    "2025-12-31 10:00:00 utc",
};

START_TEST(test_times_are_taken_as_programs_write_them)
{
    int64_t seconds = -1;
    enum field_time_form form;
    struct err e = {0};
    ck_assert_msg(time_text_seconds(text_of(tens[_i]), &seconds) && seconds == TEN, "%s: %lld", tens[_i],
                  (long long)seconds);
    ck_assert_msg(!field_time_of_text(text_of(tens[_i]), NOW, &seconds, &form, &e), "%s", e.text);
    ck_assert_int_eq(seconds, TEN);
    ck_assert_int_eq(form, FIELD_TIME_ISO);
}
END_TEST

static const struct {
    const char *text, *why; /* "": refused without one */
} refused[] = {
    {"01/02/2025", "whether the day or the month comes first"},
    {"1/2/2025 10:00", "whether the day or the month comes first"},
    {"31.12.2025", "whether the day or the month comes first"},
    {"31-12-2025 10:00:00", "whether the day or the month comes first"},
    {"12/31/25", "whether the day or the month comes first"},
    {"0000-00-00 00:00:00", "leave it empty"},
    {"1969-12-31 10:00:00 UTC", "before 1970"},
    {"2025-12-31 10:00:00 PM", "AM and PM"},
    {"2025-12-31 10:00:00PM", "AM and PM"},
    {"2025-12-31 10:00:00 CET", "as +01:00"},
    {"2025-12-31 10:00:00 Europe/Paris", "as +01:00"},
    {"2025-12-31 10:00:00 UTC+1:30", "as +01:00"},
    {"2025-12-31 25:00:00", ""},
    {"2025-12-31 10:00:00 +0100 UTC", ""},
    {"2025-02-30 10:00:00", ""},
    {"2025-12-31 10:00:00 (noon)", ""},
    {"2025-12/31", ""},
    {"2025-12-31 1000", ""},
    {"20251231T", ""},
    {"Wed, 31 Dec", ""},
    {"Wed 31 Foo 2025", ""},
    {"31Dec2025", ""},
    {"2025", ""},
    {"T", ""},
    {" ", ""},
};

START_TEST(test_times_that_are_no_day_or_two_days_are_refused_and_named)
{
    int64_t seconds = 7;
    enum field_time_form form;
    struct err e = {0};
    struct text text = text_of(refused[_i].text);
    ck_assert_msg(!time_text_seconds(text, &seconds) && seconds == 7, "%s", refused[_i].text);
    const char *why = time_text_fault(text);
    ck_assert_msg(*refused[_i].why ? why && strstr(why, refused[_i].why) : !why, "%s: %s", refused[_i].text,
                  why ? why : "nothing");
    if (!why)
        return;
    ck_assert_int_eq(field_time_of_text(text, NOW, &seconds, &form, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, why));
}
END_TEST

/* Texts end where they end: nothing is read beyond, whatever stands there. */
START_TEST(test_times_cut_anywhere_are_read_to_their_end_only)
{
    for (size_t n = 0; n <= strlen(tens[_i]); n++) {
        char *cut = malloc(n ? n : 1); /* of this size, so that AddressSanitizer sees a read beyond */
        int64_t seconds;
        ck_assert_ptr_nonnull(cut);
        memcpy(cut, tens[_i], n);
        (void)time_text_seconds((struct text){cut, n}, &seconds);
        (void)time_text_fault((struct text){cut, n});
        free(cut);
    }
}
END_TEST

SUITE("server time_text", NULL, NULL,
      {test_times_are_taken_as_programs_write_them, sizeof tens / sizeof *tens},
      {test_times_that_are_no_day_or_two_days_are_refused_and_named, sizeof refused / sizeof *refused},
      {test_times_cut_anywhere_are_read_to_their_end_only, sizeof tens / sizeof *tens})
