/* siphash - SipHash-2-4 (Aumasson and Bernstein 2012): a keyed hash of 64 bits that who does not know the key
 * can neither predict nor forge, so it authenticates short texts of our own; base/hash.h is for tables.
 * Layer: base
 * Threads: any.
 * Memory: none. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t words[2];
};

/* A key that nobody outside can guess; ERR_IO: the system gives no random bytes. */
enum err_code siphash_new_key(struct siphash_key *out, struct err *e) ERR_MUST_CHECK;

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t n);

#endif
