/* server/serving/recommender.c, without HTTP; risks: weights that are cached though they failed, or served
 * past their model; an answer with what its user has, with items of another model, or cut short where
 * memory ends. */
#include "server/serving/recommender.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct api_world w;
static struct recommender *r;
static struct model_handle *sample, *linear;
static struct buf out;

static void must_put(const char *target, const char *body)
{
    int status = api_world_json(&w, "PUT", target, body, NULL);
    ck_assert_msg(status / 100 == 2, "%s: %d", target, status);
}

/* Ann has an item of `sample`, eve an embedding for `linear`, whose items are others. */
static void setup(void)
{
    api_world_init(&w);
    must_put("/v1/admin/items/1", "{\"title\":\"One\",\"categories\":[\"War\",\"Noir\"]}");
    must_put("/v1/admin/items/2x", "{\"categories\":[\"War\"]}");
    must_put("/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"}]}");
    must_put("/v1/admin/users/eve?model=linear", "{\"embedding\":[1,2,3]}");
    r = w.worker->session.recommender;
    sample = recommender_find(r, "sample");
    linear = recommender_find(r, "linear");
    buf_init(&out, LIMIT_RESPONSE_BYTES);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    buf_fini(&out);
    api_world_fini(&w);
}

static struct weights *weights_of(struct model_handle *handle, const char *id, bool *hit)
{
    struct weights *made;
    bool ignored;
    STORE_OK(recommender_acquire(r, handle, id ? WEIGHTS_OF_USER : WEIGHTS_OF_PRIOR, text_of(id), &made,
                                 hit ? hit : &ignored, &e));
    return made;
}

static size_t n_cached(void)
{
    struct weights_cache_stats s;
    weights_cache_read_stats(w.serving.cache, &s);
    return s.n_entries;
}

static json_t *answer_of(struct model_handle *handle, const struct weights *weights,
                         const struct recommend_query *q)
{
    buf_reset(&out);
    STORE_OK(recommender_recommend(r, handle, weights, q, &out, &e));
    json_t *answer = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(answer);
    return answer;
}

static bool has_item(const json_t *answer, const char *id)
{
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(items, i), "id")), id) == 0)
            return true;
    return false;
}

static size_t n_items(const json_t *answer)
{
    return json_array_size(json_object_get(answer, "items"));
}

/* ---- weights ---- */

START_TEST(weights_are_made_once_and_then_found)
{
    bool hit;
    struct weights *first = weights_of(sample, "ann", &hit);
    ck_assert(!hit);
    struct weights *second = weights_of(sample, "ann", &hit);
    ck_assert(hit && second == first);
    struct weights *cached = recommender_cached(r, sample, WEIGHTS_OF_USER, text_of("ann"));
    ck_assert_ptr_eq(cached, first);
    ck_assert_ptr_null(recommender_cached(r, linear, WEIGHTS_OF_USER, text_of("ann"))); /* of another model */
    ck_assert_ptr_null(recommender_cached(r, sample, WEIGHTS_OF_PRIOR, text_of("ann")));
    weights_unref(first);
    weights_unref(second);
    weights_unref(cached);
}
END_TEST

START_TEST(who_is_not_known_is_not_found_each_time_and_nothing_is_cached)
{
    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        struct weights *made = NULL;
        bool hit;
        ck_assert_int_eq(recommender_acquire(r, sample, WEIGHTS_OF_USER, text_of("nobody"), &made, &hit, &e),
                         ERR_NOTFOUND);
        ck_assert(!hit && !made);
    }
    ck_assert_uint_eq(n_cached(), 0);
    must_put("/v1/admin/users/nobody", "{}");
    weights_unref(weights_of(sample, "nobody", NULL)); /* the failure is not remembered */
}
END_TEST

START_TEST(who_has_no_embedding_for_a_model_without_an_encoder_is_told_what_to_do)
{
    struct err e = {0};
    struct weights *made;
    bool hit;
    ck_assert_int_eq(recommender_acquire(r, linear, WEIGHTS_OF_USER, text_of("ann"), &made, &hit, &e),
                     ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(e.text, "linear"));
    weights_unref(weights_of(linear, "eve", NULL));
}
END_TEST

