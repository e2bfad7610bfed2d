/* rng - reproducible random numbers: xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64. The same
 * seed gives the same numbers on every machine.
 * Layer: base
 * Threads: a struct rng is confined to its thread.
 * Memory: the caller's struct. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state[4];
};

/* Starts a stream; different `stream` numbers of one seed are independent. */
void rng_init(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n), n > 0, without bias */
double rng_uniform(struct rng *r);             /* [0, 1) with 53 random bits */
double rng_normal(struct rng *r);              /* mean 0, variance 1 */
void rng_shuffle(struct rng *r, uint32_t *values, size_t n);

#endif
