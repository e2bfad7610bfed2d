/* guess_candidates - the tasks that a guess compares: those that are named, or all of the store in the order
 * in which they were registered, as many as there is time for; and the best of them.
 *
 * All is within one snapshot: they are listed before the first is looked at, since the store is not to be
 * used while it lists them.
 * Layer: server/serving
 * Threads: confined to its thread.
 * Memory: the ids of the candidates, LIMIT_TASK_CANDIDATES at most. */
#ifndef SERVER_SERVING_GUESS_CANDIDATES_H
#define SERVER_SERVING_GUESS_CANDIDATES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/id_table.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of the best so far. */
struct guess_best {
    size_t candidate;
    double score;
};

struct guess_candidates {
    const json_t *named; /* an array of ids, each of which counts once; NULL: all tasks */
    struct text after;   /* of all tasks those behind this one; NULL data: from the first */
    size_t most;         /* that are kept as the best, 1 to LIMIT_TASK_GUESSES */
    int64_t until_ns;    /* of the monotonic clock: then no more than one candidate is looked at */
    /* Told of a candidate that there is not; SIZE_MAX: of `after`. */
    void (*unknown)(void *arg, size_t i, const char *text);
    void *arg;
    /* results */
    size_t n_all;                  /* candidates */
    size_t n_looked, n_compared;   /* those that were looked at; of them those that have a score */
    bool complete;                 /* all candidates were looked at */
    char next[LIMIT_ID_BYTES + 1]; /* not complete: the last that was looked at, to be the next `after` */
    struct guess_best
        best[LIMIT_TASK_GUESSES]; /* the greatest score first; of equal ones the first candidate */
    size_t n_best;
    /* its own */
    struct buf ids; /* one after the other */
    size_t *ends;   /* (n_ids) */
    size_t n_ids, ends_capacity;
    struct id_table seen; /* those of `named` that were looked at */
    bool behind;          /* tasks that are listed are those that `after` lets through */
};

/* Begins with the results and its own; guess_candidates_fini frees those. */
void guess_candidates_init(struct guess_candidates *c);
void guess_candidates_fini(struct guess_candidates *c);

/* Lists them. *ok false: `after` is no task, which was told. ERR_NOMEM, or of the store. */
enum err_code guess_candidates_list(struct guess_candidates *c, struct store_conn *conn, bool *ok,
                                    struct err *e) ERR_MUST_CHECK;

struct text guess_candidates_id(const struct guess_candidates *c, size_t candidate);

/* What a candidate is looked at with. *score NAN: it has none. ERR_NOTFOUND: there is no such task, which is
 * told; any other error ends the comparison. */
typedef enum err_code guess_score_fn(void *arg, struct text id, double *score, struct err *e);

/* Looks at each in turn until there is no more time, and keeps the best. *ok false: some are unknown. */
enum err_code guess_candidates_compare(struct guess_candidates *c, guess_score_fn *score, void *arg, bool *ok,
                                       struct err *e) ERR_MUST_CHECK;

#endif
