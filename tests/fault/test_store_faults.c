/* The store without memory, on a full disk, on a disk that fails: every allocation and file operation of each
 * kind of work fails once, alone or with all after it. Then the code must be the right one, the file must
 * hold all of the transaction or nothing, and the work must succeed as soon as the fault is gone.
 * Long because all kinds of work fail by the same faults. */
#include "base/mem.h"
#include "tests/support/sqlite_faults.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the faults ---- */

static const struct source {
    const char *name;
    enum sqlite_fault kind; /* FAULT_NONE: our own allocations */
    enum err_code code;
} sources[] = {
    {"our memory", FAULT_NONE, ERR_NOMEM},     {"its memory", FAULT_ALLOCATION, ERR_NOMEM},
    {"full disk", FAULT_WRITE_FULL, ERR_FULL}, {"write error", FAULT_WRITE_ERROR, ERR_IO},
    {"sync error", FAULT_SYNC, ERR_IO},        {"truncate error", FAULT_TRUNCATE, ERR_IO},
    {"open error", FAULT_OPEN, ERR_IO},        {"read error", FAULT_READ, ERR_IO},
    {"delete error", FAULT_DELETE, ERR_IO},    {"shared memory error", FAULT_SHARED_MEMORY, ERR_IO}};
enum { N_SOURCES = sizeof sources / sizeof *sources };

static void arm(const struct source *s, long n, bool persistent)
{
    if (s->kind == FAULT_NONE)
        mem_fail_at(n, persistent);
    else
        sqlite_faults_arm(s->kind, n, persistent);
}

/* Turns the fault off; whether it came. */
static bool disarm(const struct source *s, long n)
{
    bool fired = s->kind == FAULT_NONE ? mem_count() >= n : sqlite_faults_disarm();
    mem_fail_at(0, 0);
    return fired;
}

/* ---- the work ---- */

static struct store_fixture f;
static void *pristine; /* the file before the work */
static size_t pristine_bytes;
static char *before, *after; /* its content, and the content once the work is done */

static enum err_code put_encoded(struct store_conn *c, struct err *e)
{
    struct store_user u = {0};
    enum err_code code = store_read_user(c, text_of("new"), NULL, &u, e);
    if (!code)
        code = store_put_encoded(c, &store_fixture_key, text_of("new"), &u, "of what is new", 14, e);
    store_user_fini(&u);
    return code;
}

static enum err_code write_some(struct store_conn *c, struct err *e)
{
    static char profile[9000]; /* overflow pages */
    memset(profile, 'p', sizeof profile - 1);
    int64_t revision;
    bool flag;
    struct store_item item = {.id = text_of("titled"), .title = text_of("T"), .metadata = text_of("{}")};
    enum err_code code = store_begin(c, e);
    if (!code)
        code = store_put_user(c, text_of("new"), text_of(profile), &revision, &flag, e);
    for (int i = 0; i < 20 && !code; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "n%d", i % 15);
        code = store_put_interaction(c, text_of(i % 2 ? "new" : "ann"), text_of(id), 1, 2, i, NULL, e);
    }
    if (!code)
        code = store_touch_user(c, text_of("ann"), &revision, e);
    if (!code)
        code = store_put_context(c, &store_fixture_key, text_of("ann"), revision, true, profile, 8000, e);
    if (!code)
        code = put_encoded(c, e);
    if (!code)
        code = store_put_item(c, &item, &flag, e);
    if (!code)
        code = store_clear_user(c, text_of("bob"), STORE_CLEAR_ALL, e);
    if (!code)
        code = store_delete_user(c, text_of("carl"), e);
    if (!code)
        return store_commit(c, e);
    store_rollback(c);
    return code;
}

