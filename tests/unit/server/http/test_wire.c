/* server/http/wire.c: what is let through, and what is found wrong. Risks: a cut between two reads that
 * changes what is seen; bytes behind a fault that get through; an ending that does not fit; a count of
 * requests that leaves that of the reader. */
#include "server/http/wire.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 48 * 1024 };

/* Reads text in pieces of that size, as from a socket, into buffers of that room; what the reader got, as a
 * string. */
static struct wire read_in_pieces(const char *text, size_t n, size_t piece, char out[ROOM])
{
    struct wire w;
    size_t len = 0;
    wire_init(&w);
    for (size_t at = 0; at < n && !w.fault; at += piece) {
        char buffer[ROOM];
        size_t k = n - at < piece ? n - at : piece;
        memcpy(buffer, text + at, k);
        size_t got = wire_read(&w, buffer, k, piece);
        ck_assert_uint_le(got, piece);
        memcpy(out + len, buffer, got);
        len += got;
    }
    for (size_t got; (got = wire_take_ending(&w, out + len, piece)) > 0; len += got)
        ;
    out[len] = '\0';
    return w;
}

#define HEAD "POST /x?y HTTP/1.1\r\nHost: h\r\n"

static const struct {
    const char *text;
    enum wire_fault fault;
    unsigned n_requests;
    bool between;
} cases[] = {
    {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", WIRE_SOUND, 1, true},
    {"GET / HTTP/1.0\r\n\r\n", WIRE_SOUND, 1, true},
    {"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HT", WIRE_SOUND, 2, false},
    {HEAD "Content-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n", WIRE_SOUND, 2, true},
    {HEAD "Content-Length: 3\r\n\r\nab", WIRE_SOUND, 1, false},
    {HEAD "Content-Length: 00\r\n\r\n", WIRE_SOUND, 1, true},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A;x=\"y z\"\r\n0123456789\r\n0\r\n\r\n", WIRE_SOUND,
     1, true},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\nG", WIRE_SOUND, 2, false},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n", WIRE_SOUND, 1, true},
    {HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", WIRE_MALFORMED, 1, false},
    {HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", WIRE_MALFORMED, 1, false},
    {HEAD "Content-Length : 3\r\n\r\nabc", WIRE_MALFORMED, 1, false},
    {HEAD "A: b\r\n c\r\n\r\n", WIRE_MALFORMED, 1, false},
    {HEAD "A: b\n\r\n", WIRE_MALFORMED, 1, false},
    {HEAD "Host: i\r\n\r\n", WIRE_MALFORMED, 1, false},
    {"GET / HTTP/1.1\r\n\r\n", WIRE_MALFORMED, 1, false},
    {"\n", WIRE_MALFORMED, 1, false},
    {"\r\r", WIRE_MALFORMED, 1, false},
    {"GET / HTTP/1.0\r\n\r\n\001", WIRE_MALFORMED, 2, false},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", WIRE_MALFORMED, 1, false},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", WIRE_MALFORMED, 1, false},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", WIRE_MALFORMED, 1, false},
    {"GET / HTTP/2.0\r\n\r\n", WIRE_VERSION, 1, false},
};

START_TEST(test_cuts_change_nothing)
{
    char whole[ROOM], cut[ROOM];
    const char *text = cases[_i].text;
    size_t n = strlen(text);
    struct wire w = read_in_pieces(text, n, 1024, whole);
    ck_assert_int_eq(w.fault, cases[_i].fault);
    ck_assert_uint_eq(w.n_requests, cases[_i].n_requests);
    ck_assert_int_eq(wire_between_requests(&w), cases[_i].between);
    if (!cases[_i].fault)
        ck_assert_str_eq(whole, text);
    for (size_t piece = 1; piece < n; piece++) {
        w = read_in_pieces(text, n, piece, cut);
        ck_assert_int_eq(w.fault, cases[_i].fault);
        ck_assert_str_eq(cut, whole);
    }
}
END_TEST

/* What the reader gets of a faulty request is a whole one, and a sound one but for what was let through
 * before. */
