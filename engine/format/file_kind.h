/* file_kind - what a file that is no model file is instead, for the message that refuses it.
 * Layer: engine/format
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_FORMAT_FILE_KIND_H
#define ENGINE_FORMAT_FILE_KIND_H

#include <stddef.h>

/* What the n bytes at the beginning of a file look like and what to do, to stand behind "it is "; static
 * storage. NULL where they look like nothing that is known. The first 4 KB are enough. */
const char *file_kind_of(const void *bytes, size_t n);

#endif
