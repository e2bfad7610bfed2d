/* A terminal line is redrawn ten times a second at most; elsewhere each stage, epoch and half minute gives
 * one line. */
#include "server/cli/progress.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };

void progress_init(struct progress *p)
{
    *p = (struct progress){.terminal = isatty(STDERR_FILENO) != 0, .epoch = -1};
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

static void describe(const struct train_progress *t, char *out, size_t size)
{
    out[0] = '\0';
    number(out, size, "loss", t->loss, 4, "");
    number(out, size, t->metric_name ? t->metric_name : "ndcg@10", t->metric, 4, "");
    number(out, size, "best", t->best_metric > 0 ? t->best_metric : (double)NAN, 4, "");
    number(out, size, "elapsed", t->elapsed_s, 0, "s");
    number(out, size, "left", t->left_s, 0, "s");
}

static void draw(const struct train_progress *t, const char *stage, const char *text)
{
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = (double)i < t->fraction * BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r%-9s [%s]%s%.0d%s\033[K", stage, bar, t->epoch ? "  epoch " : "", t->epoch,
                  text);
}

void progress_show(struct progress *p, const struct train_progress *t)
{
    char text[256], stage[sizeof p->stage];
    int64_t now = clock_monotonic_ns();
    (void)snprintf(stage, sizeof stage, "%s%s%s", t->stage, t->contender ? " " : "",
                   t->contender ? t->contender : "");
    bool new_stage = strcmp(p->stage, stage) != 0, ended = t->fraction >= 1 && !isnan(t->metric);
    bool due = now - p->shown_ns > (p->terminal ? 100000000 : 30000000000);
    if (t->note) {
        (void)fprintf(stderr, "%s%s\n", p->terminal ? "\r\033[K" : "", t->note);
        p->open = false; /* the note took its line */
        return;
    }
    if (new_stage) /* which may have an epoch of the same number */
        p->epoch = -1;
    if (!new_stage && !due && !(ended && t->epoch != p->epoch))
        return;
    (void)snprintf(p->stage, sizeof p->stage, "%s", stage);
    p->shown_ns = now;
    describe(t, text, sizeof text);
    if (ended)
        p->epoch = t->epoch;
    if (!p->terminal) {
        (void)fprintf(stderr, "%s %.0f%%", stage, 100 * t->fraction);
        if (t->epoch)
            (void)fprintf(stderr, " of epoch %d/%d", t->epoch, t->n_epochs);
        (void)fprintf(stderr, "%s\n", text);
        return;
    }
    draw(t, stage, text);
    p->open = true;
    if (ended && t->epoch)
        progress_end(p);
}

void progress_end(struct progress *p)
{
    if (p->open)
        (void)fputc('\n', stderr);
    p->open = false;
}
