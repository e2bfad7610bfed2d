/* server/serving/served_models.c and recommender.c: items that come between two steps, of following them and
 * of a miss. Risk: weights that lack an item which their user took, and that nobody drops. */
#include "base/mem.h"
#include "server/serving/item_updates.h"
#include "server/serving/user_updates.h"
#include "store/sqlite/private.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

static struct api_world w;
static struct store_conn *other; /* as another process would write, and as the follower reads */

static void must(enum err_code code, const struct err *e)
{
    ck_assert_msg(code == ERR_OK, "%s", e->text);
}

static void setup(void)
{
    struct err e = {0};
    api_world_init(&w);
    must(store_connect(w.store, &other, &e), &e);
    ck_assert_int_eq(
        api_world_json(&w, "PUT", "/v1/admin/users/ann", "{\"interactions\":[{\"item\":\"1\"}]}", NULL), 201);
}

static void teardown(void)
{
    store_disconnect(other);
    api_world_fini(&w);
}

/* ---- between two steps ---- */

/* Done once, when the traced connection begins to run a statement of this beginning. */
static struct {
    const char *before;
    void (*what)(void);
} between;

static int run_between(unsigned kind, void *arg, void *statement, void *text)
{
    void (*what)(void) = between.what;
    (void)kind;
    (void)arg;
    (void)statement;
    if (what && strncmp(text, between.before, strlen(between.before)) == 0) {
        between.what = NULL;
        what();
    }
    return 0;
}

static void trace(struct store_conn *c, const char *before, void (*what)(void))
{
    between.before = before;
    between.what = what;
    (void)sqlite3_trace_v2(((struct sqlite_conn *)c)->db, SQLITE_TRACE_STMT, run_between, NULL);
}

static void end_trace(struct store_conn *c)
{
    (void)sqlite3_trace_v2(((struct sqlite_conn *)c)->db, 0, NULL, NULL);
    ck_assert_ptr_null(between.what);
}

static struct weights *cached(void)
{
    struct recommender *p = w.http->session.recommender;
    return recommender_cached(p, recommender_find(p, NULL), WEIGHTS_OF_USER, text_of("ann"));
}

static void put_new_item(struct store_conn *c)
{
    struct err e = {0};
    bool created;
    must(store_begin(c, &e), &e);
    must(store_put_item(c, &(const struct store_item){.id = text_of("new")}, &created, &e), &e);
    must(store_commit(c, &e), &e);
}

static void take_and_ask(void)
{
    struct store_conn *c;
    struct err e = {0};
    int64_t revision;
    must(store_connect(w.store, &c, &e), &e);
    must(store_begin(c, &e), &e);
    must(store_touch_user(c, text_of("ann"), &revision, &e), &e);
    must(store_put_interaction(c, text_of("ann"), text_of("new"), 1, (double)NAN, 9, NULL, &e), &e);
    must(store_commit(c, &e), &e);
    store_disconnect(c);
    serving_drop_user(&w.serving, text_of("ann"), revision);
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann/recommendations", NULL, NULL), 200);
    struct weights *made = cached();
    ck_assert_ptr_nonnull(made);
    ck_assert_int_eq(made->revision, revision);
    weights_unref(made);
}

START_TEST(weights_made_while_an_item_that_was_taken_is_read_are_dropped)
{
    struct err e = {0};
    must(serving_remove_model(&w.serving, "linear", &e),
         &e); /* the question for a later model would find it */
    put_new_item(other);
    trace(other, "SELECT item_key, id, title", take_and_ask);
    must(serving_follow_items(&w.serving, other, &e), &e);
    end_trace(other);
    ck_assert_ptr_null(cached());
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/users/ann/recommendations", NULL, NULL), 200);
}
END_TEST

static void refuse(void *arg, const struct update_fault *fault, const char *text)
{
    (void)arg;
    (void)fault;
    ck_abort_msg("%s", text);
}

static void put_and_take(void)
{
    struct session *t = &w.worker->session;
    struct item_registration item = {.item = {.id = text_of("new")},
                                     .handle = recommender_find(t->recommender, NULL)};
    struct update_interaction x = {
        .user = text_of("ann"), .item = text_of("new"), .weight = 1, .rating = (double)NAN};
    struct update_rules rules = {.refuse = refuse};
    struct update_touched touched;
    struct update_made made;
    struct err e = {0};
    size_t fault, n;
    must(update_items(t, &item, 1, NULL, &fault, &e), &e);
    must(update_events(t, &x, 1, &rules, &touched, &n, &made, &e), &e);
}

START_TEST(weights_know_an_item_that_came_after_the_miss_began)
{
    struct recommender *p = w.http->session.recommender;
    struct model_handle *handle = recommender_find(p, NULL);
    struct weights *made;
    struct err e = {0};
    bool hit, seen = false;
    (void)model_handle_items(handle);
    weights_cache_clear(w.serving.cache);
    trace(w.http->session.conn, "SELECT CASE WHEN u.revision", put_and_take);
    must(recommender_acquire(p, handle, WEIGHTS_OF_USER, text_of("ann"), &made, &hit, &e), &e);
    end_trace(w.http->session.conn);
    long index = item_snapshot_find(model_handle_items(handle), text_of("new"));
    ck_assert_int_ge(index, 0);
    for (size_t i = 0; i < made->n_seen; i++)
        seen = seen || made->seen[i] == (uint32_t)index;
    ck_assert(seen);
    weights_unref(made);
}
END_TEST

static void put_new(void)
{
    struct session *t = &w.http->session; /* the worker's is at work */
    struct item_registration item = {.item = {.id = text_of("new")},
                                     .handle = recommender_find(t->recommender, NULL)};
    struct err e = {0};
    size_t fault;
    must(update_items(t, &item, 1, NULL, &fault, &e), &e);
}

/* What ann's list has, of a body of which a worker reads her while the item comes. */
static void ask_meanwhile(const char *body, bool listed)
{
    char *answer;
    weights_cache_clear(w.serving.cache);
    trace(w.worker->session.conn, "SELECT CASE WHEN u.revision", put_new);
    ck_assert_int_eq(api_world_json(&w, "POST", "/v1/recommendations", body, &answer), 200);
    end_trace(w.worker->session.conn);
    ck_assert_msg((strstr(answer, "\"new\"") != NULL) == listed, "%s", answer);
    mem_free(answer);
}

START_TEST(an_item_that_comes_while_its_list_is_made_is_listed)
{
    ask_meanwhile("{\"users\":[\"ann\"],\"limit\":1000}", true);
}
END_TEST

START_TEST(an_item_that_comes_while_its_list_is_made_stays_excluded)
{
    ask_meanwhile("{\"users\":[\"ann\"],\"limit\":1000,\"exclude\":[\"new\"]}", false);
}
END_TEST

SUITE("server/serving/item_races", setup, teardown,
      {weights_made_while_an_item_that_was_taken_is_read_are_dropped},
      {weights_know_an_item_that_came_after_the_miss_began},
      {an_item_that_comes_while_its_list_is_made_is_listed},
      {an_item_that_comes_while_its_list_is_made_stays_excluded})
