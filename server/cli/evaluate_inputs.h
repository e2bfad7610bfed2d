/* evaluate_inputs - `hypernet evaluate --inputs`: models that learned tasks one after the other, task by
 * time.
 * Layer: server/cli
 * Threads: confined to the main thread.
 * Memory: the rows of all tasks. */
#ifndef SERVER_CLI_EVALUATE_INPUTS_H
#define SERVER_CLI_EVALUATE_INPUTS_H

#include "base/err.h"
#include "server/cli/options.h"

#include <stdbool.h>
#include <stdint.h>

struct evaluate_inputs {
    struct option_list models; /* in the order in which they were trained */
    struct option_list inputs; /* of each task "NAME=INPUTS,CLASSES": what it is measured on */
    struct option_list
        learned; /* and what it was learned from, in that order; none: nothing to compare with */
    int64_t seed, steps;
    bool json;
};

enum err_code evaluate_inputs_run(const struct evaluate_inputs *v, struct err *e) ERR_MUST_CHECK;

#endif
