/* Bulk loads against single writes and against a model in memory: whatever the order of users, items and
 * events, the store must hold what single writes would have left. Risk: a remembered key or order of arrival
 * that goes wrong only for ids named before, or known from an earlier load. */
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/support/store_fixture.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_USERS = 7, N_ITEMS = 11, N_OPS = 400, N_SEEDS = 12 };

static struct store_fixture f, twin;

static void start(void)
{
    store_fixture_start(&f);
    store_fixture_start(&twin);
}

static void stop(void)
{
    store_fixture_stop(&f);
    store_fixture_stop(&twin);
}

/* ---- one operation, in bulk or singly ---- */

enum op_kind { OP_EVENT, OP_USER, OP_ITEM };

struct op {
    enum op_kind kind;
    char user[8], item[8], note[16]; /* note: a profile or title; "" is none */
    double weight, rating;
    int64_t timestamp;
};

static struct op random_op(struct rng *r)
{
    struct op op = {.kind = rng_below(r, 8) == 0   ? OP_USER
                            : rng_below(r, 8) == 0 ? OP_ITEM
                                                   : OP_EVENT,
                    .weight = 0.5 + (double)rng_below(r, 10),
                    .rating = rng_below(r, 3) ? (double)rng_below(r, 10) / 2 : (double)NAN,
                    .timestamp = (int64_t)rng_below(r, 6) - 2};
    (void)snprintf(op.user, sizeof op.user, "u%d", (int)rng_below(r, N_USERS));
    (void)snprintf(op.item, sizeof op.item, "i%d", (int)rng_below(r, N_ITEMS));
    if (rng_below(r, 4))
        (void)snprintf(op.note, sizeof op.note, "{\"n\":%d}", (int)rng_below(r, 1000));
    return op;
}

static struct text note_of(const struct op *op)
{
    return text_of(op->note[0] ? op->note : NULL);
}

static void do_bulk(struct store_bulk *b, const struct op *op)
{
    struct store_item item = {.id = text_of(op->item), .title = note_of(op)};
    if (op->kind == OP_USER)
        STORE_OK(store_bulk_user(b, text_of(op->user), note_of(op), &e));
    else if (op->kind == OP_ITEM)
        STORE_OK(store_bulk_item(b, &item, &e));
    else
        STORE_OK(store_bulk_interaction(b, text_of(op->user), text_of(op->item), op->weight, op->rating,
                                        op->timestamp, &e));
}

static bool user_exists(struct store_conn *c, const char *id)
{
    struct store_user u = {0};
    enum err_code code = store_read_user(c, text_of(id), NULL, &u, NULL);
    store_user_fini(&u);
    return code == ERR_OK;
}

static void do_singly(struct store_conn *c, const struct op *op)
{
    struct store_item item = {.id = text_of(op->item), .title = note_of(op)};
    int64_t revision;
    bool created;
    if (op->kind == OP_USER) {
        STORE_OK(store_put_user(c, text_of(op->user), note_of(op), &revision, &created, &e));
    } else if (op->kind == OP_ITEM) {
        STORE_OK(store_put_item(c, &item, &created, &e));
    } else {
        if (!user_exists(c, op->user))
            STORE_OK(store_put_user(c, text_of(op->user), text_of(NULL), &revision, &created, &e));
        STORE_OK(store_put_interaction(c, text_of(op->user), text_of(op->item), op->weight, op->rating,
                                       op->timestamp, NULL, &e));
    }
}

/* ---- the model in memory ---- */

struct model_event {
    bool there;
    double weight, rating;
    int64_t timestamp;
    int arrival;
};

struct model {
    bool user_there[N_USERS], item_there[N_ITEMS];
    char profile[N_USERS][16], title[N_ITEMS][16];
    struct model_event events[N_USERS][N_ITEMS];
    int arrivals;
};

static void do_model(struct model *m, const struct op *op)
{
    int u = atoi(op->user + 1), i = atoi(op->item + 1);
    if (op->kind == OP_USER) {
        m->user_there[u] = true;
        memcpy(m->profile[u], op->note, sizeof op->note);
    } else if (op->kind == OP_ITEM) {
        m->item_there[i] = true;
        memcpy(m->title[i], op->note, sizeof op->note);
    } else {
        struct model_event *x = &m->events[u][i];
        m->user_there[u] = m->item_there[i] = true;
        if (!x->there || op->timestamp >= x->timestamp)
            *x = (struct model_event){true, op->weight, op->rating, op->timestamp, m->arrivals};
        m->arrivals++;
    }
}

/* The user's next event after (timestamp, arrival) of `last`, or NULL. */
static const struct model_event *next_event(const struct model *m, int u, const struct model_event *last,
                                            int *item)
{
    const struct model_event *best = NULL;
    for (int i = 0; i < N_ITEMS; i++) {
        const struct model_event *x = &m->events[u][i];
        bool after = !last || x->timestamp > last->timestamp ||
                     (x->timestamp == last->timestamp && x->arrival > last->arrival);
        bool first = !best || x->timestamp < best->timestamp ||
                     (x->timestamp == best->timestamp && x->arrival < best->arrival);
        if (x->there && after && first) {
            best = x;
            *item = i;
        }
    }
    return best;
}