START_TEST(test_a_fault_ends_the_request)
{
    char out[ROOM];
    const char *text = cases[_i].text;
    struct wire w = read_in_pieces(text, strlen(text), 1024, out);
    if (!w.fault || strstr(text, "chunked\r\n\r\n")) /* a chunk's fault is for the reader to refuse */
        return;
    ck_assert_ptr_nonnull(strstr(out, "\r\n\r\n"));
    ck_assert_str_eq(strstr(out, "\r\n\r\n") == out + strlen(out) - 4 ? "" : "more",
                     w.n_requests == 1 ? "" : "more");
}
END_TEST

START_TEST(test_cookies_get_another_name)
{
    char out[ROOM];
    static const char text[] = "GET / HTTP/1.0\r\nCOOKIE: a=b; c=d\r\nCookies: x\r\nCook: y\r\n\r\n";
    struct wire w = read_in_pieces(text, strlen(text), 1024, out);
    ck_assert(!w.fault);
    ck_assert_str_eq(out, "GET / HTTP/1.0\r\nCOOKI_: a=b; c=d\r\nCooki_s: x\r\nCook: y\r\n\r\n");
}
END_TEST

/* Heads that are too large, each in its way: a path, parameters, a field's name, its value, fields. n: how
 * often the piece is in it. */
static const struct {
    const char *before, *piece;
    int n;
    enum wire_fault fault;
} large[] = {
    {"GET /", "x", 30000, WIRE_TARGET_TOO_LONG},
    {"GET /?", "a&", 400, WIRE_TARGET_TOO_LONG},
    {"GET / HTTP/1.1\r\n", "x", 30000, WIRE_HEAD_TOO_LARGE},
    {"GET / HTTP/1.1\r\nx:", "x", 30000, WIRE_HEAD_TOO_LARGE},
    {"GET / HTTP/1.1\r\n", "x:y\r\n", 400, WIRE_HEAD_TOO_LARGE},
};

START_TEST(test_a_large_head_is_refused_at_the_same_byte_whatever_the_cuts)
{
    static char text[ROOM], whole[ROOM], cut[ROOM];
    static const size_t pieces[] = {1, 7, 1000, 27000};
    size_t n = (size_t)snprintf(text, sizeof text, "%s", large[_i].before);
    for (int k = 0; k < large[_i].n; k++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", large[_i].piece);
    struct wire w = read_in_pieces(text, n, ROOM, whole);
    ck_assert_int_eq(w.fault, large[_i].fault);
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        struct wire v = read_in_pieces(text, n, pieces[k], cut);
        ck_assert_int_eq(v.fault, w.fault);
        ck_assert_uint_eq(v.head_cost, w.head_cost);
        ck_assert_str_eq(cut, whole);
    }
}
END_TEST

/* Any bytes, in any cuts: the same is seen, nothing is written beyond the room, and nothing gets through
 * behind a fault. */
START_TEST(test_random_bytes_are_read_alike_in_any_pieces)
{
    static const char alphabet[] = "GET /?&= HTTP/1.10:\r\n\r\n\r\nhost:Content-Length:chunked;\t\001\200";
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char text[200], whole[ROOM], cut[ROOM];
        size_t n = 1 + (size_t)rand() % 199;
        const char *sample = cases[(size_t)rand() % (sizeof cases / sizeof *cases)].text;
        for (size_t i = 0; i < n; i++)
            text[i] = i < strlen(sample) && rand() % 16 ? sample[i]
                                                        : alphabet[(size_t)rand() % (sizeof alphabet - 1)];
        struct wire w = read_in_pieces(text, n, 512, whole);
        struct wire v = read_in_pieces(text, n, 1 + (size_t)rand() % 40, cut);
        ck_assert_int_eq(w.fault, v.fault);
        ck_assert_uint_eq(w.n_requests, v.n_requests);
        ck_assert_str_eq(whole, cut);
    }
}
END_TEST

SUITE("server/wire", NULL, NULL, {test_cuts_change_nothing, sizeof cases / sizeof *cases},
      {test_a_fault_ends_the_request, sizeof cases / sizeof *cases}, {test_cookies_get_another_name},
      {test_a_large_head_is_refused_at_the_same_byte_whatever_the_cuts, sizeof large / sizeof *large},
      {test_random_bytes_are_read_alike_in_any_pieces})
