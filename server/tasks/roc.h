/* roc - how well a score tells rows of one kind from those of another: the area under the ROC curve, which is
 * the probability that a row of the second kind has a greater score than one of the first, ties counting half
 * (Mann and Whitney 1947).
 * Layer: server/tasks
 * Threads: any.
 * Memory: the caller's, and a fixed 8 kB of the stack. */
#ifndef SERVER_TASKS_ROC_H
#define SERVER_TASKS_ROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct roc_row {
    double score;
    uint32_t task; /* which row is of which, for roc_interval */
    bool is_second;
};

void roc_sort(struct roc_row *rows, size_t n);

/* Of sorted rows (n), each as often as its task's weight says; NULL: once. NAN: rows are of one kind. */
double roc_area(const struct roc_row *rows, size_t n, const double *weights);

/* Its 95 % interval over 1,000 samples of the n_tasks tasks, by percentiles; samples of one kind of rows are
 * left out. weights (n_tasks) is room. Cost: 1,000 n. */
void roc_interval(const struct roc_row *rows, size_t n, size_t n_tasks, uint64_t seed, double *weights,
                  double *low, double *high);

#endif
