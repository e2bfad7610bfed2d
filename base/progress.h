/* progress - where long work is, as whoever does it tells whoever waits: training and its parts, an import,
 * an evaluation, the contexts of all users. One type for all of them, so that what shows one shows the
 * others.
 * Layer: base
 * Threads: plain values; told by the thread that called for the work.
 * Memory: texts are borrowed for the call. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* Numbers that do not apply are NAN or 0, texts NULL. */
struct progress {
    const char *stage; /* of the work: "search", "train", ...; of an import the file that is read */
    int epoch, n_epochs;
    const char *contender;   /* while models are compared: which of them this is of */
    double fraction;         /* of the stage, 0 to 1; NAN: nobody knows yet how much there is */
    int64_t n_rows;          /* done of it, where rows are counted */
    double loss;             /* mean over the epoch so far */
    double metric;           /* of what was tried or trained last */
    double best_metric;      /* so far */
    const char *metric_name; /* NULL: ndcg@10 */
    double elapsed_s, left_s;
    const char *note; /* what was chosen and why */
};

/* Returns false to stop: the work ends soon. Whether it keeps what there is or nothing says whoever does
 * it. */
typedef bool progress_fn(void *arg, const struct progress *p);

/* A stage that is so far; of all else nothing is known. */
static inline struct progress progress_at(const char *stage, double fraction)
{
    return (struct progress){.stage = stage,
                             .fraction = fraction,
                             .loss = (double)NAN,
                             .metric = (double)NAN,
                             .best_metric = (double)NAN,
                             .elapsed_s = (double)NAN,
                             .left_s = (double)NAN};
}

#endif
