/* network_baselines - networks trained from the same rows as a model of tasks, as answers beside its own:
 * one for all tasks, one with the tasks' ids as inputs, and the first fine-tuned for each task.
 *
 * Each is stopped where it is best on rows that are held out as they will be asked: rows of the same tasks,
 * the newest where they have times, or whole tasks where most that are asked were not trained from; and is
 * then trained from all of them. How far they are off is one number for all rows, from what was held out.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: two networks, one after the other, and the answers. */
#ifndef SERVER_TASKS_NETWORK_BASELINES_H
#define SERVER_TASKS_NETWORK_BASELINES_H

#include "base/progress.h"
#include "server/tasks/task_answers.h"
#include "server/tasks/task_learned.h"

#include <stdbool.h>
#include <stdint.h>

enum network_baseline {
    NETWORK_BASELINE_POOLED, /* one for all tasks */
    NETWORK_BASELINE_IDS,    /* the same with a learned vector of each task; of others their mean */
    NETWORK_BASELINE_TUNED,  /* the first, fine-tuned on the known rows of each task */
    N_NETWORK_BASELINES
};

struct network_baselines {
    const struct task_learned *learned;
    uint64_t seed;
    long most_steps;                  /* of a course; 0: as many as it takes */
    bool wanted[N_NETWORK_BASELINES]; /* the others are neither trained nor answered */
    progress_fn *progress;            /* told of stages, and in notes of what was found; or NULL */
    void *arg;
};

/* Answers the rows of `asked`, as task_answers_make, in out (N_NETWORK_BASELINES); those that are not wanted
 * are left alone. ERR_NOMEM. */
enum err_code network_baselines_make(const struct network_baselines *b, const struct model *m,
                                     const struct task_source *asked, struct task_answers *out,
                                     struct err *e) ERR_MUST_CHECK;

#endif
