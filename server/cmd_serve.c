/* hypernet serve: the order of start and of stop.
 *
 *   start: tokens, store, models, watcher, HTTP threads and workers, the weights of the last run's users (--warm-file);
 * then readiness and "listening on URL"
 *   stop (SIGTERM, SIGINT): readiness turns, answers say Connection: close, for --drain-seconds or until a
 * second signal; then no new connection is taken, what is under way ends (for --request-timeout at most, or
 * until another signal, which ends the process), threads are joined, the store is closed. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/blas.h"
#include "engine/hypernet.h"
#include "engine/kernel.h"
#include "server/announce.h"
#include "server/api.h"
#include "server/commands.h"
#include "server/http.h"
#include "server/probe.h"
#include "server/warm.h"
#include "server/watcher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct settings {
    const char *store, *listen, *admin_token_file, *api_token_file, *warm_file;
    struct option_list models;
    size_t cache_bytes, max_body_bytes;
    int64_t threads, workers, max_connections, max_queue, timeout_s, drain_s, warm_s, warm_save_s;
    bool access_log, log_json, probe;
};

static size_t processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}

/* ---- tokens ---- */

enum { LEAST_TOKEN_BYTES = 16 };

static enum err_code read_token(const char *path, char out[256], struct err *e)
{
    out[0] = '\0';
    if (!path)
        return ERR_OK;
    FILE *f = fopen(path, "re");
    if (!f)
        return err_set(e, ERR_IO, "token file %s: %s", path, strerror(errno));
    char text[512];
    size_t n = fread(text, 1, sizeof text - 1, f), start = 0;
    (void)fclose(f);
    text[n] = '\0';
    while (n > 0 && memchr(" \t\r\n", text[n - 1], 4))
        n--;
    while (start < n && memchr(" \t", text[start], 2))
        start++;
    n -= start;
    bool printable = true;
    for (size_t i = start; i < start + n; i++)
        printable = printable && text[i] > ' ' && text[i] < 127;
    if (n < LEAST_TOKEN_BYTES || n >= 256 || !printable)
        return err_set(e, ERR_INVALID,
                       "token file %s: a token is one line of %d to 255 characters, none of them a space",
                       path, LEAST_TOKEN_BYTES);
    memcpy(out, text + start, n);
    out[n] = '\0';
    return ERR_OK;
}

/* ---- signals ---- */

static pthread_t waiting; /* the thread that waits for signals; written before the handler is set */

/* Runs in threads that do not block the signal: OpenBLAS makes its threads before main does anything. Without
 * this the signal would kill the process whenever the main thread is not in its wait. */
static void pass_on(int number)
{
    (void)pthread_kill(waiting, number);
}

/* Blocks the signals, here and in all threads made from here on, for wait_signal. */
static void take_signals(sigset_t *set)
{
    struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    waiting = pthread_self();
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    action.sa_mask = *set;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

/* Waits for SIGTERM or SIGINT; most_s < 0: for ever. True when one came. */
static bool wait_signal(const sigset_t *set, int64_t most_s)
{
    if (most_s < 0) {
        int number;
        while (sigwait(set, &number) != 0)
            ;
        return true;
    }
    struct timespec most = {.tv_sec = most_s};
    return sigtimedwait(set, NULL, &most) > 0;
}

/* From here on a signal ends the process, as if nobody handled it. */
static void leave_signals(const sigset_t *set)
{
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

/* ---- running ---- */

/* Each connection is a file: asks the system for as many as the options allow, within what it may give. */
static void allow_files(const struct http_config *config)
{
    enum { FILES_A_THREAD = 4 }; /* two of epoll's, the store and its log */
    enum { FILES_A_WORKER = 2 }; /* the store and its log */
    enum { OTHER_FILES = 256 };  /* models, log */
    size_t n_connections = config->max_connections;
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &most))
        return;
    rlim_t want =
        n_connections + FILES_A_THREAD * config->n_threads + FILES_A_WORKER * config->n_workers + OTHER_FILES;
    if (most.rlim_cur < want) {
        most.rlim_cur = want < most.rlim_max ? want : most.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &most);
    }
    if (most.rlim_cur < want)
        log_line(LOG_WARN, "this process may open %llu files, too few for --max-connections %zu",
                 (unsigned long long)most.rlim_cur, n_connections);
}

static enum err_code check_tokens(const struct settings *s, struct api *api, struct err *e)
{
    enum err_code code = read_token(s->admin_token_file, api->admin_token, e);
    return code ? code : read_token(s->api_token_file, api->api_token, e);
}

