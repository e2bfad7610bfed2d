#include "engine/train/image/augment.h"

#include <math.h>
#include <string.h>

/* Where a pixel of the new image comes from in the old: both from their centres. */
struct map {
    double xx, xy, x0, yx, yy, y0;
};

static double within(struct rng *r, double most)
{
    return most * (2 * rng_uniform(r) - 1);
}

static struct map draw_map(const struct augment *a, struct rng *r, unsigned quarters, size_t height,
                           size_t width)
{
    double turn = within(r, a->turn) + M_PI / 2 * (double)(quarters % 4), shear = within(r, a->shear);
    double stretch_x = 1 + within(r, a->stretch), stretch_y = 1 + within(r, a->stretch);
    double c = cos(turn), s = sin(turn);
    return (struct map){.xx = stretch_x * c,
                        .xy = stretch_x * (shear * c - s),
                        .x0 = within(r, a->move) * (double)width,
                        .yx = stretch_y * s,
                        .yy = stretch_y * (shear * s + c),
                        .y0 = within(r, a->move) * (double)height};
}

/* out (d) += share of the pixel at (row, column), of none beyond the border. */
static void add_pixel(const real *x, size_t height, size_t width, size_t d, double row, double column,
                      double share, real *out)
{
    if (share == 0 || row < 0 || column < 0 || row >= (double)height || column >= (double)width)
        return;
    const real *from = x + ((size_t)row * width + (size_t)column) * d;
    for (size_t k = 0; k < d; k++)
        out[k] += (real)share * from[k];
}

void augment_image(const struct augment *a, struct rng *r, unsigned quarters, const real *x, size_t height,
                   size_t width, size_t d, real *out)
{
    struct map m = draw_map(a, r, quarters, height, width);
    double half_x = ((double)width - 1) / 2, half_y = ((double)height - 1) / 2;
    memset(out, 0, height * width * d * sizeof *out);
    for (size_t i = 0; i < height; i++)
        for (size_t j = 0; j < width; j++, out += d) {
            double from_x = (double)j - half_x, from_y = (double)i - half_y;
            double column = m.xx * from_x + m.xy * from_y + m.x0 + half_x;
            double row = m.yx * from_x + m.yy * from_y + m.y0 + half_y;
            double left = floor(column), top = floor(row), right_share = column - left, low_share = row - top;
            add_pixel(x, height, width, d, top, left, (1 - low_share) * (1 - right_share), out);
            add_pixel(x, height, width, d, top, left + 1, (1 - low_share) * right_share, out);
            add_pixel(x, height, width, d, top + 1, left, low_share * (1 - right_share), out);
            add_pixel(x, height, width, d, top + 1, left + 1, low_share * right_share, out);
        }
}
