/* hypernet serve: the order of start and of stop.
 *
 *   start: signals, tokens, who may ask, store, models, change follower, HTTP threads and workers, the
 *   weights of the last run's users (--warm-file); then readiness and "listening on URL". Until requests are
 *   taken SIGTERM and SIGINT end the process at once
 *   stop (SIGTERM, SIGINT): readiness turns, answers say Connection: close, for --drain-seconds or until a
 *   second signal; then no new connection is taken, what is under way ends (for --request-timeout at most, or
 * until another signal, which ends the process), threads are joined, the store is closed. A worker that is
 * still busy a little after that time is not waited for: the process ends with status 1, and the store is as
 * after any other sudden end, whole
 *   SIGHUP: token files are read anew, the log file is opened anew, files that took the place of models' are
 * loaded and served in theirs */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/blas_memory.h"
#include "engine/kernels/kernel.h"
#include "engine/network/hypernet.h"
#include "server/api/api.h"
#include "server/cli/announce.h"
#include "server/cli/commands.h"
#include "server/cli/probe.h"
#include "server/cli/signals.h"
#include "server/data/output_file.h"
#include "server/http/http.h"
#include "server/serving/batch_recovery.h"
#include "server/serving/cache_warmup.h"
#include "server/serving/change_follower.h"
#include "server/serving/model_renewal.h"
#include "server/serving/shown_marks.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct option_apart apart[] = {
    {"access-log", "access-log-routes"}, {"access-log-routes", "access-log"}, {NULL, NULL}};

struct settings {
    const char *store, *listen, *admin_token_file, *api_token_file, *warm_file, *log_file, *backup_dir;
    struct option_list models, allowed_hosts;
    size_t cache_bytes, max_body_bytes, max_body_memory;
    int64_t threads, workers, max_connections, max_per_address, max_queue;
    int64_t keep_events_days, events_new_users;
    int64_t timeout_s, keep_alive_s, deadline_s, drain_s, warm_s, warm_save_s;
    bool create, foreign_items, access_log, access_log_routes, log_json, probe, allow_anonymous,
        events_create;
};

/* ---- running ---- */

/* Each connection is a file: asks the system for as many as the options allow, within what it may give. */
static void allow_files(const struct http_config *config)
{
    enum { FILES_A_THREAD = 4 }; /* two of epoll's, the store and its log */
    enum { FILES_A_WORKER = 2 }; /* the store and its log */
    enum { OTHER_FILES = 256 };  /* models, log */
    size_t n_connections = config->max_connections + LIMIT_RESERVED_CONNECTIONS;
    size_t n_workers = config->n_workers + config->n_write_workers + 4 + config->n_long_workers;
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &most))
        return;
    rlim_t want =
        n_connections + FILES_A_THREAD * config->n_threads + FILES_A_WORKER * n_workers + OTHER_FILES;
    if (most.rlim_cur < want) {
        most.rlim_cur = want < most.rlim_max ? want : most.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &most);
    }
    if (most.rlim_cur < want)
        log_line(LOG_WARN, "this process may open %llu files, too few for --max-connections %zu",
                 (unsigned long long)most.rlim_cur, config->max_connections);
}

static void announce(const struct settings *s, const struct http_server *http, struct serving *serving)
{
    char url[320];
    http_url(http, url, sizeof url);
    log_line(LOG_INFO, "kernels %s, OpenBLAS %s (%s)", kernel_best()->name, blas_corename(), blas_config());
    announce_start(&(struct announcement){.url = url,
                                          .store = s->store,
                                          .admin_token_file = s->admin_token_file,
                                          .api_token_file = s->api_token_file,
                                          .warm_file = s->warm_file,
                                          .anonymous = s->allow_anonymous},
                   serving);
    log_flush(LOG_END_MS); /* who waits for the next line finds those of the start */
    (void)printf("listening on %s\n", url);
    (void)fflush(stdout);
}

