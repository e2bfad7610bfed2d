/* server/serving/served_models.c: the start of a server, the one writer, item tables that follow the store;
 * what adds and removes models is in test_model_set.c. Risks: a start that takes models which do not belong
 * together or to the store, or writes; a failed write that stays open or is kept in part; weights that a
 * change made old. */
#include "server/serving/served_models.h"

#include "base/mem.h"
#include "engine/format/model_write.h"
#include "server/serving/session.h"
#include "tests/support/sample_model.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct store_fixture f;
static struct serving serving;
static struct store_conn *other;

static const char *model_file(const char *name, enum sample_model_kind kind)
{
    static char paths[LIMIT_MODELS + 2][128];
    static int next;
    char *path = paths[next++ % (LIMIT_MODELS + 2)];
    struct sample_model m;
    (void)snprintf(path, sizeof paths[0], "%s/%s.hn", f.dir, name);
    sample_model_init(&m, kind, 1);
    (void)snprintf(m.spec.name, sizeof m.spec.name, "%s", name);
    STORE_OK(model_write(path, &m.spec, &m.params, &m.ids, &e));
    sample_model_fini(&m);
    return path;
}

/* The store has the items of `sample`, of which `linear` has the first three. */
static void add_items(void)
{
    struct sample_model m;
    bool created;
    sample_model_init(&m, SAMPLE_RANKING, 1);
    STORE_OK(store_begin(f.conn, &e));
    for (size_t i = 0; i < m.spec.n_items; i++)
        STORE_OK(
            store_put_item(f.conn, &(const struct store_item){.id = text_of(m.ids.ids[i])}, &created, &e));
    STORE_OK(store_commit(f.conn, &e));
    sample_model_fini(&m);
}

static void setup(void)
{
    store_fixture_start(&f);
    STORE_OK(store_connect(f.store, &other, &e));
    add_items();
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    store_disconnect(other);
    store_fixture_stop(&f);
}

static enum err_code open_models(const char *const *paths, size_t n, struct err *e)
{
    const struct serving_options options = {.models = paths, .n_models = n, .cache_bytes = 1 << 20};
    return serving_open(&serving, f.store, &options, e);
}

static void must_open(void)
{
    const char *const paths[] = {model_file("first", SAMPLE_RANKING)};
    STORE_OK(open_models(paths, 1, &e));
}

static int64_t last_change(void)
{
    int64_t change;
    STORE_OK(store_last_change(f.conn, &change, &e));
    return change;
}

/* ---- the start ---- */

START_TEST(a_start_with_models_that_do_not_go_together_is_refused_and_writes_nothing)
{
    static const enum err_code codes[] = {ERR_CONFLICT, ERR_INVALID, ERR_NOTFOUND};
    const char *first = model_file("first", SAMPLE_RANKING), *tasks = model_file("tasks", SAMPLE_TASKS);
    const char *const same[] = {first, first}, *const wrong[] = {first, tasks},
                      *const missing[] = {first, "/nowhere/at.all"};
    const char *const *const lists[] = {same, wrong, missing};
    int64_t before = last_change();
    for (size_t i = 0; i < 3; i++) {
        struct err e = {0};
        ck_assert_int_eq(open_models(lists[i], 2, &e), codes[i]);
        ck_assert_ptr_nonnull(strstr(e.text, i == 2 ? "/nowhere/at.all" : lists[i][1]));
    }
    ck_assert_int_eq(last_change(), before);
    must_open(); /* what was left half open is gone */
    serving_close(&serving);
}
END_TEST

START_TEST(a_model_of_another_catalogue_is_refused_unless_that_was_said)
{
    struct store_fixture with_items = f;
    struct err why = {0};
    const char *const paths[] = {model_file("first", SAMPLE_RANKING)};
    store_fixture_start(&f); /* without items */
    ck_assert_int_eq(open_models(paths, 1, &why), ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(why.text, "another catalogue"));
    const struct serving_options options = {
        .models = paths, .n_models = 1, .cache_bytes = 1 << 20, .foreign_items = true};
    STORE_OK(serving_open(&serving, f.store, &options, &e));
    serving_close(&serving);
    store_fixture_stop(&f);
    f = with_items;
}
END_TEST

