/* The table by file number is read by a connection's own thread without a lock: a socket's entry is set
 * before its first byte is read and cleared before it is closed, by the thread that reads it. Whoever else
 * shuts a socket holds the lock, under which entries are cleared, so that a number is never another
 * connection's by then.
 *
 * What is due to whom is decided by one word: `phase` goes from RECEIVING to ANSWERING or to ENDED by compare
 * and exchange, so a client gets the answer or "408", never a mixture. The longest silent is found by looking
 * at all of them, a few at a time: it is done when there is no place only, and costs some 20 us a connection
 * that comes, of ten thousand. */
#include "server/http/connections.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/periodic.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_SHUT_AT_ONCE = 16 }; /* connections, each time there is no place */
enum { BUCKETS = 4096 };        /* of origins */

/* An address, and what came from it. */
struct origin {
    struct origin *next;
    size_t n_live, n_held; /* connections that were not shut; all that are yet to be closed */
    unsigned char address[CONNECTION_ADDRESS_BYTES];
};

struct connections {
    struct connections_config config;
    struct http_counters *counters;
    pthread_mutex_t lock;
    /* guarded by lock */
    struct connection **list; /* (n) of room */
    size_t n, n_live, room;
    struct origin *origins[BUCKETS];
    uint64_t seed; /* of the hash of addresses */
    struct periodic *sweeper;
};

/* (n_by_fd) of the process; an HTTP server is one a process. */
static _Atomic(struct connection *) *by_fd;
static size_t n_by_fd;

/* ---- addresses ---- */

static void address_of(const struct sockaddr *from, unsigned char out[CONNECTION_ADDRESS_BYTES])
{
    memset(out, 0, CONNECTION_ADDRESS_BYTES);
    out[0] = (unsigned char)from->sa_family;
    if (from->sa_family == AF_INET) {
        memcpy(out + 1, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        const unsigned char *a = ((const struct sockaddr_in6 *)(const void *)from)->sin6_addr.s6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)a);
        memcpy(out + 1, a, mapped ? 16 : 8); /* who has one IPv6 address has the other 2^64 of its network */
    }
}

static struct origin **find_origin(struct connections *all,
                                   const unsigned char address[CONNECTION_ADDRESS_BYTES])
{
    ASSERT_HELD(&all->lock);
    size_t bucket = hash_bytes(all->seed, address, CONNECTION_ADDRESS_BYTES) % BUCKETS;
    struct origin **at = &all->origins[bucket];
    while (*at && memcmp((*at)->address, address, CONNECTION_ADDRESS_BYTES) != 0)
        at = &(*at)->next;
    return at;
}

/* ---- ending a connection ---- */

/* Ends a connection that waits for its client; false: it is owed an answer, or was ended before. The lock is
 * held. */
