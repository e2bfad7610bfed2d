/* base64 - bytes from the text that JSON carries them in (RFC 4648, section 4), with or without line breaks
 * and padding.
 * Layer: server/images
 * Threads: any.
 * Memory: the caller's. */
#ifndef SERVER_IMAGES_BASE64_H
#define SERVER_IMAGES_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Most bytes that a text of n characters gives. */
size_t base64_most(size_t n);

/* out has room for base64_most. False: a character that is none of the alphabet, or a text that is cut
 * short. */
bool base64_decode(const char *text, size_t n, unsigned char *out, size_t *n_out);

#endif
