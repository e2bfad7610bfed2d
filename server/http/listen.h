/* listen - the socket that an HTTP server listens on. For http*.c alone.
 * Layer: server/http
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_HTTP_LISTEN_H
#define SERVER_HTTP_LISTEN_H

#include "base/err.h"

struct http_address {
    char host[256];
    int port;
    int socket; /* -1: none */
};

/* Listens on HOST:PORT; *out with the port that it got. The socket is the caller's to close, also after an
 * error when it is not -1. */
enum err_code http_listen(const char *listen_on, struct http_address *out, struct err *e) ERR_MUST_CHECK;

#endif
