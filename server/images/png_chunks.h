/* png_chunks - what of a PNG makes its pixels, told apart before a decoder sees it. Texts, profiles and what
 * else a file may carry are left out: some are compressed, and would be inflated for nothing. The pixels are
 * held against their size: what is more than that would be inflated all the same.
 * Layer: server/images
 * Threads: any.
 * Memory: what zlib takes, while it runs. */
#ifndef SERVER_IMAGES_PNG_CHUNKS_H
#define SERVER_IMAGES_PNG_CHUNKS_H

#include "base/err.h"

#include <stddef.h>

/* The most bytes that a PNG of this size is taken with: pixels of the widest form, not compressed, and
 * beside them 64 KB. */
size_t png_chunks_most(size_t height, size_t width);

/* Copies to out (n) the chunks that make the pixels, as they are; returns how many bytes. What is cut
 * short is copied to its end, for the decoder to refuse. */
size_t png_chunks_keep(const unsigned char *bytes, size_t n, unsigned char *out);

/* Inflates the pixels of what was kept (n), at most one byte more than its head says that there are.
 * ERR_INVALID: there are more; ERR_NOMEM. Whatever else is wrong is the decoder's to say. */
enum err_code png_chunks_check(const unsigned char *kept, size_t n, struct err *e) ERR_MUST_CHECK;

#endif
