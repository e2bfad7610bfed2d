/* The ceiling for HTTP: libmicrohttpd, set up as the server sets it up, answering every request with one
 * fixed body. Usage: bare_http BODY_BYTES THREADS; prints `listening on http://127.0.0.1:PORT`, ends on
 * SIGTERM. It reads a request's body, as a server must, and makes the answer's headers once. */
#include "base/limits.h"

#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    static int begun;
    (void)url;
    (void)method;
    (void)version;
    (void)upload;
    if (!*state) {
        *state = &begun;
        return MHD_YES;
    }
    if (*upload_size) {
        *upload_size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, arg);
}

static struct MHD_Response *fixed_answer(size_t n)
{
    char *body = malloc(n + 1);
    if (!body)
        return NULL;
    memset(body, 'x', n);
    struct MHD_Response *answer = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
    if (answer)
        (void)MHD_add_response_header(answer, "Content-Type", "application/json");
    return answer;
}

int main(int argc, char **argv)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    struct MHD_Response *answer = argc == 3 ? fixed_answer(strtoul(argv[1], NULL, 10)) : NULL;
    unsigned threads = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    struct MHD_Daemon *daemon =
        answer && threads
            ? MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, answer,
                               MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                               (size_t)LIMIT_HEAD_BYTES, MHD_OPTION_END)
            : NULL;
    if (!daemon) {
        (void)fprintf(stderr, "usage: bare_http BODY_BYTES THREADS\n");
        return 2;
    }
    (void)printf("listening on http://127.0.0.1:%d\n",
                 (int)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    (void)fflush(stdout);
    (void)sigwait(&set, &number);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(answer);
    return 0;
}
