/* percent - percent-encoding (RFC 3986, 2.1): any bytes as printable ASCII.
 * Layer: base
 * Threads: any.
 * Memory: none; the caller's. */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Decodes n bytes to out, which has room for n, and may be where they lie; *len: how many came out. False: a
 * percent sign without two hexadecimal digits behind it. */
bool percent_decode(const char *bytes, size_t n, char *out, size_t *len);

/* Appends n bytes; what is neither printable nor ASCII, a space and the percent sign are encoded, so that a
 * word stays one. */
void percent_encode(struct buf *out, const char *bytes, size_t n);

#endif