static enum err_code write_bulk(struct store_conn *c, struct err *e)
{
    struct store_bulk *b = NULL;
    enum err_code code = store_begin(c, e);
    if (!code)
        code = store_bulk_begin(c, &b, e);
    for (int i = 0; i < 1200 && !code; i++) {
        char user[32], item[32];
        (void)snprintf(user, sizeof user, "u%d", i / 4);
        (void)snprintf(item, sizeof item, "i%d", i % 600);
        code = store_bulk_interaction(b, text_of(i % 100 ? user : "ann"), text_of(item), 1, NAN, i, e);
    }
    if (!code)
        code = store_bulk_user(b, text_of("u5"), text_of("{\"a\":1}"), e);
    if (b && !code)
        code = store_bulk_end(b, NULL, e);
    else
        store_bulk_abandon(b);
    if (!code)
        return store_commit(c, e);
    store_rollback(c);
    return code;
}

/* Staged, into a second table that then takes the place of the first. */
static enum err_code write_load(struct store_conn *c, struct err *e)
{
    struct store_load *l = NULL;
    struct store_bulk *b = NULL;
    int64_t n_older;
    enum err_code code = store_load_new(c, 1, &l, e);
    for (int i = 0; i < 1200 && !code; i++) {
        char user[32], item[32];
        (void)snprintf(user, sizeof user, "u%d", i / 4);
        (void)snprintf(item, sizeof item, "i%d", i % 600);
        code = store_load_interaction(l, text_of(i % 100 ? user : "ann"), text_of(item), 1, NAN, i, e);
    }
    for (int i = 0; i < 200 && !code; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "n%d", i);
        code = store_load_new_user(l, text_of(id), text_of("{\"a\":1}"), e);
        if (!code && i % 50 == 0)
            code = store_load_new_item(l, &(struct store_item){.id = text_of(id), .title = text_of("T")}, e);
    }
    if (!code)
        code = store_load_stage(l, e);
    if (!code)
        code = store_begin(c, e);
    if (!code)
        code = store_bulk_begin(c, &b, e);
    if (!code)
        code = store_load_apply(l, b, &n_older, e);
    if (!code)
        code = store_bulk_user(b, text_of("u5"), text_of("{\"a\":1}"), e);
    if (b && !code)
        code = store_bulk_end(b, NULL, e);
    else
        store_bulk_abandon(b);
    if (!code)
        code = store_commit(c, e);
    else
        store_rollback(c);
    store_load_free(l);
    return code;
}

static const struct store_context_key task_key = {"model", "1", "task"};

static enum err_code write_tasks(struct store_conn *c, struct err *e)
{
    static char large[9001]; /* overflow pages */
    memset(large, 'r', sizeof large - 1);
    int64_t revision;
    bool created;
    enum err_code code = store_begin(c, e);
    if (!code)
        code = store_put_task(c, text_of("new shop"), text_of(large), true, &revision, &created, e);
    for (int i = 0; i < 40 && !code; i++)
        code = store_add_task_row(c, text_of(i % 2 ? "new shop" : "shop 1"),
                                  text_of(i % 10 ? "{\"price\":1}" : large), e);
    if (!code)
        code = store_touch_task(c, text_of("shop 1"), &revision, e);
    if (!code)
        code = store_put_task_context(c, &task_key, text_of("shop 1"), revision, false, large, 9000, e);
    if (!code)
        code = store_put_task(c, text_of("shop 2"), text_of("{}"), false, &revision, &created, e);
    if (!code)
        code = store_clear_task(c, text_of("shop 2"), STORE_CLEAR_ALL, e);
    if (!code)
        code = store_delete_task(c, text_of("shop 3"), e);
    if (!code)
        return store_commit(c, e);
    store_rollback(c);
    return code;
}

struct sums {
    int64_t users, items, interactions, changes;
    size_t bytes;
};

static bool sum_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct sums *s = arg;
    s->users += key + revision;
    s->bytes += id.len + profile.len;
    return true;
}

static bool sum_item(void *arg, const struct store_item *item)
{
    struct sums *s = arg;
    s->items += item->key + item->revision;
    s->bytes += item->id.len + item->title.len + item->categories.len + item->metadata.len;
    return true;
}

