/* server/http/request.c: targets as clients send them; risks: an encoded slash that splits an id, bytes read
 * past a broken percent-encoding, a path deeper than the table of segments, something of a request in the one
 * that follows in its memory. */
#include "server/http/request.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/suite.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The segments joined by '|', then '?', then name=value of each parameter joined by '&'. */
static const struct {
    const char *target, *want; /* NULL: a bad target */
} targets[] = {
    {"/", "?"},
    {"", "?"},
    {"/v1/users/42", "v1|users|42?"},
    {"/v1/users/42/", "v1|users|42?"},
    {"/v1//42", "v1||42?"},
    {"/a%2Fb/c", "a/b|c?"},
    {"/%C3%a9+%20", "\xC3\xA9+ ?"},
    {"/x?a=1&b=2", "x?a=1&b=2&"},
    {"/x?a+b=c+d%26", "x?a b=c d&&"},
    {"/x?a", "x?a=&"},
    {"/x?=1", "x?=1&"},
    {"/x?a=1=2", "x?a=1=2&"},
    {"/x?&&a=1&", "x?a=1&"},
    {"/x?", "x?"},
    {"/x?a=/y?z", "x?a=/y?z&"},
    {"http://host:80/x?a=1", "x?a=1&"},
    {"HTTP://host", "?"},
    {"http://host?a=1", "?a=1&"},
    {"/%", NULL},
    {"/%4", NULL},
    {"/%4g", NULL},
    {"/x%", NULL},
    {"/x?%zz=1", NULL},
    {"/x?a=%1", NULL},
    {"*", NULL},
    {"host:80", NULL},
    {"ftp://host/x", NULL},
};

START_TEST(test_request_splits_before_it_decodes)
{
    char got[256] = "";
    size_t n = 0;
    struct request *r = request_new(targets[_i].target, 100);
    ck_assert_ptr_nonnull(r);
    ck_assert_str_eq(r->raw_target, targets[_i].target);
    ck_assert_int_eq((r->bad_path || r->bad_query), targets[_i].want == NULL);
    if (targets[_i].want) {
        for (size_t i = 0; i < r->n_segments; i++)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%.*s", i ? "|" : "", (int)r->segments[i].len,
                                  r->segments[i].data);
        got[n++] = '?';
        for (size_t i = 0; i < r->n_params; i++)
            n += (size_t)snprintf(got + n, sizeof got - n, "%.*s=%.*s&", (int)r->params[i].name.len,
                                  r->params[i].name.data, (int)r->params[i].value.len,
                                  r->params[i].value.data);
        got[n] = '\0';
        ck_assert_str_eq(got, targets[_i].want);
    }
    request_free(r);
}
END_TEST

START_TEST(test_request_keeps_a_zero_byte_in_its_place)
{
    struct request *r = request_new("/a%00b", 100);
    ck_assert_uint_eq(r->segments[0].len, 3);
    ck_assert_mem_eq(r->segments[0].data, "a\0b", 3);
    request_free(r);
}
END_TEST

START_TEST(test_request_a_path_too_deep_is_well_formed)
{
    char target[64] = "";
    for (int i = 0; i < REQUEST_MAX_SEGMENTS + 5; i++)
        memcpy(target + 2 * i, "/x", 3);
    struct request *r = request_new(target, 100);
    ck_assert(!(r->bad_path || r->bad_query));
    ck_assert_uint_gt(r->n_segments, REQUEST_MAX_SEGMENTS);
    request_free(r);
}
END_TEST

START_TEST(test_request_counts_its_parameters)
{
    char target[8 * REQUEST_MAX_PARAMS] = "/x?";
    for (int i = 0; i < REQUEST_MAX_PARAMS; i++)
        strcat(target, "a=1&");
    struct request *r = request_new(target, 100);
    ck_assert(!(r->bad_path || r->bad_query));
    ck_assert_uint_eq(r->n_params, REQUEST_MAX_PARAMS);
    request_free(r);
    strcat(target, "a=1");
    r = request_new(target, 100);
    ck_assert((r->bad_path || r->bad_query));
    request_free(r);
}
END_TEST

