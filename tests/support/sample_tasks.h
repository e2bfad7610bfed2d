/* sample_tasks - a small model of tasks with known random numbers, as a file.
 *
 * Its columns are price (a number), deal (no, yes) and size (a number that may be absent); the target is
 * units, a number, or busy (no, yes), and rows age by day.
 * Layer: tests/support
 * Threads: confined.
 * Memory: none that stays. */
#ifndef TESTS_SUPPORT_SAMPLE_TASKS_H
#define TESTS_SUPPORT_SAMPLE_TASKS_H

#include "engine/format/model_spec.h"

#include <stdbool.h>

/* Ends the program where it cannot: call it before failures are asked for. */
void sample_tasks_write(const char *path, const char *name, bool classes);

/* The same with a network behind the solved layer whose weights are generated: its hidden layer by this
 * generator (engine/format/model_spec.h), with GENERATOR_SHARED none of them. */
void sample_tasks_generated_write(const char *path, const char *name, bool classes, enum generator generator);

#endif
