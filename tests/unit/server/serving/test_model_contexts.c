/* server/serving/model_contexts.c: the contexts of all users for a new model. Risks: one that is not what a
 * server would make, so that an answer changes with who made it; one of a user who changed, went or came
 * meanwhile; an embedding that was given and is overwritten; others who wait while users are encoded. */
#include "server/serving/model_contexts.h"

#include "base/mem.h"
#include "engine/format/model_write.h"
#include "server/serving/session.h"
#include "store/sqlite/private.h"
#include "tests/support/sample_model.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_USERS = 2500, PIECE = 1024 }; /* users, and those of a write */

static struct store_fixture f;
static struct store_conn *writer, *other; /* other: as another process would write, waiting for nobody */
static struct model *m;
static char path[128];
static struct store_user user;

static void open_sample(enum sample_model_kind kind)
{
    struct sample_model s;
    sample_model_init(&s, kind, 1);
    STORE_OK(model_write(path, &s.spec, &s.params, &s.ids, &e));
    sample_model_fini(&s);
    STORE_OK(model_open(path, &m, &e));
}

static struct store_context_key key_of_model(void)
{
    return (struct store_context_key){m->spec.name, m->spec.version, "user"};
}

static void put_item(const char *id, const char *title)
{
    bool created;
    const struct store_item item = {.id = text_of(id), .title = text_of(title)};
    STORE_OK(store_put_item(writer, &item, &created, &e));
}

static const char *name_of(int i)
{
    static char names[4][16];
    static int next;
    char *name = names[next++ % 4];
    (void)snprintf(name, sizeof names[0], "u%d", i);
    return name;
}

static struct text model_item(size_t i)
{
    struct text id;
    id.data = model_item_id(m, i, &id.len);
    return id;
}

/* Every third user has no interactions, every fourth no profile. */
static void put_user(int i)
{
    static const char *const profiles[] = {"{\"age\":\"25-34\"}",
                                           "{\"city\":\"Z\xC3\xBCrich\",\"age\":\"35-44\"}", "{}", NULL};
    struct text id = text_of(name_of(i));
    int64_t revision;
    bool created;
    STORE_OK(store_put_user(writer, id, text_of(profiles[i % 4]), &revision, &created, &e));
    for (int k = 0; k < i % 3; k++)
        STORE_OK(store_put_interaction(writer, id, model_item((size_t)(i * 7 + k * 5) % m->spec.n_items),
                                       1 + k, k ? (double)(i % 5) : (double)NAN, 90 + (i * 13 + k * 29) % 100,
                                       NULL, &e));
}

/* Users of all kinds; u1 has an item that came after the model, u2 one that was deleted before it, u4 one of
 * the model that was deleted since. */
static void fill(int n_users)
{
    STORE_OK(store_begin(writer, &e));
    for (size_t i = 0; i < m->spec.n_items; i++) {
        bool created;
        const struct store_item item = {.id = model_item(i)};
        STORE_OK(store_put_item(writer, &item, &created, &e));
    }
    put_item("came later", "Toy 1999");
    put_item("went before", "Toy");
    for (int i = 0; i < n_users; i++)
        put_user(i);
    STORE_OK(store_put_interaction(writer, text_of("u1"), text_of("came later"), 2, 4, 150, NULL, &e));
    STORE_OK(store_put_interaction(writer, text_of("u2"), text_of("went before"), 1, 3, 151, NULL, &e));
    STORE_OK(store_put_interaction(writer, text_of("u4"), model_item(3), 1, 3, 152, NULL, &e));
    STORE_OK(store_delete_item(writer, text_of("went before"), &e));
    STORE_OK(store_delete_item(writer, model_item(3), &e));
    STORE_OK(store_commit(writer, &e));
}

static void setup(void)
{
    store_fixture_start(&f);
    (void)snprintf(path, sizeof path, "%s/model", f.dir);
    open_sample(SAMPLE_RANKING);
    STORE_OK(store_connect(f.store, &writer, &e));
    STORE_OK(store_connect(f.store, &other, &e));
    ((struct sqlite_conn *)other)->busy_ms = 0;
    (void)sqlite3_busy_handler(((struct sqlite_conn *)other)->db, NULL, NULL);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    store_user_fini(&user);
    memset(&user, 0, sizeof user);
    store_disconnect(writer);
    store_disconnect(other);
    model_unref(m);
    store_fixture_stop(&f);
}

/* Reads a user with the context for the model; whether there is one of his present revision. */
static bool has_context(const char *id)
{
    const struct store_context_key key = key_of_model();
    STORE_OK(store_read_user(f.conn, text_of(id), &key, &user, &e));
    return user.embedding.len > 0 && user.embedding_revision == user.revision;
}

