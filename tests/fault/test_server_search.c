/* A search whose memory ends at any moment: each failed allocation is ERR_NOMEM with a text, nothing leaks
 * (AddressSanitizer looks) and what was begun can be freed. */
#include "server/search/search_measure.h"
#include "server/search/search_run.h"

#include "base/mem.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <unistd.h>

enum { ROWS = 60 };

static char path[64];

static void set_up(void)
{
    (void)snprintf(path, sizeof path, "/tmp/hypernet-search-%ld.csv", (long)getpid());
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    (void)fputs("a,b,y\n", f);
    for (int i = 0; i < ROWS; i++)
        (void)fprintf(f, "%d,%d,%s\n", i % 7, i % 5, i % 3 ? "no" : "yes");
    (void)fclose(f);
}

static void tear_down(void)
{
    (void)unlink(path);
}

static enum err_code search_once(struct err *e)
{
    const struct search_source source = {.rows = path, .columns = {.target = "y"}};
    const struct search_options o = {.seed = 1,
                                     .budget_us = 1e9,
                                     .n_candidates = 2,
                                     .n_finalists = 1,
                                     .n_reported = 3,
                                     .n_generator_steps = 1,
                                     .n_steps = 1};
    struct search_data data = {0};
    struct candidate kept = {0}, tried = {0};
    struct search_result result = {0};
    enum err_code code = search_data_read(&source, 1, &data, e);
    if (!code)
        code = search_run(&data, &o, &kept, &tried, &result, e);
    search_result_fini(&result);
    candidate_fini(&kept);
    candidate_fini(&tried);
    search_data_fini(&data);
    return code;
}

START_TEST(memory_that_ends_at_any_moment_ends_the_search_and_nothing_else)
{
    long n = 1;
    for (enum err_code code = ERR_NOMEM; code; n++) {
        struct err e = {0};
        mem_fail_at(n, 0);
        code = search_once(&e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || (code == ERR_NOMEM && e.text[0]), "%ld: %d, %s", n, code, e.text);
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

SUITE("fault: search", set_up, tear_down, {memory_that_ends_at_any_moment_ends_the_search_and_nothing_else})
