/* base/hash.c: keys that meet under a seed that is known are spread under one that is not. */
#include "base/hash.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_BUCKETS = 1 << 12, KEY_BYTES = 24, N_KEYS = 256 };

static uint64_t seed_of_a_child(void)
{
    int ends[2];
    uint64_t seed = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        seed = hash_seed();
        _exit(write(ends[1], &seed, sizeof seed) != (ssize_t)sizeof seed);
    }
    ck_assert_int_eq(read(ends[0], &seed, sizeof seed), sizeof seed);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return seed;
}

/* Comes first in this file: the program's own seed is not made yet, so each child makes one. */
START_TEST(each_process_has_a_seed_of_its_own_and_keeps_it)
{
    uint64_t one = seed_of_a_child(), other = seed_of_a_child();
    ck_assert_uint_ne(one, 0);
    ck_assert_uint_ne(one, other);
    ck_assert_uint_eq(hash_seed(), hash_seed());
}
END_TEST

/* Keys of which all have the same bucket under seed 0, by trying; their lengths are those of the words and of
 * bytes. */
static void meeting_keys(char keys[N_KEYS][KEY_BYTES], size_t n_digits)
{
    char key[KEY_BYTES];
    unsigned long long tried = 0;
    for (size_t n = 0; n < N_KEYS; tried++) {
        (void)snprintf(key, sizeof key, "%0*llx", (int)n_digits, tried);
        if (hash_bytes(0, key, strlen(key)) % N_BUCKETS == 0)
            memcpy(keys[n++], key, sizeof key);
    }
}

static size_t fullest_bucket(char keys[N_KEYS][KEY_BYTES], uint64_t seed)
{
    static size_t counts[N_BUCKETS];
    size_t most = 0;
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < N_KEYS; i++) {
        size_t n = ++counts[hash_bytes(seed, keys[i], strlen(keys[i])) % N_BUCKETS];
        most = n > most ? n : most;
    }
    return most;
}

/* Of 256 keys in 4096 buckets, 9 in one are less likely than once in 10^12 tries. */
START_TEST(keys_chosen_to_meet_are_spread_by_the_seed)
{
    static char keys[N_KEYS][KEY_BYTES];
    meeting_keys(keys, _i ? 20 : 6);
    ck_assert_uint_eq(fullest_bucket(keys, 0), N_KEYS);
    ck_assert_uint_le(fullest_bucket(keys, hash_seed()), 8);
    for (uint64_t seed = 1; seed <= 64; seed++)
        ck_assert_uint_le(fullest_bucket(keys, seed * 0x9E3779B97F4A7C15u), 8);
}
END_TEST

START_TEST(every_bit_of_a_key_moves_every_bit_of_its_hash)
{
    char key[16] = "a key of 16 byte", changed[16];
    uint64_t seed = hash_seed(), base = hash_bytes(seed, key, sizeof key), moved = 0;
    for (size_t bit = 0; bit < 8 * sizeof key; bit++) {
        memcpy(changed, key, sizeof key);
        changed[bit / 8] = (char)(changed[bit / 8] ^ 1 << bit % 8);
        uint64_t difference = base ^ hash_bytes(seed, changed, sizeof key);
        ck_assert_uint_ne(difference, 0);
        moved |= difference;
    }
    ck_assert_uint_eq(moved, UINT64_MAX);
}
END_TEST

SUITE("base/hash", NULL, NULL, {each_process_has_a_seed_of_its_own_and_keeps_it},
      {keys_chosen_to_meet_are_spread_by_the_seed, 2}, {every_bit_of_a_key_moves_every_bit_of_its_hash})