static int64_t n_contexts(void)
{
    struct store_counts counts;
    STORE_OK(store_count(f.conn, &counts, &e));
    return counts.n_contexts;
}

static void put_all(progress_fn *progress, void *arg)
{
    STORE_OK(model_contexts_put(f.conn, writer, m, progress, arg, &e));
}

/* ---- what they are ---- */

/* A server that opens the model on this store now. */
struct reference {
    struct serving serving;
    struct serving_counters counters;
    struct session session;
    struct model_handle *handle;
    struct user_encoder *encoder;
};

static void open_reference(struct reference *r)
{
    const char *const models[] = {path};
    const struct serving_options options = {.models = models, .n_models = 1, .cache_bytes = 1 << 20};
    memset(r, 0, sizeof *r);
    STORE_OK(serving_open(&r->serving, f.store, &options, &e));
    STORE_OK(session_init(&r->session, &r->serving, &r->counters, &e));
    r->handle = recommender_find(r->session.recommender, NULL);
    STORE_OK(model_handle_encoder(r->handle, &r->encoder, &e));
}

START_TEST(contexts_are_what_a_server_makes_of_the_same_users)
{
    static float expected[N_USERS][64];
    struct reference r;
    size_t d = m->spec.d_context;
    ck_assert_uint_le(d, 64);
    fill(N_USERS);
    open_reference(&r);
    ck_assert_uint_eq(item_snapshot_count(model_handle_items(r.handle)), m->spec.n_items + 1);
    for (int i = 0; i < N_USERS; i++) {
        const float *c;
        ck_assert(!has_context(name_of(i)));
        STORE_OK(context_encode(r.encoder, model_handle_items(r.handle), &user, &c, &e));
        memcpy(expected[i], c, d * sizeof *c);
    }
    session_fini(&r.session);
    serving_close(&r.serving);
    struct store_user_context context = {0};
    put_all(NULL, NULL);
    ck_assert_int_eq(n_contexts(), N_USERS);
    for (int i = 0; i < N_USERS; i++) {
        const struct store_context_key key = key_of_model();
        ck_assert(has_context(name_of(i)));
        ck_assert_uint_eq(user.embedding.len, d * sizeof(float));
        ck_assert_msg(memcmp(user.embedding.data, expected[i], d * sizeof(float)) == 0, "u%d", i);
        ck_assert(!user.embedding_given);
        bool found; /* and the list of what he has is the same */
        STORE_OK(store_read_context(f.conn, text_of(name_of(i)), &key, &context, &found, &e));
        ck_assert(found);
        ck_assert_uint_eq(context.n_items, user.n_interactions);
    }
    store_user_context_fini(&context);
}
END_TEST

START_TEST(contexts_of_an_older_training_go_and_given_ones_stay)
{
    const struct store_context_key key = key_of_model(), another = {m->spec.name, "another", "user"};
    const unsigned char old[] = "an older training's";
    fill(5);
    for (int i = 0; i < 3; i++) {
        STORE_OK(store_read_user(f.conn, text_of(name_of(i)), NULL, &user, &e));
        STORE_OK(store_begin(writer, &e));
        STORE_OK(store_put_context(writer, &key, text_of(name_of(i)), user.revision, i == 2, old, 16, &e));
        STORE_OK(store_put_context(writer, &another, text_of(name_of(i)), user.revision, false, old, 16, &e));
        STORE_OK(store_commit(writer, &e));
    }
    STORE_OK(model_contexts_drop(writer, m, &e));
    ck_assert(!has_context("u0") && !has_context("u1") && has_context("u2"));
    ck_assert_int_eq(n_contexts(), 4);
    put_all(NULL, NULL);
    for (int i = 0; i < 5; i++) {
        ck_assert(has_context(name_of(i)));
        ck_assert_int_eq(user.embedding_given, i == 2);
        ck_assert_int_eq(memcmp(user.embedding.data, old, 16) == 0, i == 2);
    }
}
END_TEST

START_TEST(a_model_without_an_encoder_has_none)
{
    fill(5);
    model_unref(m);
    open_sample(SAMPLE_LINEAR);
    put_all(NULL, NULL);
    ck_assert_int_eq(n_contexts(), 0);
}
END_TEST

START_TEST(a_store_without_users_has_none)
{
    fill(5);
    STORE_OK(store_begin(writer, &e));
    for (int i = 0; i < 5; i++)
        STORE_OK(store_delete_user(writer, text_of(name_of(i)), &e));
    STORE_OK(store_commit(writer, &e));
    put_all(NULL, NULL);
    ck_assert_int_eq(n_contexts(), 0);
}
END_TEST

