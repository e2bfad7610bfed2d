/* Results of evaluate as lines of a chart, and files that are no results. */
#include "server/plot/result_charts.h"
#include "tests/support/suite.h"

static struct chart c;
static struct err e;

static void start(void)
{
    err_clear(&e);
}

static const char tasks[] =
    "{\"tasks\":2,\"all\":{},\"by_known\":{\"0\":{\"model\":{\"rows\":3,\"rmse\":9}}},"
    "\"by_count\":{\"0\":{\"model\":{\"rows\":3,\"rmse\":2,\"mae\":1},\"nothing_known\":{\"rows\":3,\"rmse\":"
    "2}},"
    "\"5\":{\"model\":{\"rows\":3,\"rmse\":0.5,\"mae\":0.25},\"nothing_known\":{\"rows\":3,\"rmse\":2}}},"
    "\"calibration\":{\"model\":[{\"expected\":0.5,\"found\":0.75,\"rows\":3},{\"expected\":7,\"found\":1}]}"
    "}";

START_TEST(test_a_result_of_tasks_is_a_line_a_system_by_the_counts_that_were_asked)
{
    ck_assert_msg(result_chart_known(text_of(tasks), NULL, &c, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(c.n_places, 2);
    ck_assert_str_eq(c.places[1], "5");
    ck_assert_uint_eq(c.n_lines, 2);
    ck_assert_str_eq(c.lines[0].name, "model");
    ck_assert_str_eq(c.lines[1].name, "nothing known");
    ck_assert_double_eq(c.lines[0].y[1], 0.5);
    ck_assert_str_eq(c.title, "rmse by what is known");
    ck_assert_str_eq(c.x_label, "known rows of the task");
}
END_TEST

START_TEST(test_a_measure_is_asked_for_by_its_name)
{
    ck_assert_int_eq(result_chart_known(text_of(tasks), "mae", &c, &e), ERR_OK);
    ck_assert_uint_eq(c.n_lines, 1);
    ck_assert_double_eq(c.lines[0].y[0], 1);
    ck_assert_int_eq(result_chart_known(text_of(tasks), "auc", &c, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "the result has no measure 'auc'");
}
END_TEST

START_TEST(test_cases_and_groups_of_recommenders_are_places)
{
    static const char cases[] =
        "{\"cases\":[{\"count\":1,\"systems\":[{\"name\":\"m\",\"metrics\":{\"ndcg@10\":{\"mean\":"
        "0.25}}}]},{\"count\":20,\"systems\":[{\"name\":\"m\",\"metrics\":{\"ndcg@10\":{\"mean\":0.5"
        "}}},{\"name\":\"iALS\",\"metrics\":{\"ndcg@10\":{\"mean\":0.125}}}]}]}";
    static const char groups[] =
        "{\"groups\":[{\"known\":[0,0],\"users\":1,\"systems\":[{\"name\":\"m\",\"metrics\":{\"hr@10\":{"
        "\"mean\":1}}}]},"
        "{\"known\":[5,9],\"users\":1,\"systems\":[]},{\"known\":[20,null],\"users\":1,\"systems\":[]}]}";
    ck_assert_int_eq(result_chart_known(text_of(cases), NULL, &c, &e), ERR_OK);
    ck_assert_str_eq(c.places[1], "20");
    ck_assert_str_eq(c.lines[1].name, "iALS");
    ck_assert_uint_eq(c.lines[1].n, 1);
    ck_assert_double_eq(c.lines[1].x[0], 1);
    ck_assert_int_eq(result_chart_known(text_of(groups), NULL, &c, &e), ERR_OK);
    ck_assert_str_eq(c.places[0], "0");
    ck_assert_str_eq(c.places[1], "5-9");
    ck_assert_str_eq(c.places[2], "20+");
}
END_TEST

START_TEST(test_calibration_is_found_and_what_is_no_share_is_not_drawn)
{
    ck_assert_int_eq(result_chart_calibration(text_of(tasks), &c, &e), ERR_OK);
    ck_assert(c.shares);
    ck_assert_uint_eq(c.lines[0].n, 1);
    ck_assert_double_eq(c.lines[0].y[0], 0.75);
}
END_TEST

START_TEST(test_what_is_no_result_is_refused)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "7",
                                      "{\"by_known\":7}",
                                      "{\"groups\":[7]}",
                                      "not JSON",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"cases\":{\"0\":7}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err_clear(&e);
        ck_assert_msg(result_chart_known(text_of(bad[i]), NULL, &c, &e) == ERR_INVALID, "%s", bad[i]);
        err_clear(&e);
        ck_assert_msg(result_chart_calibration(text_of(bad[i]), &c, &e) == ERR_INVALID, "%s", bad[i]);
    }
}
END_TEST

START_TEST(test_more_lines_and_places_than_a_chart_has_are_left_out)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"by_known\":{");
    for (int i = 0; i < 100; i++) {
        buf_addf(&b, "%s\"%d\":{", i ? "," : "", i);
        for (int k = 0; k < 20; k++)
            buf_addf(&b, "%s\"s%d\":{\"rmse\":1}", k ? "," : "", k);
        buf_addc(&b, '}');
    }
    buf_adds(&b, "}}");
    ck_assert_int_eq(result_chart_known(text_of(buf_text(&b)), NULL, &c, &e), ERR_OK);
    ck_assert_uint_eq(c.n_places, CHART_PLACES);
    ck_assert_uint_eq(c.n_lines, CHART_LINES);
    buf_fini(&b);
}
END_TEST

SUITE("server result_charts", start, NULL,
      {test_a_result_of_tasks_is_a_line_a_system_by_the_counts_that_were_asked},
      {test_a_measure_is_asked_for_by_its_name}, {test_cases_and_groups_of_recommenders_are_places},
      {test_calibration_is_found_and_what_is_no_share_is_not_drawn}, {test_what_is_no_result_is_refused},
      {test_more_lines_and_places_than_a_chart_has_are_left_out})
