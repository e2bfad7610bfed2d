/* task_answers - what a model of tasks answers for rows, given the rows that are known of each task.
 * Layer: server/tasks
 * Threads: confined to its thread.
 * Memory: the answers of all rows, and one task's layer. */
#ifndef SERVER_TASKS_TASK_ANSWERS_H
#define SERVER_TASKS_TASK_ANSWERS_H

#include "base/err.h"
#include "engine/model.h"
#include "engine/network/task_solver.h"
#include "server/data/task_dataset.h"

#include <stdbool.h>
#include <stddef.h>

struct task_answers {
    const struct model_spec *spec; /* borrowed */
    size_t n;
    /* (n, O) of numbers as they are learned, see task_answers_value; of classes probabilities */
    double *value;
    /* (n) of numbers the scale of Student's t about the learned value, of a row that is not beyond its
     * inputs; of classes the entropy, in nats */
    double *spread;
    double *freedom; /* (n) of numbers: degrees of freedom */
    size_t *n_known; /* (n) rows that were known of the task */
    bool as_is; /* values and spreads are of the target itself, whatever the model learns: others' answers */
    double shrink;   /* engine/format/task_target.h: the model's; of others' answers their own */
    size_t capacity; /* of task_answers_reserve */
    const real
        *quantiles; /* of the model's errors (engine/network/task_quantiles.h), borrowed; NULL: Student's t */
    double *own;    /* (n) of numbers the epistemic part of the spread; of classes the deviation of a logit */
    double *beyond; /* (n) of engine/format/columns.h: what makes variances larger; NULL: nothing */
};

/* Answers the rows of `asked` in its order; known NULL: of no task is anything known. Task ids are those
 * of the two tables. Zero-initialise; task_answers_fini frees whatever is returned. ERR_NOMEM;
 * ERR_INVALID: a task's rows cannot be solved for. */
enum err_code task_answers_make(const struct model *m, const struct task_rows *asked_rows,
                                const struct task_dataset *asked, const struct task_rows *known_rows,
                                const struct task_dataset *known, struct task_answers *out,
                                struct err *e) ERR_MUST_CHECK;
void task_answers_fini(struct task_answers *a);

/* Answers by a layer that is there already: room for n of them, which grows only, and then those of rows x
 * (n, D), with what is beyond them (n; NULL: nothing), from place `from` on, n at most as many as the solver
 * has room for. Memory as above. */
enum err_code task_answers_reserve(struct task_answers *a, const struct model *m, size_t n,
                                   struct err *e) ERR_MUST_CHECK;
void task_answers_predict(struct task_solver *s, const struct task_layer *layer, const real *x, size_t n,
                          const double *beyond, size_t n_known, size_t from, struct task_answers *out);

/* Logits f (n) become probabilities; returns their entropy, in nats. */
double task_answers_probabilities(double *f, size_t n);

/* The target of row i, cut to the range of training unless `clamp` is false; of numbers only. */
double task_answers_value(const struct task_answers *a, size_t i, bool clamp);

/* A number for who reads it: a prediction whose logarithm is learned may be past all of them. */
double task_answers_shown(double x);

/* Of a model of counts the one at a quantile z of the normal distribution, of row i. */
double task_answers_count(const struct task_answers *a, size_t i, double z);

/* The scale of Student's t about the learned value of row i; of numbers only. */
double task_answers_scale(const struct task_answers *a, size_t i);

/* The bounds between which the target of row i is with this probability, cut as the value, and never beside
 * it; of numbers only. */
void task_answers_interval(const struct task_answers *a, size_t i, double probability, bool clamp,
                           double *low, double *high);

/* The same in two steps, the first of which takes longer and is the same for all rows of a task: how many
 * spreads the bounds are away from the value. */
struct task_bounds {
    double below, above;
};
struct task_bounds task_answers_bounds(const struct task_answers *a, size_t i, double probability);
void task_answers_within(const struct task_answers *a, size_t i, struct task_bounds bounds, bool clamp,
                         double *low, double *high);

/* Half the width of what has the target of row i with the probability of one deviation of a normal, and of
 * what would have it if all but the task's own layer were known: the epistemic part of it. Bounds are not
 * cut, since a row far beyond all others would seem sure; clamp: but it is at most the whole range, further
 * than which an answer that is cut cannot be off. Of counts the standard deviation of one, and of its mean.
 * Of numbers only. bounds: of TASK_ONE_DEVIATION. */
#define TASK_ONE_DEVIATION 0.682689492137086
void task_answers_deviations(const struct task_answers *a, size_t i, struct task_bounds bounds, bool clamp,
                             double *deviation, double *epistemic);

#endif