/* Of what is left of another request, with everything it can have set. */
static struct request *used_request(void)
{
    struct request *r = request_new("/v1/users/ann/predictions/a/b/c?category=x&limit=5&%zz", 1 << 20);
    ck_assert((r->bad_path || r->bad_query));
    char *from = (char *)r + offsetof(struct request, method);
    memset(from, 0x5A, (size_t)((char *)&r->params[r->n_params] - from));
    buf_adds(&r->body, "a body");
    buf_adds(&r->answer, "an answer");
    r->answer.failed = ERR_NOMEM;
    return r;
}

START_TEST(test_request_keeps_nothing_of_the_one_before)
{
    struct request *r = used_request(), *fresh = request_new("/v1/users/bob", 1 << 20);
    request_end(r);
    ck_assert(request_renew(r, "/v1/users/bob"));
    ck_assert_str_eq(r->raw_target, "/v1/users/bob");
    ck_assert_uint_eq(r->n_segments, 3);
    ck_assert(text_is(r->segments[2], "bob"));
    ck_assert_uint_eq(r->n_params, 0);
    ck_assert_ptr_null(request_param_of(r, "limit").data);
    ck_assert_uint_eq(r->body.len + r->answer.len, 0);
    ck_assert_int_eq(r->answer.failed, ERR_OK);
    ck_assert_uint_eq(r->body.max_bytes, 1 << 20);
    memcpy(r->segments, fresh->segments, sizeof r->segments); /* which point into each one's own block */
    r->start_ns = fresh->start_ns;
    size_t from = offsetof(struct request, method), to = offsetof(struct request, params);
    ck_assert_mem_eq((char *)r + from, (char *)fresh + from, to - from);
    request_free(r);
    request_free(fresh);
}
END_TEST

START_TEST(test_request_keeps_the_memory_of_the_one_before_up_to_a_limit)
{
    struct request *r = used_request();
    const char *target = r->raw_target, *body = r->body.data, *answer = r->answer.data;
    request_end(r);
    ck_assert(request_renew(r, "/a/shorter/one"));
    ck_assert_ptr_eq(r->raw_target, target);
    ck_assert_ptr_eq(r->body.data, body);
    ck_assert_ptr_eq(r->answer.data, answer);
    static char large[REQUEST_KEPT_BYTES] = "/";
    memset(large + 1, 'x', sizeof large - 2);
    request_end(r);
    ck_assert(request_renew(r, large));
    ck_assert_str_eq(r->raw_target, large);
    buf_add(&r->body, large, sizeof large);
    buf_add(&r->answer, large, sizeof large);
    request_end(r);
    ck_assert_uint_eq(r->body.capacity + r->answer.capacity + r->target_capacity, 0);
    ck_assert_ptr_null(r->raw_target);
    ck_assert(request_renew(r, "/small"));
    ck_assert_str_eq(r->raw_target, "/small");
    ck_assert(text_is(r->segments[0], "small"));
    request_free(r);
}
END_TEST

/* ---- plans ---- */

static int n_ended;

static void count_end(void *plan)
{
    n_ended += *(int *)plan;
}

static void plan(struct request *r, size_t size, int number)
{
    int *at = request_plan(r, size, count_end);
    ck_assert_ptr_nonnull(at);
    ck_assert_ptr_eq(at, r->plan);
    memset(at, 0, size);
    *at = number;
}

START_TEST(test_request_ends_a_plan_once)
{
    struct request *r = request_new("/x", 100);
    n_ended = 0;
    plan(r, 100, 1);
    request_end_plan(r);
    ck_assert_int_eq(n_ended, 1);
    request_end_plan(r);
    request_end(r);
    ck_assert_int_eq(n_ended, 1);
    ck_assert(request_renew(r, "/y"));
    plan(r, 100, 10); /* and nobody runs it */
    request_end(r);
    ck_assert_int_eq(n_ended, 11);
    ck_assert(request_renew(r, "/z"));
    plan(r, 100, 100);
    request_free(r);
    ck_assert_int_eq(n_ended, 111);
}
END_TEST