/* Of a model that had this one's name and version: a number too many. */
static void put_wide_context(const struct model *m, const char *id, bool given)
{
    const struct store_context_key key = {m->spec.name, m->spec.version, "user"};
    const float wide[65] = {0};
    size_t n_bytes = (m->spec.d_context + 1) * sizeof *wide;
    ck_assert_uint_le(n_bytes, sizeof wide);
    struct store_user user = {0};
    struct store_conn *c;
    STORE_OK(store_connect(w.store, &c, &e));
    STORE_OK(store_begin(c, &e));
    STORE_OK(store_read_user(c, text_of(id), &key, &user, &e));
    if (given)
        STORE_OK(store_put_context(c, &key, text_of(id), user.revision, true, wide, n_bytes, &e));
    else
        STORE_OK(store_put_encoded(c, &key, text_of(id), &user, wide, n_bytes, &e));
    STORE_OK(store_commit(c, &e));
    store_user_fini(&user);
    store_disconnect(c);
}

START_TEST(a_stored_context_of_another_width_is_made_anew)
{
    struct weights *before = weights_of(sample, "ann", NULL);
    weights_cache_clear(w.serving.cache);
    put_wide_context(sample->model, "ann", false);
    struct weights *after = weights_of(sample, "ann", NULL), *again = NULL;
    ck_assert_uint_eq(after->n_theta, before->n_theta);
    ck_assert_mem_eq(after->theta, before->theta, before->n_theta * sizeof *before->theta);
    STORE_OK(recommender_reread(r, sample, text_of("ann"), &again, &e));
    ck_assert_mem_eq(again->theta, before->theta, before->n_theta * sizeof *before->theta);
    weights_unref(before);
    weights_unref(after);
    weights_unref(again);
}
END_TEST

START_TEST(a_given_context_of_another_width_is_told_to_be_another_models)
{
    char *answer;
    put_wide_context(sample->model, "ann", true);
    int status = api_world_json(&w, "GET", "/v1/users/ann/recommendations?model=sample", NULL, &answer);
    ck_assert_int_eq(status, 422);
    ck_assert_msg(strstr(answer, "other-model") && strstr(answer, "register the user anew"), "%s", answer);
    mem_free(answer);
    must_put("/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"}]}");
    weights_unref(weights_of(sample, "ann", NULL));
}
END_TEST

START_TEST(a_reread_that_fails_leaves_the_weights_there_were)
{
    struct err why = {0};
    struct weights *held = weights_of(sample, "ann", NULL), *before = held;
    STORE_OK(recommender_reread(r, sample, text_of("ann"), &held, &e));
    ck_assert_ptr_ne(held, before);
    ck_assert_int_eq(held->revision, recommender_user_record(r)->revision);
    before = held;
    ck_assert_int_eq(api_world_json(&w, "DELETE", "/v1/admin/users/ann", NULL, NULL), 204);
    ck_assert_int_eq(recommender_reread(r, sample, text_of("ann"), &held, &why), ERR_NOTFOUND);
    ck_assert_ptr_eq(held, before);
    weights_unref(held);
}
END_TEST

START_TEST(without_memory_weights_are_not_made_and_not_cached_and_the_next_ask_makes_them)
{
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code; n++) {
        struct err e = {0};
        struct weights *made = NULL;
        bool hit;
        weights_cache_clear(w.serving.cache);
        mem_fail_at(n, _i);
        code = recommender_acquire(r, sample, WEIGHTS_OF_USER, text_of("ann"), &made, &hit, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, e.text);
        ck_assert(n < 200 && (code == ERR_OK) == (made != NULL));
        ck_assert(!code || n_cached() == 0);
        weights_unref(made);
    }
    weights_unref(weights_of(sample, "ann", NULL));
}
END_TEST

/* ---- recommendations ---- */

START_TEST(an_answer_leaves_out_what_the_user_has_unless_it_is_asked_for)
{
    struct weights *made = weights_of(sample, "ann", NULL);
    struct recommend_query q = {.user = text_of("ann"), .limit = 1000};
    json_t *without = answer_of(sample, made, &q);
    q.include_seen = true;
    json_t *with = answer_of(sample, made, &q);
    ck_assert(!has_item(without, "1") && has_item(with, "1"));
    ck_assert_uint_eq(n_items(with), n_items(without) + 1);
    ck_assert_uint_eq(n_items(with), sample->model->spec.n_items);
    ck_assert_str_eq(json_string_value(json_object_get(with, "user")), "ann");
    ck_assert_str_eq(json_string_value(json_object_get(with, "model")), "sample");
    ck_assert_int_eq(json_integer_value(json_object_get(with, "context_revision")), made->revision);
    json_decref(without);
    json_decref(with);
    weights_unref(made);
}
END_TEST

