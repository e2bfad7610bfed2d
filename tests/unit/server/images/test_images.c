/* server/images: texts to bytes, contexts as they are stored, and a layer that is what the engine makes of
 * the same images. Risks: a sum that depends on the order of images, a context of another model taken for
 * one of this, a read beyond what is stored. */
#include "base/limits.h"
#include "base/mem.h"
#include "server/images/base64.h"
#include "server/images/image_layer.h"
#include "server/images/png_chunks.h"
#include "server/images/png_image.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { F = 4, H = 3, MARK = 7 };

static struct image_context c;

static void start(void)
{
    c = (struct image_context){.d_features = F};
}

static void stop(void)
{
    image_context_fini(&c);
}

static void add(const char *name, real first)
{
    const real features[F] = {first, 2 * first, 1, (real)0.5};
    ck_assert_int_eq(image_context_add(&c, text_of(name), features, NULL), ERR_OK);
}

START_TEST(a_text_of_base64_is_its_bytes)
{
    static const struct {
        const char *text, *bytes;
    } good[] = {{"", ""},
                {"Zg==", "f"},
                {"Zg", "f"},
                {"Zm8=", "fo"},
                {"Zm9v", "foo"},
                {"Zm9vYg==", "foob"},
                {"Zm9v\nYmE=", "fooba"},
                {"Zm9vYmFy", "foobar"},
                {"+/8=", "\xfb\xff"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        unsigned char out[64];
        size_t n = 99;
        ck_assert(base64_most(strlen(good[i].text)) <= sizeof out);
        ck_assert(base64_decode(good[i].text, strlen(good[i].text), out, &n));
        ck_assert_uint_eq(n, strlen(good[i].bytes));
        ck_assert_mem_eq(out, good[i].bytes, n);
    }
}
END_TEST

START_TEST(a_text_that_is_no_base64_is_refused)
{
    static const char *const bad[] = {"Z", "Zm9vY", "Zm 9v", "Zm9v-_8=", "Zg==Zg==", "Zg===", "%"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned char out[64];
        size_t n;
        ck_assert_msg(!base64_decode(bad[i], strlen(bad[i]), out, &n), "%s", bad[i]);
    }
}
END_TEST

/* ---- PNG ---- */

static void put_whole(unsigned char *at, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(x >> (24 - 8 * i));
}

/* Appends a chunk to bytes (*n). */
static void put_chunk(unsigned char *bytes, size_t *n, const char *type, const unsigned char *data,
                      size_t n_data)
{
    unsigned char *at = bytes + *n;
    put_whole(at, (uint32_t)n_data);
    memcpy(at + 4, type, 4);
    if (n_data)
        memcpy(at + 8, data, n_data);
    put_whole(at + 8 + n_data, (uint32_t)crc32(0, at + 4, (uInt)(4 + n_data)));
    *n += 12 + n_data;
}

/* Begins a PNG of `side` x `side` grey pixels of one byte. */
static size_t begin_png(unsigned char *bytes, unsigned char side)
{
    static const unsigned char signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const unsigned char head[] = {0, 0, 0, side, 0, 0, 0, side, 8, 0, 0, 0, 0};
    size_t n = sizeof signature;
    memcpy(bytes, signature, n);
    put_chunk(bytes, &n, "IHDR", head, sizeof head);
    return n;
}

static void put_pixels(unsigned char *bytes, size_t *n, size_t n_pixels)
{
    unsigned char *raw = mem_zalloc_array(n_pixels, 1), *packed = mem_alloc(compressBound(n_pixels));
    uLongf n_packed = compressBound(n_pixels);
    ck_assert(raw && packed && compress(packed, &n_packed, raw, n_pixels) == Z_OK);
    put_chunk(bytes, n, "IDAT", packed, n_packed / 2); /* of two chunks, as long files have them */
    put_chunk(bytes, n, "IDAT", packed + n_packed / 2, n_packed - n_packed / 2);
    mem_free(raw);
    mem_free(packed);
}

START_TEST(of_a_png_what_is_beside_its_pixels_goes_to_no_decoder)
{
    static const char *const beside[] = {"zTXt", "iTXt", "tEXt", "iCCP", "eXIf",
                                         "sPLT", "hIST", "sBIT", "xxXx"};
    static const char *const pixels[] = {"PLTE", "tRNS", "gAMA", "sRGB", "cHRM"};
    unsigned char bytes[2048], expected[2048], kept[2048];
    size_t n = begin_png(bytes, 2), n_expected = begin_png(expected, 2);
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        put_chunk(bytes, &n, beside[i], (const unsigned char *)"some", 4);
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++) {
        put_chunk(bytes, &n, pixels[i], (const unsigned char *)"abc", 3);
        put_chunk(expected, &n_expected, pixels[i], (const unsigned char *)"abc", 3);
    }
    put_pixels(bytes, &n, 6);
    put_pixels(expected, &n_expected, 6);
    put_chunk(bytes, &n, "IEND", NULL, 0);
    put_chunk(expected, &n_expected, "IEND", NULL, 0);
    put_chunk(bytes, &n, "zTXt", NULL, 0); /* nothing comes behind the end */
    ck_assert_uint_eq(png_chunks_keep(bytes, n, kept), n_expected);
    ck_assert_mem_eq(kept, expected, n_expected);
}
END_TEST

