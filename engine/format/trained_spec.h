/* trained_spec - tasks that a model learned one after the other: what an input of theirs is, and what the
 * classes of each are called. A task is a row of encoder.id; its network is generated from that row alone.
 * Layer: engine/format
 * Threads: immutable once filled.
 * Memory: the names of classes are heap; trained_spec_fini frees them. */
#ifndef ENGINE_FORMAT_TRAINED_SPEC_H
#define ENGINE_FORMAT_TRAINED_SPEC_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct trained_classes {
    size_t n;     /* outputs behind the first n are not of the task */
    char **names; /* (n) heap, each terminated */
    size_t *rows; /* (n) heap: how many rows of each class the file has; NULL: none of the task */
};

struct trained_spec {
    bool present;
    double unit;                    /* above 0: what an input is divided by, 255 of bytes */
    size_t n_dims;                  /* of one input as files have it */
    size_t dims[LIMIT_TENSOR_DIMS]; /* (n_dims) their product is d_item */
    size_t n_tasks;
    struct trained_classes *tasks; /* (n_tasks) in the order in which they were learned */
    double width; /* above 0: the file has rows, see engine/network/stored_rows.h; 0: it has none */
};

/* Sizes of numbers that inputs may have, in units: from less to more a network is asked for what it did not
 * learn. The unit is the largest size of the first task's numbers, and later tasks may go beyond it. */
enum { TRAINED_MOST_UNITS = 10 };

bool trained_spec_possible(const struct trained_spec *t, double value);

/* Adds a task with copies of the names. ERR_NOMEM: as it was. */
enum err_code trained_spec_add(struct trained_spec *t, const char *const *names, size_t n,
                               struct err *e) ERR_MUST_CHECK;

/* A copy with texts of its own. ERR_NOMEM: nothing is left to free. */
enum err_code trained_spec_copy(struct trained_spec *to, const struct trained_spec *from,
                                struct err *e) ERR_MUST_CHECK;
void trained_spec_fini(struct trained_spec *t); /* zeroed is allowed */

/* Says how many rows of each class of a task are kept, counts (n). ERR_NOMEM. */
enum err_code trained_spec_keep(struct trained_spec *t, size_t task, const size_t *counts,
                                struct err *e) ERR_MUST_CHECK;

/* Rows that tasks say are kept; those that the file has, none without a width; of one task; and classes of
 * all tasks. */
size_t trained_spec_n_kept(const struct trained_spec *t);
size_t trained_spec_n_rows(const struct trained_spec *t);
size_t trained_spec_n_rows_of(const struct trained_spec *t, size_t task);
size_t trained_spec_n_classes(const struct trained_spec *t);

/* Whether the file has rows of every task, and of two at least, so that they say whose others are. */
bool trained_spec_guesses(const struct trained_spec *t);

/* The number of a class of a task by its name; t->tasks[task].n: it has no such class. */
size_t trained_spec_class(const struct trained_spec *t, size_t task, const char *name);

/* Writes "28 x 28", cut at n bytes. Returns text. */
const char *trained_spec_dims_text(const struct trained_spec *t, char *text, size_t n);

/* Whether a model's trained tasks, if it has any, fit the rest of it: ERR_INVALID. */
struct model_spec;
struct tensor_spec;
enum err_code trained_spec_check(const struct model_spec *spec, struct err *e) ERR_MUST_CHECK;

/* Writes the tensors of the stored rows of a checked spec, if it has any; returns how many. */
size_t trained_spec_tensors(const struct model_spec *spec, struct tensor_spec *out);

#endif
