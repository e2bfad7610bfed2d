/* training - what is asked of a training, whatever its objective; where it is, and what came of it.
 * Layer: engine/train/data; depends on engine/format.      Threads: plain values.      Memory: texts are borrowed. */
#ifndef ENGINE_TRAIN_DATA_TRAINING_H
#define ENGINE_TRAIN_DATA_TRAINING_H

#include "engine/format/model_spec.h"
#include "engine/train/data/train_data.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct train_options {
    const char *name; /* of the model */
    const char *version;
    enum objective objective; /* OBJECTIVE_RANKING, or OBJECTIVE_RATING: predicted ratings (rating.h) */
    uint64_t seed;
    int n_threads;         /* 0: as many as processors */
    int n_epochs;          /* the most; 0: the default. Early stopping may end before */
    int dim;               /* width of item embeddings; 0: chosen from the data */
    bool choose_generator; /* between nothing and core: both, until one is surely better in validation */
    enum generator
        generator; /* else, of the target network's hidden layer; GENERATOR_SHARED: nothing is generated */
    bool no_pairs; /* no item-item weights, whether they help or not */
    bool ignore_order; /* contexts do not say what came last */
    const char
        *checkpoint;    /* path to write after each epoch and to resume from when it is there; NULL: none */
    double deadline_s;  /* all of it in this many seconds, with the best of what they allow; 0: no limit */
    int64_t started_ns; /* clock_monotonic_ns from which the deadline counts; 0: the call of train_run */
    const atomic_bool *interrupt; /* true, from a signal handler or another thread: stop soon; NULL: never */
};

/* Why training ended. */
enum train_end { TRAIN_COMPLETE, TRAIN_INTERRUPTED, TRAIN_DEADLINE };

void train_options_default(struct train_options *o);

/* Where training is. Numbers that do not apply are NAN. */
struct train_progress {
    const char *stage; /* "search", "factorise", "start", "choose", "train", "neighbours", "refit" */
    int epoch, n_epochs;
    const char *contender; /* while models are compared: what is generated in this one; else NULL */
    double fraction;       /* of the stage, 0 to 1 */
    double loss;           /* mean over the epoch so far */
    double metric;         /* NDCG@10 of each user's held-out last item over the whole catalogue */
    double best_metric;
    const char *metric_name; /* NULL: ndcg@10 */
    double elapsed_s, left_s;
    const char *note; /* what was chosen and why; NULL: nothing to say */
};

/* Returns false to stop, as options.interrupt does. */
typedef bool train_progress_fn(void *arg, const struct train_progress *p);

struct train_report {
    enum train_end end;
    bool written; /* false: interrupted before there was a model to keep */
    int epochs_run, best_epoch;
    double warm_start_metric,
        best_metric; /* NDCG@10 as above: of the iALS warm start, of the result; NAN: not measured */
    double alpha, reg;
    int dim;
    enum generator generator; /* of the hidden layer */
    bool
        generator_chosen; /* by the figures that follow: NDCG@10 after some epochs, and the standard error of the difference */
    double shared_metric, generated_metric, choice_error;
    bool choice_sure; /* false: both had ended, or their time had, before the difference was one */
    bool pairs_kept;  /* the model has item-item weights */
    double metric_alone,
        pairs_alone;          /* NDCG@10 of the model without them, of them alone; NAN: not measured */
    double rmse, rmse_biases; /* objective rating: of held-out ratings, by the result and by biases alone */
    double history;           /* and the variance chosen for the weights of which items a user has */
    double item_error, item_error_of_mean; /* of the scores of held-out items by what they are, see fit.h; of
                                              rows alike for all; NAN: not measured */
    size_t n_parameters;
    double seconds;
    double epoch_seconds; /* mean of the epochs of this run, their validation aside; NAN: none was run */
};

#endif
