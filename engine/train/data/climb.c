#include "engine/train/data/climb.h"

#include <math.h>

static bool is_on_grid(const struct climb *c, int x, int y)
{
    return x >= 0 && x < c->n_x && y >= 0 && y < c->n_y;
}

enum err_code climb_grid(const struct climb *c, int *x, int *y, struct err *e)
{
    double here = NAN;
    enum err_code code = c->try_at(c->arg, *x, *y, &here, e);
    for (bool moved = true; moved && !code && !(c->ends && c->ends(c->arg));) {
        int from_x = *x, from_y = *y;
        moved = false;
        for (int i = 0; i < c->n_steps && !code; i++) {
            int to_x = from_x + c->steps[i].x, to_y = from_y + c->steps[i].y;
            double there = NAN;
            if (!is_on_grid(c, to_x, to_y))
                continue;
            code = c->try_at(c->arg, to_x, to_y, &there, e);
            if (code || !(there > here))
                continue;
            here = there;
            *x = to_x;
            *y = to_y;
            moved = true;
        }
    }
    return code;
}

enum err_code climb_line(const struct climb *c, int step, int *x, double *best, struct err *e)
{
    enum err_code code = ERR_OK;
    int from = *x;
    for (int way = 0; way < 2 && *x == from && !code; way++, step = -step)
        while (!code && *x + step >= 0 && *x + step < c->n_x) {
            double there = NAN;
            code = c->try_at(c->arg, *x + step, 0, &there, e);
            if (code || !(there > *best))
                break;
            *best = there;
            *x += step;
        }
    return code;
}