static bool shut(struct connections *all, struct connection *c, int phase)
{
    ASSERT_HELD(&all->lock);
    static const char late[] =
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (!atomic_compare_exchange_strong(&c->phase, &phase, CONNECTION_ENDED))
        return false;
    if (phase == CONNECTION_RECEIVING)
        (void)send(c->fd, late, sizeof late - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(c->fd, SHUT_RDWR); /* its thread hears of it and closes it */
    (*find_origin(all, c->address))->n_live--;
    all->n_live--;
    return true;
}

/* Ends up to n of those longest without an answer, of one address or (NULL) of all; returns how many. The
 * lock is held. */
static size_t shut_silent(struct connections *all, const unsigned char *address, size_t n)
{
    ASSERT_HELD(&all->lock);
    struct connection *oldest[MAX_SHUT_AT_ONCE]; /* (n_found) the most silent first */
    size_t n_found = 0, n_shut = 0;
    if (n > MAX_SHUT_AT_ONCE)
        n = MAX_SHUT_AT_ONCE;
    for (size_t i = 0; i < all->n; i++) {
        struct connection *c = all->list[i];
        if (atomic_load_explicit(&c->phase, memory_order_relaxed) >= CONNECTION_ANSWERING ||
            (address && memcmp(c->address, address, CONNECTION_ADDRESS_BYTES) != 0))
            continue;
        int64_t since = atomic_load_explicit(&c->answered_ns, memory_order_relaxed);
        size_t at = n_found;
        while (at > 0 && since < atomic_load_explicit(&oldest[at - 1]->answered_ns, memory_order_relaxed))
            at--;
        if (at == n)
            continue;
        n_found += n_found < n;
        memmove(&oldest[at + 1], &oldest[at], (n_found - at - 1) * sizeof *oldest);
        oldest[at] = c;
    }
    for (size_t i = 0; i < n_found; i++)
        n_shut += shut(all, oldest[i], CONNECTION_IDLE) || shut(all, oldest[i], CONNECTION_RECEIVING);
    COUNTER_ADD(all->counters, connections_evicted, n_shut);
    return n_shut;
}

/* ---- coming and going ---- */

bool connections_admit(struct connections *all, const struct sockaddr *from)
{
    unsigned char address[CONNECTION_ADDRESS_BYTES];
    address_of(from, address);
    pthread_mutex_lock(&all->lock);
    const struct origin *origin = *find_origin(all, address);
    bool welcome =
        !origin || origin->n_live < all->config.max_per_address || shut_silent(all, address, 1) > 0;
    if (welcome && all->n_live >= all->config.max_connections + LIMIT_RESERVED_CONNECTIONS)
        welcome = shut_silent(all, NULL, 1) > 0;
    pthread_mutex_unlock(&all->lock);
    COUNTER_ADD(all->counters, connections_refused, !welcome);
    return welcome;
}

/* Puts a new connection into the list and at its origin. The lock is held. */
static bool enlist(struct connections *all, struct connection *c)
{
    ASSERT_HELD(&all->lock);
    if (all->n == all->room) {
        size_t room = all->room ? 2 * all->room : 64;
        struct connection **list = mem_realloc_array(all->list, room, sizeof *list);
        if (!list)
            return false;
        all->list = list;
        all->room = room;
    }
    struct origin **origin = find_origin(all, c->address);
    if (!*origin) {
        if (!(*origin = mem_zalloc_array(1, sizeof **origin)))
            return false;
        memcpy((*origin)->address, c->address, CONNECTION_ADDRESS_BYTES);
    }
    (*origin)->n_live++;
    (*origin)->n_held++;
    c->place = all->n;
    all->list[all->n++] = c;
    all->n_live++;
    return true;
}

/* Makes room for one who has come past the limit. The lock is held. */
static void make_room(struct connections *all, struct connection *newest)
{
    ASSERT_HELD(&all->lock);
    size_t most = all->config.max_connections;
    if (all->n_live <= most)
        return;
    size_t some = most / 64 < MAX_SHUT_AT_ONCE ? most / 64 : MAX_SHUT_AT_ONCE;
    (void)shut_silent(all, NULL, all->n_live - most + some);
    newest->reserved = all->n_live > most;
}

struct connection *connection_open(struct connections *all, int fd, const struct sockaddr *from)
{
    struct connection *c = fd >= 0 && (size_t)fd < n_by_fd ? mem_zalloc_array(1, sizeof *c) : NULL;
    if (!c)
        return NULL;
    int64_t now = clock_coarse_ns();
    c->all = all;
    c->fd = fd;
    wire_init(&c->wire);
    atomic_init(&c->phase, CONNECTION_IDLE);
    atomic_init(&c->begun_ns, now);
    atomic_init(&c->byte_ns, now);
    atomic_init(&c->answered_ns, now);
    address_of(from, c->address);
    pthread_mutex_lock(&all->lock);
    bool known = enlist(all, c);
    if (known) {
        atomic_store_explicit(&c->phase, CONNECTION_ANSWERING,
                              memory_order_relaxed); /* not the one to leave */
        make_room(all, c);
        atomic_store_explicit(&c->phase, CONNECTION_IDLE, memory_order_relaxed);
        atomic_store_explicit(&by_fd[fd], c, memory_order_release);
    }
    pthread_mutex_unlock(&all->lock);
    if (!known) {
        mem_free(c);
        return NULL;
    }
    COUNTER_ADD(all->counters, connections, 1);
    return c;
}

void connection_close(struct connection *c)
{
    if (!c)
        return;
    struct connections *all = c->all;
    pthread_mutex_lock(&all->lock);
    atomic_store_explicit(&by_fd[c->fd], NULL, memory_order_relaxed);
    struct origin **at = find_origin(all, c->address), *origin = *at;
    if (atomic_load_explicit(&c->phase, memory_order_relaxed) != CONNECTION_ENDED) {
        origin->n_live--;
        all->n_live--;
    }
    if (--origin->n_held == 0) {
        *at = origin->next;
        mem_free(origin);
    }
    all->list[c->place] = all->list[--all->n];
    all->list[c->place]->place = c->place;
    pthread_mutex_unlock(&all->lock);
    COUNTER_ADD(all->counters, connections, -1);
    mem_free(c);
}

struct connection *connection_of(int fd)
{
    return fd >= 0 && (size_t)fd < n_by_fd ? atomic_load_explicit(&by_fd[fd], memory_order_relaxed) : NULL;
}

/* ---- phases ---- */

void connection_receives(struct connection *c)
{
    int idle = CONNECTION_IDLE;
    int64_t now = clock_coarse_ns();
    atomic_store_explicit(&c->byte_ns, now, memory_order_relaxed);
    if (atomic_load_explicit(&c->phase, memory_order_relaxed) != idle)
        return;
    atomic_store_explicit(&c->begun_ns, now, memory_order_relaxed);
    (void)atomic_compare_exchange_strong(&c->phase, &idle, CONNECTION_RECEIVING);
}

bool connection_owes_answer(struct connection *c)
{
    int phase = atomic_load_explicit(&c->phase, memory_order_relaxed);
    while (phase != CONNECTION_ENDED &&
           !atomic_compare_exchange_weak(&c->phase, &phase, CONNECTION_ANSWERING))
        ;
    if (phase == CONNECTION_ENDED)
        return false;
    atomic_store_explicit(&c->begun_ns, clock_coarse_ns(), memory_order_relaxed);
    return true;
}

void connection_answered(struct connection *c)
{
    int phase = CONNECTION_ANSWERING;
    int64_t now = clock_coarse_ns();
    bool more = !wire_between_requests(&c->wire); /* of the next one has come already */
    atomic_store_explicit(&c->served, true, memory_order_relaxed);
    atomic_store_explicit(&c->answered_ns, now, memory_order_relaxed);
    atomic_store_explicit(&c->begun_ns, now, memory_order_relaxed);
    (void)atomic_compare_exchange_strong(&c->phase, &phase, more ? CONNECTION_RECEIVING : CONNECTION_IDLE);
}

bool connection_abandoned(const struct connection *c, int64_t waited_ns)
{
    enum { HALF_CLOSED_NS = 1000000000 };
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    if (poll(&p, 1, 0) <= 0)
        return false;
    return (p.revents & (POLLHUP | POLLERR)) || ((p.revents & POLLRDHUP) && waited_ns > HALF_CLOSED_NS);
}

/* ---- time limits ---- */

static bool passed(int64_t now, int64_t since, unsigned max_s)
{
    return now - since > (int64_t)max_s * 1000000000;
}

/* Whether a client takes nothing of its answer any more. */
static bool stalls(struct connections *all, struct connection *c, int64_t begun, int64_t now)
{
    int unsent = 0;
    if (ioctl(c->fd, TIOCOUTQ, &unsent) || unsent == 0 || unsent != c->unsent_bytes ||
        c->progress_ns < begun) {
        c->unsent_bytes = unsent;
        c->progress_ns = now;
    }
    return passed(now, c->progress_ns, all->config.request_s);
}

static void check(struct connections *all, struct connection *c, int64_t now)
{
    const struct connections_config *most = &all->config;
    int64_t begun = atomic_load_explicit(&c->begun_ns, memory_order_relaxed);
    int64_t byte = atomic_load_explicit(&c->byte_ns, memory_order_relaxed);
    int phase = atomic_load_explicit(&c->phase, memory_order_relaxed);
    bool over = false;
    if (phase == CONNECTION_IDLE)
        over = passed(now, begun,
                      atomic_load_explicit(&c->served, memory_order_relaxed) ? most->keep_alive_s
                                                                             : most->request_s);
    else if (phase == CONNECTION_RECEIVING)
        over = passed(now, begun, most->deadline_s) || passed(now, byte, most->request_s);
    else if (phase == CONNECTION_ANSWERING && passed(now, begun, most->request_s))
        over = stalls(all, c, begun, now);
    if (over && shut(all, c, phase) && phase != CONNECTION_IDLE)
        COUNTER_ADD(all->counters, requests_too_slow, 1);
}

void connections_sweep(struct connections *all, int64_t now_ns)
{
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n; i++)
        check(all, all->list[i], now_ns);
    pthread_mutex_unlock(&all->lock);
}

