/* A chunk is its length and type, of four bytes each, its data, and a CRC of four. */
#define ZLIB_CONST /* what is inflated is not written to */
#include "server/images/png_chunks.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum {
    SIGNATURE_BYTES = 8,
    AROUND_BYTES = 12, /* of a chunk, beside its data */
    HEAD_BYTES = 13,   /* data of IHDR, the first chunk */
    BESIDE_BYTES = 64 << 10
};

struct chunk {
    const unsigned char *start, *data, *type;
    size_t n_data, n; /* n: of all of it */
};

static uint32_t whole(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The chunk at bytes (n); false: it is cut short. */
static bool next_chunk(const unsigned char *bytes, size_t n, struct chunk *out)
{
    if (n < AROUND_BYTES || whole(bytes) > n - AROUND_BYTES)
        return false;
    *out = (struct chunk){bytes, bytes + 8, bytes + 4, whole(bytes), AROUND_BYTES + (size_t)whole(bytes)};
    return true;
}

static bool is(const struct chunk *c, const char type[5])
{
    return memcmp(c->type, type, 4) == 0;
}

/* Critical ones, whose names begin in upper case, and the small ones that say what the values mean. */
static bool makes_pixels(const struct chunk *c)
{
    return !(c->type[0] & 0x20) || is(c, "tRNS") || is(c, "gAMA") || is(c, "cHRM") || is(c, "sRGB");
}

size_t png_chunks_most(size_t height, size_t width)
{
    size_t widest = height * (1 + 8 * width); /* four channels of 16 bits, and a byte of each row's filter */
    return widest + widest / 8 + BESIDE_BYTES;
}

size_t png_chunks_keep(const unsigned char *bytes, size_t n, unsigned char *out)
{
    size_t at = SIGNATURE_BYTES, n_out = SIGNATURE_BYTES;
    struct chunk c;
    bool ends = false;
    memcpy(out, bytes, SIGNATURE_BYTES);
    while (!ends && next_chunk(bytes + at, n - at, &c)) {
        if (makes_pixels(&c)) {
            memcpy(out + n_out, c.start, c.n);
            n_out += c.n;
        }
        at += c.n;
        ends = is(&c, "IEND");
    }
    if (ends)
        return n_out;
    memcpy(out + n_out, bytes + at, n - at);
    return n_out + n - at;
}

/* ---- how many bytes the pixels are ---- */

static uint64_t bytes_of(uint64_t width, uint64_t height, uint64_t bits)
{
    return width && height ? height * (1 + (width * bits + 7) / 8) : 0;
}

/* Inflated, by IHDR. */
static uint64_t pixel_bytes(const unsigned char *head)
{
    static const unsigned char channels[] = {1, 0, 3, 1, 2, 0, 4}; /* by the type of colour */
    static const struct {
        unsigned char x, y, dx, dy;
    } passes[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                  {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    uint64_t width = whole(head), height = whole(head + 4), n = 0;
    uint64_t bits = head[9] < sizeof channels ? (uint64_t)head[8] * channels[head[9]] : 0;
    if (!head[12])
        return bytes_of(width, height, bits);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
        n += bytes_of((width + passes[i].dx - 1 - passes[i].x) / passes[i].dx,
                      (height + passes[i].dy - 1 - passes[i].y) / passes[i].dy, bits);
    return n;
}

/* Inflates a chunk's data; false: the stream ended or is no such one, or has more than `most` bytes. */
static bool inflate_chunk(z_stream *z, const struct chunk *c, uint64_t most)
{
    unsigned char nowhere[4096];
    int result = Z_OK;
    z->next_in = c->data;
    z->avail_in = (uInt)c->n_data;
    do {
        z->next_out = nowhere;
        z->avail_out = sizeof nowhere;
        result = inflate(z, Z_NO_FLUSH);
    } while (result == Z_OK && z->total_out <= most && (z->avail_in || !z->avail_out));
    return (result == Z_OK || result == Z_BUF_ERROR) && z->total_out <= most;
}

enum err_code png_chunks_check(const unsigned char *kept, size_t n, struct err *e)
{
    z_stream z = {0};
    struct chunk c;
    size_t at = SIGNATURE_BYTES;
    bool goes_on = next_chunk(kept + at, n - at, &c) && is(&c, "IHDR") && c.n_data == HEAD_BYTES;
    uint64_t most = goes_on ? pixel_bytes(c.data) : 0;
    if (inflateInit(&z) != Z_OK)
        return err_set(e, ERR_NOMEM, "no memory for an image");
    for (; goes_on && next_chunk(kept + at, n - at, &c); at += c.n)
        goes_on = !is(&c, "IDAT") || inflate_chunk(&z, &c, most);
    bool more = z.total_out > most;
    (void)inflateEnd(&z);
    return more ? err_set(e, ERR_INVALID, "a PNG with more than the %llu bytes that its pixels are",
                          (unsigned long long)most)
                : ERR_OK;
}
