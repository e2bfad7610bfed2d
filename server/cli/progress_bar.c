/* A terminal line is redrawn ten times a second at most; elsewhere each stage, epoch and half minute gives
 * one line, and rows give one every five seconds. */
#include "server/cli/progress_bar.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };
static const int64_t redraw_ns = 100000000, line_ns = 30000000000, rows_ns = 5000000000;

void progress_bar_init(struct progress_bar *b)
{
    *b = (struct progress_bar){
        .terminal = isatty(STDERR_FILENO) != 0, .epoch = -1, .shown_ns = clock_monotonic_ns()};
}

static void number(char *out, size_t size, const char *name, double x, int digits, const char *unit)
{
    char value[32];
    size_t n = strlen(out);
    if (isnan(x))
        return;
    (void)snprintf(value, sizeof value, "%.*f%s", digits, x, unit);
    (void)snprintf(out + n, size - n, "  %s %s", name, value);
}

static void describe(const struct progress *p, char *out, size_t size)
{
    out[0] = '\0';
    number(out, size, "loss", p->loss, 4, "");
    number(out, size, p->metric_name ? p->metric_name : "ndcg@10", p->metric, 4, "");
    number(out, size, "best", p->best_metric > 0 ? p->best_metric : (double)NAN, 4, "");
    number(out, size, "elapsed", p->elapsed_s, 0, "s");
    number(out, size, "left", p->left_s, 0, "s");
}

static void draw(const struct progress *p, const char *stage, const char *text)
{
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = (double)i < p->fraction * BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r%-9s [%s]%s%.0d%s\033[K", stage, bar, p->epoch ? "  epoch " : "", p->epoch,
                  text);
}

static void show_rows(struct progress_bar *b, const struct progress *p, int64_t now_ns)
{
    if (now_ns - b->shown_ns < (b->terminal ? redraw_ns : rows_ns))
        return;
    b->shown_ns = now_ns;
    b->rows = true;
    (void)fprintf(stderr, b->terminal ? "\r\033[K%s: %" PRId64 " rows" : "%s: %" PRId64 " rows\n", p->stage,
                  p->n_rows);
}

static void show_line(const struct progress *p, const char *stage, const char *text)
{
    (void)fprintf(stderr, "%s %.0f%%", stage, 100 * p->fraction);
    if (p->epoch)
        (void)fprintf(stderr, " of epoch %d/%d", p->epoch, p->n_epochs);
    (void)fprintf(stderr, "%s\n", text);
}

static void show_stage(struct progress_bar *b, const struct progress *p, int64_t now_ns)
{
    char text[256], stage[sizeof b->stage];
    (void)snprintf(stage, sizeof stage, "%s%s%s", p->stage, p->contender ? " " : "",
                   p->contender ? p->contender : "");
    bool new_stage = strcmp(b->stage, stage) != 0, ended = p->fraction >= 1 && !isnan(p->metric);
    bool due = now_ns - b->shown_ns > (b->terminal ? redraw_ns : line_ns);
    if (new_stage) /* which may have an epoch of the same number */
        b->epoch = -1;
    if (!new_stage && !due && !(ended && p->epoch != b->epoch))
        return;
    (void)snprintf(b->stage, sizeof b->stage, "%s", stage);
    b->shown_ns = now_ns;
    describe(p, text, sizeof text);
    if (ended)
        b->epoch = p->epoch;
    if (!b->terminal) {
        show_line(p, stage, text);
        return;
    }
    draw(p, stage, text);
    b->open = true;
    if (ended && p->epoch)
        progress_bar_end(b);
}

bool progress_bar_show(void *arg, const struct progress *p)
{
    struct progress_bar *b = arg;
    int64_t now_ns = clock_monotonic_ns();
    if (p->note) {
        (void)fprintf(stderr, "%s%s\n", b->terminal ? "\r\033[K" : "", p->note);
        b->open = false; /* the note took its line */
    } else if (isnan(p->fraction)) {
        show_rows(b, p, now_ns);
    } else {
        show_stage(b, p, now_ns);
    }
    return true;
}

void progress_bar_end(struct progress_bar *b)
{
    if (b->rows && b->terminal)
        (void)fputs("\r\033[K", stderr);
    if (b->open)
        (void)fputc('\n', stderr);
    b->open = b->rows = false;
}
