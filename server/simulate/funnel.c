#include "server/simulate/funnel.h"

#include "base/rng.h"

#include <inttypes.h>
#include <stdbool.h>

enum { STREAM_FUNNEL = 0 }; /* no stream of the world */

/* How likely the next step is, by the rating from 1 to 5 that the user would give. */
static const double to_cart[] = {0.02, 0.05, 0.25, 0.6, 0.8}, to_purchase[] = {0.3, 0.4, 0.5, 0.7, 0.85},
                    to_return[] = {0.5, 0.4, 0.15, 0.05, 0.02}, to_dislike[] = {0.4, 0.25, 0.02, 0, 0};

struct outcome {
    bool cart, purchase, back, dislike;
};

static struct outcome draw(const struct world_event *v, struct rng *r)
{
    size_t k = v->rating - 1;
    double x[4];
    for (size_t i = 0; i < 4; i++) /* always as many, whatever comes of them */
        x[i] = rng_uniform(r);
    struct outcome o = {.cart = x[0] < to_cart[k], .dislike = x[3] < to_dislike[k]};
    o.purchase = o.cart && x[1] < to_purchase[k];
    o.back = o.purchase && x[2] < to_return[k];
    return o;
}

static void write_row(FILE *f, const struct world_event *v, const char *kind)
{
    (void)fprintf(f, "u%" PRIu32 "\ti%" PRIu32 "\t%s%s%" PRId64 "\n", v->user + 1, v->item + 1, kind,
                  *kind ? "\t" : "", v->timestamp);
}

void funnel_write(FILE *f, const struct world *w, bool held_out)
{
    struct rng r;
    rng_init(&r, w->seed, STREAM_FUNNEL);
    (void)fputs(held_out ? "user\titem\ttimestamp\n" : "user\titem\tkind\ttimestamp\n", f);
    for (size_t i = 0; i < w->n_events && !ferror(f); i++) {
        const struct world_event *v = &w->events[i];
        struct outcome o = draw(v, &r);
        if (held_out && v->held_out && o.purchase && !o.back)
            write_row(f, v, "");
        if (held_out || v->held_out)
            continue;
        write_row(f, v, "view");
        if (o.cart)
            write_row(f, v, "cart");
        if (o.purchase)
            write_row(f, v, "purchase");
        if (o.back)
            write_row(f, v, "return");
        if (o.dislike)
            write_row(f, v, "dislike");
    }
}