static bool sum_interaction(void *arg, int64_t key, const struct store_interaction *x)
{
    ((struct sums *)arg)->interactions += key + x->item_key + x->timestamp;
    return true;
}

static bool sum_change(void *arg, const struct store_change *change)
{
    ((struct sums *)arg)->changes += change->number + (int)change->kind + (int)change->id.len;
    return true;
}

static enum store_look look_at_all(void *arg, int64_t key, struct text id)
{
    (void)arg;
    return key > 0 && id.len ? STORE_TAKE : STORE_END;
}

/* Every read there is; what it saw must be the same each time. */
static enum err_code read_all(struct store_conn *c, struct err *e)
{
    static struct sums wanted;
    struct sums s = {0};
    struct store_user u = {0};
    struct store_user_context context = {0};
    struct store_counts counts;
    int64_t key, last;
    bool changed, found;
    enum err_code code = store_ping(c, e);
    if (!code)
        code = store_wait_changes(c, 0, 0, &changed, e);
    if (!code)
        code = store_read_user(c, text_of("ann"), &store_fixture_key, &u, e);
    if (!code)
        ck_assert(u.n_interactions == 500 && u.embedding.len == 6000 && u.profile.len == 7000);
    if (!code)
        code = store_read_context(c, text_of("bob"), &store_fixture_key, &context, &found, e);
    if (!code && found) /* a list that there is no memory for is done without */
        ck_assert(context.n_items == 20 && context.embedding.len == 6000);
    if (!code)
        code = store_item_key_of(c, text_of("i7"), &key, e);
    if (!code)
        code = store_each_user(c, sum_user, &s, e);
    if (!code)
        code = store_each_item(c, 0, sum_item, &s, e);
    if (!code)
        code = store_list_users(c, text_of("b"), look_at_all, sum_user, &s, e);
    if (!code)
        code = store_list_items(c, text_of("i2"), look_at_all, sum_item, &s, e);
    if (!code)
        code = store_each_interaction(c, sum_interaction, &s, e);
    if (!code)
        code = store_last_change(c, &last, e);
    if (!code)
        code = store_changes(c, 3, sum_change, &s, e);
    if (!code)
        code = store_count(c, &counts, e);
    if (!code && wanted.users == 0)
        wanted = s;
    if (!code)
        ck_assert_mem_eq(&s, &wanted, sizeof s);
    store_user_fini(&u);
    store_user_context_fini(&context);
    return code;
}

static bool sum_row(void *arg, int64_t number, struct text row)
{
    *(size_t *)arg += (size_t)number + row.len;
    return true;
}

static enum err_code read_tasks(struct store_conn *c, struct err *e)
{
    struct sums s = {0};
    struct store_task t = {0};
    size_t sum = 0;
    enum err_code code = store_read_task(c, text_of("shop 1"), &task_key, &t, e);
    if (!code)
        ck_assert(t.n_rows == 100 && t.context.len == 6000 && t.profile.len == 7000);
    if (!code)
        code = store_each_task(c, sum_user, &s, e);
    if (!code)
        ck_assert_uint_eq(s.bytes, 3 * (7000 + 6));
    if (!code)
        code = store_each_task_row(c, text_of("shop 2"), sum_row, &sum, e);
    if (!code)
        ck_assert_uint_eq(sum, 100 * 101 / 2 + 100 * 39);
    store_task_fini(&t);
    return code;
}

static const char *backup_path(void)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/backup.db", f.dir);
    return path;
}

static enum err_code back_up(struct store_conn *c, struct err *e)
{
    return store_backup(c, backup_path(), NULL, e);
}

