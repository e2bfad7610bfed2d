/* A linear search over a dozen patterns: less than a microsecond, and the table reads like the documentation.
 */
#include "server/http/route.h"

#include "server/http/problem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Whether the segments of a request fit a pattern. */
static bool fits(const char *pattern, const struct request *r)
{
    size_t i = 0;
    for (const char *p = pattern; *p; i++) {
        p++; /* the slash */
        size_t n = strcspn(p, "/");
        if (n == 0)
            break; /* "/" */
        if (i >= r->n_segments)
            return false;
        struct text s = r->segments[i];
        if (*p == '{' ? s.len == 0 : s.len != n || memcmp(s.data, p, n) != 0)
            return false;
        p += n;
    }
    return i == r->n_segments;
}

static bool is_head_of(const struct request *r, const struct route *route)
{
    return strcmp(r->method, "HEAD") == 0 && strcmp(route->method, "GET") == 0;
}

/* Writes the methods of the path of r, for Allow. */
static void list_methods(const struct route_table *table, struct request *r)
{
    size_t n = 0;
    for (size_t i = 0; i < table->n; i++)
        if (fits(table->routes[i].pattern, r) && n < sizeof r->allow)
            n += (size_t)snprintf(r->allow + n, sizeof r->allow - n, "%s, %s", table->routes[i].method,
                                  strcmp(table->routes[i].method, "GET") == 0 ? "HEAD, " : "");
    if (n < sizeof r->allow)
        (void)snprintf(r->allow + n, sizeof r->allow - n, "OPTIONS");
}

static void refuse_target(struct request *r)
{
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL,
                   "the path or the query is not well formed (percent-encoding, length)");
}

static bool params_known(struct request *r)
{
    if (r->route->params[0] && strcmp(r->route->params[0], "*") == 0)
        return true;
    if (r->bad_query) {
        refuse_target(r);
        return false;
    }
    for (size_t i = 0; i < r->n_params; i++) {
        size_t k = 0;
        while (r->route->params[k] && !text_is(r->params[i].name, r->route->params[k]))
            k++;
        if (!r->route->params[k]) {
            problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "no query parameter '%.*s' here",
                           (int)r->params[i].name.len, r->params[i].name.data);
            return false;
        }
    }
    return true;
}

void route_find(const struct route_table *table, struct request *r)
{
    bool path_known = false;
    if (r->bad_path) {
        refuse_target(r);
        return;
    }
    for (size_t i = 0; i < table->n; i++) {
        if (!fits(table->routes[i].pattern, r))
            continue;
        path_known = true;
        if (strcmp(r->method, table->routes[i].method) == 0 || is_head_of(r, &table->routes[i])) {
            r->route = &table->routes[i];
            (void)params_known(r);
            return;
        }
    }
    if (!path_known) {
        problem_answer(r, PROBLEM_UNKNOWN_PATH, NULL, "the calls are listed at /openapi.json");
        return;
    }
    list_methods(table, r);
    if (strcmp(r->method, "OPTIONS") == 0)
        (void)request_answer(r, 204, NULL);
    else
        problem_answer(r, PROBLEM_WRONG_METHOD, NULL, "this path takes %s", r->allow);
}

static bool takes_long(const struct request *r)
{
    const char *const *name = r->route->long_params;
    while (name && *name && strcmp(*name, "*") != 0 && !request_param_of(r, *name).data)
        name++;
    return name && *name;
}

/* Whose body takes long to read, so that others on the connection's thread would wait. */
static bool has_large_body(const struct request *r)
{
    enum { LARGE_BODY_BYTES = 32 * 1024 };
    return r->body.len > LARGE_BODY_BYTES;
}

bool route_is_for_worker(const struct request *r)
{
    if (r->route->class == ROUTE_MAY_BLOCK)
        return has_large_body(r);
    return r->route->class != ROUTE_INLINE;
}

enum route_queue route_queue(const struct request *r)
{
    if (r->route->class == ROUTE_WRITES || r->writes)
        return has_large_body(r) || r->takes_long ? QUEUE_BULK : QUEUE_WRITE;
    if (r->route->class == ROUTE_SCANS && (!r->route->long_params || takes_long(r)))
        return QUEUE_SCAN;
    if (r->route->class == ROUTE_COPIES)
        return QUEUE_COPY;
    return has_large_body(r) || r->takes_long || takes_long(r) ? QUEUE_LONG : QUEUE_READ;
}

size_t route_number(const struct route_table *table, const struct route *route)
{
    assert(!route || (route >= table->routes && route < table->routes + table->n));
    return route ? (size_t)(route - table->routes) : table->n;
}
