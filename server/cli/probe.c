/* One socket and one line are less than a dependency on an HTTP client. */
#include "server/cli/probe.h"

#include "server/http/http.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PROBE_SECONDS = 3 };

static enum err_code ask(int fd, const char *host, struct err *e)
{
    char text[512];
    int n =
        snprintf(text, sizeof text, "GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host);
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        return err_set(e, ERR_IO, "the server does not take a request: %s", strerror(errno));
    size_t have = 0;
    while (have < 12) { /* "HTTP/1.1 200" */
        ssize_t got = recv(fd, text + have, sizeof text - 1 - have, 0);
        if (got <= 0)
            return err_set(e, ERR_IO, "the server does not answer: %s",
                           got ? strerror(errno) : "it closed the connection");
        have += (size_t)got;
    }
    text[12] = '\0';
    return strcmp(text + 9, "200") == 0 ? ERR_OK : err_set(e, ERR_BUSY, "not ready (status %s)", text + 9);
}

enum err_code probe_ready(const char *listen, struct err *e)
{
    char host[256], port[8];
    if (!http_split_listen(listen, host, port))
        return err_set(e, ERR_INVALID, "--listen takes HOST:PORT, not '%s'", listen);
    const char *asked = strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(host, "::") == 0 ? "::1" : host;
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = getaddrinfo(asked, port, &hints, &found);
    if (failed)
        return err_set(e, ERR_INVALID, "%s: %s", listen, gai_strerror(failed));
    struct timeval most = {.tv_sec = PROBE_SECONDS};
    int fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
    enum err_code code = ERR_OK;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) ||
        connect(fd, found->ai_addr, found->ai_addrlen))
        code = err_set(e, ERR_IO, "no server at %s: %s", listen, strerror(errno));
    if (!code)
        code = ask(fd, asked, e);
    if (fd >= 0)
        (void)close(fd);
    freeaddrinfo(found);
    return code;
}