/* Whether the backup is whole, or there is none, as the code said; and removes it. */
static void check_backup(bool wanted)
{
    ck_assert_int_eq(access(backup_path(), F_OK) == 0, wanted);
    if (!wanted)
        return;
    struct store *s;
    struct store_conn *copy;
    STORE_OK(store_open(backup_path(), STORE_READ_WRITE, &s, &e));
    STORE_OK(store_connect(s, &copy, &e));
    char *copied = store_fixture_dump(copy);
    ck_assert_str_eq(copied, before);
    mem_free(copied);
    store_disconnect(copy);
    store_close(s);
    ck_assert_int_eq(unlink(backup_path()), 0);
}

enum { N_IMPORTED = 100 };

static void import_items(void)
{
    struct store_bulk *b;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &b, &e));
    for (int i = 0; i < N_IMPORTED; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "imported%d", i);
        STORE_OK(store_bulk_interaction(b, text_of("dora"), text_of(id), 1, NAN, i, &e));
    }
    STORE_OK(store_bulk_end(b, NULL, &e));
    STORE_OK(store_commit(f.conn, &e));
}

/* Changes no answer, so the content stays. */
static enum err_code follow(struct store_conn *c, struct err *e)
{
    int64_t keys[N_IMPORTED];
    enum err_code code = ERR_OK;
    for (int i = 0; i < N_IMPORTED && !code; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "imported%d", i);
        code = store_item_key_of(c, text_of(id), &keys[i], e);
    }
    return code ? code : store_follow_items(c, keys, N_IMPORTED, e);
}

static bool take(void *arg, const void *embedding, size_t n_bytes, double weight)
{
    (void)embedding;
    (void)n_bytes;
    *(double *)arg += weight;
    return true;
}

static enum err_code ask_takers(struct store_conn *c, struct err *e)
{
    int64_t key;
    bool aside;
    double sum = 0;
    enum err_code code = store_item_key_of(c, text_of("imported1"), &key, e);
    if (!code)
        code = store_takers_begin(c, &key, 1, &aside, e);
    if (!code)
        code = store_each_taker(c, key, &store_fixture_key, 10, take, &sum, e);
    store_takers_end(c);
    return code;
}

/* A profile is replaced by the same one, so the content stays, and the log is emptied of the old one. */
static enum err_code forget(struct store_conn *c, struct err *e)
{
    static char profile[7001];
    int64_t revision;
    bool created;
    memset(profile, 'q', sizeof profile - 1);
    enum err_code code = store_begin(c, e);
    if (!code)
        code = store_put_user(c, text_of("ann"), text_of(profile), &revision, &created, e);
    if (code)
        store_rollback(c);
    else
        code = store_commit(c, e);
    return code ? code : store_settle(c, e);
}

static enum err_code trim(struct store_conn *c, struct err *e)
{
    int64_t n;
    return store_trim_version(c, &store_fixture_key, &n, e);
}

static enum err_code put_kinds(struct store_conn *c, struct err *e)
{
    const struct store_kind kinds[] = {{.name = text_of("cart"), .weight = 0.5, .unseen = true},
                                       {.name = text_of("view"), .weight = 0.3}};
    bool changed;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < 2 && !code; i++)
        code = store_put_kind(c, &kinds[i], &changed, e);
    return code;
}

static enum err_code write_kinds(struct store_conn *c, struct err *e)
{
    enum store_put put;
    int64_t revision, n;
    char id[32];
    enum err_code code = store_begin(c, e);
    if (!code)
        code = put_kinds(c, e);
    for (int i = 0; i < 12 && !code; i++) {
        (void)snprintf(id, sizeof id, "event %d", i / 2);
        const struct store_event x = {.kind = 1 + i % 3,
                                      .weight = 2,
                                      .rating = (double)NAN,
                                      .timestamp = 100 - i,
                                      .id = text_of(i % 4 ? id : NULL)};
        code = store_put_event(c, text_of(i % 3 ? "ann" : "bob"), text_of("kind of"), &x, &put, e);
    }
    if (!code)
        code = store_add_interactions_of(c, text_of("bob"), text_of("ann"), e);
    if (!code)
        code = store_remove_interactions(c, text_of("bob"), text_of("kind of"), 1, &n, e);
    if (!code)
        code = store_touch_user(c, text_of("ann"), &revision, e);
    if (!code)
        return store_commit(c, e);
    store_rollback(c);
    return code;
}