START_TEST(test_request_keeps_the_memory_of_a_plan_up_to_a_limit)
{
    struct request *r = request_new("/x", 100);
    plan(r, REQUEST_KEPT_BYTES, 1);
    const void *first = r->plan;
    request_end(r);
    ck_assert(request_renew(r, "/y"));
    mem_fail_at(1, 1);
    plan(r, 100, 1);
    mem_fail_at(0, 0);
    ck_assert_ptr_eq(r->plan, first);
    request_end(r);
    ck_assert(request_renew(r, "/z"));
    mem_fail_at(1, 1);
    ck_assert_ptr_null(request_plan(r, REQUEST_KEPT_BYTES + 1, count_end));
    mem_fail_at(0, 0);
    plan(r, REQUEST_KEPT_BYTES + 1, 1);
    request_end(r);
    ck_assert_ptr_null(r->plan);
    ck_assert_uint_eq(r->plan_capacity, 0);
    request_free(r);
}
END_TEST

START_TEST(test_request_without_memory_stays_the_one_before)
{
    static char large[REQUEST_KEPT_BYTES] = "/";
    memset(large + 1, 'x', sizeof large - 2);
    struct request *r = request_new("/small", 100);
    mem_fail_at(1, 1);
    bool renewed = request_renew(r, large);
    mem_fail_at(0, 0);
    ck_assert(!renewed);
    ck_assert_str_eq(r->raw_target, "/small");
    ck_assert(text_is(r->segments[0], "small"));
    request_free(r);
}
END_TEST

START_TEST(test_request_gives_the_first_parameter_of_a_name)
{
    struct request *r = request_new("/x?a=1&b=&a=2", 100);
    ck_assert(text_is(request_param_of(r, "a"), "1"));
    ck_assert(text_is(request_param_of(r, "b"), ""));
    ck_assert_ptr_null(request_param_of(r, "c").data);
    request_free(r);
}
END_TEST

static const struct {
    const char *type;
    bool json, json_or_suffix;
} types[] = {
    {NULL, false, false},
    {"", false, false},
    {"application/json", true, true},
    {"Application/JSON; charset=utf-8", true, true},
    {"application/json ;x=y", true, true},
    {"application/jsonx", false, false},
    {"application/json+xml", false, false},
    {"application/hal+json", false, true},
    {"application/hal+json;v=1", false, true},
    {"+json", false, false},
    {"text/plain; x=+json", false, false},
};

START_TEST(test_request_compares_media_types_without_parameters)
{
    struct request *r = request_new("/", 100);
    r->content_type = text_of(types[_i].type);
    ck_assert_int_eq(request_type_is(r, "application/json", NULL), types[_i].json);
    ck_assert_int_eq(request_type_is(r, "application/json", "+json"), types[_i].json_or_suffix);
    request_free(r);
}
END_TEST

START_TEST(test_request_a_second_answer_replaces_the_first)
{
    struct request *r = request_new("/", 100);
    buf_adds(request_answer(r, 200, request_json), "half an ans");
    buf_adds(request_answer(r, 500, "text/plain"), "no");
    ck_assert_int_eq(r->status, 500);
    ck_assert_str_eq(buf_text(&r->answer), "no");
    ck_assert_str_eq(r->answer_type, "text/plain");
    request_free(r);
}
END_TEST

SUITE("server/request", NULL, NULL, {test_request_splits_before_it_decodes, sizeof targets / sizeof *targets},
      {test_request_keeps_a_zero_byte_in_its_place}, {test_request_a_path_too_deep_is_well_formed},
      {test_request_counts_its_parameters}, {test_request_keeps_nothing_of_the_one_before},
      {test_request_keeps_the_memory_of_the_one_before_up_to_a_limit}, {test_request_ends_a_plan_once},
      {test_request_keeps_the_memory_of_a_plan_up_to_a_limit},
      {test_request_without_memory_stays_the_one_before}, {test_request_gives_the_first_parameter_of_a_name},
      {test_request_compares_media_types_without_parameters, sizeof types / sizeof *types},
      {test_request_a_second_answer_replaces_the_first})