START_TEST(a_png_is_refused_before_more_is_inflated_than_its_pixels_are)
{
    static const struct {
        size_t n_pixels;
        const char *said;
    } cases[] = {{5 * 6, NULL},
                 {5 * 6 + 1, "more than the 30 bytes"},
                 {10000000, "more than the 30 bytes"},
                 {5 * 6 - 1, "cannot be decoded"}};
    const struct image_spec spec = {5, 5, 1, 0, {0}};
    static unsigned char bytes[1 << 16];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        real x[25];
        struct err e = {0};
        size_t n = begin_png(bytes, 5);
        put_pixels(bytes, &n, cases[i].n_pixels);
        put_chunk(bytes, &n, "IEND", NULL, 0);
        enum err_code code = png_image_read(&spec, bytes, n, x, &e);
        ck_assert_msg(code == (cases[i].said ? ERR_INVALID : ERR_OK), "%zu: %s", cases[i].n_pixels, e.text);
        ck_assert_msg(!cases[i].said || strstr(e.text, cases[i].said), "%s", e.text);
    }
}
END_TEST

START_TEST(a_png_of_more_bytes_than_its_size_can_need_is_refused)
{
    const struct image_spec spec = {5, 5, 1, 0, {0}};
    static unsigned char bytes[1 << 18];
    static const unsigned char text[1 << 17];
    real x[25];
    struct err e = {0};
    size_t n = begin_png(bytes, 5);
    put_chunk(bytes, &n, "tEXt", text, sizeof text);
    put_pixels(bytes, &n, 30);
    put_chunk(bytes, &n, "IEND", NULL, 0);
    ck_assert_int_eq(png_image_read(&spec, bytes, n, x, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "one of 5 x 5 pixels may have"));
}
END_TEST

START_TEST(classes_rise_by_name_whatever_the_order_of_images)
{
    struct buf first, second;
    const struct {
        const char *name;
        real x;
    } images[] = {{"b", 1}, {"a", 2}, {"b", 3}, {"ab", (real)0.1}, {"B", 5}, {"a", 7}};
    buf_init(&first, 1 << 16);
    buf_init(&second, 1 << 16);
    for (size_t i = 0; i < 6; i++)
        add(images[i].name, images[i].x);
    ck_assert_uint_eq(c.n, 4);
    ck_assert_uint_eq(image_context_known(&c), 6);
    static const char *const names[] = {"B", "a", "ab", "b"};
    for (size_t k = 0; k < 4; k++)
        ck_assert_str_eq(c.classes[k].name, names[k]);
    ck_assert(c.classes[1].sum[1] == 18 && c.classes[1].n == 2);
    image_context_write(&c, MARK, &first);
    image_context_clear(&c);
    for (size_t i = 6; i--;)
        add(images[i].name, images[i].x);
    image_context_write(&c, MARK, &second);
    ck_assert_uint_eq(first.len, second.len);
    ck_assert_mem_eq(first.data, second.data, first.len);
    buf_fini(&first);
    buf_fini(&second);
}
END_TEST

START_TEST(a_class_is_found_and_taken_out)
{
    add("a", 1);
    add("b", 2);
    add("c", 3);
    ck_assert_int_eq(image_context_find(&c, text_of("b")), 1);
    image_context_remove(&c, 1);
    ck_assert_int_eq(image_context_find(&c, text_of("b")), -1);
    ck_assert_int_eq(image_context_find(&c, text_of("c")), 1);
    ck_assert_uint_eq(image_context_known(&c), 2);
}
END_TEST

