/* server/http/route.c: which call a request makes; risks: a pattern that matches an empty or an encoded
 * segment, an Allow that differs from what is answered, a parameter that is ignored in silence. */
#include "server/http/route.h"

#include "server/api/routes.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

static struct request *find(const char *method, const char *target)
{
    struct request *r = request_new(target, 100);
    ck_assert_ptr_nonnull(r);
    r->method = method;
    route_find(&routes, r);
    return r;
}

static const struct {
    const char *method, *target, *pattern; /* pattern NULL: refused with status */
    int status;
    const char *allow;
} cases[] = {
    {"GET", "/", "/", 0, ""},
    {"HEAD", "/", "/", 0, ""},
    {"GET", "/v1/users/42/recommendations", "/v1/users/{user}/recommendations", 0, ""},
    {"GET", "/v1/users/42/recommendations/", "/v1/users/{user}/recommendations", 0, ""},
    {"GET", "/v1/users/recommendations", "/v1/users/{user}", 0, ""},
    {"GET", "/v1/users/a%2Frecommendations", "/v1/users/{user}", 0, ""},
    {"GET", "/v1/users/42/recommend%61tions", "/v1/users/{user}/recommendations", 0, ""},
    {"GET", "/v1/users/42?model=m", "/v1/users/{user}", 0, ""},
    {"POST", "/v1/admin/users", "/v1/admin/users", 0, ""},
    {"PUT", "/v1/admin/users/42", "/v1/admin/users/{user}", 0, ""},
    {"DELETE", "/v1/admin/users/42", "/v1/admin/users/{user}", 0, ""},
    {"GET", "/v1/users//recommendations", NULL, 404, ""},
    {"GET", "/v1/users", "/v1/users", 0, ""},
    {"GET", "/v1/users/", "/v1/users", 0, ""},
    {"GET", "/v1/user", NULL, 404, ""},
    {"GET", "/v1/users/42/recommendations/x", NULL, 404, ""},
    {"GET", "/V1/users/42", NULL, 404, ""},
    {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l", NULL, 404, ""},
    {"GET", "/healthzz", NULL, 404, ""},
    {"GET", "/health", NULL, 404, ""},
    {"GET", "/%zz", NULL, 400, ""},
    {"get", "/healthz", NULL, 405, "GET, HEAD, OPTIONS"},
    {"POST", "/healthz", NULL, 405, "GET, HEAD, OPTIONS"},
    {"HEAD", "/v1/events", NULL, 405, "POST, OPTIONS"},
    {"GET", "/v1/admin/users/42", NULL, 405, "PUT, PATCH, DELETE, OPTIONS"},
    {"OPTIONS", "/v1/admin/users/42", NULL, 204, "PUT, PATCH, DELETE, OPTIONS"},
    {"OPTIONS", "/nothing", NULL, 404, ""},
    {"GET", "/healthz?x=1&%zz", "/healthz", 0, ""},
    {"GET", "/v1/users/42?%zz", "/v1/users/{user}", 400, ""},
    {"GET", "/v1/users/42?model=m&limit=1", "/v1/users/{user}", 400, ""},
};

START_TEST(test_route_finds_the_call_or_says_why_not)
{
    struct request *r = find(cases[_i].method, cases[_i].target);
    ck_assert_int_eq(r->status, cases[_i].status);
    if (cases[_i].pattern)
        ck_assert_str_eq(r->route->pattern, cases[_i].pattern);
    else
        ck_assert_ptr_null(r->route);
    ck_assert_str_eq(r->allow, cases[_i].allow);
    request_free(r);
}
END_TEST

START_TEST(test_route_names_the_parameter_it_does_not_know)
{
    struct request *r = find("GET", "/v1/users/42/recommendations?limit=1&colour=red");
    ck_assert_int_eq(r->status, 400);
    ck_assert_ptr_nonnull(strstr(buf_text(&r->answer), "'colour'"));
    request_free(r);
}
END_TEST

/* Whoever may write or read of users has a token asked of them; what is open is listed here. */
START_TEST(test_route_only_the_system_calls_are_open)
{
    static const char *const open[] = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/"};
    for (size_t i = 0; i < routes.n; i++) {
        bool is_open = false;
        for (size_t k = 0; k < sizeof open / sizeof *open; k++)
            is_open = is_open || strcmp(routes.routes[i].pattern, open[k]) == 0;
        bool is_admins = strncmp(routes.routes[i].pattern, "/v1/admin/", 10) == 0 ||
                         strcmp(routes.routes[i].pattern, "/v1/users") == 0 || /* it names all */
                         strcmp(routes.routes[i].pattern, "/v1/items/{item}/users") == 0 ||
                         strcmp(routes.routes[i].pattern, "/v1/users/{user}/merge") == 0; /* it forgets one */
        enum access want = is_open ? ACCESS_ALL : is_admins ? ACCESS_ADMIN : ACCESS_API;
        ck_assert_int_eq(routes.routes[i].access, want);
        ck_assert_uint_eq(route_number(&routes, &routes.routes[i]), i);
    }
    ck_assert_uint_eq(route_number(&routes, NULL), routes.n);
}
END_TEST

/* A call that waits is nobody's who serves other connections; one that may is planned there first. */
START_TEST(test_route_says_by_its_class_who_runs_it)
{
    static const char *const inline_[] = {"/healthz",      "/readyz",    "/metrics",
                                          "/openapi.json", "/v1/models", "/"};
    for (size_t i = 0; i < routes.n; i++) {
        const struct route *route = &routes.routes[i];
        bool is_inline = false;
        for (size_t k = 0; k < sizeof inline_ / sizeof *inline_; k++)
            is_inline = is_inline || strcmp(route->pattern, inline_[k]) == 0;
        bool of_many = strcmp(route->pattern, "/v1/predictions") == 0; /* some of them are not cached */
        bool scans = strcmp(route->pattern, "/v1/tasks/predictions") == 0 ||
                     strcmp(route->pattern, "/v1/users/{user}/similar") == 0 ||
                     strcmp(route->pattern, "/v1/items/{item}/users") == 0 ||
                     (strcmp(route->pattern, "/v1/items") == 0 && strcmp(route->method, "GET") == 0);
        bool may_block =
            !of_many && !scans &&
            (strstr(route->pattern, "/recommendations") || strstr(route->pattern, "/predictions"));
        bool reads = of_many || strcmp(route->method, "GET") == 0;
        bool copies = strcmp(route->pattern, "/v1/admin/backup") == 0;
        enum route_class want = is_inline   ? ROUTE_INLINE
                                : copies    ? ROUTE_COPIES
                                : may_block ? ROUTE_MAY_BLOCK
                                : scans     ? ROUTE_SCANS
                                : reads     ? ROUTE_READS
                                            : ROUTE_WRITES;
        ck_assert_int_eq(route->class, want);
        ck_assert_int_eq(route->plan != NULL, may_block);
        ck_assert_ptr_nonnull(route->run);
    }
}
END_TEST

static const struct {
    const char *method, *target;
    size_t body_bytes;
    bool for_worker;
    enum route_queue queue;
} queues[] = {
    {"GET", "/healthz", 0, false, QUEUE_READ},
    {"GET", "/healthz", 50000, false, QUEUE_LONG}, /* where it is compressed */
    {"GET", "/v1/users/a/recommendations", 0, false, QUEUE_READ},
    {"GET", "/v1/users/a/recommendations?explain=1", 0, false, QUEUE_LONG},
    {"POST", "/v1/users/a/predictions", 32768, false, QUEUE_READ},
    {"POST", "/v1/users/a/predictions", 32769, true, QUEUE_LONG},
    {"GET", "/v1/users/a", 0, true, QUEUE_READ},
    {"GET", "/v1/users/a/similar", 0, true, QUEUE_SCAN},
    {"GET", "/v1/items?limit=5&cursor=a&prefix=b", 0, true, QUEUE_READ},
    {"GET", "/v1/items?limit=5&q=b", 0, true, QUEUE_SCAN},
    {"GET", "/v1/items?sort=popular", 0, true, QUEUE_SCAN},
    {"GET", "/v1/users", 0, true, QUEUE_READ},
    {"PUT", "/v1/admin/users/a", 100, true, QUEUE_WRITE},
    {"DELETE", "/v1/admin/items/a", 0, true, QUEUE_WRITE},
    {"POST", "/v1/events", 50000, true, QUEUE_BULK},
    {"POST", "/v1/tasks/predictions", 100, true, QUEUE_SCAN},
    {"POST", "/v1/admin/backup", 0, true, QUEUE_COPY},
    {"POST", "/v1/tasks/predictions", 50000, true, QUEUE_SCAN},
};

START_TEST(test_route_has_a_queue_for_each_kind_of_wait)
{
    struct request *r = request_new(queues[_i].target, 100000);
    r->method = queues[_i].method;
    route_find(&routes, r);
    ck_assert_int_eq(r->status, 0);
    for (size_t i = 0; i < queues[_i].body_bytes; i++)
        buf_addc(&r->body, ' ');
    ck_assert_int_eq(route_is_for_worker(r), queues[_i].for_worker);
    ck_assert_int_eq(route_queue(r), queues[_i].queue);
    request_free(r);
}
END_TEST

SUITE("server/route", NULL, NULL, {test_route_finds_the_call_or_says_why_not, sizeof cases / sizeof *cases},
      {test_route_names_the_parameter_it_does_not_know}, {test_route_only_the_system_calls_are_open},
      {test_route_says_by_its_class_who_runs_it},
      {test_route_has_a_queue_for_each_kind_of_wait, sizeof queues / sizeof *queues})
