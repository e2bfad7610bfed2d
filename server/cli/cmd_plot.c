/* hypernet plot: what `evaluate --json` or `search --json` printed in, a picture in SVG out. */
#include "base/limits.h"
#include "base/utf8.h"
#include "server/cli/commands.h"
#include "server/plot/result_charts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int cmd_plot(int argc, char **argv);

const struct command cmd_plot_command = {
    "plot",
    "pictures of what evaluate --json or search --json found",
    "RESULT",
    "RESULT is a file that `hypernet evaluate --json` or `hypernet search --json` printed. The picture goes\n"
    "to standard output. `known` is a measure by what is known of users or tasks, a line a system;\n"
    "`calibration` is how often the intervals or the classes of a model of tasks are right, beside how "
    "often\n"
    "they should be; `search` is what training makes of each architecture of a report, over what its\n"
    "generated weights do.",
    cmd_plot,
    NULL};

enum { MOST_RESULT_BYTES = 64 << 20, MOST_PICTURE_BYTES = 1 << 20 };

struct arguments {
    const char *chart, *measure, *title;
};

static enum err_code read_file(const char *path, struct buf *out, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return err_set(e, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    size_t n = 1;
    while (n && !out->failed) {
        char *to = buf_reserve(out, 1 << 16);
        n = to ? fread(to, 1, 1 << 16, f) : 0;
        out->len += n;
    }
    enum err_code code = ferror(f) ? err_set(e, ERR_IO, "cannot read %s", path) : buf_check(out, path, e);
    (void)fclose(f);
    return code;
}

static enum err_code plot(const struct arguments *a, const char *path, struct buf *text, struct buf *picture,
                          struct err *e)
{
    struct chart c;
    enum err_code code = read_file(path, text, e);
    struct text result = {text->data ? text->data : "", text->len};
    if (!code && strcmp(a->chart, "calibration") == 0)
        code = result_chart_calibration(result, &c, e);
    else if (!code && strcmp(a->chart, "search") == 0)
        code = result_chart_search(result, &c, e);
    else if (!code)
        code = result_chart_known(result, a->measure, &c, e);
    if (code)
        return err_prefix(e, "%s", path);
    if (a->title)
        (void)snprintf(c.title, sizeof c.title, "%s", a->title);
    chart_draw(&c, picture);
    code = buf_check(picture, "the picture", e);
    if (!code)
        (void)fputs(buf_text(picture), stdout);
    return code ? code : command_end("the picture cannot be written", e);
}

static enum err_code check(const struct arguments *a, struct err *e)
{
    bool known = strcmp(a->chart, "known") == 0;
    if (!known && strcmp(a->chart, "calibration") != 0 && strcmp(a->chart, "search") != 0)
        return err_set(e, ERR_INVALID, "--chart is known, calibration or search, not '%s'", a->chart);
    if (!known && a->measure)
        return err_set(e, ERR_INVALID, "--measure is for --chart known");
    if (a->title && !utf8_valid(a->title, strlen(a->title)))
        return err_set(e, ERR_INVALID, "--title is not UTF-8");
    if (a->title && strlen(a->title) >= CHART_NAME_BYTES)
        return err_set(e, ERR_INVALID, "--title is up to %d bytes", CHART_NAME_BYTES - 1);
    return ERR_OK;
}

static int cmd_plot(int argc, char **argv)
{
    struct arguments a = {.chart = "known"};
    const struct option options[] = {
        {"chart", OPTION_STRING, &a.chart, "CHART", "known, calibration or search", 0, 0, false},
        {"measure", OPTION_STRING, &a.measure, "NAME", "of --chart known: rmse, ndcg@10 (default: the first)",
         0, 0, false},
        {"title", OPTION_STRING, &a.title, "TEXT", "what stands above", 0, 0, false},
    };
    const char *path = NULL;
    int status;
    struct err e = {0};
    struct buf text, picture;
    if (!command_begin(&cmd_plot_command, options, sizeof options / sizeof *options, argc, argv, &path,
                       &status))
        return status;
    if (strcmp(a.chart, "known") != 0 &&
        !options_typed(options, sizeof options / sizeof *options, argc, argv, "measure"))
        a.measure = NULL; /* a variable is for the other chart */
    if (check(&a, &e))
        return command_fail(&cmd_plot_command, &e, true);
    buf_init(&text, MOST_RESULT_BYTES);
    buf_init(&picture, MOST_PICTURE_BYTES);
    enum err_code code = plot(&a, path, &text, &picture, &e);
    buf_fini(&picture);
    buf_fini(&text);
    return code ? command_fail(&cmd_plot_command, &e, false) : EXIT_DONE;
}
