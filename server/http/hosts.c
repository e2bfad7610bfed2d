/* Names of this machine are those that no page from elsewhere can have: localhost and what ends with
 * .localhost (RFC 6761), and addresses of the loopback network written as such. */
#include "server/http/hosts.h"

#include "server/http/http.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

enum err_code hosts_is_loopback(const char *listen, bool *loopback, struct err *e)
{
    char host[256], port[8];
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    if (!http_split_listen(listen, host, port))
        return err_set(e, ERR_INVALID, "--listen takes HOST:PORT, not '%s'", listen);
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed)
        return err_set(e, ERR_INVALID, "cannot listen on '%s': %s", listen, gai_strerror(failed));
    *loopback = is_loopback(found->ai_addr); /* the first is the one that is listened on */
    freeaddrinfo(found);
    return ERR_OK;
}

void hosts_check(struct hosts *h, const char *listen, const char *const *others, size_t n_others)
{
    char port[8];
    h->checked = http_split_listen(listen, h->listen, port);
    h->others = others;
    h->n_others = n_others;
}

/* Takes port, brackets and a dot at the end from what stands in Host; false when it is too long or no
 * name. */
static bool bare_name(struct text host, char name[256])
{
    size_t n = host.len;
    const char *at = host.data, *bracket = n && *at == '[' ? memchr(at, ']', n) : NULL;
    const char *colon = memchr(bracket ? bracket : at, ':', bracket ? n - (size_t)(bracket - at) : n);
    if (colon) {
        for (const char *digit = colon + 1; digit < at + n; digit++)
            if (*digit < '0' || *digit > '9')
                return false;
        n = (size_t)(colon - at);
    }
    if (bracket) {
        if (bracket + 1 != at + n)
            return false;
        at++;
        n -= 2;
    } else if (n > 1 && at[n - 1] == '.') {
        n--;
    }
    if (n == 0 || n > 255 || memchr(at, 0, n))
        return false;
    memcpy(name, at, n);
    name[n] = '\0';
    return true;
}

static bool is_this_machine(const char *name)
{
    static const char suffix[] = ".localhost";
    size_t n = strlen(name), n_suffix = sizeof suffix - 1;
    struct in_addr four;
    struct in6_addr six;
    if (strcasecmp(name, "localhost") == 0 || (n > n_suffix && strcasecmp(name + n - n_suffix, suffix) == 0))
        return true;
    if (inet_pton(AF_INET, name, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, name, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

bool hosts_allow(const struct hosts *h, struct text host)
{
    char name[256];
    if (!h->checked || !host.data)
        return true;
    if (!bare_name(host, name))
        return false;
    if (is_this_machine(name) || strcasecmp(name, h->listen) == 0)
        return true;
    for (size_t i = 0; i < h->n_others; i++)
        if (strcasecmp(name, h->others[i]) == 0)
            return true;
    return false;
}