START_TEST(pages_are_pieces_of_one_list_and_end_with_it)
{
    struct weights *made = weights_of(sample, "ann", NULL);
    struct recommend_query q = {.user = text_of("ann"), .limit = 1000};
    json_t *all = answer_of(sample, made, &q);
    size_t n = n_items(all), seen = 0;
    for (q.limit = 7; seen < n; q.offset += q.limit) {
        json_t *page = answer_of(sample, made, &q);
        ck_assert_uint_eq(n_items(page), n - seen < q.limit ? n - seen : q.limit);
        for (size_t i = 0; i < n_items(page); i++, seen++)
            ck_assert(json_equal(json_array_get(json_object_get(page, "items"), i),
                                 json_array_get(json_object_get(all, "items"), seen)));
        json_decref(page);
    }
    q.offset = LIMIT_OFFSET;
    json_t *past = answer_of(sample, made, &q);
    ck_assert_uint_eq(n_items(past), 0);
    json_decref(past);
    json_decref(all);
    weights_unref(made);
}
END_TEST

START_TEST(categories_are_a_union_and_a_misspelt_one_is_named_with_what_was_meant)
{
    struct weights *made = weights_of(sample, "ann", NULL);
    struct recommend_query q = {.user = text_of("ann"), .limit = 10, .include_seen = true, .n_categories = 2};
    q.categories[0] = text_of("Noir");
    q.categories[1] = text_of("War");
    json_t *answer = answer_of(sample, made, &q);
    ck_assert_uint_eq(n_items(answer), 2);
    ck_assert(has_item(answer, "1") && has_item(answer, "2x"));
    ck_assert_ptr_null(json_object_get(answer, "warnings"));
    json_decref(answer);
    q.categories[1] = text_of("noir");
    answer = answer_of(sample, made, &q);
    ck_assert_uint_eq(n_items(answer), 1);
    const json_t *warnings = json_object_get(answer, "warnings");
    ck_assert_uint_eq(json_array_size(warnings), 1);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(warnings, 0), "did_you_mean")), "Noir");
    json_decref(answer);
    weights_unref(made);
}
END_TEST

START_TEST(models_with_other_items_answer_with_their_own)
{
    struct weights *made = weights_of(linear, "eve", NULL);
    struct recommend_query q = {.user = text_of("eve"), .limit = 1000, .include_seen = true};
    json_t *answer = answer_of(linear, made, &q);
    ck_assert_uint_eq(n_items(answer), linear->model->spec.n_items);
    ck_assert_uint_ne(linear->model->spec.n_items, sample->model->spec.n_items);
    ck_assert_str_eq(json_string_value(json_object_get(answer, "model")), "linear");
    json_decref(answer);
    weights_unref(made);
}
END_TEST

START_TEST(the_prior_answers_as_cold_and_of_no_revision)
{
    struct weights *made = weights_of(sample, NULL, NULL);
    struct recommend_query q = {.user = text_of("nobody"), .limit = 3, .cold = true};
    json_t *answer = answer_of(sample, made, &q);
    ck_assert(json_is_null(json_object_get(answer, "context_revision")));
    ck_assert(json_is_true(json_object_get(answer, "cold")));
    ck_assert_uint_eq(n_items(answer), 3);
    json_decref(answer);
    weights_unref(made);
}
END_TEST

START_TEST(without_memory_there_is_no_answer_and_the_next_one_is_whole)
{
    struct weights *made = weights_of(sample, "ann", NULL);
    struct recommend_query q = {.user = text_of("ann"),
                                .limit = 20,
                                .n_categories = 1,
                                .categories = {text_of("War")},
                                .include_seen = true};
    enum err_code code = ERR_NOMEM;
    for (long n = 1; code; n++) {
        struct err e = {0};
        struct recommender *fresh;
        ck_assert_int_eq(recommender_new(&w.serving, w.worker->session.conn, &fresh, &e),
                         ERR_OK); /* which has no workspace yet */
        buf_fini(&out);
        mem_fail_at(n, _i);
        code = recommender_recommend(fresh, recommender_find(fresh, "sample"), made, &q, &out, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, e.text);
        ck_assert(code == e.code && n < 100);
        recommender_free(fresh);
    }
    json_t *answer = answer_of(sample, made, &q);
    ck_assert_uint_eq(n_items(answer), 2);
    json_decref(answer);
    weights_unref(made);
}
END_TEST

