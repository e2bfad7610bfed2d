/* suite - runs the tests of a program, and what its exit status is.
 * Layer: tests/support
 * Threads: confined.
 * Memory: the suite is freed. */
#ifndef TESTS_SUPPORT_SUITE_H
#define TESTS_SUPPORT_SUITE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* As talkative as CK_VERBOSITY says. EXIT_FAILURE where a test failed. */
static inline int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Adds a test that must abort, where each has a process of its own: under a sanitizer all are in one. The
 * caller includes signal.h. */
#define suite_add_aborting(tcase, test)                                                                      \
    do {                                                                                                     \
        const char *forks = getenv("CK_FORK");                                                               \
        if (!forks || strcmp(forks, "no") != 0)                                                              \
            tcase_add_test_raise_signal(tcase, test, SIGABRT);                                               \
    } while (0)

#endif
