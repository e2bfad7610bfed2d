/* server/data/train_dataset.c: a store as arrays for the trainer; risks: users without interactions shift the
 * runs, order in time, the vocabulary's limits, memory that is not there. */
#include "server/data/train_dataset.h"

#include "base/mem.h"
#include "server/data/vocabulary.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], path[96];
static struct store *store;
static struct store_conn *conn;
static struct dataset data;

static void must(enum err_code code, const struct err *e)
{
    ck_assert_msg(code == ERR_OK, "%s", e->text);
}

static void setup(void)
{
    struct err e = {0};
    (void)snprintf(folder, sizeof folder, "/tmp/hypernet-dataset-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/store.db", folder);
    data = (struct dataset){0};
    must(store_open(path, STORE_CREATE, &store, &e), &e);
    must(store_connect(store, &conn, &e), &e);
    must(store_begin(conn, &e), &e);
}

static void teardown(void)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    dataset_free(&data);
    ck_assert_ptr_null(data.private);
    store_disconnect(conn);
    store_close(store);
    for (size_t i = 0; i < 3; i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

static void add_user(const char *id, const char *profile)
{
    struct err e = {0};
    int64_t revision;
    bool created;
    must(store_put_user(conn, text_of(id), text_of(profile), &revision, &created, &e), &e);
}

static void add_item(const char *id)
{
    struct err e = {0};
    const struct store_item item = {.id = text_of(id)};
    bool created;
    must(store_put_item(conn, &item, &created, &e), &e);
}

static void add(const char *user, const char *item, double weight, double rating, int64_t timestamp)
{
    struct err e = {0};
    must(store_put_interaction(conn, text_of(user), text_of(item), weight, rating, timestamp, NULL, &e), &e);
}

static void load(void)
{
    struct err e = {0};
    must(store_commit(conn, &e), &e);
    must(dataset_load(conn, DATASET_LEAST_USERS, &data, &e), &e);
}

/* The items of a user as "a b c", by id. */
static const char *items_of(size_t user)
{
    static char out[256];
    out[0] = '\0';
    for (size_t i = data.data.user_start[user]; i < data.data.user_start[user + 1]; i++) {
        size_t n = strlen(out);
        (void)snprintf(out + n, sizeof out - n, "%s%s", n ? " " : "",
                       data.data.item_ids[data.data.interactions[i].item]);
    }
    return out;
}

/* The known profile values of a user as "field=value ...", ranges as "field=[from,below)". */
static const char *values_of(size_t user)
{
    static char out[256];
    out[0] = '\0';
    for (size_t i = data.data.value_start[user]; i < data.data.value_start[user + 1]; i++) {
        const struct profile_value *v = &data.data.vocabulary[data.data.values[i]];
        size_t n = strlen(out);
        (void)snprintf(out + n, sizeof out - n, "%s%s=", n ? " " : "", v->field);
        n = strlen(out);
        if (v->value)
            (void)snprintf(out + n, sizeof out - n, "%s", v->value);
        else
            (void)snprintf(out + n, sizeof out - n, "[%g,%g)", v->from, v->below);
    }
    return out;
}

START_TEST(test_dataset_users_without_interactions_are_kept)
{
    add_item("x");
    add_item("y");
    for (int i = 0; i < 5; i++) {
        static const char *const ids[] = {"a", "b", "c", "d", "e"};
        add_user(ids[i], NULL);
    }
    add("b", "y", 1, NAN, 0);
    add("d", "x", 1, NAN, 0);
    add("d", "y", 1, NAN, 0);
    load();
    static const char *const expected[] = {"", "y", "", "x y", ""};
    ck_assert_uint_eq(data.data.n_users, 5);
    ck_assert_uint_eq(data.data.user_start[0], 0);
    ck_assert_uint_eq(data.data.user_start[5], 3);
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(items_of(i), expected[i]);
}
END_TEST

START_TEST(test_dataset_interactions_are_oldest_first_and_complete)
{
    add_user("u", NULL);
    add("u", "new", 2, 4.5, 30);
    add("u", "old", 0.5, NAN, 10);
    add("u", "middle", 1, -1, 20);
    load();
    ck_assert_str_eq(items_of(0), "old middle new");
    const struct encoder_interaction *x = data.data.interactions;
    ck_assert(x[0].weight == 0.5f && isnan(x[0].rating) && x[0].timestamp == 10);
    ck_assert(x[1].weight == 1.0f && x[1].rating == -1.0f && x[1].timestamp == 20);
    ck_assert(x[2].weight == 2.0f && x[2].rating == 4.5f && x[2].timestamp == 30);
}
END_TEST

START_TEST(test_dataset_items_nobody_took_are_in_the_catalogue)
{
    add_item("first");
    add_item("never");
    add_user("u", NULL);
    add("u", "last", 1, NAN, 0); /* an item known by the interaction alone */
    load();
    ck_assert_uint_eq(data.data.n_items, 3);
    ck_assert_str_eq(data.data.item_ids[0], "first");
    ck_assert_str_eq(data.data.item_ids[1], "never");
    ck_assert_str_eq(data.data.item_ids[2], "last");
    ck_assert_str_eq(items_of(0), "last");
}
END_TEST

START_TEST(test_dataset_keys_with_gaps_count_rows)
{
    struct err e = {0};
    static const char *const ids[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        add_user(ids[i], NULL);
        add(ids[i], ids[i], 1, NAN, 0);
    }
    must(store_delete_user(conn, text_of("b"), &e), &e);
    load();
    ck_assert_uint_eq(data.data.n_users, 3);
    ck_assert_str_eq(items_of(0), "a");
    ck_assert_str_eq(items_of(1), "c");
    ck_assert_str_eq(items_of(2), "d");
}
END_TEST

START_TEST(test_dataset_an_empty_store_is_empty)
{
    load();
    ck_assert_uint_eq(data.data.n_users, 0);
    ck_assert_uint_eq(data.data.n_items, 0);
    ck_assert_uint_eq(data.data.n_vocabulary, 0);
    ck_assert_uint_eq(data.data.user_start[0], 0);
}
END_TEST

/* ---- categories ---- */

START_TEST(test_dataset_categories_of_items_are_numbered_and_rare_ones_left_out)
{
    struct err e = {0};
    char id[16];
    for (int i = 0; i < DATASET_LEAST_USERS; i++) {
        (void)snprintf(id, sizeof id, "i%d", i);
        const struct store_item item = {
            .id = text_of(id),
            .categories = text_of(i ? "[\"War\",\"Drama\"]" : "[\"Drama\",\"Rare\",\"War\"]")};
        bool created;
        must(store_put_item(conn, &item, &created, &e), &e);
    }
    add_item("none");
    load();
    ck_assert_uint_eq(data.data.n_categories, 2);
    for (size_t i = 0; i < DATASET_LEAST_USERS; i++) {
        size_t at = data.data.category_start[i];
        ck_assert_uint_eq(data.data.category_start[i + 1] - at, 2);
        ck_assert_uint_eq(data.data.categories[at], 0);
        ck_assert_uint_eq(data.data.categories[at + 1], 1);
    }
    ck_assert_uint_eq(data.data.category_start[DATASET_LEAST_USERS + 1], 2 * DATASET_LEAST_USERS);
    ck_assert_uint_eq(data.data.n_vocabulary, 0); /* they are no profile values */
}
END_TEST

/* ---- profiles ---- */

START_TEST(test_dataset_rare_values_are_left_out)
{
    char id[16];
    for (int i = 0; i < DATASET_LEAST_USERS; i++) {
        (void)snprintf(id, sizeof id, "u%d", i);
        add_user(id, i ? "{\"city\":\"Bonn\",\"age\":25}" : "{\"city\":\"Bonn\",\"age\":26}");
    }
    add_user("none", NULL);
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 1);
    ck_assert_str_eq(values_of(0), "city=Bonn");
    ck_assert_str_eq(values_of(DATASET_LEAST_USERS - 1), "city=Bonn");
    ck_assert_str_eq(values_of(DATASET_LEAST_USERS), "");
    ck_assert_uint_eq(data.data.value_start[DATASET_LEAST_USERS + 1], DATASET_LEAST_USERS);
}
END_TEST

