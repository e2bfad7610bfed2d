/* server/http/problem.c: every refusal is a document that clients can rely on; risks: a type that two
 * refusals share, text of the caller that breaks the JSON, a lower layer's error with the wrong status. */
#include "base/log.h"
#include "base/utf8.h"
#include "server/http/problem_list.h"
#include "tests/support/suite.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct request *new_request(void)
{
    struct request *r = request_new("/", 100);
    ck_assert_ptr_nonnull(r);
    memcpy(r->id, "id-1", 5);
    return r;
}

static json_t *document_of(struct request *r)
{
    ck_assert_str_eq(r->answer_type, "application/problem+json");
    ck_assert(utf8_valid(r->answer.data, r->answer.len));
    json_error_t where;
    json_t *document = json_loadb(r->answer.data, r->answer.len, JSON_REJECT_DUPLICATES, &where);
    ck_assert_msg(document != NULL, "%s: %s", where.text, buf_text(&r->answer));
    ck_assert_int_eq(json_integer_value(json_object_get(document, "status")), r->status);
    ck_assert_str_eq(json_string_value(json_object_get(document, "request_id")), "id-1");
    return document;
}

static const struct {
    enum problem problem;
    const char *type;
    int status;
} problems[] = {
#define X(code, type, status, title) {code, "urn:hypernet:problem:" type, status},
    PROBLEMS(X)
#undef X
};
enum { N_PROBLEMS = sizeof problems / sizeof *problems };

START_TEST(test_problem_is_a_document_of_its_own_type)
{
    struct request *r = new_request();
    problem_answer(r, problems[_i].problem, "/a/0", "what: %d", 5);
    json_t *document = document_of(r);
    ck_assert_int_eq(r->status, problems[_i].status);
    ck_assert_str_eq(json_string_value(json_object_get(document, "type")), problems[_i].type);
    ck_assert_str_eq(json_string_value(json_object_get(document, "detail")), "what: 5");
    ck_assert_str_eq(json_string_value(json_object_get(document, "pointer")), "/a/0");
    ck_assert(json_string_length(json_object_get(document, "title")) > 0);
    ck_assert_int_eq(r->challenge, r->status == 401);
    ck_assert_int_eq(r->retry_after_s > 0, r->status == 503);
    for (int k = 0; k < _i; k++)
        ck_assert_str_ne(problems[k].type, problems[_i].type);
    json_decref(document);
    request_free(r);
}
END_TEST

static const char *const details[][2] = {
    {"plain \"quoted\" \\ \n\t\x01", "plain \"quoted\" \\ \n\t\x01"},
    {"\xC3\xA9", "\xC3\xA9"},
    {"a\xFFz", "a?z"},
    {"\xC3", "?"},
    {"\xC3\xC3\xA9", "?\xC3\xA9"},
    {"\xED\xA0\x80", "???"},
    {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
    {"", ""},
};

START_TEST(test_problem_repeats_only_utf8)
{
    struct request *r = new_request();
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "%s", details[_i][0]);
    json_t *document = document_of(r);
    ck_assert_str_eq(json_string_value(json_object_get(document, "detail")), details[_i][1]);
    ck_assert_ptr_null(json_object_get(document, "pointer"));
    json_decref(document);
    request_free(r);
}
END_TEST

START_TEST(test_problem_cuts_a_long_detail_at_a_character)
{
    struct request *r = new_request();
    char text[2 * ERR_TEXT_BYTES + 2] = "x";
    for (size_t i = 1; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 3);
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "%s", text);
    json_t *document = document_of(r);
    ck_assert_uint_lt(json_string_length(json_object_get(document, "detail")), ERR_TEXT_BYTES);
    json_decref(document);
    request_free(r);
}
END_TEST

START_TEST(test_problem_of_json_has_line_and_column)
{
    struct request *r = new_request();
    problem_answer_json(r, 3, 14, "unexpected \xFF");
    json_t *document = document_of(r);
    ck_assert_int_eq(r->status, 400);
    ck_assert_int_eq(json_integer_value(json_object_get(document, "line")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(document, "column")), 14);
    json_decref(document);
    request_free(r);
}
END_TEST

