/* tests/support/patience.c: the limit of every C test. Risk: a busy machine, on which check's own four
 * seconds end tests that are right, in the image's build or by hand, where tests/run sets nothing. */
#include "tests/support/suite.h"

#include <stdlib.h>

START_TEST(test_a_test_has_ten_minutes_or_no_limit)
{
    const char *limit = getenv("CK_DEFAULT_TIMEOUT");
    ck_assert_ptr_nonnull(limit);
    double limit_s = strtod(limit, NULL);
    ck_assert(limit_s == 0 || limit_s >= 600);
}
END_TEST

SUITE("support/patience", NULL, NULL, {test_a_test_has_ten_minutes_or_no_limit})
