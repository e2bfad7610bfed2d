/* Calls of the system that libmicrohttpd makes, and that stand before libc's for the whole process. */
#include "server/http/mhd_system.h"

#include "server/http/connections.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* MHD_quiesce_daemon of libmicrohttpd up to 1.0 takes the listening socket
 * out of each thread's set, and so does the thread itself when it sees the flag: now and then both do, and
 * the second aborts the process because there is nothing left to take out. That is no failure. */
int epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    long result = syscall(SYS_epoll_ctl, set, op, fd, event);
    return result < 0 && op == EPOLL_CTL_DEL && errno == ENOENT ? 0 : (int)result;
}

/* Gives one event less than there is room for. libmicrohttpd (0.9.75, and before) looks again when it got as
 * many as it asked for, 128, and for as long as before: when there are no others, those 128 connections wait
 * for somebody else's event, or for the timeout. */
int epoll_wait(int set, struct epoll_event *events, int most, int timeout_ms)
{
    return epoll_pwait(set, events, most > 1 ? most - 1 : most, timeout_ms, NULL);
}

/* Throws away what has come and nobody will read: a socket that is closed over it would take the answer
 * back. */
static void drain(int fd)
{
    enum { MAX_READS = 64 };
    char waste[4096];
    for (int i = 0; i < MAX_READS; i++)
        if (recvfrom(fd, waste, sizeof waste, MSG_DONTWAIT, NULL, NULL) <= 0)
            return;
}

/* Lets libmicrohttpd (0.9.75) read what is framed as it must be and no more: it takes lines without CR,
 * folded fields, spaces before colons, two lengths, a length beside chunks, and loses track of requests whose
 * parameters or cookies are more than its memory holds. What follows a fault is the end of a request that is
 * refused, then the end of the connection. */
ssize_t recv(int fd, void *out, size_t room, int flags)
{
    struct connection *c = connection_of(fd);
    if (c && c->wire.fault)
        return (ssize_t)wire_take_ending(&c->wire, out, room);
    ssize_t n = recvfrom(fd, out, room, flags, NULL, NULL);
    if (!c || n <= 0)
        return n;
    connection_receives(c);
    size_t kept = wire_read(&c->wire, out, (size_t)n, room);
    if (c->wire.fault)
        drain(fd);
    return (ssize_t)kept;
}

bool http_system_stands(void)
{
    return dlsym(RTLD_DEFAULT, "recv") == (void *)recv &&
           dlsym(RTLD_DEFAULT, "epoll_wait") == (void *)epoll_wait;
}