static enum err_code expire(struct store_conn *c, struct err *e)
{
    const struct store_expiry x = {.now = 1000000000, .keep = 1};
    int64_t at = 0, n;
    return store_expire(c, &x, &at, &n, e);
}

static const struct work {
    const char *name;
    enum err_code (*run)(struct store_conn *c, struct err *e);
} works[] = {{"read", read_all},  {"write", write_some},  {"bulk", write_bulk},       {"load", write_load},
             {"backup", back_up}, {"follow", follow},     {"takers", ask_takers},     {"forget", forget},
             {"trim", trim},      {"tasks", write_tasks}, {"read tasks", read_tasks}, {"kinds", write_kinds},
             {"expire", expire}};
enum { N_WORKS = sizeof works / sizeof *works };

/* ---- the file before and after ---- */

static void open_fixture(void)
{
    STORE_OK(store_open(f.path, STORE_READ_WRITE, &f.store, &e));
    STORE_OK(store_connect(f.store, &f.conn, &e));
}

static void fill(void)
{
    static char profile[7001], embedding[6000];
    memset(profile, 'q', sizeof profile - 1);
    memset(embedding, 'v', sizeof embedding);
    for (int i = 0; i < 3; i++)
        store_fixture_user(f.conn, (const char *const[]){"ann", "bob", "carl"}[i], profile);
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < 500; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "i%d", i);
        for (int k = 0; k < (i < 20 ? 3 : 1); k++)
            STORE_OK(store_put_interaction(f.conn, text_of((const char *const[]){"ann", "bob", "carl"}[k]),
                                           text_of(id), 1, NAN, i % 50, NULL, &e));
    }
    STORE_OK(store_put_context(f.conn, &store_fixture_key, text_of("ann"), 1, true, embedding,
                               sizeof embedding, &e));
    STORE_OK(store_put_context(f.conn, &store_fixture_key, text_of("carl"), 1, true, embedding,
                               sizeof embedding, &e));
    struct store_user bob = {0};
    STORE_OK(store_read_user(f.conn, text_of("bob"), NULL, &bob, &e));
    STORE_OK(
        store_put_encoded(f.conn, &store_fixture_key, text_of("bob"), &bob, embedding, sizeof embedding, &e));
    store_user_fini(&bob);
    STORE_OK(store_commit(f.conn, &e));
    import_items();
}

static void fill_tasks(void)
{
    static char profile[7001], context[6000];
    int64_t revision;
    bool created;
    memset(profile, 'q', sizeof profile - 1);
    STORE_OK(store_begin(f.conn, &e));
    for (int i = 0; i < 3; i++) {
        struct text id = text_of((const char *const[]){"shop 1", "shop 2", "shop 3"}[i]);
        STORE_OK(store_put_task(f.conn, id, text_of(profile), true, &revision, &created, &e));
        STORE_OK(
            store_put_task_context(f.conn, &task_key, id, revision, i == 1, context, sizeof context, &e));
        for (int row = 0; row < 100; row++)
            STORE_OK(
                store_add_task_row(f.conn, id, text_of("{\"price\":2.25,\"deal\":true,\"units\":1200}"), &e));
    }
    STORE_OK(store_commit(f.conn, &e));
}

static void restore(void)
{
    char name[128];
    store_fixture_close(&f);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "%s%s", f.path,
                       (const char *const[]){"-wal", "-shm", "-journal"}[i]);
        (void)unlink(name);
    }
    store_fixture_write_file(f.path, pristine, pristine_bytes);
}

