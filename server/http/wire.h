/* wire - the framing of the requests of one connection, byte by byte as RFC 9112 has it. What is not exactly
 * so is a fault that ends the connection, because a proxy in front may have read it another way (request
 * smuggling): a line that ends without CR LF, a control character, a space before a colon, a folded field,
 * Content-Length twice or beside Transfer-Encoding, a missing or second Host, a chunk size that is not plain
 * hexadecimal. So are heads larger than the library behind keeps without losing the request.
 * Cost: a table look-up a byte of a head, nothing a byte of a body.
 * Layer: server/http
 * Threads: confined to its connection's thread.
 * Memory: none beyond the struct. */
#ifndef SERVER_HTTP_WIRE_H
#define SERVER_HTTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_fault {
    WIRE_SOUND,
    WIRE_MALFORMED,       /* 400 */
    WIRE_TARGET_TOO_LONG, /* 414 */
    WIRE_HEAD_TOO_LARGE,  /* 431 */
    WIRE_VERSION          /* 505 */
};

enum { WIRE_NAME_BYTES = 20, WIRE_VALUE_BYTES = 24 };

struct wire {
    int state;                     /* of the grammar, private to wire.c */
    unsigned long long n_requests; /* begun */
    enum wire_fault fault;         /* of the last of them; nothing is read after it */
    const char *what;              /* is wrong; static */
    const char *ending;            /* what the reader is yet to get in place of the rest */
    size_t head_cost;              /* memory that the head takes so far */
    uint64_t left;                 /* bytes of the body, or of its chunk, that are yet to come */
    unsigned position;             /* within a method, version, name, chunk's size or its extension */
    unsigned n_name, n_value;      /* may pass what is kept */
    unsigned n_hosts, n_lengths, n_codings; /* fields seen in the head */
    bool is_trailer, is_chunked, has_query, version_1_0;
    uint64_t length;              /* Content-Length */
    char name[WIRE_NAME_BYTES];   /* of the field at hand, in small letters */
    char value[WIRE_VALUE_BYTES]; /* of the few fields that matter */
};

void wire_init(struct wire *w);

/* Looks at n bytes that came, of a buffer with that much room or more, and returns how many of the buffer the
 * reader may have. Sound bytes stay as they are, but for a letter of the name Cookie, since cookies would
 * cost the reader memory. From a fault on they are replaced by what ends the request, so that the reader asks
 * for an answer to it; what did not fit is had by wire_take_ending. */
size_t wire_read(struct wire *w, char *bytes, size_t n, size_t room);

/* Copies up to room bytes of the ending of a faulty request; 0: there is no more, and nothing else will
 * come. */
size_t wire_take_ending(struct wire *w, char *out, size_t room);

/* Whether the last request is whole and nothing of another has come. */
bool wire_between_requests(const struct wire *w);

#endif