static void announce(const struct settings *s, const struct http_server *http, const struct serving *serving)
{
    char url[320];
    http_url(http, url, sizeof url);
    log_line(LOG_INFO, "kernels %s, OpenBLAS %s (%s)", kernel_best()->name, blas_corename(), blas_config());
    announce_start(&(struct announcement){.url = url,
                                          .store = s->store,
                                          .admin_token_file = s->admin_token_file,
                                          .api_token_file = s->api_token_file,
                                          .warm_file = s->warm_file},
                   serving);
    (void)printf("listening on %s\n", url);
    (void)fflush(stdout);
}

static void drain(const struct settings *s, struct api *api, const sigset_t *set)
{
    atomic_store(&api->draining, true);
    log_line(LOG_INFO, "stopping: not ready any more, draining for %lld s", (long long)s->drain_s);
    if (wait_signal(set, s->drain_s))
        log_line(LOG_WARN, "a second signal: not waiting any longer");
    leave_signals(set);
}

/* Whether a signal asks to stop, which a warm start does not delay; the wait takes it afterwards. */
static bool signal_pending(void *arg)
{
    const sigset_t *set = arg;
    sigset_t pending;
    return sigpending(&pending) == 0 && ((sigismember(set, SIGTERM) && sigismember(&pending, SIGTERM)) ||
                                         (sigismember(set, SIGINT) && sigismember(&pending, SIGINT)));
}

static void serve_until_signal(const struct settings *s, struct api *api, struct http_server *http,
                               const sigset_t *set)
{
    struct warm *warm = NULL;
    struct err e = {0};
    if (s->warm_file) {
        warm_load(api->serving, s->warm_file, s->warm_s, signal_pending, (void *)set);
        if (warm_start(api->serving, s->warm_file, s->warm_save_s, &warm, &e))
            log_line(LOG_WARN, "%s", e.text); /* the next start will be a cold one; this one serves */
    }
    atomic_store(&api->ready, true);
    announce(s, http, api->serving);
    (void)wait_signal(set, -1);
    drain(s, api, set);
    http_stop(http, (unsigned)s->timeout_s);
    warm_stop(warm);
    log_line(LOG_INFO, "stopped");
}

/* A miss that waits for a batch holds a worker. With fewer workers than this, batches would not fill: one is under way on
 * each of two processors, or collects behind it. */
enum { GATHERING_WORKERS = 2 * HYPERNET_BATCH };

static size_t count_workers(const struct settings *s, bool gathering)
{
    size_t least = gathering ? GATHERING_WORKERS : 0, n = 2 * processors();
    if (s->workers)
        return (size_t)s->workers;
    return n > least ? n : least;
}

static enum err_code run(const struct settings *s, struct api *api, const sigset_t *set, struct err *e)
{
    struct gather_config gather = {.n_running = processors(), .least_ns = GATHER_LEAST_NS};
    bool gathering;
    enum err_code code = serving_measure(api->serving, &gather, &gathering, e);
    if (code)
        return code;
    struct http_config config = {.listen = s->listen,
                                 .n_threads = s->threads ? (size_t)s->threads : processors(),
                                 .n_workers = count_workers(s, gathering),
                                 .max_body_bytes = s->max_body_bytes,
                                 .max_connections = (size_t)s->max_connections,
                                 .max_queue = (size_t)s->max_queue,
                                 .timeout_s = (unsigned)s->timeout_s};
    struct http_server *http;
    struct watcher *watcher;
    allow_files(&config);
    code = watcher_start(api->serving, api->metrics, &watcher, e);
    if (code)
        return code;
    code = http_start(&config, api, &http, e);
    if (!code)
        serve_until_signal(s, api, http, set);
    watcher_stop(watcher);
    return code;
}

static enum err_code serve(const struct settings *s, struct err *e)
{
    static struct metrics metrics;
    struct serving serving;
    struct api api = {.serving = &serving, .metrics = &metrics, .access_log = s->access_log};
    struct store *store = NULL;
    sigset_t set;
    take_signals(&set);
    mem_share_heap();
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the store, not the end */
    enum err_code code = check_tokens(s, &api, e);
    if (!code)
        code = store_open(s->store, STORE_CREATE, &store, e);
    if (!code)
        code = serving_open(&serving, store, s->models.values, s->models.n, s->cache_bytes, e);
    if (!code) {
        code = run(s, &api, &set, e);
        serving_close(&serving);
    }
    store_close(store);
    return code;
}

