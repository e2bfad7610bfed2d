/* gather - generations of one model that are asked for at the same time become batches, where that pays.
 * Layer: server; depends on engine, base.  Threads: any.
 * Memory: a workspace for each batch that may run, made at start; asking allocates nothing.
 *
 * Nobody waits for company alone: a context that comes while nothing runs is generated at once, by the thread that asks.
 * Who comes while a batch runs waits for its end, and those who wait then are the next batch; when so many wait that they
 * fill a block of lanes (KERNEL_LANES) they do not wait for the end, while there are places. So what waits grows only
 * with the load, and is bounded by the threads that ask.
 *
 * What a context generates does not depend on its batch, see engine/hypernet.h. */
#ifndef SERVER_GATHER_H
#define SERVER_GATHER_H

#include "base/err.h"
#include "engine/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gather;

/* A generation that takes less is made at once by every thread: it is a small part of a miss then. server/README.md has the
 * measurement. */
enum { GATHER_LEAST_NS = 100 * 1000 };

struct gather_config {
    size_t n_running; /* batches at one time, at least 1 */
    int64_t
        least_ns; /* gather where one generation takes this and a batch pays; 0: always; INT64_MAX: never */
};

/* What was measured when it was made, in processor time. */
struct gather_cost {
    size_t bytes;      /* of the model that a generation reads */
    int64_t single_ns; /* a generation */
    int64_t batch_ns;  /* a batch of HYPERNET_BATCH */
};

struct gather_stats {
    uint64_t batches;  /* of one context or more */
    uint64_t contexts; /* in them */
};

/* Measures the model (some milliseconds; with heads of 100 MB a few tenths of a second) and decides. The model gets a
 * reference. */
enum err_code gather_new(struct model *m, const struct gather_config *config, struct gather **out,
                         struct err *e) ERR_MUST_CHECK;
/* Nobody may be generating. NULL is allowed. */
void gather_free(struct gather *g);

/* theta of c as hypernet_generate makes it; workspace (hypernet_workspace_len) is for the case that nothing is
 * gathered. */
enum err_code gather_generate(struct gather *g, const real *c, real *workspace, real *theta,
                              struct err *e) ERR_MUST_CHECK;

bool gather_gathers(const struct gather *g);
struct gather_cost gather_cost(const struct gather *g);
struct gather_stats gather_read_stats(const struct gather *g);

#endif
