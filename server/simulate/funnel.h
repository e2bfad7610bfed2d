/* funnel - what kinds of events the world's interactions are: everything was viewed; what a user thinks well
 * of may come into the cart and be bought; some of it is sent back, and what he thinks little of may be
 * disliked.
 * Layer: server/simulate
 * Threads: confined to its thread.
 * Memory: none. */
#ifndef SERVER_SIMULATE_FUNNEL_H
#define SERVER_SIMULATE_FUNNEL_H

#include "server/simulate/world.h"

#include <stdio.h>

/* Writes user, item, kind and timestamp; or of the held-out ones those that were bought: user, item and
 * timestamp. The same world gives the same draws in both. */
void funnel_write(FILE *f, const struct world *w, bool held_out);

#endif