static int cmd_serve(int argc, char **argv)
{
    struct settings s = {.listen = "127.0.0.1:8080",
                         .cache_bytes = (size_t)256 << 20,
                         .max_body_bytes = LIMIT_BODY_BYTES,
                         .max_connections = LIMIT_CONNECTIONS,
                         .max_queue = LIMIT_QUEUE,
                         .timeout_s = 30,
                         .drain_s = 0,
                         .warm_s = 10,
                         .warm_save_s = 60};
    const struct option options[] = {
        {"store", OPTION_STRING, &s.store, "STORE", "sqlite:PATH or a path; made when it does not exist", 0,
         0, false},
        {"model", OPTION_LIST, &s.models, "FILE",
         "model file; the first one answers unless a request names another", 0, 0, false},
        {"listen", OPTION_STRING, &s.listen, "HOST:PORT", "address; port 0 takes a free one", 0, 0, false},
        {"cache-bytes", OPTION_BYTES, &s.cache_bytes, "BYTES", "most memory for generated weights", 0, 1e15,
         false},
        {"threads", OPTION_INT, &s.threads, "N", "HTTP threads; 0: one a processor", 0, 256, false},
        {"workers", OPTION_INT, &s.workers, "N",
         "threads for writes and misses that wait; 0: two a processor, 64 where generation is in batches", 0,
         256, false},
        {"max-body-bytes", OPTION_BYTES, &s.max_body_bytes, "BYTES", "largest request body", 1024, 1e9,
         false},
        {"max-connections", OPTION_INT, &s.max_connections, "N", "most open connections", 1, 1e6, false},
        {"max-queue", OPTION_INT, &s.max_queue, "N", "most requests waiting for a worker; past it 503", 1,
         1e6, false},
        {"request-timeout", OPTION_INT, &s.timeout_s, "SECONDS",
         "a connection without progress is closed after", 1, 3600, false},
        {"drain-seconds", OPTION_INT, &s.drain_s, "SECONDS",
         "how long to serve on after SIGTERM while not ready", 0, 3600, false},
        {"warm-file", OPTION_STRING, &s.warm_file, "FILE",
         "keeps the ids of the users last asked for; their weights are made at the next start", 0, 0, false},
        {"warm-seconds", OPTION_INT, &s.warm_s, "SECONDS", "most time of a start for them before it is ready",
         0, 3600, false},
        {"warm-save-seconds", OPTION_INT, &s.warm_save_s, "SECONDS",
         "how often the file is written, beside at stop", 1, 86400, false},
        {"admin-token-file", OPTION_STRING, &s.admin_token_file, "FILE",
         "token of admin calls; without it they are off", 0, 0, false},
        {"api-token-file", OPTION_STRING, &s.api_token_file, "FILE",
         "token of all other calls; without it they are open", 0, 0, false},
        {"access-log", OPTION_FLAG, &s.access_log, NULL, "one JSON line a request on standard error", 0, 0,
         false},
        {"log-json", OPTION_FLAG, &s.log_json, NULL, "log lines as JSON", 0, 0, false},
        {"probe", OPTION_FLAG, &s.probe, NULL, "ask the server at --listen whether it is ready; exit 0 or 1",
         0, 0, false},
    };
    bool help;
    struct err e = {0};
    if (options_parse(&cmd_serve_command, options, sizeof options / sizeof *options, argc, argv, NULL, &help,
                      &e))
        return command_fail(&cmd_serve_command, &e, true);
    if (help)
        return EXIT_DONE;
    if (s.probe)
        return probe_ready(s.listen, &e) == ERR_OK ? EXIT_DONE : command_fail(&cmd_serve_command, &e, false);
    if (!s.store || s.models.n == 0) {
        (void)err_set(&e, ERR_INVALID, "--store and --model are needed");
        return command_fail(&cmd_serve_command, &e, true);
    }
    log_setup(LOG_INFO, s.log_json);
    return serve(&s, &e) == ERR_OK ? EXIT_DONE : command_fail(&cmd_serve_command, &e, false);
}

const struct command cmd_serve_command = {
    "serve", "answer over HTTP", NULL,
    "Loads the models, opens the store, and answers on --listen until SIGTERM or SIGINT. It prints "
    "`listening on URL` on\n"
    "standard output when it is ready. The calls are described at /openapi.json.",
    cmd_serve};
