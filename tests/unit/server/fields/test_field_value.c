/* Texts of fields as numbers and times. */
#include "server/fields/field_value.h"

#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

START_TEST(test_times_are_seconds_or_iso_8601)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"1365029107", 1365029107},
        {"1365029107.9", 1365029107},
        {"1e9", 1000000000},
        {"1970-01-01", 0},
        {"2000-02-29", 951782400},
        {"2024-12-31 23:59:59", 1735689599},
        {"2024-12-31T23:59", 1735689540},
        {"2024-12-31T23:59Z", 1735689540},
        {"2024-06-01T00:00:00+02:00", 1717192800},
        {"2024-06-01T00:00:00-0130", 1717205400},
        {"2024-06-01T00:00:00+02", 1717192800},
        {"2024-06-01T00:00:00.123456Z", 1717200000},
        {"1900-02-29", -1},
        {"2023-02-29", -1},
        {"2024-13-01", -1},
        {"2024-00-01", -1},
        {"2024-01-32", -1},
        {"2024-01-01T24:00", -1},
        {"2024-01-01T", -1},
        {"2024-01-01T12:00:00.", -1},
        {"2024-01-01x", -1},
        {"2024-01-01T12:00+25", -1},
        {"1969-12-31", -1},
        {"-1", -1},
        {"1e300", -1},
        {"", -1},
        {"24-01-01", -1},
        {"2024-01-01T12:00:00ZZ", -1},
        {"2024-01-01T12:00:00+01:", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = -1;
        bool ok = field_value_time(text_of(cases[i].text), &seconds);
        ck_assert_msg(ok == (cases[i].seconds >= 0) && seconds == cases[i].seconds, "%s: %lld", cases[i].text,
                      (long long)seconds);
    }
}
END_TEST

START_TEST(test_numbers_are_decimal_and_finite)
{
    static const char *const good[] = {"0", "-1.5", "+2", ".5", "5.", "1e3", "1E-3", "123456789012345678"};
    static const double values[] = {0, -1.5, 2, .5, 5, 1e3, 1e-3, 123456789012345678.0};
    static const char *const bad[] = {"",    ".",   "-",  "e5",    "1e",  "0x1", "inf",
                                      "nan", "1,5", "1 ", "1e999", "--1", "1e+", "1.2.3"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double x = NAN;
        ck_assert_msg(field_value_number(text_of(good[i]), &x), "%s", good[i]);
        ck_assert_double_eq(x, values[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double x;
        ck_assert_msg(!field_value_number(text_of(bad[i]), &x), "%s", bad[i]);
    }
}
END_TEST

SUITE("server table_value", NULL, NULL, {test_times_are_seconds_or_iso_8601},
      {test_numbers_are_decimal_and_finite})