static void start_with(const struct work *w)
{
    store_fixture_start(&f);
    fill();
    fill_tasks();
    before = store_fixture_dump(f.conn);
    store_fixture_close(&f);
    pristine = store_fixture_read_file(f.path, &pristine_bytes);
    open_fixture();
    STORE_OK(w->run(f.conn, &e));
    if (w->run == back_up)
        check_backup(true);
    after = store_fixture_dump(f.conn);
    restore();
}

static void stop(void)
{
    store_fixture_stop(&f);
    mem_free(before);
    mem_free(after);
    free(pristine);
}

static void assert_backup(const struct work *w, enum err_code code)
{
    if (w->run == back_up)
        check_backup(code == ERR_OK);
}

static void assert_content(const char *wanted, const char *when, const struct source *s, long n)
{
    char *now = store_fixture_dump(f.conn);
    ck_assert_msg(strcmp(now, wanted) == 0, "%s %ld: not the content %s", s->name, n, when);
    mem_free(now);
}

static void assert_code(const struct source *s, long n, enum err_code code, const struct err *e)
{
    ck_assert_msg(code == s->code, "%s %ld: %s (%s)", s->name, n, err_name(code), e->text);
    ck_assert_int_eq(e->code, code);
    ck_assert_uint_gt(strlen(e->text), 10);
}

/* ---- tests ---- */

/* Steps wider and wider: the first faults one by one, thousands of them by samples. What a lasting fault
 * strikes first is mostly all that it does. A sanitizer, under which each takes twenty times as long, sees
 * fewer of the late ones. */
static long next(long n, bool persistent)
{
#ifdef __SANITIZE_ADDRESS__
    enum { SHARE = 1, SHARE_LASTING = 1 };
#else
    enum { SHARE = 6, SHARE_LASTING = 2 };
#endif
    return n + 1 + n / (persistent ? SHARE_LASTING : SHARE);
}

/* The fault strikes work on an open connection; the same connection must then be as good as before. */
static void strike_work(const struct work *w, const struct source *s, bool persistent)
{
    bool fired = true;
    start_with(w);
    for (long n = 1; fired; n = next(n, persistent)) {
        struct err why = {0};
        open_fixture();
        arm(s, n, persistent);
        enum err_code code = w->run(f.conn, &why);
        fired = disarm(s, n);
        ck_assert(fired || !code);
        assert_backup(w, code);
        if (code)
            assert_code(s, n, code, &why);
        assert_content(code ? before : after, code ? "before the work" : "after it", s, n);
        if (code)
            STORE_OK(w->run(f.conn, &e));
        if (code)
            assert_backup(w, ERR_OK);
        assert_content(after, "after it was done again", s, n);
        store_fixture_reopen(&f);
        assert_content(after, "after it, opened again", s, n);
        restore();
    }
    stop();
}

/* The fault strikes while the store is opened, used and closed; the file must be good for the next process.
 */
static void strike_life(const struct work *w, const struct source *s, bool persistent)
{
    bool fired = true;
    start_with(w);
    for (long n = 1; fired; n = next(n, persistent)) {
        struct err why = {0};
        struct store_conn *c = NULL;
        struct store *store = NULL;
        arm(s, n, persistent);
        enum err_code code = store_open(f.path, STORE_READ_WRITE, &store, &why);
        if (!code)
            code = store_connect(store, &c, &why);
        if (!code)
            code = w->run(c, &why);
        store_disconnect(c);
        store_close(store);
        fired = disarm(s, n);
        assert_backup(w, code);
        if (code)
            assert_code(s, n, code, &why);
        open_fixture();
        assert_content(code ? before : after, code ? "before the work" : "after it", s, n);
        restore();
    }
    stop();
}

START_TEST(test_work_that_meets_a_fault_leaves_nothing_and_succeeds_later)
{
    const struct source *s = &sources[_i % N_SOURCES];
    for (int i = 0; i < N_WORKS; i++)
        if (works[i].run != write_load ||
            _i < N_SOURCES) /* who loads closes the connection after a failure */
            strike_work(&works[i], s, _i >= N_SOURCES);
}
END_TEST

