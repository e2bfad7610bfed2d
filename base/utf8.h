/* utf8 - whether bytes are UTF-8.
 * Cost: one pass.
 * Layer: base
 * Threads: any.
 * Memory: none. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether n bytes are UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing past U+10FFFF. A zero
 * byte is a character like any other. */
bool utf8_valid(const void *bytes, size_t n);

#endif