/* ---- predictions ---- */

START_TEST(predictions_keep_the_order_of_the_question_and_null_what_is_not_known)
{
    const struct item_snapshot *items = model_handle_items(sample);
    struct weights *made = weights_of(sample, "ann", NULL);
    const uint32_t indices[] = {(uint32_t)item_snapshot_find(items, text_of("2x")),
                                (uint32_t)item_snapshot_find(items, text_of("1"))};
    const struct text unknown[] = {{NULL, 0}, text_of("what \"is\" it"), {NULL, 0}};
    const struct predict_items asked = {
        .indices = indices, .unknown = unknown, .n = 3, .n_known = 2, .count_unknown = true};
    buf_reset(&out);
    STORE_OK(recommender_predict_items(r, sample, made, text_of("ann"), false, &asked, &out, &e));
    json_t *answer = json_loadb(out.data, out.len, 0, NULL), *list = json_object_get(answer, "predictions");
    static const char *const ids[] = {"2x", "what \"is\" it", "1"};
    ck_assert_uint_eq(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *one = json_array_get(list, i);
        ck_assert_str_eq(json_string_value(json_object_get(one, "id")), ids[i]);
        ck_assert_int_eq(json_is_null(json_object_get(one, "score")), i == 1);
    }
    ck_assert_int_eq(json_integer_value(json_object_get(answer, "unknown")), 1);
    json_decref(answer);
    weights_unref(made);
}
END_TEST

/* Weights as an embedding that was given before there was a limit would make them. */
static struct weights *huge_weights(size_t n)
{
    uint32_t *seen;
    real *theta;
    struct weights *made = weights_new(n, 0, &theta, &seen);
    ck_assert_ptr_nonnull(made);
    for (size_t i = 0; i < n; i++)
        theta[i] = FLT_MAX;
    return made;
}

START_TEST(a_score_that_is_not_finite_is_refused_and_not_written)
{
    struct err e = {0};
    struct weights *made = huge_weights(linear->theta_len);
    struct recommend_query q = {.user = text_of("eve"), .limit = 3, .include_seen = true};
    const uint32_t indices[] = {0, 1, 2};
    const struct predict_items asked = {.indices = indices, .n = 3, .n_known = 3};
    size_t n_refused = 0;
    n_refused += recommender_recommend(r, linear, made, &q, &out, &e) == ERR_INVALID;
    err_clear(&e);
    buf_reset(&out);
    n_refused +=
        recommender_predict_items(r, linear, made, text_of("eve"), false, &asked, &out, &e) == ERR_INVALID;
    ck_assert_uint_eq(n_refused, 2);
    ck_assert_ptr_nonnull(strstr(e.text, "not finite"));
    weights_unref(made);
}
END_TEST

SUITE("server/recommender", setup, teardown, {weights_are_made_once_and_then_found},
      {who_is_not_known_is_not_found_each_time_and_nothing_is_cached},
      {who_has_no_embedding_for_a_model_without_an_encoder_is_told_what_to_do},
      {a_stored_context_of_another_width_is_made_anew},
      {a_given_context_of_another_width_is_told_to_be_another_models},
      {a_reread_that_fails_leaves_the_weights_there_were},
      {without_memory_weights_are_not_made_and_not_cached_and_the_next_ask_makes_them, 2},
      {an_answer_leaves_out_what_the_user_has_unless_it_is_asked_for},
      {pages_are_pieces_of_one_list_and_end_with_it},
      {categories_are_a_union_and_a_misspelt_one_is_named_with_what_was_meant},
      {models_with_other_items_answer_with_their_own}, {the_prior_answers_as_cold_and_of_no_revision},
      {without_memory_there_is_no_answer_and_the_next_one_is_whole, 2},
      {predictions_keep_the_order_of_the_question_and_null_what_is_not_known},
      {a_score_that_is_not_finite_is_refused_and_not_written})
