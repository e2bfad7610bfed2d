/* training - what is asked of a training, whatever its objective.
 * Layer: engine/train/data
 * Threads: plain values.
 * Memory: texts are borrowed. */
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
    const struct objective *objective; /* one that train_objectives[] has; by default ranking */
    uint64_t seed;
    int n_threads;         /* 0: as many as processors */
    int n_epochs;          /* the most; 0: the default. Early stopping may end before */
    int dim;               /* width of item embeddings; 0: chosen from the data */
    bool choose_generator; /* between nothing and core: both, until one is surely better in validation */
    enum generator
        generator; /* else, of the target network's hidden layer; GENERATOR_SHARED: nothing is generated */
    bool no_pairs; /* no item-item weights, whether they help or not */
    bool ignore_order; /* contexts do not say what came last */
    /* Of rows of tasks with times: what is predicted lies in a horizon of time after what is known and a
     * gap; a horizon of 0 is one period, the usual distance between two rows of a task. */
    double gap, horizon;
    /* Of rows of tasks with numbers as targets: which error counts, and on which scale the target is learned,
     * by validation unless it is given. */
    enum target_loss loss;
    bool choose_scale;
    enum target_scale scale;
    const char
        *checkpoint;    /* path to write after each epoch and to resume from when it is there; NULL: none */
    double deadline_s;  /* all of it in this many seconds, with the best of what they allow; 0: no limit */
    int64_t started_ns; /* clock_monotonic_ns from which the deadline counts; 0: the call of train_run */
    const atomic_bool *interrupt; /* true, from a signal handler or another thread: stop soon; NULL: never */
};

void train_options_default(struct train_options *o);

#endif
