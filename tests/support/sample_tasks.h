/* sample_tasks - a small model of tasks with known random numbers, as a file.
 *
 * Its columns are price (a number), deal (no, yes) and size (a number that may be absent); the target is
 * units, a number, or busy (no, yes), and rows age by day.
 * Layer: tests/support
 * Threads: confined.
 * Memory: none that stays. */
#ifndef TESTS_SUPPORT_SAMPLE_TASKS_H
#define TESTS_SUPPORT_SAMPLE_TASKS_H

#include <stdbool.h>

/* Ends the program where it cannot: call it before failures are asked for. */
void sample_tasks_write(const char *path, const char *name, bool classes);

#endif
