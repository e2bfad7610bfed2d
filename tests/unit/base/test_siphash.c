/* base/siphash.c against the published vectors (SipHash-2-4, key 00 01 .. 0f, texts 00 01 02 ...). */
#include "base/siphash.h"

#include "tests/support/suite.h"

static const struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};

START_TEST(hashes_are_the_published_ones)
{
    unsigned char text[15];
    for (unsigned char i = 0; i < sizeof text; i++)
        text[i] = i;
    ck_assert_uint_eq(siphash(&key, text, 0), 0x726fdb47dd0e0e31u);
    ck_assert_uint_eq(siphash(&key, text, 15), 0xa129ca6149be45e5u);
}
END_TEST

START_TEST(every_bit_of_text_length_and_key_matters)
{
    unsigned char text[17] = {0};
    struct siphash_key other = key;
    uint64_t whole = siphash(&key, text, sizeof text);
    ck_assert_uint_ne(siphash(&key, text, sizeof text - 1), whole);
    for (size_t i = 0; i < 8 * sizeof text; i++) {
        text[i / 8] ^= (unsigned char)(1 << i % 8);
        ck_assert_uint_ne(siphash(&key, text, sizeof text), whole);
        text[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    other.words[1] ^= (uint64_t)1 << 63;
    ck_assert_uint_ne(siphash(&other, text, sizeof text), whole);
}
END_TEST

START_TEST(keys_differ)
{
    struct siphash_key a, b;
    ck_assert_int_eq(siphash_new_key(&a, NULL), ERR_OK);
    ck_assert_int_eq(siphash_new_key(&b, NULL), ERR_OK);
    ck_assert(a.words[0] != b.words[0] && a.words[1] != b.words[1]);
}
END_TEST

SUITE("base/siphash", NULL, NULL, {hashes_are_the_published_ones}, {every_bit_of_text_length_and_key_matters},
      {keys_differ})
