/* The whole compressed body is there: an upload that compresses well may become a thousand times as long, so
 * what it becomes is counted piece by piece, and a worker does it. */
#include "server/http/content_encoding.h"

#include "server/http/problem.h"

#include <strings.h>
#include <zlib.h>

const char content_encodings[] = "gzip, deflate";

/* The longest that zlib's own state may take, beside what it writes. */
enum { STATE_BYTES = 64 << 10, PIECE_BYTES = 32 << 10 };

static bool coding_is(const struct request *r, const char *name)
{
    size_t n = strlen(name);
    return r->content_encoding.len == n && strncasecmp(r->content_encoding.data, name, n) == 0;
}

bool content_is_encoded(const struct request *r)
{
    return r->content_encoding.len > 0 && !coding_is(r, "identity");
}

bool content_encoding_known(const struct request *r)
{
    return !content_is_encoded(r) || coding_is(r, "gzip") || coding_is(r, "x-gzip") ||
           coding_is(r, "deflate");
}

/* The window that zlib is to expect. "deflate" is zlib's format; without its header it is what some clients
 * send for it. */
static int window_bits(const struct request *r)
{
    enum { GZIP = MAX_WBITS + 16, ZLIB = MAX_WBITS, BARE = -MAX_WBITS };
    const unsigned char *b = (const unsigned char *)r->body.data;
    if (!coding_is(r, "deflate"))
        return GZIP;
    bool headed = r->body.len >= 2 && (b[0] & 15) == Z_DEFLATED && (b[0] * 256 + b[1]) % 31 == 0;
    return headed ? ZLIB : BARE;
}

static bool refuse_size(struct request *r, const struct buf *out)
{
    if (out->failed == ERR_LIMIT)
        problem_answer(r, PROBLEM_TOO_LARGE, NULL,
                       "a body may have %zu bytes once inflated (--max-body-bytes)", out->max_bytes);
    else
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory to inflate the body");
    return false;
}

static bool refuse_memory(struct request *r)
{
    problem_answer(r, PROBLEM_OVERLOADED, NULL,
                   "bodies take all the memory there is for them (--max-body-memory); try again in a second");
    return false;
}

/* Where the next piece goes; when out is full a byte aside, which shows whether there is more. NULL:
 * answered. */
static char *room_for_piece(struct request *r, struct buf *out, char *aside, size_t *room)
{
    size_t left = out->max_bytes - out->len;
    *room = left < PIECE_BYTES ? left : PIECE_BYTES;
    char *to = *room ? buf_reserve(out, *room) : aside;
    if (!*room)
        *room = 1;
    if (!to)
        (void)refuse_size(r, out);
    else if (!request_charge(r, r->body.capacity + out->capacity + STATE_BYTES))
        (void)refuse_memory(r);
    else
        return to;
    return NULL;
}

/* Inflates all of the body into out. */
static bool inflate_all(struct request *r, z_stream *z, struct buf *out)
{
    int result = Z_OK;
    z->next_in = (Bytef *)r->body.data;
    z->avail_in = (uInt)r->body.len;
    while (result != Z_STREAM_END || z->avail_in) {
        char aside;
        size_t room;
        if (result == Z_STREAM_END && inflateReset(z) != Z_OK) /* gzip files one after another are one */
            return refuse_size(r, out);
        char *to = room_for_piece(r, out, &aside, &room);
        if (!to)
            return false;
        z->next_out = (Bytef *)to;
        z->avail_out = (uInt)room;
        result = inflate(z, Z_NO_FLUSH);
        if (to == &aside && z->avail_out == 0)
            out->failed = ERR_LIMIT;
        else if (to != &aside)
            out->len += room - z->avail_out;
        if (result == Z_MEM_ERROR || out->failed)
            return refuse_size(r, out);
        if ((result != Z_OK && result != Z_STREAM_END) || (result == Z_OK && !z->avail_in && z->avail_out)) {
            problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "the body is no whole %.*s",
                           (int)r->content_encoding.len, r->content_encoding.data);
            return false;
        }
    }
    return true;
}

bool content_decode(struct request *r)
{
    z_stream z = {0};
    struct buf out;
    buf_init(&out, r->body.max_bytes);
    if (r->body.len > UINT32_MAX || inflateInit2(&z, window_bits(r)) != Z_OK)
        return refuse_size(r, &out);
    bool done = inflate_all(r, &z, &out);
    (void)inflateEnd(&z);
    if (!done) {
        buf_fini(&out);
        return false;
    }
    buf_fini(&r->body);
    r->body = out;
    r->content_encoding = (struct text){NULL, 0};
    return true;
}
