/* train_inputs - `hypernet train --inputs`: a model that learns tasks one after the other, each without the
 * rows of those before.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: the rows, and what training takes (engine/train/continual/continual.h). */
#ifndef SERVER_CLI_TRAIN_INPUTS_H
#define SERVER_CLI_TRAIN_INPUTS_H

#include "base/err.h"
#include "base/progress.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct train_inputs {
    const char *inputs, *classes;     /* array files */
    const char *task;                 /* what it is called */
    const char *from;                 /* the model that learned the tasks before; NULL: it is the first */
    const char *hidden;               /* widths of the hidden layers of the first: "100,100" */
    const char *out, *name, *version; /* name NULL: that of `from`, or "default" */
    int64_t n_chunks;                 /* in which weights of the first are generated */
    int64_t seed, steps, n_keep;      /* n_keep: rows of the task that the file keeps */
    double beta;
    bool json;
    const atomic_bool *interrupt;
};

/* Learns the task, writes the model, whole or not at all, and prints what it is worth on rows that were held
 * out, and what became of the tasks before. *written false: an interrupt came, and nothing is written. */
enum err_code train_inputs_run(const struct train_inputs *t, progress_fn *progress, void *arg, bool *written,
                               struct err *e) ERR_MUST_CHECK;

#endif