static void drain(const struct settings *s, struct api *api, struct signals *signals)
{
    atomic_store(&api->draining, true);
    log_line(LOG_INFO, "stopping: not ready any more, draining for %lld s", (long long)s->drain_s);
    if (signals_wait(signals, s->drain_s))
        log_line(LOG_WARN, "a second signal: not waiting any longer");
}

/* A warm start does not delay a stop, which comes after it. */
static bool stop_asked(void *arg)
{
    return signals_stop_asked(arg);
}

/* Until a signal asks for the stop, and the stop itself, which takes --request-timeout and a little at
 * most. */
static void serve_until_signal(const struct settings *s, struct api *api, struct http_server *http,
                               struct signals *signals)
{
    enum { LITTLE_S = 5 }; /* for workers that end a job, and threads that end */
    struct cache_warmup *warm = NULL;
    struct err e = {0};
    signals_serve(signals);
    if (s->warm_file) {
        cache_warmup_load(api->serving, s->warm_file, s->warm_s, stop_asked, signals);
        if (cache_warmup_start(api->serving, s->warm_file, s->warm_save_s, &warm, &e))
            log_line(LOG_WARN, "%s", e.text); /* the next start will be a cold one; this one serves */
    }
    atomic_store(&api->ready, true);
    announce(s, http, api->serving);
    (void)signals_wait(signals, -1);
    drain(s, api, signals);
    signals_end(signals, s->timeout_s + LITTLE_S);
    http_stop(http, (unsigned)s->timeout_s);
    cache_warmup_stop(warm);
    log_line(LOG_INFO, "stopped");
}

/* A miss that waits for a batch holds a worker. With fewer workers than this, batches would not fill: one is
 * under way on each of two processors, or collects behind it. */
enum { GATHERING_WORKERS = 2 * HYPERNET_BATCH };

/* One writes at a time, while others read what comes next. */
enum { WRITE_WORKERS = 3 };

static size_t count_workers(const struct settings *s, bool batching)
{
    size_t least = batching ? GATHERING_WORKERS : 0, n = 2 * machine_processors();
    if (s->workers)
        return (size_t)s->workers;
    return n > least ? n : least;
}

/* Bodies, and what is made of them, of all connections. */
static size_t body_memory(const struct settings *s)
{
    enum { LARGEST_BODIES = 4 };
    size_t least = LARGEST_BODIES * s->max_body_bytes;
    if (s->max_body_memory)
        return s->max_body_memory;
    return least > LIMIT_BODY_MEMORY ? least : LIMIT_BODY_MEMORY;
}

/* A load balancer is one address too; half leaves room for others. */
static size_t per_address(const struct settings *s)
{
    return s->max_per_address ? (size_t)s->max_per_address : ((size_t)s->max_connections + 1) / 2;
}

/* For explanations and large bodies, which leave a processor to others where there are several. */
static size_t count_long_workers(void)
{
    return (machine_processors() + 1) / 2;
}

/* About as many as there will be: HTTP threads, workers, and those for signals, changes, new models, the warm
 * file, connections, what was shown and the log. */
static size_t count_threads(const struct settings *s)
{
    return (s->threads ? (size_t)s->threads : machine_processors()) + count_workers(s, false) +
           WRITE_WORKERS + count_long_workers() + 9;
}

/* Before anybody asks, so that what a killed process had acknowledged is answered as if it had lived on. */
static enum err_code finish_batches(struct api *api, struct err *e)
{
    struct session session;
    enum err_code code = session_init(&session, api->serving, &api->metrics->serving, e);
    if (!code)
        batch_recovery(&session);
    session_fini(&session);
    return code;
}

