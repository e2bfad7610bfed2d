/* server/http/http.c: what the library sees of the kernel, and requests that follow each other in the same
 * memory. Risks: two threads take the listening socket out of one epoll set, and libmicrohttpd aborts because
 * the second finds nothing; connections that it leaves lying; something of a request in the next one's
 * answer; a hit that takes from the heap of all threads; memory of large requests that stays. */
#include "server/http/http.h"

#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static int set, fd;

/* Volatile, so that the reference stays and the file under test is linked: under a sanitizer its runtime has
 * an epoll_ctl too, and nothing else would ask the archive for ours. */
static void (*volatile under_test)(const struct http_server *, char *, size_t) = http_url;

static void setup(void)
{
    ck_assert(under_test != NULL);
    set = epoll_create1(0);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(set, 0);
    ck_assert_int_ge(fd, 0);
}

static void teardown(void)
{
    (void)close(set);
    (void)close(fd);
}

START_TEST(a_socket_is_taken_out_twice)
{
    struct epoll_event event = {.events = EPOLLIN};
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
}
END_TEST

START_TEST(other_failures_stay_failures)
{
    struct epoll_event event = {.events = EPOLLIN};
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_MOD, fd, &event), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(epoll_ctl(-1, EPOLL_CTL_DEL, fd, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), -1);
    ck_assert_int_eq(errno, EEXIST);
}
END_TEST

/* What shared libraries call is found by name, the program first. */
START_TEST(libraries_find_it_too)
{
    int (*found)(int, int, int, struct epoll_event *) = NULL;
    *(void **)&found = dlsym(RTLD_DEFAULT, "epoll_ctl");
    ck_assert(found == epoll_ctl);
    ck_assert_int_eq(found(set, EPOLL_CTL_DEL, fd, NULL), 0);
}
END_TEST

START_TEST(events_are_fewer_than_there_is_room_for)
{
    enum { N_READY = 4 };
    struct epoll_event events[N_READY] = {{0}};
    int (*found)(int, struct epoll_event *, int, int) = NULL;
    int many = epoll_create1(0), fds[N_READY];
    for (int i = 0; i < N_READY; i++) {
        fds[i] = eventfd(1, 0);
        ck_assert_int_eq(epoll_ctl(many, EPOLL_CTL_ADD, fds[i], &(struct epoll_event){.events = EPOLLIN}), 0);
    }
    *(void **)&found = dlsym(RTLD_DEFAULT, "epoll_wait"); /* as shared libraries find it */
    ck_assert(found == epoll_wait);
    ck_assert_int_eq(found(many, events, N_READY, -1), N_READY - 1);
    ck_assert_int_eq(found(many, events, 1, -1), 1);
    for (int i = 0; i < N_READY; i++)
        (void)close(fds[i]);
    ck_assert_int_eq(found(many, events, N_READY, 0), 0);
    (void)close(many);
    ck_assert_int_eq(found(many, events, N_READY, 0), -1);
}
END_TEST

/* ---- requests in the memory of others ---- */

static struct api_world world;
static struct http_server *server;
static int connection; /* that `ask` uses */

static void serve(void)
{
    api_world_init(&world);
    atomic_store(&world.api.ready, true);
    ck_assert_int_eq(api_world_json(&world, "PUT", "/v1/admin/users/ann",
                                    "{\"profile\":{\"gender\":\"F\"},\"interactions\":[{\"item\":\"1\"}]}",
                                    NULL),
                     201);
    server = api_world_serve(&world);
    connection = api_world_connect(server);
}

static void stop_serving(void)
{
    (void)close(connection);
    http_stop(server, 5);
    api_world_fini(&world);
}

/* Reads an answer, head and body, as text. */
static void receive(char *answer, size_t size)
{
    size_t have = 0, whole = SIZE_MAX;
    while (have < whole) {
        ssize_t got = recv(connection, answer + have, size - 1 - have, 0);
        ck_assert_int_gt(got, 0);
        answer[have += (size_t)got] = '\0';
        const char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "\r\nContent-Length: ");
        if (end)
            whole = (size_t)(end + 4 - answer) + (length ? strtoul(length + 18, NULL, 10) : 0);
    }
}