static void assert_as_model(struct store_conn *c, const struct model *m)
{
    struct store_user user = {0};
    for (int u = 0; u < N_USERS; u++) {
        char id[16];
        (void)snprintf(id, sizeof id, "u%d", u);
        enum err_code code = store_read_user(c, text_of(id), NULL, &user, NULL);
        ck_assert_int_eq(code, m->user_there[u] ? ERR_OK : ERR_NOTFOUND);
        if (code)
            continue;
        ck_assert_str_eq(buf_text(&user.profile), m->profile[u]);
        size_t n = 0;
        int item = -1;
        for (const struct model_event *x = NULL; (x = next_event(m, u, x, &item)); n++) {
            char item_id[16];
            int64_t key;
            (void)snprintf(item_id, sizeof item_id, "i%d", item);
            STORE_OK(store_item_key_of(c, text_of(item_id), &key, &e));
            ck_assert_uint_lt(n, user.n_interactions);
            ck_assert_int_eq(user.interactions[n].item_key, key);
            ck_assert_double_eq(user.interactions[n].weight, x->weight);
            ck_assert(isnan(x->rating) ? isnan(user.interactions[n].rating)
                                       : user.interactions[n].rating == x->rating);
            ck_assert_int_eq(user.interactions[n].timestamp, x->timestamp);
        }
        ck_assert_uint_eq(user.n_interactions, n);
    }
    store_user_fini(&user);
}

/* ---- tests ---- */

START_TEST(test_bulk_loads_leave_what_single_writes_and_the_model_leave)
{
    static struct model m;
    struct rng r;
    memset(&m, 0, sizeof m);
    rng_init(&r, 77, (uint64_t)_i);
    for (int load = 0; load < 3; load++) { /* later loads meet known ids */
        struct store_bulk *b;
        STORE_OK(store_begin(f.conn, &e));
        STORE_OK(store_begin(twin.conn, &e));
        STORE_OK(store_bulk_begin(f.conn, &b, &e));
        for (int i = 0; i < N_OPS; i++) {
            struct op op = random_op(&r);
            do_bulk(b, &op);
            do_singly(twin.conn, &op);
            do_model(&m, &op);
        }
        STORE_OK(store_bulk_end(b, NULL, &e));
        STORE_OK(store_commit(f.conn, &e));
        STORE_OK(store_commit(twin.conn, &e));
        assert_as_model(f.conn, &m);
        assert_as_model(twin.conn, &m);
        char *bulk = store_fixture_dump(f.conn), *single = store_fixture_dump(twin.conn);
        ck_assert_str_eq(bulk, single);
        mem_free(bulk);
        mem_free(single);
    }
}
END_TEST

START_TEST(test_single_writes_after_a_load_go_on_where_it_ended)
{
    static struct model m;
    struct rng r;
    struct store_bulk *b;
    memset(&m, 0, sizeof m);
    rng_init(&r, 78, (uint64_t)_i);
    for (int round = 0; round < 4; round++) {
        STORE_OK(store_begin(f.conn, &e));
        STORE_OK(store_bulk_begin(f.conn, &b, &e));
        for (int i = 0; i < N_OPS / 4; i++) {
            struct op op = random_op(&r);
            do_bulk(b, &op);
            do_model(&m, &op);
        }
        STORE_OK(store_bulk_end(b, NULL, &e));
        for (int i = 0; i < N_OPS / 4; i++) { /* first in the transaction of the load, then in the next */
            struct op op = random_op(&r);
            if (i == N_OPS / 8) {
                STORE_OK(store_commit(f.conn, &e));
                STORE_OK(store_begin(f.conn, &e));
            }
            do_singly(f.conn, &op);
            do_model(&m, &op);
        }
        STORE_OK(store_commit(f.conn, &e));
        assert_as_model(f.conn, &m);
    }
}
END_TEST

START_TEST(test_an_abandoned_load_leaves_nothing)
{
    struct rng r;
    struct store_bulk *b;
    int64_t before_change, after_change;
    rng_init(&r, 79, 0);
    store_fixture_user(f.conn, "u1", "{}");
    store_fixture_event(f.conn, "u1", "i1", 1, 100);
    char *before = store_fixture_dump(f.conn);
    STORE_OK(store_last_change(f.conn, &before_change, &e));
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    for (int i = 0; i < N_OPS; i++) {
        struct op op = random_op(&r);
        do_bulk(b, &op);
    }
    store_bulk_abandon(b);
    store_bulk_abandon(NULL);
    store_rollback(f.conn);
    char *after = store_fixture_dump(f.conn);
    STORE_OK(store_last_change(f.conn, &after_change, &e));
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(before_change, after_change);
    mem_free(before);
    mem_free(after);
}
END_TEST

static int64_t revision_of(const char *id)
{
    struct store_user u = {0};
    STORE_OK(store_read_user(f.conn, text_of(id), NULL, &u, &e));
    int64_t revision = u.revision;
    store_user_fini(&u);
    return revision;
}

struct item_revision {
    const char *id;
    int64_t revision;
};

