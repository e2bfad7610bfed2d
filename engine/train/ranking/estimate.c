#include "engine/train/ranking/estimate.h"

#include "engine/kernels/real.h"
#include "engine/train/item_item/fit.h"
#include "engine/train/linear/ials_search.h"
#include "engine/train/ranking/ranking.h"
#include "engine/train/ranking/trainer.h"

#include <math.h>
#include <stdio.h>

/* What a thread does in a second: of small systems, and of large products. */
static const double small_flops = 25e9, large_flops = 100e9;

/* An example of joint training, and what each column of the items' embeddings adds (MovieLens 1M and
 * 100K). */
static const double example_s = 68e-6, column_s = 0.44e-6;

/* Epochs that a course usually has, and those of the tries before it and of the second course. */
enum { USUAL_EPOCHS = 12, EPOCHS_OF_TRIES = 2, EPOCHS_OF_REFIT = 7, LEAST_FOR_TRIES = 8 };

/* Rounds of factorisations: of the search, 32 wide, and of those of the full width. */
enum { SEARCH_ROUNDS = 40, SEARCH_WIDTH = 32, FULL_ROUNDS = 36 };

/* Fits of item-item weights. */
enum { FITS = 10, NEAREST = 200 };

/* Reals of an item's row beside its embedding and its factor: history, recent, disliked, bias. */
enum { OTHER_COLUMNS = 64 + 64 + 64 + 1 };

/* Reals of all that is of no item: at no width of embeddings, and what each column of theirs adds. */
enum { DENSE = 70000, DENSE_PER_COLUMN = 800 };

/* Values, gradients, two moments, the average, a spare, the best. */
enum { COPIES = 7 };

/* Epochs of what is compared and loses. */
enum { RACE_EPOCHS = 4 };

static double square(double x)
{
    return x * x;
}

static double item_item_s(double n)
{
    double local = FITS * n * pow(NEAREST, 3) / 3 / small_flops, whole = FITS * pow(n, 3) / large_flops;
    return n <= ITEM_ITEM_LOCAL_ITEMS ? whole : n <= ITEM_ITEM_WHOLE_ITEMS ? local + whole : local;
}

static double item_item_bytes(double n)
{
    double local = fmin(n * square(fmin(NEAREST, n)) / 2 * sizeof(real), 3.0 * (1 << 30));
    double whole = n <= ITEM_ITEM_WHOLE_ITEMS ? 2 * square(n) * sizeof(real) : 0;
    return fmax(local, whole) + 2 * n * NEAREST * (sizeof(real) + sizeof(uint32_t));
}

/* Of all courses and of what is compared before them. */
static double usual_epochs(const struct split *s, const struct train_options *o)
{
    int first = o->n_epochs < USUAL_EPOCHS ? o->n_epochs : USUAL_EPOCHS;
    bool tries = o->n_epochs >= LEAST_FOR_TRIES && s->timed > 0;
    double epochs = first + (tries ? EPOCHS_OF_TRIES : 0);
    if (o->choose_generator)
        epochs += fmin(RACE_EPOCHS, ceil(o->n_epochs / 5.0));
    if (training_pays_refit(s))
        epochs += first < EPOCHS_OF_REFIT ? first : EPOCHS_OF_REFIT;
    return epochs;
}

struct estimate estimate_training(const struct split *s, const struct train_options *o, size_t n_threads)
{
    double n = (double)(s->n_training + s->n_held), n_items = (double)s->data->n_items;
    double n_users = (double)s->data->n_users;
    double d = o->dim ? o->dim : (double)ials_search_dim(s);
    double epochs = usual_epochs(s, o), n_models = o->choose_generator ? 2 : 1;
    double factorise = 2 * n * (SEARCH_ROUNDS * square(SEARCH_WIDTH) + FULL_ROUNDS * square(d)) +
                       FULL_ROUNDS * (n_users + n_items) * d * square(d) / 3;
    double validate = (double)s->n_validated * n_items * (SEARCH_ROUNDS * SEARCH_WIDTH + epochs * 4 * d);
    double seconds = (factorise + validate) / small_flops +
                     epochs * (double)trainer_n_examples(s) * (example_s + column_s * d) +
                     item_item_s(n_items);
    double trained = n_items * (d + OTHER_COLUMNS), dense = DENSE + d * DENSE_PER_COLUMN;
    double bytes = 2 * n * sizeof(struct encoder_interaction) +
                   (n_items + n_users) * (d * sizeof(real) + 64) +
                   (trained + dense) * COPIES * n_models * sizeof(real) + item_item_bytes(n_items) +
                   (double)n_threads * 5 * n_items * sizeof(real);
    return (struct estimate){seconds / (double)n_threads, bytes};
}

void estimate_text(const struct estimate *x, size_t n_threads, char *text, size_t size)
{
    double megabytes = x->bytes / 1e6, minutes = x->seconds / 60;
    char time[32], memory[32];
    if (x->seconds < 50)
        (void)snprintf(time, sizeof time, "%.0f seconds", fmax(ceil(x->seconds / 10) * 10, 10));
    else if (minutes < 90)
        (void)snprintf(time, sizeof time, "%.0f minute%s", ceil(minutes), minutes > 1 ? "s" : "");
    else
        (void)snprintf(time, sizeof time, "%.1f hours", minutes / 60);
    if (megabytes < 1000)
        (void)snprintf(memory, sizeof memory, "%.0f MB", ceil(megabytes / 10) * 10);
    else
        (void)snprintf(memory, sizeof memory, "%.1f GB", megabytes / 1000);
    (void)snprintf(text, size, "about %s on %zu idle thread%s, up to %s of memory", time, n_threads,
                   n_threads == 1 ? "" : "s", memory);
}