static const struct {
    enum err_code code;
    int status;
} errors[] = {
    {ERR_NOMEM, 503}, {ERR_INVALID, 422}, {ERR_NOTFOUND, 404}, {ERR_CONFLICT, 422},
    {ERR_BUSY, 503},  {ERR_LIMIT, 413},   {ERR_DEADLINE, 503}, {ERR_CORRUPT, 500},
    {ERR_IO, 500},    {ERR_FULL, 507},    {ERR_INTERNAL, 500}, {ERR_LOST, 503},
};

START_TEST(test_problem_of_each_error_of_a_lower_layer)
{
    struct request *r = new_request();
    struct err e = {0};
    (void)err_set(&e, errors[_i].code, "the reason");
    log_setup(LOG_ERROR, 0);
    problem_answer_err(r, &e);
    ck_assert_int_eq(r->status, errors[_i].status);
    json_t *document = document_of(r);
    const char *detail = json_string_value(json_object_get(document, "detail"));
    if (errors[_i].status >= 500) /* a reason of the server's own may name its files: it is for the log */
        ck_assert_ptr_null(strstr(detail, "the reason"));
    else
        ck_assert_str_eq(detail, "the reason");
    json_decref(document);
    request_free(r);
}
END_TEST

START_TEST(test_problem_gathers_faults_in_the_order_of_the_request)
{
    struct request *r = new_request();
    struct problem_list l;
    problem_list_init(&l, 2);
    r->faults = &l;
    l.part = 7;
    problem_answer(r, PROBLEM_UNKNOWN_ITEM, "/events/7/item", "no \"item\" %d", 7);
    l.part = 3;
    problem_answer_json(r, 4, 9, "unexpected");
    l.part = 1;
    problem_answer(r, PROBLEM_INVALID_VALUE, "/events/1", "past what is listed");
    ck_assert_int_eq(r->status, 0); /* nothing is answered yet */
    problem_answer_list(r, &l, "nothing was kept");
    json_t *document = document_of(r), *list = json_object_get(document, "errors");
    ck_assert_int_eq(r->status, 400);
    ck_assert_str_eq(json_string_value(json_object_get(document, "detail")),
                     "unexpected; the first of 3 faults; nothing was kept");
    ck_assert_int_eq(json_integer_value(json_object_get(document, "line")), 4);
    ck_assert_int_eq(json_integer_value(json_object_get(document, "n_errors")), 3);
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "pointer")),
                     "/events/7/item");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "detail")), "no \"item\" 7");
    json_decref(document);
    problem_list_fini(&l);
    request_free(r);
}
END_TEST

/* One fault of each of n parts, or as many as a part has. */
static void refuse_parts(struct request *r, size_t n, size_t n_faults, const char *text)
{
    for (size_t part = 0; part < n; part++) {
        r->faults->part = part;
        for (size_t k = 0; k < n_faults; k++)
            problem_answer(r, PROBLEM_INVALID_VALUE, "/rows", "%s", text);
    }
}

static json_t *written(const struct problem_list *l, size_t *n_bytes)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    problem_list_write(l, true, &out);
    const char *text = buf_text(&out);
    ck_assert_ptr_nonnull(text);
    json_t *list = json_loads(text, 0, NULL);
    ck_assert(json_is_array(list));
    *n_bytes = out.len;
    buf_fini(&out);
    return list;
}