static void ask(const char *head, const char *body, char *answer, size_t size)
{
    char request[4096];
    int n = snprintf(request, sizeof request, "%s\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", head,
                     strlen(body), body);
    ck_assert_int_eq(send(connection, request, (size_t)n, 0), n);
    receive(answer, size);
}

static const char hit_head[] = "GET /v1/users/ann/recommendations HTTP/1.1",
                  predict_head[] =
                      "POST /v1/users/ann/predictions HTTP/1.1\r\nContent-Type: application/json",
                  predict_body[] = "{\"items\":[\"1\",\"2x\",\"1\"]}";

START_TEST(an_answer_says_nothing_of_the_request_before)
{
    char answer[1 << 16], again[1 << 16];
    ask("PUT /v1/admin/users/eve?model=nothing HTTP/1.1\r\nContent-Type: application/json\r\nX-Request-Id: "
        "my-own",
        "{}", answer, sizeof answer);
    ck_assert(strncmp(answer, "HTTP/1.1 401", 12) == 0 && strstr(answer, "WWW-Authenticate") &&
              strstr(answer, "my-own"));
    ask("DELETE /metrics HTTP/1.1", "", answer, sizeof answer);
    ck_assert(strncmp(answer, "HTTP/1.1 405", 12) == 0 && strstr(answer, "Allow: "));
    ck_assert(!strstr(answer, "WWW-Authenticate") && !strstr(answer, "my-own"));
    ask("GET /v1/users/ann/recommendations?limit=2&explain=3&model=none HTTP/1.1", "", answer, sizeof answer);
    ck_assert(strncmp(answer, "HTTP/1.1 404", 12) == 0 && strstr(answer, "problem+json") &&
              !strstr(answer, "Allow: "));
    for (int i = 0; i < 3; i++) {
        ask(hit_head, "", answer, sizeof answer);
        ck_assert_msg(strncmp(answer, "HTTP/1.1 200", 12) == 0 &&
                          strstr(answer, "Content-Type: application/json"),
                      "%s", answer);
        ck_assert(!strstr(answer, "because") && !strstr(answer, "problem") && !strstr(answer, "my-own"));
        ask(predict_head, predict_body, again, sizeof again);
        ck_assert_msg(strncmp(again, "HTTP/1.1 200", 12) == 0 && strstr(again, "\"predictions\":["), "%s",
                      again);
    }
    ask("GET /v1/users/ann/recommendations?limit=1 HTTP/1.1", "", again, sizeof again);
    ck_assert_uint_lt(strlen(again), strlen(answer));
}
END_TEST

START_TEST(answers_from_the_cache_take_nothing_from_the_heap)
{
    char answer[1 << 16];
    for (int i = 0; i < 2; i++) { /* the first miss, and what is kept for the next */
        ask(hit_head, "", answer, sizeof answer);
        ask(predict_head, predict_body, answer, sizeof answer);
    }
    mem_fail_at(LONG_MAX, 0);
    for (int i = 0; i < 100; i++) {
        ask(hit_head, "", answer, sizeof answer);
        ck_assert(strstr(answer, "x-hypernet-cache: hit"));
        ask(predict_head, predict_body, answer, sizeof answer);
        ck_assert(strncmp(answer, "HTTP/1.1 200", 12) == 0);
    }
    long asked = mem_count();
    mem_fail_at(0, 0);
    ck_assert_int_eq(asked, 0);
}
END_TEST

