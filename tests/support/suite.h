/* suite - the tests of a program, run, and what its exit status is.
 * Layer: tests/support
 * Threads: confined.
 * Memory: the suite is freed. */
#ifndef TESTS_SUPPORT_SUITE_H
#define TESTS_SUPPORT_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* of the rows of a suite */

/* A test, once for each _i of [from, to); to 0: once. One that must end by a signal is left out where tests
 * have no process of their own: under a sanitizer all are in one. */
struct suite_test {
    const TTest *test;
    int to, from;
    int signal;
};

/* As talkative as CK_VERBOSITY says. EXIT_FAILURE where a test failed. */
static inline int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A case of n tests, each between start and stop; NULL: nothing is to be done. */
static inline TCase *suite_case(const char *name, void (*start)(void), void (*stop)(void),
                                const struct suite_test *tests, size_t n)
{
    const char *forks = getenv("CK_FORK");
    bool apart = !forks || strcmp(forks, "no") != 0;
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, start, stop);
    for (size_t i = 0; i < n; i++) {
        const struct suite_test *t = &tests[i];
        if (apart || !t->signal)
            tcase_add_loop_test_raise_signal(tc, t->test, t->signal, t->from, t->to ? t->to : 1);
    }
    return tc;
}

#define SUITE_CASE(name, start, stop, ...)                                                                   \
    suite_case(name, start, stop, (const struct suite_test[]){__VA_ARGS__},                                  \
               sizeof((const struct suite_test[]){__VA_ARGS__}) / sizeof(struct suite_test))

/* Adds a test that must abort to a case of its own fixture. */
#define suite_add_aborting(tcase, test)                                                                      \
    do {                                                                                                     \
        const char *forks = getenv("CK_FORK");                                                               \
        if (!forks || strcmp(forks, "no") != 0)                                                              \
            tcase_add_test_raise_signal(tcase, test, SIGABRT);                                               \
    } while (0)

/* The main of a program of these cases. */
#define SUITE_OF(name, ...)                                                                                  \
    int main(void)                                                                                           \
    {                                                                                                        \
        Suite *suite = suite_create(name);                                                                   \
        TCase *suite_cases[] = {__VA_ARGS__};                                                                \
        for (size_t i = 0; i < sizeof suite_cases / sizeof *suite_cases; i++)                                \
            suite_add_tcase(suite, suite_cases[i]);                                                          \
        return suite_run(suite);                                                                             \
    }

/* Of one case. Rows are struct suite_test: SUITE("room", start, stop, {a}, {b, 3}) */
#define SUITE(name, start, stop, ...) SUITE_OF(name, SUITE_CASE(name, start, stop, __VA_ARGS__))

#endif