/* A quarter of the shortest limit, and a second at most. */
static int64_t period_ns(const struct connections_config *c)
{
    unsigned least = c->keep_alive_s < c->request_s ? c->keep_alive_s : c->request_s;
    if (c->deadline_s < least)
        least = c->deadline_s;
    return least < 4 ? (int64_t)least * 250000000 : 1000000000;
}

static void sweep(void *arg)
{
    connections_sweep(arg, clock_coarse_ns());
}

/* ---- start and stop ---- */

/* A table for as many files as the process may have. */
static enum err_code make_table(struct err *e)
{
    struct rlimit most;
    enum { FILES_IF_UNKNOWN = 65536, MAX_FILES = 1 << 21 };
    size_t n = getrlimit(RLIMIT_NOFILE, &most) ? FILES_IF_UNKNOWN : (size_t)most.rlim_cur;
    if (n > MAX_FILES)
        n = MAX_FILES;
    by_fd = mem_zalloc_array(n, sizeof *by_fd);
    if (!by_fd)
        return err_set(e, ERR_NOMEM, "no memory for a table of %zu connections", n);
    n_by_fd = n;
    return ERR_OK;
}

static void free_table(void)
{
    n_by_fd = 0;
    mem_free(by_fd);
    by_fd = NULL;
}

enum err_code connections_new(const struct connections_config *config, struct http_counters *m,
                              struct connections **out, struct err *e)
{
    struct connections *all = mem_zalloc_array(1, sizeof *all);
    if (!all)
        return err_set(e, ERR_NOMEM, "no memory for the connections");
    enum err_code code = make_table(e);
    if (code) {
        mem_free(all);
        return code;
    }
    all->config = *config;
    all->counters = m;
    if (getrandom(&all->seed, sizeof all->seed, GRND_NONBLOCK) != sizeof all->seed)
        all->seed = (uint64_t)clock_monotonic_ns();
    pthread_mutex_init(&all->lock, NULL);
    code = periodic_start(period_ns(config), sweep, all, "watches connections", &all->sweeper, e);
    if (code)
        connections_free(all);
    else
        *out = all;
    return code;
}

void connections_free(struct connections *all)
{
    if (!all)
        return;
    periodic_stop(all->sweeper);
    pthread_mutex_destroy(&all->lock);
    mem_free(all->list);
    free_table();
    mem_free(all);
}