START_TEST(test_dataset_a_repeated_value_is_one_user)
{
    add_user("u", "{\"likes\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}");
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 0);
}
END_TEST

START_TEST(test_dataset_same_value_of_two_fields_is_two_rows)
{
    char id[16];
    for (int i = 0; i < DATASET_LEAST_USERS; i++) {
        (void)snprintf(id, sizeof id, "u%d", i);
        add_user(id, "{\"b\":\"x\",\"a\":[\"x\",\"y\"]}");
    }
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 3);
    ck_assert_str_eq(values_of(0), "a=x a=y b=x");
}
END_TEST

/* A field with `distinct` values, each of them frequent, beside a field that everybody has. */
static void add_many_values(int distinct)
{
    char id[32], profile[64];
    for (int i = 0; i < distinct * DATASET_LEAST_USERS; i++) {
        (void)snprintf(id, sizeof id, "u%d", i);
        (void)snprintf(profile, sizeof profile, "{\"code\":\"c%d\",\"zone\":\"z\"}", i % distinct);
        add_user(id, profile);
    }
}

START_TEST(test_dataset_a_field_of_too_many_values_is_no_trait)
{
    add_many_values(VOCABULARY_MOST_VALUES + 1);
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 1);
    ck_assert_str_eq(values_of(0), "zone=z");
}
END_TEST

START_TEST(test_dataset_a_field_of_the_most_values_stays)
{
    add_many_values(VOCABULARY_MOST_VALUES);
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, VOCABULARY_MOST_VALUES + 1);
    ck_assert_str_eq(values_of(7), "code=c7 zone=z");
}
END_TEST

START_TEST(test_dataset_the_forms_of_a_value_are_one)
{
    static const char *const forms[] = {"{\"p\":true,\"n\":20}", "{\"p\":\"True\",\"n\":20.0}",
                                        "{\"p\":\"TRUE\",\"n\":\"20\"}", "{\"p\":\"true\",\"n\":\"20.0\"}",
                                        "{\"p\":true,\"n\":\"2e1\"}"};
    for (int i = 0; i < 5; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "u%d", i);
        add_user(id, forms[i]);
    }
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 2);
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(values_of(i), "n=20 p=true");
}
END_TEST