/* ---- meanwhile ---- */

static int n_told;

static bool write_meanwhile(void *arg, const struct progress *p)
{
    int64_t revision;
    bool created;
    (void)arg;
    ck_assert_str_eq(p->stage, "contexts");
    ck_assert(p->fraction > 0 && p->fraction <= 1);
    if (n_told++)
        return true;
    STORE_OK(store_begin(other, &e)); /* ERR_BUSY where the contexts hold the lock */
    STORE_OK(store_touch_user(other, text_of("u5"), &revision, &e));    /* has a context already */
    STORE_OK(store_touch_user(other, text_of("u2400"), &revision, &e)); /* is yet to get one */
    STORE_OK(store_delete_user(other, text_of("u6"), &e));
    STORE_OK(store_delete_user(other, text_of("u2401"), &e));
    STORE_OK(store_delete_user(other, text_of("u2402"), &e));
    STORE_OK(store_put_user(other, text_of("u2402"), (struct text){NULL, 0}, &revision, &created, &e));
    STORE_OK(store_put_user(other, text_of("came"), (struct text){NULL, 0}, &revision, &created, &e));
    STORE_OK(store_commit(other, &e));
    return true;
}

START_TEST(who_changes_goes_or_comes_meanwhile_has_none)
{
    fill(N_USERS);
    n_told = 0;
    put_all(write_meanwhile, NULL);
    ck_assert_int_eq(n_told, (N_USERS + PIECE - 1) / PIECE);
    static const char *const without[] = {"u5", "u2400", "u2402", "came"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        ck_assert_msg(!has_context(without[i]), "%s", without[i]);
    ck_assert(has_context("u4") && has_context("u2403"));
    ck_assert_int_eq(n_contexts(), N_USERS - 4); /* u5 has a row of the revision that passed */
}
END_TEST

/* Between the reads of the items and of the users somebody registers an item and takes it. */
static int take_new_item(unsigned kind, void *arg, void *statement, void *text)
{
    (void)kind;
    (void)arg;
    (void)statement;
    if (strncmp(text, "SELECT user_key, id, profile", 28) != 0)
        return 0;
    STORE_WRITE(other, store_put_interaction(other, text_of("u3"), text_of("came meanwhile"), 1, (double)NAN,
                                             9, NULL, &e));
    return 0;
}

START_TEST(who_takes_an_item_that_comes_meanwhile_is_left_to_a_server_that_knows_it)
{
    sqlite3 *db = ((struct sqlite_conn *)f.conn)->db;
    fill(5);
    (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, take_new_item, NULL);
    put_all(NULL, NULL);
    (void)sqlite3_trace_v2(db, 0, NULL, NULL);
    ck_assert_int_eq(n_contexts(), 4);
    ck_assert(!has_context("u3"));
}
END_TEST

static bool stop(void *arg, const struct progress *p)
{
    (void)arg;
    (void)p;
    return false;
}

START_TEST(a_stop_leaves_the_rest_to_their_first_use)
{
    fill(N_USERS);
    put_all(stop, NULL);
    ck_assert_int_eq(n_contexts(), PIECE);
    ck_assert(has_context(name_of(PIECE - 1)));
    ck_assert(!has_context(name_of(PIECE)));
    put_all(NULL, NULL); /* the connections are as before */
    ck_assert_int_eq(n_contexts(), N_USERS);
}
END_TEST

START_TEST(without_memory_there_are_fewer_and_a_second_run_makes_all)
{
    enum { FEW = 20 };
    enum err_code code = ERR_NOMEM;
    fill(FEW);
    for (long n = 1; code; n++) {
        struct err e = {0};
        mem_fail_at(n, _i);
        code = model_contexts_put(f.conn, writer, m, NULL, NULL, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, e.text);
        ck_assert(code == e.code && n < 1000);
        ck_assert_int_eq(n_contexts(), code ? 0 : FEW);
    }
}
END_TEST

SUITE("server/model_contexts", setup, teardown, {contexts_are_what_a_server_makes_of_the_same_users},
      {contexts_of_an_older_training_go_and_given_ones_stay}, {a_model_without_an_encoder_has_none},
      {a_store_without_users_has_none}, {who_changes_goes_or_comes_meanwhile_has_none},
      {who_takes_an_item_that_comes_meanwhile_is_left_to_a_server_that_knows_it},
      {a_stop_leaves_the_rest_to_their_first_use},
      {without_memory_there_are_fewer_and_a_second_run_makes_all, 2})
