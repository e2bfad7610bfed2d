/* cached_weights - a caller of the weight cache, for its tests: what is not cached is made by a function of
 * the test.
 * Layer: tests/support
 * Threads: any.
 * Memory: the caller has a reference to what it is given. */
#ifndef TESTS_SUPPORT_CACHED_WEIGHTS_H
#define TESTS_SUPPORT_CACHED_WEIGHTS_H

#include "engine/cache/weights_cache.h"

typedef enum err_code make_weights_fn(void *arg, struct weights **out, struct err *e);

/* As a thread with time asks: waits for another one that makes them, and makes them itself when nobody
 * does. */
enum err_code cached_weights_acquire(struct weights_cache *c, const void *key, size_t key_len,
                                     make_weights_fn *make, void *arg, struct weights **out, bool *hit,
                                     struct err *e) ERR_MUST_CHECK;

/* As a thread asks that others wait for: NULL where another one makes them, or the function fails. */
struct weights *cached_weights_try(struct weights_cache *c, const void *key, size_t key_len,
                                   make_weights_fn *make, void *arg, bool *hit);

#endif
