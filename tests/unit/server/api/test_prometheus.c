/* server/api/prometheus.c: what Prometheus reads; risks: buckets that are not cumulative, a line that does
 * not parse, a sample counted for another call. */
#include "server/api/prometheus.h"
#include "server/api/routes.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct api_world w;
static char text[256 * 1024];

static void setup(void)
{
    api_world_init(&w);
}

static void teardown(void)
{
    api_world_fini(&w);
}

static void print(void)
{
    struct buf b;
    buf_init(&b, sizeof text - 1);
    metrics_write(&w.metrics, &w.serving, &b);
    ck_assert_int_eq(b.failed, ERR_OK);
    memcpy(text, b.data, b.len);
    text[b.len] = '\0';
    buf_fini(&b);
}

/* The value of the sample with this name and these labels, or -1. */
static double value(const char *name)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, name, n) == 0 && line[n] == ' ')
            return strtod(line + n, NULL);
    return -1;
}

START_TEST(test_metrics_latency_buckets_are_cumulative)
{
#define LABELS "method=\"GET\",route=\"/v1/users/{user}/recommendations\""
    static const int64_t ns[] = {1, 50000, 50001, 700000, 3000000000, 60000000000};
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
        metrics_request(&w.metrics, 0, 200, ns[i]);
    print();
    ck_assert(value("hypernet_request_seconds_bucket{" LABELS ",le=\"5e-05\"}") ==
              2); /* bounds belong to their bucket */
    ck_assert(value("hypernet_request_seconds_bucket{" LABELS ",le=\"0.0001\"}") == 3);
    ck_assert(value("hypernet_request_seconds_bucket{" LABELS ",le=\"0.001\"}") == 4);
    ck_assert(value("hypernet_request_seconds_bucket{" LABELS ",le=\"2\"}") == 4);
    ck_assert(value("hypernet_request_seconds_bucket{" LABELS ",le=\"10\"}") == 5);
    ck_assert(value("hypernet_request_seconds_bucket{" LABELS ",le=\"+Inf\"}") == 6);
    ck_assert(value("hypernet_request_seconds_count{" LABELS "}") == 6);
    double sum = value("hypernet_request_seconds_sum{" LABELS "}");
    ck_assert(sum > 63.0007 && sum < 63.0009);
    ck_assert(value("hypernet_requests_total{" LABELS ",status=\"2xx\"}") == 6);
}
END_TEST

START_TEST(test_metrics_count_by_class_of_status)
{
    metrics_request(&w.metrics, 1, 200, 1);
    metrics_request(&w.metrics, 1, 404, 1);
    metrics_request(&w.metrics, 1, 422, 1);
    metrics_request(&w.metrics, 1, 507, 1);
    metrics_request(&w.metrics, METRICS_NO_ROUTE, 404, 1);
    print();
    ck_assert(value("hypernet_requests_total{method=\"POST\",route=\"/v1/users/{user}/"
                    "predictions\",status=\"4xx\"}") == 2);
    ck_assert(value("hypernet_requests_total{method=\"POST\",route=\"/v1/users/{user}/"
                    "predictions\",status=\"5xx\"}") == 1);
    ck_assert(value("hypernet_requests_total{method=\"any\",route=\"none\",status=\"4xx\"}") == 1);
}
END_TEST

START_TEST(test_metrics_count_each_route_apart)
{
    for (size_t r = 0; r < routes.n; r++)
        for (size_t i = 0; i <= r; i++)
            metrics_request(&w.metrics, r, 200, 1);
    print();
    for (size_t r = 0; r < routes.n; r++) {
        char name[256];
        (void)snprintf(name, sizeof name,
                       "hypernet_requests_total{method=\"%s\",route=\"%s\",status=\"2xx\"}",
                       routes.routes[r].method, routes.routes[r].pattern);
        ck_assert_msg(value(name) == (double)(r + 1), "%s", name);
    }
    ck_assert(value("hypernet_requests_total{method=\"any\",route=\"none\",status=\"2xx\"}") == -1);
}
END_TEST

/* Each family has one HELP and one TYPE before its samples, and no family comes twice. */
START_TEST(test_metrics_are_prometheus_text)
{
    char family[128] = "", seen[128][128];
    size_t n_seen = 0;
    for (size_t r = 0; r < routes.n; r++)
        metrics_request(&w.metrics, r, 200, 1000);
    print();
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        if (strncmp(line, "# HELP ", 7) == 0) {
            ck_assert_int_eq(sscanf(line, "# HELP %127s", family), 1);
            for (size_t i = 0; i < n_seen; i++)
                ck_assert_str_ne(seen[i], family);
            memcpy(seen[n_seen++], family, sizeof family);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char name[128], type[32];
            ck_assert_int_eq(sscanf(line, "# TYPE %127s %31s", name, type), 2);
            ck_assert_str_eq(name, family);
            if (strcmp(type, "counter") == 0)
                ck_assert_str_eq(name + strlen(name) - 6, "_total");
        } else {
            char *value_at = strrchr(line, ' ');
            ck_assert_ptr_nonnull(value_at);
            ck_assert_int_eq(strncmp(line, family, strlen(family)), 0);
            char *rest;
            (void)strtod(value_at + 1, &rest);
            ck_assert_int_eq(*rest, '\0');
        }
        line = end + 1;
    }
    ck_assert_uint_gt(n_seen, 20);
}
END_TEST

START_TEST(test_metrics_never_name_a_user)
{
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/users/somebody", "{}", NULL), 201);
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/somebody/recommendations", NULL, NULL), 200);
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/nobody-known", NULL, NULL), 404);
    print();
    ck_assert_ptr_null(strstr(text, "somebody"));
    ck_assert_ptr_null(strstr(text, "nobody-known"));
    ck_assert(value("hypernet_registrations_total") == 1);
    ck_assert(value("hypernet_weights_made_total") == 1);
    ck_assert(value("hypernet_cache_entries") == 1);
}
END_TEST

SUITE("server/metrics", setup, teardown, {test_metrics_latency_buckets_are_cumulative},
      {test_metrics_count_by_class_of_status}, {test_metrics_count_each_route_apart},
      {test_metrics_are_prometheus_text}, {test_metrics_never_name_a_user})
