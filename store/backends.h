/* backends - the databases that this build has. A new one is one line here and one in backends.c.
 * Layer: store
 * Threads: constant.
 * Memory: none. */
#ifndef STORE_BACKENDS_H
#define STORE_BACKENDS_H

#include "store/backend.h"

extern const struct store_backend sqlite_backend;

/* Ends with NULL. The first one's are the stores that a bare path names. In a file of its own: tests are
 * linked with a list that has one more. */
extern const struct store_backend *const store_backends[];

#endif