START_TEST(a_request_without_memory_ends_its_connection_and_no_other)
{
    char large[3 * REQUEST_KEPT_BYTES / 4] = "GET /", answer[1 << 16], c;
    int first = connection;
    ask(hit_head, "", answer, sizeof answer);
    connection = api_world_connect(server);
    ask(hit_head, "", answer, sizeof answer);
    memset(large + 5, 'x', REQUEST_KEPT_BYTES / 2);
    strcpy(large + 5 + REQUEST_KEPT_BYTES / 2, " HTTP/1.1\r\nHost: x\r\n\r\n");
    mem_fail_at(1, 1);
    ck_assert_int_eq(send(first, large, strlen(large), 0), (ssize_t)strlen(large));
    ck_assert_int_le(recv(first, &c, 1, 0), 0);
    mem_fail_at(0, 0);
    (void)close(first);
    ask(hit_head, "", answer, sizeof answer);
    ck_assert(strncmp(answer, "HTTP/1.1 200", 12) == 0);
}
END_TEST

static size_t bytes_in_use(void)
{
    struct mallinfo2 m = mallinfo2(); /* zeros under a sanitizer */
    return m.uordblks + m.hblkhd;
}

START_TEST(the_memory_of_a_large_request_is_freed_when_it_ends)
{
    enum { LARGE = 4 << 20 };
    char head[256], answer[1 << 16], *body = malloc(LARGE);
    ck_assert_ptr_nonnull(body);
    memset(body, ' ', LARGE);
    ask(hit_head, "", answer, sizeof answer);
    ask(hit_head, "", answer, sizeof answer);
    size_t before = bytes_in_use();
    int n = snprintf(head, sizeof head, "%s\r\nHost: x\r\nContent-Length: %d\r\n\r\n", predict_head, LARGE);
    ck_assert_int_eq(send(connection, head, (size_t)n, 0), n);
    for (ssize_t sent = 0, some; sent < LARGE; sent += some)
        ck_assert_int_gt(some = send(connection, body + sent, (size_t)(LARGE - sent), 0), 0);
    receive(answer, sizeof answer);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 400", 12) == 0, "%s", answer);
    ask(hit_head, "", answer, sizeof answer); /* by the same thread, which has ended the other by now */
    ck_assert_uint_lt(bytes_in_use(), before + LARGE / 4);
    free(body);
}
END_TEST

/* ---- clients that leave ---- */

static atomic_bool at_work;

static bool wait_for_worker(struct api_thread *t, struct request *r)
{
    (void)t;
    (void)r;
    return false;
}

static void work_until_left(struct api_thread *t, struct request *r)
{
    (void)t;
    atomic_store(&at_work, true);
    while (!request_is_left(r))
        (void)usleep(1000);
    (void)request_answer(r, 200, request_json);
}

START_TEST(who_leaves_ends_the_work_for_him)
{
    static const char request[] = "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n";
    const struct http_config config = api_world_http_config();
    struct http_handler handler = api_handler(&world.api);
    struct err e = {0};
    (void)close(connection);
    http_stop(server, 5); /* a process has one at a time */
    handler.plan = wait_for_worker;
    handler.run = work_until_left;
    ck_assert_int_eq(http_start(&config, &handler, &server, &e), ERR_OK);
    int client = api_world_connect(server);
    connection = api_world_connect(server);
    ck_assert_int_eq(send(client, request, sizeof request - 1, 0), (ssize_t)sizeof request - 1);
    while (!atomic_load(&at_work))
        (void)usleep(1000);
    ck_assert_uint_eq(atomic_load(&handler.counters->abandoned), 0);
    ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, /* a reset */
                                sizeof(struct linger)),
                     0);
    (void)close(client);
    while (!atomic_load(&handler.counters->abandoned))
        (void)usleep(1000);
}
END_TEST

SUITE_OF("http",
         SUITE_CASE("kept", serve, stop_serving, {an_answer_says_nothing_of_the_request_before},
                    {answers_from_the_cache_take_nothing_from_the_heap},
                    {a_request_without_memory_ends_its_connection_and_no_other},
                    {the_memory_of_a_large_request_is_freed_when_it_ends},
                    {who_leaves_ends_the_work_for_him}),
         SUITE_CASE("stop", setup, teardown, {a_socket_is_taken_out_twice}, {other_failures_stay_failures},
                    {libraries_find_it_too}, {events_are_fewer_than_there_is_room_for}))
