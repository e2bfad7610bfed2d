/* The list of backends of a test program: the linker finds this one first, and leaves the product's
 * (store/backends.c) in its archive. */
#include "store/backends.h"

#include "tests/support/memory_store.h"

#include <stddef.h>

const struct store_backend *const store_backends[] = {&sqlite_backend, &memory_backend, NULL};
