/* chart - lines over named places or over numbers, as a picture in SVG 1.1 that stands by itself: no script,
 * no style sheet, no font of its own. Systems differ by colour and by the form of their points, so that a
 * print without colours can be read too (colours: Okabe and Ito 2008).
 * Layer: server/plot
 * Threads: any.
 * Memory: the picture, in the caller's buffer. */
#ifndef SERVER_PLOT_CHART_H
#define SERVER_PLOT_CHART_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { CHART_LINES = 7, CHART_PLACES = 32, CHART_POINTS = 512, CHART_NAME_BYTES = 48 };

struct chart_line {
    char name[CHART_NAME_BYTES];
    size_t n;
    double x[CHART_POINTS],
        y[CHART_POINTS]; /* (n) x: the number of a place, from 0 to 1, or any, as the chart says */
};

struct chart {
    char title[CHART_NAME_BYTES], x_label[CHART_NAME_BYTES], y_label[CHART_NAME_BYTES];
    bool scatter; /* points alone, at any x and y, with an axis of numbers for each */
    bool shares;  /* x and y are shares from 0 to 1, and a dashed line says where they are the same */
    size_t n_places, n_lines;
    char places[CHART_PLACES][CHART_NAME_BYTES]; /* (n_places) what stands below each, evenly apart; of lines
                                                    that are neither a scatter nor shares */
    struct chart_line lines[CHART_LINES];
};

/* Appends the picture. The buffer's sticky error is the caller's to look at (buf_check). */
void chart_draw(const struct chart *c, struct buf *out);

#endif
