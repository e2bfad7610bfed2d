/* task_subset - so many of the known rows of each task, to measure what more of them would be worth.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: a copy of the rows that are kept. */
#ifndef SERVER_TASKS_TASK_SUBSET_H
#define SERVER_TASKS_TASK_SUBSET_H

#include "base/err.h"
#include "server/data/task_dataset.h"

#include <stddef.h>
#include <stdint.h>

/* Keeps at most `most` rows of each task of `all`, whose inputs are `width` wide: the newest where rows
 * have times, else rows drawn by the seed; what is kept of fewer is part of what is kept of more. The
 * tasks are the same, also those without a row. Zero-initialise; task_dataset_fini frees whatever is
 * returned. ERR_NOMEM. */
enum err_code task_subset_make(const struct task_dataset *all, size_t width, size_t most, uint64_t seed,
                               struct task_dataset *out, struct err *e) ERR_MUST_CHECK;

#endif
