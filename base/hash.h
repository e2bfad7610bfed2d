/* hash - a seeded 64-bit hash of bytes, for tables that live in memory.
 * Cost: one multiplication for 8 bytes. Not a promise: values differ between versions and byte orders and
 * must not be stored. Keys from outside go into tables under hash_seed(): who does not know it cannot choose
 * keys that meet in one place.
 * Layer: base
 * Threads: any.
 * Memory: none. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The n < 8 bytes at p as a number; of the same n no others have the same. Of three or fewer the first 24
 * bits are set, else all. Loads that overlap are quicker than a copy of a length that is known at run time
 * only. */
static inline uint64_t hash_short(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint32_t head, tail;
    if (n == 0)
        return 0;
    if (n < sizeof head)
        return p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16;
    memcpy(&head, p, sizeof head);
    memcpy(&tail, p + n - sizeof tail, sizeof tail);
    return head | (uint64_t)tail << 32;
}

/* A number that differs from process to process and that nobody outside can guess; the same at every call. */
uint64_t hash_seed(void);

/* The hash of n bytes; all 64 bits are usable, high and low. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n);

/* The hash of two words; another one than that of their bytes. */
uint64_t hash_words(uint64_t seed, uint64_t a, uint64_t b);

#endif
