#include "server/plot/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The picture and the field in it, in its units. */
enum { WIDTH = 720, HEIGHT = 400, LEFT = 72, TOP = 44, RIGHT = 540, BOTTOM = 340, MOST_TICKS = 7 };

static const char *const colours[CHART_LINES] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#000000"};

/* What an axis goes over. */
struct scale {
    double low, high, step;
};

/* ---- scale ---- */

/* The smallest of 1, 2 and 5 times a power of ten with which few ticks span the range. */
static double tick_step(double range)
{
    double power = pow(10, floor(log10(range / MOST_TICKS)));
    double parts[] = {1, 2, 5, 10};
    for (size_t i = 0; i < 3; i++)
        if (range / (parts[i] * power) <= MOST_TICKS)
            return parts[i] * power;
    return parts[3] * power;
}

/* Of x where it is a number, else of y. */
static struct scale scale_of(const struct chart *c, bool of_x)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < c->n_lines; i++)
        for (size_t k = 0; k < c->lines[i].n; k++) {
            double value = of_x ? c->lines[i].x[k] : c->lines[i].y[k];
            low = fmin(low, value);
            high = fmax(high, value);
        }
    if (c->shares || !(low <= high)) {
        low = 0;
        high = 1;
    }
    if (low >= 0 && low < high / 2)
        low = 0;
    if (!(high - low > 1e-9 * fmax(fabs(high), fabs(low))))
        high = low + fmax(fabs(low), 1e-9); /* all are one value */
    double step = tick_step(high - low);
    return (struct scale){floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, step};
}

static double x_at(const struct chart *c, double x)
{
    double part = c->shares ? x : (x + 0.5) / (double)c->n_places;
    if (c->scatter) {
        struct scale s = scale_of(c, true);
        part = (x - s.low) / (s.high - s.low);
    }
    return LEFT + part * (RIGHT - LEFT);
}

static double y_at(const struct scale *s, double y)
{
    return BOTTOM - (y - s->low) / (s->high - s->low) * (BOTTOM - TOP);
}

/* ---- parts ---- */

static void add_escaped(const char *text, struct buf *out)
{
    for (const char *p = text; *p; p++)
        switch (*p) {
        case '&':
            buf_adds(out, "&amp;");
            break;
        case '<':
            buf_adds(out, "&lt;");
            break;
        case '>':
            buf_adds(out, "&gt;");
            break;
        default:
            buf_addc(out, (unsigned char)*p < ' ' ? ' ' : *p);
        }
}

static void add_text(double x, double y, const char *more, const char *text, struct buf *out)
{
    buf_addf(out, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, more);
    add_escaped(text, out);
    buf_adds(out, "</text>\n");
}

/* A point in the form of line i, so that lines differ without colours. */
static void add_point(double x, double y, size_t i, struct buf *out)
{
    switch (i % 4) {
    case 0:
        buf_addf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", x, y);
        break;
    case 1:
        buf_addf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"8\"/>\n", x - 4, y - 4);
        break;
    case 2:
        buf_addf(out, "<path d=\"M%.1f %.1f l5 9 h-10 z\"/>\n", x, y - 5);
        break;
    default:
        buf_addf(out, "<path d=\"M%.1f %.1f l5 5 l-5 5 l-5 -5 z\"/>\n", x, y - 5);
    }
}

static void tick_text(const struct scale *s, double value, char text[32])
{
    (void)snprintf(text, 32, "%.6g", fabs(value) < s->step / 2 ? 0.0 : value);
}

static void add_lines_of_y(const struct scale *s, struct buf *out)
{
    long n_ticks = lround((s->high - s->low) / s->step);
    for (long i = 0; i <= n_ticks; i++) {
        double value = s->low + (double)i * s->step, y = y_at(s, value);
        char text[32];
        tick_text(s, value, text);
        buf_addf(out, "<path stroke=\"#ccc\" d=\"M%d %.1f H%d\"/>\n", LEFT, y, RIGHT);
        add_text(LEFT - 8, y + 4, " text-anchor=\"end\"", text, out);
    }
}

static void add_lines_of_x(const struct chart *c, struct buf *out)
{
    struct scale s = scale_of(c, true);
    long n_ticks = lround((s.high - s.low) / s.step);
    for (long i = 0; i <= n_ticks; i++) {
        double value = s.low + (double)i * s.step, x = x_at(c, value);
        char text[32];
        tick_text(&s, value, text);
        buf_addf(out, "<path stroke=\"#ccc\" d=\"M%.1f %d V%d\"/>\n", x, TOP, BOTTOM);
        add_text(x, BOTTOM + 20, " text-anchor=\"middle\"", text, out);
    }
}

static void add_places(const struct chart *c, struct buf *out)
{
    enum { SHARES = 5 };
    for (size_t k = 0; k < c->n_places && !c->shares && !c->scatter; k++)
        add_text(x_at(c, (double)k), BOTTOM + 20, " text-anchor=\"middle\"", c->places[k], out);
    for (size_t k = 0; k <= SHARES && c->shares; k++) {
        char text[8];
        (void)snprintf(text, sizeof text, "%.1f", (double)k / SHARES);
        add_text(x_at(c, (double)k / SHARES), BOTTOM + 20, " text-anchor=\"middle\"", text, out);
    }
}

static void add_axes(const struct chart *c, const struct scale *s, struct buf *out)
{
    add_lines_of_y(s, out);
    if (c->scatter)
        add_lines_of_x(c, out);
    add_places(c, out);
    buf_addf(out, "<path stroke=\"#444\" fill=\"none\" d=\"M%d %d V%d H%d\"/>\n", LEFT, TOP, BOTTOM, RIGHT);
    add_text((LEFT + RIGHT) / 2.0, BOTTOM + 44, " text-anchor=\"middle\"", c->x_label, out);
    add_text(LEFT, TOP - 10, "", c->y_label, out);
    if (c->shares)
        buf_addf(out, "<path stroke=\"#888\" stroke-dasharray=\"4 4\" d=\"M%d %d L%d %d\"/>\n", LEFT, BOTTOM,
                 RIGHT, TOP);
}

static void add_line(const struct chart *c, const struct scale *s, size_t i, struct buf *out)
{
    const struct chart_line *l = &c->lines[i];
    double legend = TOP + 14 + 22 * (double)i;
    buf_addf(out, "<g stroke=\"%s\" fill=\"%s\" stroke-width=\"2\">\n<path fill=\"none\" d=\"", colours[i],
             colours[i]);
    for (size_t k = 0; k < l->n && !c->scatter; k++)
        buf_addf(out, "%c%.1f %.1f ", k ? 'L' : 'M', x_at(c, l->x[k]), y_at(s, l->y[k]));
    buf_adds(out, "\"/>\n");
    for (size_t k = 0; k < l->n; k++)
        add_point(x_at(c, l->x[k]), y_at(s, l->y[k]), i, out);
    add_point(RIGHT + 20, legend - 4, i, out);
    buf_adds(out, "</g>\n");
    add_text(RIGHT + 32, legend, "", l->name, out);
}

void chart_draw(const struct chart *c, struct buf *out)
{
    struct scale s = scale_of(c, false);
    buf_addf(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
             "font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n<title>",
             WIDTH, HEIGHT, WIDTH, HEIGHT);
    add_escaped(c->title, out);
    buf_adds(out, "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    add_text(LEFT, 18, " font-weight=\"bold\"", c->title, out);
    add_axes(c, &s, out);
    for (size_t i = 0; i < c->n_lines; i++)
        add_line(c, &s, i, out);
    buf_adds(out, "</svg>\n");
}