static enum err_code run(const struct settings *s, struct api *api, struct signals *signals, struct err *e)
{
    struct batcher_config batcher = {.n_running = machine_processors(), .min_ns = BATCHER_MIN_NS};
    bool batching;
    enum err_code code = serving_measure(api->serving, &batcher, &batching, e);
    if (!code)
        code = finish_batches(api, e);
    if (code)
        return code;
    struct http_config config = {.listen = s->listen,
                                 .n_threads = s->threads ? (size_t)s->threads : machine_processors(),
                                 .n_workers = count_workers(s, batching),
                                 .n_write_workers = WRITE_WORKERS,
                                 .n_long_workers = count_long_workers(),
                                 .max_body_bytes = s->max_body_bytes,
                                 .max_body_memory = body_memory(s),
                                 .max_connections = (size_t)s->max_connections,
                                 .max_per_address = per_address(s),
                                 .max_queue = (size_t)s->max_queue,
                                 .timeout_s = (unsigned)s->timeout_s,
                                 .keep_alive_s = (unsigned)s->keep_alive_s,
                                 .deadline_s = (unsigned)s->deadline_s};
    struct http_server *http;
    struct change_follower *follower;
    allow_files(&config);
    code = change_follower_start(api->serving, &api->metrics->serving, &follower, e);
    if (code)
        return code;
    const struct http_handler handler = api_handler(api);
    code = shown_marks_start(api->serving, &api->metrics->serving, e);
    if (!code)
        code = http_start(&config, &handler, &http, e);
    if (!code)
        serve_until_signal(s, api, http, signals);
    shown_marks_stop(api->serving);
    change_follower_stop(follower);
    return code;
}

/* What signals are about. */
struct running {
    struct api *api;
    struct model_renewal *renewal; /* before signals_serve and until signals_stop */
};

/* What is configured in files is read anew; nothing of it ends the process. */
static void hang_up(void *arg)
{
    const struct running *running = arg;
    struct err e = {0};
    if (log_reopen(&e))
        log_line(LOG_ERROR, "%s; lines go on into the old one", e.text);
    log_line(LOG_INFO, "SIGHUP: token files are read anew, and new files of models");
    tokens_reread(&running->api->tokens);
    model_renewal_ask(running->renewal);
}

/* Somebody wants to write to a model's file. */
static void settle(void *arg)
{
    struct api *api = ((struct running *)arg)->api;
    struct err e = {0};
    if (serving_settle(api->serving, &e) == ERR_OK)
        return;
    log_line(LOG_ERROR, "%s; not ready any more: start it anew", e.text);
    atomic_store(&api->draining, true);
}

static void too_late(void *arg)
{
    const struct api *api = ((struct running *)arg)->api;
    log_line(LOG_ERROR,
             "the stop took longer than --request-timeout allows: it ends with %lld requests under way",
             (long long)atomic_load(&api->metrics->http.in_flight));
}

/* Who may ask, before anything is opened: personal data is for who has a token, or for this machine, or it
 * was said otherwise. */
static enum err_code admit(const struct settings *s, struct api *api, struct err *e)
{
    bool loopback, open;
    enum err_code code = tokens_read(&api->tokens, s->admin_token_file, s->api_token_file, e);
    if (!code)
        code = hosts_is_loopback(s->listen, &loopback, e);
    if (code)
        return code;
    open = !tokens_any(&api->tokens, TOKEN_API);
    if (open && !loopback && !s->allow_anonymous)
        return err_set(e, ERR_INVALID,
                       "--listen %s is reached from other machines, and without a token whoever reaches it "
                       "reads what is known of "
                       "every user and writes events: give --api-token-file FILE, listen on 127.0.0.1, or "
                       "say --allow-anonymous",
                       s->listen);
    if (open && (loopback || s->allowed_hosts.n))
        hosts_check(&api->hosts, s->listen, s->allowed_hosts.values, s->allowed_hosts.n);
    return ERR_OK;
}

/* A model that is being loaded when the stop comes is waited for. */
static enum err_code run_renewing(const struct settings *s, struct running *running, struct signals *signals,
                                  struct err *e)
{
    struct api *api = running->api;
    enum err_code code = model_renewal_start(api->serving, &api->metrics->serving, &running->renewal, e);
    if (!code)
        code = run(s, api, signals, e);
    signals_stop(signals); /* what is left to close may be ended by any signal */
    model_renewal_stop(running->renewal);
    return code;
}

