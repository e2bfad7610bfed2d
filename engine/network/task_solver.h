/* task_solver - the room in which one task after the other is solved and its rows are answered.
 * Layer: engine/network
 * Threads: confined to its thread.
 * Memory: the features of n_max rows, and one task's sums and layer. */
#ifndef ENGINE_NETWORK_TASK_SOLVER_H
#define ENGINE_NETWORK_TASK_SOLVER_H

#include "base/err.h"
#include "engine/network/task_head.h"

struct task_solver {
    const struct model_spec *spec; /* borrowed, as are params */
    const struct model_params *params;
    real *f0, *phi;          /* (n_max, O), (n_max, M) of the rows that task_solver_rows had last */
    real *f;                 /* (n_max, O) of task_solver_predict: f0 and what is generated for the task */
    double *y, *weights;     /* (n_max) for the caller: targets as they are learned, and what rows count */
    double *value, *spread;  /* (n_max, O), (n_max) of task_solver_predict */
    double *own;             /* (n_max) and the part of the spread that is the task's own */
    double *sums;            /* (task_spec_d_sums) of the task */
    struct task_layer layer; /* of task_solver_solve */
    real *workspace;
    double *room;
};

enum err_code task_solver_init(struct task_solver *s, const struct model_spec *spec,
                               const struct model_params *params, size_t n_max, struct err *e) ERR_MUST_CHECK;
void task_solver_fini(struct task_solver *s); /* zeroed is allowed */

/* Begins another task: no row is known. */
void task_solver_start(struct task_solver *s);

/* Takes rows x (n, D): f0 and phi are theirs. */
void task_solver_rows(struct task_solver *s, const real *x, size_t n);

/* The n rows are known, with the targets y and the weights. */
void task_solver_know(struct task_solver *s, size_t n);

/* Solves from what is known, and generates what is made of the solution; false as task_layer_solve and
 * task_generated_make. */
bool task_solver_solve(struct task_solver *s);

/* The same from sums that are kept elsewhere. */
bool task_solver_solve_from(struct task_solver *s, const double *sums);

/* Answers the n rows into value, spread and own. */
void task_solver_predict(struct task_solver *s, size_t n);

#endif
