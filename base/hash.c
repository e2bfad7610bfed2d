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

/* The n < 8 bytes at p; which n it is, the hash knows already. Loads that overlap are quicker than a copy of a length
 * that is known at run time only. */
static uint64_t last_word(const unsigned char *p, size_t n)
{
    uint32_t head, tail;
    if (n == 0)
        return 0;
    if (n < sizeof head)
        return p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16;
    memcpy(&head, p, sizeof head);
    memcpy(&tail, p + n - sizeof tail, sizeof tail);
    return head | (uint64_t)tail << 32;
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
    h = fold(h ^ last_word(p, n), k2);
    return fold(h ^ k2, k1);
}