static enum err_code open_and_run(const struct settings *s, struct running *running, struct signals *signals,
                                  struct err *e)
{
    struct api *api = running->api;
    struct serving_options options = {.models = s->models.values,
                                      .n_models = s->models.n,
                                      .cache_bytes = s->cache_bytes,
                                      .share = true,
                                      .foreign_items = s->foreign_items,
                                      .keep_events_s = s->keep_events_days * 86400};
    struct store *store = NULL;
    enum err_code code = admit(s, api, e);
    if (!code)
        code = blas_reserve(count_threads(s), e);
    if (!code)
        code = store_open(s->store, s->create ? STORE_CREATE : STORE_READ_WRITE, &store, e);
    if (!code)
        code = serving_open(api->serving, store, &options, e);
    if (!code) {
        code = run_renewing(s, running, signals, e);
        serving_close(api->serving);
    } else {
        signals_stop(signals);
    }
    store_close(store);
    return code;
}

/* The log and the warm file take the place of nothing that is read, nor of each other. */
static enum err_code check_outputs(const struct settings *s, struct err *e)
{
    struct output_input inputs[4 + OPTION_LIST_MAX] = {{"--warm-file", s->warm_file},
                                                       {"--store", s->store},
                                                       {"--admin-token-file", s->admin_token_file},
                                                       {"--api-token-file", s->api_token_file}};
    size_t n = 4 + s->models.n;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < s->models.n; i++)
        inputs[4 + i] = (struct output_input){"--model", s->models.values[i]};
    if (s->log_file)
        code = output_file_check("--log-file", s->log_file, OUTPUT_OVER_TEXT, inputs, n, e);
    if (!code && s->warm_file)
        code = output_file_check("--warm-file", s->warm_file, OUTPUT_OVER_TEXT, inputs + 1, n - 1, e);
    return code;
}

static enum err_code serve(const struct settings *s, struct err *e)
{
    static struct metrics metrics;
    struct serving serving;
    struct api api = {.serving = &serving,
                      .metrics = &metrics,
                      .access_log = s->access_log || s->access_log_routes,
                      .access_log_ids = !s->access_log_routes,
                      .events_create = s->events_create,
                      .backups = {.folder = s->backup_dir}};
    struct running running = {.api = &api};
    user_allowance_init(&api.new_users, s->events_new_users, clock_monotonic_ns());
    struct signals_calls calls = {&running, hang_up, settle, too_late};
    struct signals *signals = NULL;
    mem_share_heap();
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the store, not the end */
    enum err_code code = check_outputs(s, e);
    if (!code && s->backup_dir)
        code = backups_check("--backup-dir", s->backup_dir, e);
    if (!code && s->log_file)
        code = log_to_file(s->log_file, e);
    if (!code)
        code = signals_start(&calls, &signals, e);
    if (!code)
        code = log_start(e);
    if (!code)
        code = open_and_run(s, &running, signals, e);
    log_end(LOG_END_MS);
    tokens_fini(&api.tokens);
    user_allowance_fini(&api.new_users);
    return code;
}

/* The default is for a whole machine: of what control groups leave the process, the cache takes a quarter at
 * most. */
static void fit_cache(struct settings *s, bool was_given)
{
    size_t memory = machine_memory_bytes(), quarter = memory / 4;
    if (quarter >= s->cache_bytes)
        return;
    if (was_given && s->cache_bytes >= memory)
        log_line(LOG_WARN, "--cache-bytes allows %zu MB, and the control group %zu MB for the whole process",
                 s->cache_bytes >> 20, memory >> 20);
    if (was_given)
        return;
    s->cache_bytes = quarter;
    log_line(LOG_INFO, "the control group allows %zu MB: the cache takes a quarter, %zu MB (--cache-bytes)",
             memory >> 20, quarter >> 20);
}

