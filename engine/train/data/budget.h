/* budget - how long each phase of training may last, so that all of them together keep a deadline.
 *
 * Each phase has a share of the deadline by which it ends: what it had until then is what the next ones work
 * with. A phase that leaves time gives it to those after it.
 * Layer: engine/train/data
 * Threads: budget_enter by the thread of the team; while a phase lasts, the team's threads read it.
 * Memory: the caller's. */
#ifndef ENGINE_TRAIN_DATA_BUDGET_H
#define ENGINE_TRAIN_DATA_BUDGET_H

#include "base/parallel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum budget_phase {
    PHASE_SEARCH,     /* hyperparameters of the factorisation */
    PHASE_FACTORISE,  /* the factorisation, and which one to start from */
    PHASE_CHOICE,     /* what is generated */
    PHASE_COURSE,     /* epochs */
    PHASE_NEIGHBOURS, /* whether item-item weights help */
    PHASE_REFIT,      /* the second course */
    PHASE_WRITE, /* item-item weights once more, what is said of new items, the file; no interrupt ends it */
    N_PHASES
};

struct budget {
    int64_t start_ns;             /* clock_monotonic_ns */
    double deadline_s;            /* 0: none */
    const atomic_bool *interrupt; /* true: stop soon; NULL: none */
    bool refused;                 /* by whoever is told of the progress; counts as an interrupt */
    enum budget_phase phase;
    double until_s; /* of the phase */
};

void budget_init(struct budget *b, int64_t start_ns, double deadline_s, const atomic_bool *interrupt);
double budget_elapsed(const struct budget *b);

/* Begins a phase. Its loops on the team are ended early when its time is over or an interrupt comes
 * (parallel_stopped). */
void budget_enter(struct budget *b, struct parallel *team, enum budget_phase phase);

bool budget_interrupted(const struct budget *b);
bool budget_over(const struct budget *b);   /* the phase must end: its time is over, or an interrupt came */
bool budget_late(const struct budget *b);   /* the deadline itself has come */
double budget_left(const struct budget *b); /* seconds to the deadline; INFINITY: none */
double budget_left_of_phase(const struct budget *b); /* seconds to the end of the phase; INFINITY: none */

#endif
