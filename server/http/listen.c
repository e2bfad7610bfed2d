/* The address of --listen, and its socket. */
#include "server/http/listen.h"

#include "server/http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool http_split_listen(const char *listen, char host[256], char port[8])
{
    const char *colon = strrchr(listen, ':');
    if (!colon || colon == listen || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtoul(colon + 1, NULL, 10) > 65535)
        return false;
    size_t n = (size_t)(colon - listen);
    if (listen[0] == '[' && colon[-1] == ']') {
        listen++;
        n -= 2;
    }
    if (n == 0 || n > 255)
        return false;
    memcpy(host, listen, n);
    host[n] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

enum err_code http_listen(const char *listen_on, struct http_address *out, struct err *e)
{
    char port[8];
    if (!http_split_listen(listen_on, out->host, port))
        return err_set(e, ERR_INVALID, "--listen takes HOST:PORT, not '%s'", listen_on);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    int failed = getaddrinfo(out->host, port, &hints, &found), on = 1;
    if (failed)
        return err_set(e, ERR_INVALID, "cannot listen on '%s': %s", listen_on, gai_strerror(failed));
    out->socket = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out->socket >= 0)
        (void)setsockopt(out->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    enum err_code code = ERR_OK;
    if (out->socket < 0 || bind(out->socket, found->ai_addr, found->ai_addrlen) || listen(out->socket, 1024))
        code = err_set(e, ERR_IO, "cannot listen on '%s': %s", listen_on, strerror(errno));
    freeaddrinfo(found);
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (!code && getsockname(out->socket, (struct sockaddr *)&bound, &size) == 0)
        out->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                      : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    return code;
}