START_TEST(one_model_more_than_can_be_is_refused_by_name)
{
    const char *paths[LIMIT_MODELS + 1];
    struct err why = {0};
    for (int i = 0; i <= LIMIT_MODELS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "m%d", i);
        paths[i] = model_file(name, SAMPLE_LINEAR);
    }
    STORE_OK(open_models(paths, LIMIT_MODELS, &e));
    ck_assert_int_eq(serving_add_model(&serving, paths[LIMIT_MODELS], &why), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(why.text, paths[LIMIT_MODELS]));
    struct model_set *set = serving_models(&serving);
    ck_assert_uint_eq(set->n, LIMIT_MODELS);
    ck_assert_str_eq(model_set_find(set, NULL)->model->spec.name, "m0");
    model_set_unref(set);
    serving_close(&serving);
}
END_TEST

START_TEST(a_store_that_is_open_for_reading_is_served_and_not_written_to)
{
    struct err why = {0};
    struct store_conn *writer = NULL;
    store_disconnect(other);
    other = NULL;
    store_fixture_close(&f);
    STORE_OK(store_open(f.path, STORE_READ_ONLY, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
    must_open();
    enum err_code code = serving_begin_write(&serving, &writer, &why);
    if (!code) { /* a write of nothing; the first real one is refused */
        int64_t revision;
        bool created;
        code = store_put_user(writer, text_of("ann"), (struct text){NULL, 0}, &revision, &created, &why);
        ck_assert_int_eq(serving_end_write(&serving, code, NULL), code);
    }
    ck_assert_int_ne(code, ERR_OK);
    ck_assert(!atomic_load(&serving.written_to));
    store_fixture_assert_counts(f.conn, 0,
                                (int64_t)atomic_load(&serving.models)->models[0]->model->spec.n_items, 0, 0);
    serving_close(&serving);
}
END_TEST

/* ---- the writer ---- */

static enum err_code put_ann(struct store_conn *writer, struct err *e)
{
    int64_t revision;
    bool created;
    return store_put_user(writer, text_of("ann"), (struct text){NULL, 0}, &revision, &created, e);
}

START_TEST(a_write_that_failed_keeps_nothing_and_the_next_one_begins)
{
    struct store_conn *writer;
    struct err why = {0};
    must_open();
    int64_t before = last_change(), n = (int64_t)atomic_load(&serving.models)->models[0]->model->spec.n_items;
    STORE_OK(serving_begin_write(&serving, &writer, &e));
    STORE_OK(put_ann(writer, &e));
    ck_assert_int_eq(serving_end_write(&serving, err_set(&why, ERR_LIMIT, "a part was refused"), &why),
                     ERR_LIMIT);
    ck_assert_str_eq(why.text, "a part was refused");
    ck_assert_int_eq(last_change(), before);
    ck_assert(!atomic_load(&serving.written_to));
    STORE_OK(serving_begin_write(&serving, &writer, &e));
    STORE_OK(put_ann(writer, &e));
    STORE_OK(serving_end_write(&serving, ERR_OK, &e));
    ck_assert(atomic_load(&serving.written_to));
    store_fixture_assert_counts(f.conn, 1, n, 0, 0);
    serving_close(&serving);
}
END_TEST

static atomic_bool first_is_done;

static void *write_second(void *arg)
{
    struct store_conn *writer;
    (void)arg;
    STORE_OK(serving_begin_write(&serving, &writer, &e));
    ck_assert(atomic_load(&first_is_done)); /* set before its end */
    STORE_OK(put_ann(writer, &e));
    STORE_OK(serving_end_write(&serving, ERR_OK, &e));
    return NULL;
}

START_TEST(a_write_waits_for_the_one_that_another_thread_is_at)
{
    struct store_conn *writer;
    pthread_t second;
    must_open();
    atomic_store(&first_is_done, false);
    STORE_OK(serving_begin_write(&serving, &writer, &e));
    ck_assert_int_eq(pthread_create(&second, NULL, write_second, NULL), 0);
    STORE_OK(put_ann(writer, &e));
    atomic_store(&first_is_done, true);
    STORE_OK(serving_end_write(&serving, ERR_OK, &e));
    ck_assert_int_eq(pthread_join(second, NULL), 0);
    serving_close(&serving);
}
END_TEST

/* ---- item tables ---- */

static const struct item_snapshot *items_of(struct item_snapshot **held)
{
    unsigned version;
    item_snapshot_unref(*held);
    return *held = served_model_items(atomic_load(&serving.models)->models[0], &version);
}

static void put_title(const char *id, const char *title)
{
    bool created;
    STORE_WRITE(other,
                store_put_item(other, &(const struct store_item){.id = text_of(id), .title = text_of(title)},
                               &created, &e));
}

static void follow(void)
{
    STORE_OK(serving_follow_items(&serving, f.conn, &e));
}

START_TEST(tables_follow_what_others_write_and_readers_keep_what_they_hold)
{
    struct item_snapshot *now = NULL, *held;
    must_open();
    size_t n = item_snapshot_count(items_of(&now));
    held = item_snapshot_ref(now);
    put_title("came", "Toy 1999");
    put_title("1", "One");
    ck_assert_int_lt(item_snapshot_find(items_of(&now), text_of("came")), 0);
    follow();
    ck_assert_int_eq(item_snapshot_find(items_of(&now), text_of("came")), (long)n);
    ck_assert_str_eq(item_snapshot_source(now, n), "features");
    size_t one = (size_t)item_snapshot_find(now, text_of("1"));
    ck_assert_uint_eq(item_index_info(item_snapshot_items(now), one).title.len, 3);
    ck_assert_ptr_null(item_index_info(item_snapshot_items(held), one).title.data);
    STORE_WRITE(other, store_delete_item(other, text_of("came"), &e));
    follow();
    ck_assert_int_lt(item_snapshot_find(items_of(&now), text_of("came")), 0);
    ck_assert_uint_eq(item_snapshot_count(held), n);
    item_snapshot_unref(held);
    item_snapshot_unref(now);
    serving_close(&serving);
}
END_TEST

START_TEST(a_table_that_cannot_be_made_is_made_by_the_next_call)
{
    struct item_snapshot *now = NULL;
    enum err_code code = ERR_NOMEM;
    must_open();
    put_title("came", "Toy 1999");
    for (long n = 1; code; n++) {
        struct err e = {0};
        mem_fail_at(n, _i);
        code = serving_follow_items(&serving, f.conn, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, e.text);
        ck_assert(n < 500);
        ck_assert_int_eq(item_snapshot_find(items_of(&now), text_of("came")) >= 0, code == ERR_OK);
    }
    item_snapshot_unref(now);
    serving_close(&serving);
}
END_TEST

/* ---- cached weights ---- */

static bool cache_has(const struct served_model *m, const char *id)
{
    char key[MODEL_KEY_BYTES];
    struct weights *found =
        weights_cache_get(serving.cache, key, model_key(m->uid, WEIGHTS_OF_USER, text_of(id), key));
    weights_unref(found);
    return found != NULL;
}

START_TEST(a_change_drops_the_weights_of_before_it_alone_of_all_models)
{
    const char *const paths[] = {model_file("first", SAMPLE_RANKING), model_file("second", SAMPLE_RANKING)};
    struct serving_counters counters = {0};
    struct session session;
    int64_t revision = store_fixture_user(f.conn, "ann", NULL);
    (void)store_fixture_user(f.conn, "bob", NULL);
    STORE_OK(open_models(paths, 2, &e));
    STORE_OK(session_init(&session, &serving, &counters, &e));
    for (size_t i = 0; i < 4; i++) {
        struct weights *made;
        bool hit;
        STORE_OK(recommender_acquire(session.recommender, recommender_model(session.recommender, i / 2),
                                     WEIGHTS_OF_USER, text_of(i % 2 ? "bob" : "ann"), &made, &hit, &e));
        weights_unref(made);
    }
    const struct model_set *set = atomic_load(&serving.models);
    serving_drop_user(&serving, text_of("ann"), revision); /* they reflect it */
    ck_assert(cache_has(set->models[0], "ann") && cache_has(set->models[1], "ann"));
    serving_drop_user(&serving, text_of("ann"), revision + 1);
    ck_assert(!cache_has(set->models[0], "ann") && !cache_has(set->models[1], "ann"));
    serving_drop_user(&serving, text_of("bob"), INT64_MAX);
    ck_assert(!cache_has(set->models[0], "bob") && !cache_has(set->models[1], "bob"));
    session_fini(&session);
    serving_close(&serving);
}
END_TEST

SUITE("server/served_models", setup, teardown,
      {a_start_with_models_that_do_not_go_together_is_refused_and_writes_nothing},
      {a_model_of_another_catalogue_is_refused_unless_that_was_said},
      {one_model_more_than_can_be_is_refused_by_name},
      {a_store_that_is_open_for_reading_is_served_and_not_written_to},
      {a_write_that_failed_keeps_nothing_and_the_next_one_begins},
      {a_write_waits_for_the_one_that_another_thread_is_at},
      {tables_follow_what_others_write_and_readers_keep_what_they_hold},
      {a_table_that_cannot_be_made_is_made_by_the_next_call, 2},
      {a_change_drops_the_weights_of_before_it_alone_of_all_models})