START_TEST(what_is_stored_is_read_again_and_a_part_of_it_is_not)
{
    struct buf bytes;
    struct image_context again = {.d_features = F};
    bool ok;
    buf_init(&bytes, 1 << 16);
    add("one", 1);
    add("two", (real)0.25);
    image_context_write(&c, MARK, &bytes);
    ck_assert_int_eq(image_context_read(&again, MARK, bytes.data, bytes.len, &ok, NULL), ERR_OK);
    ck_assert(ok && again.n == 2 && again.classes[1].sum[0] == 0.25);
    ck_assert_str_eq(again.classes[0].name, "one");
    for (size_t n = 0; n < bytes.len; n++) { /* a copy of that size, so that a tool sees a read beyond it */
        char *part = mem_alloc(n + 1);
        ck_assert_ptr_nonnull(part);
        memcpy(part, bytes.data, n);
        ck_assert_int_eq(image_context_read(&again, MARK, part, n, &ok, NULL), ERR_OK);
        ck_assert(!ok && again.n == 0);
        mem_free(part);
    }
    ck_assert_int_eq(image_context_read(&again, MARK + 1, bytes.data, bytes.len, &ok, NULL), ERR_OK);
    ck_assert(!ok);
    image_context_fini(&again);
    again.d_features = F + 1;
    ck_assert_int_eq(image_context_read(&again, MARK, bytes.data, bytes.len, &ok, NULL), ERR_OK);
    ck_assert(!ok);
    image_context_fini(&again);
    buf_fini(&bytes);
}
END_TEST

START_TEST(more_classes_than_the_limit_are_refused)
{
    struct err e = {0};
    const real features[F] = {0};
    for (size_t k = 0; k < LIMIT_IMAGE_CLASSES; k++) {
        char name[16];
        (void)snprintf(name, sizeof name, "c%04zu", k);
        add(name, 1);
    }
    ck_assert_int_eq(image_context_add(&c, text_of("one more"), features, &e), ERR_LIMIT);
    ck_assert_int_eq(image_context_add(&c, text_of("c0000"), features, &e), ERR_OK);
    ck_assert_uint_eq(image_context_known(&c), LIMIT_IMAGE_CLASSES + 1);
}
END_TEST

START_TEST(a_layer_is_what_the_engine_makes_of_the_same_features)
{
    const struct image_spec images = {2, 2, 1, 1, {F}};
    const real features[3 * F] = {1, 2, 3, 4, 5, 6, 7, 8, 3, 2, 1, 0};
    const size_t classes[] = {0, 1, 0};
    static const char *const names[] = {"first", "second"};
    struct image_model m;
    struct image_layer l;
    real work[1000], weight[2 * F], bias[2];
    ck_assert_int_eq(image_model_init(&m, &images, H, NULL), ERR_OK);
    for (size_t i = 0; i < m.n_block; i++)
        m.block[i] = (real)(i * 7 % 11) / 11 - (real)0.4;
    ck_assert(image_model_classes_len(&m, 0, 2) <= sizeof work / sizeof *work);
    image_model_classes_of_features(&m, features, classes, 3, 2, work, weight, bias);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(image_context_add(&c, text_of(names[classes[i]]), features + i * F, NULL), ERR_OK);
    double *bytes = mem_alloc(image_layer_bytes(&c) + sizeof *bytes);
    ck_assert_ptr_nonnull(bytes);
    image_layer_write(&m, &c, work, bytes);
    image_layer_read(&m, bytes, &l);
    ck_assert(l.n_classes == 2 && l.n_known == 3);
    ck_assert_mem_eq(l.weight, weight, sizeof weight);
    ck_assert_mem_eq(l.bias, bias, sizeof bias);
    ck_assert(text_is(image_layer_name(&l, 0), "first") && text_is(image_layer_name(&l, 1), "second"));
    mem_free(bytes);
    image_model_fini(&m);
}
END_TEST

SUITE("server/images", start, stop, {a_text_of_base64_is_its_bytes}, {a_text_that_is_no_base64_is_refused},
      {of_a_png_what_is_beside_its_pixels_goes_to_no_decoder},
      {a_png_is_refused_before_more_is_inflated_than_its_pixels_are},
      {a_png_of_more_bytes_than_its_size_can_need_is_refused},
      {classes_rise_by_name_whatever_the_order_of_images}, {a_class_is_found_and_taken_out},
      {what_is_stored_is_read_again_and_a_part_of_it_is_not}, {more_classes_than_the_limit_are_refused},
      {a_layer_is_what_the_engine_makes_of_the_same_features})