/* What would do nothing. */
static enum err_code check_uses(const struct settings *s, const struct option *options, size_t n_options,
                                int argc, char **argv, struct err *e)
{
    const struct option_use uses[] = {
        {"warm-seconds warm-save-seconds", !s->warm_file, "goes with --warm-file"},
        {"allow-anonymous", s->api_token_file, "is for a server without --api-token-file"},
        {"access-log", s->access_log_routes, "and --access-log-routes are one log: give one of them"},
    };
    for (size_t i = 0; i < n_options && s->probe; i++)
        if (strcmp(options[i].name, "probe") != 0 && strcmp(options[i].name, "listen") != 0 &&
            options_typed(options, n_options, argc, argv, options[i].name))
            return err_set(e, ERR_INVALID, "--probe asks the server at --listen and goes without --%s",
                           options[i].name);
    return options_check_uses(options, n_options, argc, argv, uses, sizeof uses / sizeof *uses, e);
}

static int cmd_serve(int argc, char **argv)
{
    struct settings s = {.listen = "127.0.0.1:8080",
                         .cache_bytes = (size_t)256 << 20,
                         .max_body_bytes = LIMIT_BODY_BYTES,
                         .max_connections = LIMIT_CONNECTIONS,
                         .max_queue = LIMIT_QUEUE,
                         .events_new_users = LIMIT_NEW_USERS,
                         .timeout_s = 30,
                         .keep_alive_s = 75,
                         .deadline_s = 60,
                         .drain_s = 0,
                         .warm_s = 10,
                         .warm_save_s = 60};
    const struct option options[] = {
        {"store", OPTION_STRING, &s.store, "STORE", "sqlite:PATH or a path", 0, 0, false},
        {"create", OPTION_FLAG, &s.create, NULL, "make an empty store where there is none", 0, 0, false},
        {"model", OPTION_LIST, &s.models, "FILE",
         "model file, for users or of tasks; the first of each answers unless a request names another", 0, 0,
         false},
        {"allow-foreign-items", OPTION_FLAG, &s.foreign_items, NULL,
         "also serve items of a model that the store does not have", 0, 0, false},
        {"listen", OPTION_STRING, &s.listen, "HOST:PORT", "address; port 0 takes a free one", 0, 0, false},
        {"cache-bytes", OPTION_BYTES, &s.cache_bytes, "BYTES",
         "most memory for generated weights; a quarter of the control group's at most unless it is given", 0,
         1e15, false},
        {"threads", OPTION_INT, &s.threads, "N", "HTTP threads; 0: one a processor that it may use", 0, 256,
         false},
        {"workers", OPTION_INT, &s.workers, "N",
         "threads for misses that wait; 0: two a processor, 64 where generation is in batches", 0, 256,
         false},
        {"max-body-bytes", OPTION_BYTES, &s.max_body_bytes, "BYTES", "largest request body", 1024, 1e9,
         false},
        {"max-body-memory", OPTION_BYTES, &s.max_body_memory, "BYTES",
         "most memory of all bodies, what is made of them and long lists, past it 503; 0: 256 MiB, or four "
         "largest bodies",
         0, 1e12, false},
        {"max-connections", OPTION_INT, &s.max_connections, "N", "most open connections", 1, 1e6, false},
        {"max-connections-per-address", OPTION_INT, &s.max_per_address, "N",
         "most of one client or load balancer; 0: half of them", 0, 1e6, false},
        {"max-queue", OPTION_INT, &s.max_queue, "N",
         "most requests waiting for a worker, of reads, writes and long computations each; past it 503", 1,
         1e6, false},
        {"request-timeout", OPTION_INT, &s.timeout_s, "SECONDS",
         "a request or answer without progress is ended after", 1, 3600, false},
        {"request-deadline", OPTION_INT, &s.deadline_s, "SECONDS",
         "a request, head and body, must have come within", 1, 3600, false},
        {"keep-alive-timeout", OPTION_INT, &s.keep_alive_s, "SECONDS",
         "a connection that waits for its next request is closed after", 1, 86400, false},
        {"drain-seconds", OPTION_INT, &s.drain_s, "SECONDS",
         "how long to serve on after SIGTERM while not ready", 0, 3600, false},
        {"warm-file", OPTION_STRING, &s.warm_file, "FILE",
         "keeps the ids of the users and tasks last asked for; their weights are made at the next start", 0,
         0, false},
        {"warm-seconds", OPTION_INT, &s.warm_s, "SECONDS", "most time of a start for them before it is ready",
         0, 3600, false},
        {"warm-save-seconds", OPTION_INT, &s.warm_save_s, "SECONDS",
         "how often the file is written, beside at stop and after a deletion", 1, 86400, false},
        {"admin-token-file", OPTION_STRING, &s.admin_token_file, "FILE",
         "token of admin calls; without it they are off", 0, 0, false},
        {"api-token-file", OPTION_STRING, &s.api_token_file, "FILE",
         "token of all other calls; without it they are open, to this machine alone", 0, 0, false},
        {"allow-anonymous", OPTION_FLAG, &s.allow_anonymous, NULL,
         "without --api-token-file, answer other machines too: whoever reaches --listen", 0, 0, false},
        {"allowed-host", OPTION_LIST, &s.allowed_hosts, "NAME",
         "a name by which it may be asked without a token, beside those of this machine", 0, 0, false},
        {"keep-events-days", OPTION_INT, &s.keep_events_days, "DAYS",
         "interactions that are older go; 0: as their kinds say", 0, 20000, false},
        {"events-create", OPTION_FLAG, &s.events_create, NULL,
         "events may make items, and examples tasks, by create=true without the admin token", 0, 0, false},
        {"events-new-users", OPTION_INT, &s.events_new_users, "N",
         "users whom events make in a minute without the admin token; 0: none", 0, 1e6, false},
        {"backup-dir", OPTION_STRING, &s.backup_dir, "FOLDER",
         "where POST /v1/admin/backup puts copies of the store; without it that call is off", 0, 0, false},
        {"access-log", OPTION_FLAG, &s.access_log, NULL, "one JSON line a request on standard error", 0, 0,
         false},
        {"access-log-routes", OPTION_FLAG, &s.access_log_routes, NULL,
         "the same without paths, which have the ids of users and items", 0, 0, false},
        {"log-file", OPTION_STRING, &s.log_file, "FILE",
         "log lines go to its end, not to standard error; SIGHUP opens it anew", 0, 0, false},
        {"log-json", OPTION_FLAG, &s.log_json, NULL, "log lines as JSON", 0, 0, false},
        {"probe", OPTION_FLAG, &s.probe, NULL, "ask the server at --listen whether it is ready; exit 0 or 1",
         0, 0, false},
    };
    const size_t n_options = sizeof options / sizeof *options;
    int status;
    struct err e = {0};
    if (!command_begin(&cmd_serve_command, options, n_options, argc, argv, NULL, &status))
        return status;
    if (check_uses(&s, options, n_options, argc, argv, &e))
        return command_fail(&cmd_serve_command, &e, true);
    if (s.probe)
        return probe_ready(s.listen, &e) == ERR_OK ? EXIT_DONE : command_fail(&cmd_serve_command, &e, false);
    if (!s.store || s.models.n == 0) {
        (void)err_set(&e, ERR_INVALID, "--store and --model are needed");
        return command_fail(&cmd_serve_command, &e, true);
    }
    log_setup(LOG_INFO, s.log_json);
    const char *variable = getenv("HYPERNET_CACHE_BYTES");
    fit_cache(&s, (variable && *variable) || options_typed(options, n_options, argc, argv, "cache-bytes"));
    return serve(&s, &e) == ERR_OK ? EXIT_DONE : command_fail(&cmd_serve_command, &e, false);
}

const struct command cmd_serve_command = {
    "serve",
    "answer over HTTP",
    NULL,
    "Loads the models, opens the store, and answers on --listen until SIGTERM or SIGINT. It prints "
    "`listening on URL` on\n"
    "standard output when it is ready. The calls are described at /openapi.json.",
    cmd_serve,
    apart};