START_TEST(test_a_fault_in_the_life_of_a_store_leaves_a_sound_file)
{
    const struct source *s = &sources[_i % N_SOURCES];
    for (int i = 0; i < N_WORKS; i++)
        strike_life(&works[i], s, _i >= N_SOURCES);
}
END_TEST

START_TEST(test_a_new_store_that_could_not_be_made_can_be_made_later)
{
    const struct source *s = &sources[_i % N_SOURCES];
    bool fired = true;
    for (long n = 1; fired; n = next(n, _i >= N_SOURCES)) {
        struct err why = {0};
        struct store *store = NULL;
        struct store_conn *c = NULL;
        store_fixture_folder(&f);
        arm(s, n, _i >= N_SOURCES);
        enum err_code code = store_open(f.path, STORE_CREATE, &store, &why);
        bool made = code == ERR_OK;
        if (made)
            code = store_connect(store, &c, &why);
        store_disconnect(c);
        store_close(store);
        fired = disarm(s, n);
        ck_assert(fired || !code);
        if (code)
            assert_code(s, n, code, &why);
        if (!made && _i < N_SOURCES) /* what was over when it was to be taken away again */
            ck_assert_msg(access(f.path, F_OK) != 0, "%s %ld: a file is left", s->name, n);
        STORE_OK(store_open(f.path, STORE_CREATE, &f.store, &e));
        STORE_OK(store_connect(f.store, &f.conn, &e));
        assert_content("", "of a new store", s, n);
        STORE_OK(write_bulk(f.conn, &e));
        store_fixture_stop(&f);
    }
}
END_TEST

/* As a machine that stops would leave them: the file and its log, without the index in shared memory. */
static void crash_and_open(void)
{
    char from[128], to[128];
    size_t n, n_log;
    (void)snprintf(from, sizeof from, "%s-wal", f.path);
    void *file = store_fixture_read_file(f.path, &n), *log = store_fixture_read_file(from, &n_log);
    store_fixture_close(&f);
    (void)snprintf(f.path, sizeof f.path, "%s/crashed.db", f.dir);
    (void)snprintf(to, sizeof to, "%s-wal", f.path);
    store_fixture_write_file(f.path, file, n);
    store_fixture_write_file(to, log, n_log);
    free(file);
    free(log);
    open_fixture();
}

START_TEST(test_a_commit_that_failed_is_not_found_after_a_crash)
{
    start_with(&works[_i]);
    open_fixture();
    sqlite_faults_arm(FAULT_SYNC, 1, false);
    STORE_FAILS(works[_i].run(f.conn, &e), ERR_IO);
    ck_assert(sqlite_faults_disarm());
    crash_and_open();
    assert_content(before, "before the work", &sources[4], 1);
    stop();
}
END_TEST

START_TEST(test_a_commit_that_was_done_is_found_after_a_crash)
{
    start_with(&works[_i]);
    open_fixture();
    STORE_OK(works[_i].run(f.conn, &e));
    crash_and_open();
    assert_content(after, "after the work", &sources[4], 0);
    stop();
}
END_TEST

int main(void)
{
    sqlite_faults_install();
    Suite *suite = suite_create("store faults");
    TCase *tc = tcase_create("faults");
    tcase_add_loop_test(tc, test_work_that_meets_a_fault_leaves_nothing_and_succeeds_later, 0, 2 * N_SOURCES);
    tcase_add_loop_test(tc, test_a_fault_in_the_life_of_a_store_leaves_a_sound_file, 0, 2 * N_SOURCES);
    tcase_add_loop_test(tc, test_a_new_store_that_could_not_be_made_can_be_made_later, 0, 2 * N_SOURCES);
    tcase_add_loop_test(tc, test_a_commit_that_failed_is_not_found_after_a_crash, 1, 3);
    tcase_add_loop_test(tc, test_a_commit_that_was_done_is_found_after_a_crash, 1, 3);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
