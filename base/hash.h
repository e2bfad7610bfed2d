/* hash - a seeded 64-bit hash of bytes, for tables that live in memory.
 * Layer: base; depends on libc only.     Threads: any.
 * Memory: none.                            Cost: one multiplication for 8 bytes.
 * Not a promise: values differ between versions and byte orders and must not be stored. Against keys chosen
 * to collide it offers the seed only. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of n bytes; all 64 bits are usable, high and low. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n);

/* The hash of two words; another one than that of their bytes. */
uint64_t hash_words(uint64_t seed, uint64_t a, uint64_t b);

#endif