static bool find_item(void *arg, const struct store_item *item)
{
    struct item_revision *wanted = arg;
    if (item->id.len == strlen(wanted->id) && memcmp(item->id.data, wanted->id, item->id.len) == 0)
        wanted->revision = item->revision;
    return true;
}

static int64_t item_revision_of(const char *id)
{
    struct item_revision wanted = {id, -1};
    STORE_OK(store_each_item(f.conn, 0, find_item, &wanted, &e));
    return wanted.revision;
}

START_TEST(test_a_load_gives_all_it_touched_and_nothing_else_its_revision)
{
    struct store_bulk *b;
    int64_t change, revisions[2];
    store_fixture_user(f.conn, "old", NULL);
    store_fixture_user(f.conn, "untouched", NULL);
    store_fixture_item(f.conn, "old item", "title");
    revisions[0] = revision_of("untouched");
    revisions[1] = item_revision_of("old item");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    STORE_OK(store_bulk_interaction(b, text_of("old"), text_of("old item"), 1, NAN, 1, &e));
    STORE_OK(store_bulk_interaction(b, text_of("new"), text_of("new item"), 1, NAN, 1, &e));
    STORE_OK(store_bulk_user(b, text_of("profile only"), text_of("{}"), &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_last_change(f.conn, &change, &e));
    ck_assert_int_eq(revision_of("old"), change);
    ck_assert_int_eq(revision_of("new"), change);
    ck_assert_int_eq(revision_of("profile only"), change);
    ck_assert_int_eq(revision_of("untouched"), revisions[0]);
    ck_assert_int_eq(item_revision_of("new item"), change);
    ck_assert_int_eq(item_revision_of("old item"), revisions[1]); /* an event does not change its item */
}
END_TEST

START_TEST(test_a_load_makes_contexts_stale)
{
    struct store_bulk *b;
    struct store_user u = {0};
    int64_t revision = store_fixture_user(f.conn, "ann", NULL);
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_put_context(f.conn, &store_fixture_key, text_of("ann"), revision, false, "abcd", 4, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    STORE_OK(store_bulk_interaction(b, text_of("ann"), text_of("i"), 1, NAN, 1, &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_read_user(f.conn, text_of("ann"), &store_fixture_key, &u, &e));
    ck_assert_int_gt(u.revision, u.embedding_revision);
    store_user_fini(&u);
}
END_TEST

START_TEST(test_many_ids_are_told_apart)
{
    enum { N = 6000 }; /* the tables of remembered ids grow several times */
    struct store_bulk *b;
    struct store_counts n;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    for (int i = 0; i < 3 * N; i++) {
        char user[300], item[32];
        int k = i % N;
        (void)snprintf(user, sizeof user, "%0*d", 1 + k % LIMIT_ID_BYTES, k / LIMIT_ID_BYTES);
        (void)snprintf(item, sizeof item, "%d", k);
        user[LIMIT_ID_BYTES] = '\0';
        STORE_OK(store_bulk_interaction(b, text_of(user), text_of(item), 1, NAN, i, &e));
    }
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_count(f.conn, &n, &e));
    ck_assert_int_eq(n.n_items, N);
    ck_assert_int_eq(n.n_interactions, N);
    ck_assert_int_gt(n.n_users, N - 30); /* "10" at width 1 and 2 is one id */
}
END_TEST

START_TEST(test_a_refused_row_leaves_the_load_going)
{
    struct store_bulk *b;
    struct store_counts n;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    STORE_OK(store_bulk_interaction(b, text_of("a"), text_of("i"), 1, NAN, 1, &e));
    STORE_FAILS(store_bulk_interaction(b, text_of("b"), text_of("j"), -1, NAN, 1, &e), ERR_INVALID);
    STORE_FAILS(store_bulk_interaction(b, text_of("b"), text_of("j"), 1, (double)INFINITY, 1, &e),
                ERR_INVALID);
    STORE_FAILS(store_bulk_interaction(b, text_of("\xFF"), text_of("j"), 1, NAN, 1, &e), ERR_INVALID);
    STORE_OK(store_bulk_interaction(b, text_of("a"), text_of("j"), 1, NAN, 1, &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_count(f.conn, &n, &e));
    ck_assert_int_eq(n.n_users, 1);
    ck_assert_int_eq(n.n_interactions, 2);
}
END_TEST

START_TEST(test_an_empty_load_is_a_change_and_nothing_more)
{
    struct store_bulk *b;
    int64_t change;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
    STORE_OK(store_last_change(f.conn, &change, &e));
    ck_assert_int_eq(change, 1);
}
END_TEST

STORE_SUITE("store bulk", start, stop,
            {test_bulk_loads_leave_what_single_writes_and_the_model_leave, N_SEEDS},
            {test_single_writes_after_a_load_go_on_where_it_ended, N_SEEDS},
            {test_an_abandoned_load_leaves_nothing},
            {test_a_load_gives_all_it_touched_and_nothing_else_its_revision},
            {test_a_load_makes_contexts_stale}, {test_many_ids_are_told_apart},
            {test_a_refused_row_leaves_the_load_going}, {test_an_empty_load_is_a_change_and_nothing_more})