/* n users with the age 18 + i % 60, and a text for every twentieth. */
static void add_ages(int n)
{
    for (int i = 0; i < n; i++) {
        char id[16], profile[64];
        (void)snprintf(id, sizeof id, "u%d", i);
        (void)snprintf(profile, sizeof profile, i % 20 ? "{\"age\":%d}" : "{\"age\":\"unknown\"}",
                       18 + i % 60);
        add_user(id, profile);
    }
}

START_TEST(test_dataset_many_numbers_are_learned_as_ranges)
{
    add_ages(600);
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 17); /* 16 ranges and the text */
    ck_assert_str_eq(values_of(0), "age=unknown");
    ck_assert_str_eq(values_of(1), "age=[-inf,23)");
    ck_assert_str_eq(values_of(59), "age=[75,inf)");
    for (size_t i = 1; i < 16; i++)
        ck_assert(data.data.vocabulary[i].from == data.data.vocabulary[i - 1].below);
}
END_TEST

/* One number a user: those of a shop's customers, which follow each other, belong to somebody. */
START_TEST(test_dataset_numbers_of_their_own_are_in_no_range)
{
    for (int i = 0; i < 300; i++) {
        char id[16], profile[96];
        (void)snprintf(id, sizeof id, "u%d", i);
        (void)snprintf(profile, sizeof profile, "{\"customer\":%d,\"zip\":\"%05d\",\"ids\":[%d,%d]}",
                       7100000 + i, 900 + i, i, i + 1);
        add_user(id, profile);
    }
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 0);
    ck_assert_str_eq(data.unknown_fields, "customer, ids, zip");
}
END_TEST

START_TEST(test_dataset_few_numbers_are_codes)
{
    for (int i = 0; i < 240; i++) {
        char id[16], profile[64];
        (void)snprintf(id, sizeof id, "u%d", i);
        (void)snprintf(profile, sizeof profile, "{\"job\":%d}", i % 24);
        add_user(id, profile);
    }
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 24);
    ck_assert_str_eq(values_of(23), "job=23");
}
END_TEST

START_TEST(test_dataset_no_more_fields_than_a_model_may_have)
{
    char profile[2048] = "{";
    for (int i = 0; i < 70; i++) {
        size_t n = strlen(profile);
        (void)snprintf(profile + n, sizeof profile - n, "%s\"f%02d\":1", i ? "," : "", i);
    }
    strcat(profile, "}");
    for (int i = 0; i < DATASET_LEAST_USERS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "u%d", i);
        add_user(id, profile);
    }
    load();
    ck_assert_uint_eq(data.data.n_vocabulary, 64);
    ck_assert_str_eq(data.unknown_fields, "f64, f65, f66, f67, f68, f69");
}
END_TEST

/* ---- no memory ---- */

START_TEST(test_dataset_without_memory_says_so_and_leaks_nothing)
{
    char id[16];
    for (int i = 0; i < DATASET_LEAST_USERS; i++) {
        (void)snprintf(id, sizeof id, "u%d", i);
        add_user(id, "{\"city\":\"Bonn\"}");
        add(id, "item", 1, NAN, i);
    }
    struct err e = {0};
    must(store_commit(conn, &e), &e);
    for (long n = 1;; n++) {
        struct err failure = {0};
        ck_assert_int_lt(n, 10000);
        mem_fail_at(n, _i);
        enum err_code code = dataset_load(conn, DATASET_LEAST_USERS, &data, &failure);
        mem_fail_at(0, 0);
        if (code == ERR_OK)
            break;
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_int_eq(failure.code, ERR_NOMEM);
        ck_assert_ptr_null(data.private);
    }
    ck_assert_uint_eq(data.data.n_users, DATASET_LEAST_USERS); /* and the next try works */
    ck_assert_str_eq(values_of(0), "city=Bonn");
}
END_TEST

SUITE("server/dataset", setup, teardown, {test_dataset_users_without_interactions_are_kept},
      {test_dataset_interactions_are_oldest_first_and_complete},
      {test_dataset_items_nobody_took_are_in_the_catalogue}, {test_dataset_keys_with_gaps_count_rows},
      {test_dataset_an_empty_store_is_empty},
      {test_dataset_categories_of_items_are_numbered_and_rare_ones_left_out},
      {test_dataset_rare_values_are_left_out}, {test_dataset_a_repeated_value_is_one_user},
      {test_dataset_same_value_of_two_fields_is_two_rows},
      {test_dataset_a_field_of_too_many_values_is_no_trait}, {test_dataset_a_field_of_the_most_values_stays},
      {test_dataset_the_forms_of_a_value_are_one}, {test_dataset_many_numbers_are_learned_as_ranges},
      {test_dataset_numbers_of_their_own_are_in_no_range}, {test_dataset_few_numbers_are_codes},
      {test_dataset_no_more_fields_than_a_model_may_have},
      {test_dataset_without_memory_says_so_and_leaks_nothing, 2})
