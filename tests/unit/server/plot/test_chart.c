/* Charts as SVG: what is drawn where, and that nothing of a name gets out of its text. */
#include "server/plot/chart.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>

static struct buf out;

static void start(void)
{
    buf_init(&out, 1 << 20);
}

static void stop(void)
{
    buf_fini(&out);
}

/* How often a part occurs in the picture. */
static size_t times(const char *part)
{
    size_t n = 0;
    for (const char *p = buf_text(&out); (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

static struct chart two_lines(void)
{
    return (struct chart){.title = "t",
                          .x_label = "x",
                          .y_label = "y",
                          .n_places = 3,
                          .n_lines = 2,
                          .places = {"0", "1-4", "5+"},
                          .lines = {{"a", 3, {0, 1, 2}, {4, 2, 1}}, {"b", 2, {0, 2}, {4, 4}}}};
}

START_TEST(test_the_axis_has_round_numbers_about_all_values)
{
    struct chart c = two_lines();
    chart_draw(&c, &out);
    ck_assert_uint_eq(times(">0</text>"), 2); /* of the axis, and the first place */
    ck_assert_uint_eq(times(">4</text>"), 1);
    ck_assert_uint_eq(times(">4.5</text>"), 0);
    ck_assert_uint_eq(times("M150.0 44.0 L306.0 192.0 L462.0 266.0 "), 1); /* 4, 2 and 1 of 0 to 4 */
    ck_assert_uint_eq(times("M150.0 44.0 L462.0 44.0 "), 1);
    ck_assert_uint_eq(times("<circle"), 4); /* three points and the legend */
    ck_assert_uint_eq(times("<rect x="), 3);
}
END_TEST

START_TEST(test_values_that_are_all_alike_have_an_axis_too)
{
    static const double values[] = {0, 7, -3, 1e-300, 1e300};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct chart c = two_lines();
        c.n_lines = 1;
        for (size_t k = 0; k < 3; k++)
            c.lines[0].y[k] = values[i];
        buf_reset(&out);
        chart_draw(&c, &out);
        ck_assert_msg(times("nan") + times("inf") == 0, "%g: %s", values[i], buf_text(&out));
    }
}
END_TEST

START_TEST(test_a_chart_of_shares_has_the_line_where_they_are_the_same)
{
    struct chart c = {.shares = true, .n_lines = 1, .lines = {{"a", 2, {0.5, 1}, {0.5, 0.75}}}};
    chart_draw(&c, &out);
    ck_assert_uint_eq(times("stroke-dasharray"), 1);
    ck_assert_uint_eq(times("M306.0 192.0 L540.0 118.0 "), 1);
    ck_assert_uint_eq(times(">0.2</text>"), 2); /* of either axis */
}
END_TEST

START_TEST(test_names_are_escaped)
{
    struct chart c = two_lines();
    (void)snprintf(c.title, sizeof c.title, "<script>&\n");
    (void)snprintf(c.lines[0].name, sizeof c.lines[0].name, "</svg>");
    chart_draw(&c, &out);
    ck_assert_uint_eq(times("<script>"), 0);
    ck_assert_uint_eq(times("&lt;script&gt;&amp; "), 2);
    ck_assert_uint_eq(times("</svg>"), 1);
}
END_TEST

START_TEST(test_a_scatter_is_points_alone_on_two_axes_of_numbers)
{
    struct chart c = {
        .scatter = true, .n_lines = 2, .lines = {{"a", 2, {0.25, 0.75}, {0, 10}}, {"b", 1, {0.5}, {5}}}};
    chart_draw(&c, &out);
    ck_assert_uint_eq(times("<circle"), 3); /* two points and the legend */
    ck_assert_uint_eq(times("<rect x="), 2);
    ck_assert_uint_eq(times(" L"), 0);
    ck_assert_uint_eq(times("cy=\"340.0\""), 1); /* 0 of 0 to 10 */
    ck_assert_uint_eq(times("cy=\"44.0\""), 1);
    ck_assert_uint_eq(times(">0.4</text>") + times(">0.5</text>"), 1);
}
END_TEST

SUITE("server chart", start, stop, {test_the_axis_has_round_numbers_about_all_values},
      {test_values_that_are_all_alike_have_an_axis_too},
      {test_a_chart_of_shares_has_the_line_where_they_are_the_same}, {test_names_are_escaped},
      {test_a_scatter_is_points_alone_on_two_axes_of_numbers})
