/* utf8 - whether bytes are UTF-8.
 * Layer: base; depends on libc only.       Threads: any.
 * Memory: none.                            Cost: one pass. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether n bytes are UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing past U+10FFFF. A zero
 * byte is a character like any other. */
bool utf8_valid(const void *bytes, size_t n);

#endif