START_TEST(test_problem_of_many_faults_of_a_part_lists_the_first_and_counts_the_rest)
{
    struct request *r = new_request();
    struct problem_list l;
    size_t n;
    problem_list_init_parts(&l);
    r->faults = &l;
    refuse_parts(r, 2, 1000, "odd");
    problem_list_clear(&l);
    refuse_parts(r, 3, 1000, "odd");
    ck_assert_uint_eq(l.n, 3000);
    problem_list_sort(&l);
    json_t *list = written(&l, &n);
    ck_assert_uint_eq(json_array_size(list), 3 * PROBLEM_LIST_MOST_OF_PART);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *fault = json_array_get(list, i), *more = json_object_get(fault, "more");
        bool last = i % PROBLEM_LIST_MOST_OF_PART == PROBLEM_LIST_MOST_OF_PART - 1;
        ck_assert_int_eq(json_integer_value(json_object_get(fault, "index")),
                         (json_int_t)i / PROBLEM_LIST_MOST_OF_PART);
        ck_assert_int_eq(json_integer_value(more), last ? 1000 - PROBLEM_LIST_MOST_OF_PART : 0);
    }
    json_decref(list);
    problem_list_fini(&l);
    request_free(r);
}
END_TEST

START_TEST(test_problem_of_very_many_parts_names_each_within_a_bound)
{
    struct request *r = new_request();
    struct problem_list l;
    char text[500];
    size_t n, n_parts = 40000;
    memset(text, '"', sizeof text);
    text[sizeof text - 1] = '\0';
    problem_list_init_parts(&l);
    r->faults = &l;
    refuse_parts(r, n_parts, 5, text);
    ck_assert(!l.failed);
    ck_assert_uint_lt(l.texts.len, PROBLEM_LIST_TEXT_BYTES + 8192);
    json_t *list = written(&l, &n);
    ck_assert_uint_lt(n, PROBLEM_LIST_TEXT_BYTES + 256 * n_parts);
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    ck_assert_int_eq(json_integer_value(json_object_get(last, "index")), (json_int_t)n_parts - 1);
    ck_assert_int_eq(json_integer_value(json_object_get(last, "more")), 4);
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(last, "detail")), "by itself"));
    json_decref(list);
    problem_list_fini(&l);
    request_free(r);
}
END_TEST

START_TEST(test_problem_list_that_failed_grows_no_more)
{
    struct request *r = new_request();
    struct problem_list l;
    problem_list_init_parts(&l);
    r->faults = &l;
    refuse_parts(r, 10, 1, "odd");
    l.failed = true;
    size_t n_listed = l.n_listed, n_texts = l.texts.len;
    refuse_parts(r, 100, 1, "odd");
    ck_assert_uint_eq(l.n_listed, n_listed);
    ck_assert_uint_eq(l.texts.len, n_texts);
    ck_assert_uint_eq(l.n, 110);
    problem_list_fini(&l);
    request_free(r);
}
END_TEST

START_TEST(test_problem_without_a_place_is_answered_while_faults_are_gathered)
{
    struct request *r = new_request();
    struct problem_list l;
    problem_list_init(&l, 2);
    r->faults = &l;
    problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory");
    ck_assert_int_eq(r->status, 503);
    ck_assert_uint_eq(l.n, 0);
    problem_list_fini(&l);
    request_free(r);
}
END_TEST

START_TEST(test_problem_replaces_half_an_answer)
{
    struct request *r = new_request();
    buf_adds(request_answer(r, 200, request_json), "{\"items\":[");
    problem_answer(r, PROBLEM_INTERNAL, NULL, "in the middle");
    json_decref(document_of(r));
    ck_assert_int_eq(r->status, 500);
    request_free(r);
}
END_TEST

SUITE("server/problem", NULL, NULL, {test_problem_is_a_document_of_its_own_type, N_PROBLEMS},
      {test_problem_repeats_only_utf8, sizeof details / sizeof *details},
      {test_problem_cuts_a_long_detail_at_a_character}, {test_problem_of_json_has_line_and_column},
      {test_problem_of_each_error_of_a_lower_layer, sizeof errors / sizeof *errors},
      {test_problem_gathers_faults_in_the_order_of_the_request},
      {test_problem_of_many_faults_of_a_part_lists_the_first_and_counts_the_rest},
      {test_problem_of_very_many_parts_names_each_within_a_bound},
      {test_problem_list_that_failed_grows_no_more},
      {test_problem_without_a_place_is_answered_while_faults_are_gathered},
      {test_problem_replaces_half_an_answer})
