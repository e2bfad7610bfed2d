/* The list of a program; nothing else stands here, so that tests can put theirs in its place. */
#include "store/backends.h"

#include <stddef.h>

const struct store_backend *const store_backends[] = {&sqlite_backend, NULL};
