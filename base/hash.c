/* Multiply and fold: each word is xored in and multiplied by an odd constant into 128 bits whose halves are
 * xored, so that every input bit reaches high and low bits alike; tables here use the low bits as bucket and
 * the high ones as shard. */
#include "base/hash.h"

#include <string.h>

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd, with bits spread evenly: the fractions of the golden ratio and of the square root of 3. */
static const uint64_t k1 = 0x9E3779B97F4A7C15u, k2 = 0xBB67AE8584CAA73Bu;

uint64_t hash_words(uint64_t seed, uint64_t a, uint64_t b)
{
    return fold(fold(seed ^ a ^ k1, k2) ^ b, k1);
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t h = fold(seed ^ k1, (uint64_t)n ^ k2), word;
    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        h = fold(h ^ word, k1);
    }
    h = fold(h ^ hash_short(p, n), k2);
    return fold(h ^ k2, k1);
}
