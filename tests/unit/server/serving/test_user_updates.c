/* server/serving/user_updates.c, called as the API does; risks: what is refused leaves a trace, or only a
 * part of it is told; an event that is recorded before one that is newer; an answer from before a change;
 * memory that ends half way. */
#include "server/serving/user_updates.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct api_world w;
static struct session *t;
static struct store_user user;

static void setup(void)
{
    api_world_init(&w);
    t = &w.worker->session;
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    store_user_fini(&user);
    memset(&user, 0, sizeof user);
    api_world_fini(&w);
}

/* ---- what is told, and what stays ---- */

struct told {
    size_t n;
    struct update_fault faults[16];
    char texts[16][128];
};

static void hear(void *arg, const struct update_fault *fault, const char *text)
{
    struct told *told = arg;
    ck_assert_uint_lt(told->n, 16);
    told->faults[told->n] = *fault;
    (void)snprintf(told->texts[told->n], sizeof told->texts[0], "%s", text);
    told->n++;
}

static struct update_rules rules_of(struct told *told, bool skip, bool create)
{
    *told = (struct told){0};
    return (struct update_rules){
        .skip = skip, .create_items = create, .create_users = create, .refuse = hear, .arg = told};
}

/* All that a refused update must leave as it was. */
struct trace {
    char *content;
    int64_t change;
};

static struct trace trace(void)
{
    struct trace now = {.content = store_fixture_dump(t->conn)};
    STORE_OK(store_last_change(t->conn, &now.change, &e));
    return now;
}

static void assert_no_trace_since(struct trace *before)
{
    struct trace now = trace();
    ck_assert_str_eq(now.content, before->content);
    ck_assert_int_eq(now.change, before->change);
    mem_free(now.content);
    mem_free(before->content);
}

static bool is_there(const char *id)
{
    struct err e = {0};
    enum err_code code = store_read_user(t->conn, text_of(id), NULL, &user, &e);
    ck_assert(code == ERR_OK || code == ERR_NOTFOUND);
    return !code;
}

static struct update_interaction taking(const char *item, int64_t timestamp)
{
    return (struct update_interaction){
        .item = text_of(item), .weight = 1, .rating = NAN, .timestamp = timestamp, .timed = true};
}

static struct update_interaction event(const char *who, const char *item, int64_t timestamp)
{
    struct update_interaction x = taking(item, timestamp);
    x.user = text_of(who);
    return x;
}

static struct registration registration(const char *id, const struct update_interaction *list, size_t n)
{
    return (struct registration){.id = text_of(id),
                                 .replaces_interactions = true,
                                 .interactions = list,
                                 .n_interactions = n,
                                 .handle = recommender_find(t->recommender, NULL)};
}

static void register_user(const char *id, const char *item)
{
    struct told told;
    struct update_rules rules = rules_of(&told, false, false);
    struct update_interaction x = taking(item, 5);
    struct registration g = registration(id, &x, 1);
    STORE_OK(update_register(t, &g, 1, &rules, &e));
}

/* ---- registrations ---- */

START_TEST(a_registration_of_an_unknown_item_is_refused_with_all_others_of_the_call)
{
    struct err e = {0};
    struct told told;
    struct update_rules rules = rules_of(&told, false, false);
    struct update_interaction good = taking("1", 5),
                              mixed[] = {taking("2x", 5), taking("nothing", 5), taking("2x", 7)};
    struct registration list[] = {registration("ann", &good, 1), registration("bob", mixed, 3),
                                  registration("eve", mixed + 1, 1)};
    struct trace before = trace();
    ck_assert_int_eq(update_register(t, list, 3, &rules, &e), ERR_INVALID);
    ck_assert_uint_eq(told.n, 2); /* of both who name it, in one answer */
    ck_assert_uint_eq(told.faults[0].index, 1);
    ck_assert_uint_eq(told.faults[0].interaction, 1);
    ck_assert(told.faults[0].unknown_item && !told.faults[0].unknown_user);
    ck_assert_ptr_nonnull(strstr(told.texts[0], "'nothing'"));
    ck_assert_uint_eq(told.faults[1].index, 2);
    assert_no_trace_since(&before);
}
END_TEST

START_TEST(with_skip_the_rest_of_the_call_is_kept)
{
    struct told told;
    struct update_rules rules = rules_of(&told, true, false);
    struct update_interaction good = taking("1", 5), bad = taking("nothing", 5);
    struct registration list[] = {registration("ann", &good, 1), registration("bob", &bad, 1),
                                  registration("eve", &good, 1)};
    STORE_OK(update_register(t, list, 3, &rules, &e));
    ck_assert_uint_eq(told.n, 1);
    ck_assert(!list[0].refused && list[1].refused && !list[2].refused);
    ck_assert(is_there("ann") && !is_there("bob") && is_there("eve"));
    ck_assert_str_eq(list[0].source, "interactions");
}
END_TEST

/* The store's word against one of them, in the middle of the transaction. */
START_TEST(what_the_store_refuses_is_told_and_goes_alone_where_others_may_stay)
{
    static char profile[LIMIT_PROFILE_BYTES + 16];
    struct err e = {0};
    struct told told;
    bool skip = _i == 1;
    struct update_rules rules = rules_of(&told, skip, false);
    struct update_interaction good = taking("1", 5);
    struct registration list[] = {registration("ann", &good, 1), registration("bob", &good, 1),
                                  registration("eve", &good, 1)};
    memset(profile, 'x', sizeof profile);
    memcpy(profile, "{\"a\":\"", 6);
    memcpy(profile + sizeof profile - 2, "\"}", 2);
    list[1].profile.patch = (struct text){profile, sizeof profile};
    struct trace before = trace();
    ck_assert_int_eq(update_register(t, list, 3, &rules, &e), skip ? ERR_OK : e.code);
    ck_assert_uint_eq(told.n, 1);
    ck_assert_uint_eq(told.faults[0].index, 1);
    ck_assert_uint_eq(told.faults[0].interaction, SIZE_MAX);
    ck_assert_int_eq(is_there("ann"), skip);
    ck_assert(!is_there("bob"));
    ck_assert_int_eq(is_there("eve"), skip);
    if (!skip) {
        ck_assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
        assert_no_trace_since(&before);
    } else {
        mem_free(before.content);
    }
}
END_TEST

START_TEST(a_patch_of_nobody_is_not_found_and_makes_nobody)
{
    struct err e = {0};
    struct told told;
    struct update_rules rules = rules_of(&told, false, true);
    struct registration g = registration("nobody", NULL, 0);
    g.patch = true;
    g.replaces_interactions = false;
    struct trace before = trace();
    ck_assert_int_eq(update_register(t, &g, 1, &rules, &e), ERR_NOTFOUND);
    assert_no_trace_since(&before);
}
END_TEST

START_TEST(a_registration_says_what_it_made_its_context_of)
{
    struct told told;
    struct update_rules rules = rules_of(&told, false, false);
    struct update_interaction x = taking("1", 5);
    struct registration list[] = {registration("ann", &x, 1), registration("bob", NULL, 0),
                                  registration("eve", NULL, 0)};
    list[1].profile.patch = text_of("{\"age\":\"25-34\"}");
    STORE_OK(update_register(t, list, 3, &rules, &e));
    ck_assert_str_eq(list[0].source, "interactions");
    ck_assert_str_eq(list[2].source, "prior");
    for (int i = 0; i < 3; i++) {
        ck_assert(list[i].created && list[i].revision > 0);
        ck_assert(is_there(i == 0 ? "ann" : i == 1 ? "bob" : "eve"));
        ck_assert_int_eq(user.revision, list[i].revision);
    }
    struct registration again = registration("ann", NULL, 0);
    STORE_OK(update_register(t, &again, 1, &rules, &e));
    ck_assert(!again.created && again.revision > list[2].revision);
    ck_assert(is_there("ann") && user.n_interactions == 0);
}
END_TEST

/* ---- events ---- */

START_TEST(events_of_nobody_and_of_nothing_are_all_told_and_none_is_kept)
{
    struct err e = {0};
    struct told told;
    struct update_rules rules = rules_of(&told, false, false);
    struct update_touched touched[4];
    struct update_made made;
    size_t n_touched;
    register_user("ann", "1");
    struct update_interaction list[] = {event("ann", "2x", 9), event("zoe", "1", 9),
                                        event("ann", "nothing", 9), event("bob", "nothing", 9)};
    struct trace before = trace();
    ck_assert_int_eq(update_events(t, list, 4, &rules, touched, &n_touched, &made, &e), ERR_INVALID);
    ck_assert_uint_eq(told.n, 4); /* bob's has two faults */
    ck_assert_uint_eq(told.faults[0].index, 1);
    ck_assert(told.faults[0].unknown_user);
    ck_assert_uint_eq(told.faults[1].index, 2);
    ck_assert(told.faults[1].unknown_item);
    assert_no_trace_since(&before);
}
END_TEST

START_TEST(events_that_may_create_make_users_and_items_once)
{
    struct told told;
    struct update_rules rules = rules_of(&told, false, true);
    struct update_touched touched[4];
    struct update_made made;
    size_t n_touched;
    struct update_interaction list[] = {event("zoe", "new", 9), event("ann", "new", 9), event("zoe", "1", 3),
                                        event("zoe", "newer", 4)};
    STORE_OK(update_events(t, list, 4, &rules, touched, &n_touched, &made, &e));
    ck_assert_uint_eq(told.n, 0);
    ck_assert_uint_eq(n_touched, 2);
    ck_assert_uint_eq(made.n_users, 2);
    ck_assert_uint_eq(made.n_items, 2);
    ck_assert(is_there("zoe") && user.n_interactions == 3);
    ck_assert_int_eq(user.interactions[0].timestamp, 3); /* in the order of time */
}
END_TEST

START_TEST(an_older_event_changes_nothing_and_is_counted)
{
    struct told told;
    struct update_rules rules = rules_of(&told, false, false);
    struct update_touched touched[2];
    struct update_made made;
    size_t n_touched;
    register_user("ann", "1"); /* at 5 */
    struct update_interaction list[] = {event("ann", "1", 4), event("ann", "2x", 4)};
    list[0].weight = 7;
    STORE_OK(update_events(t, list, 2, &rules, touched, &n_touched, &made, &e));
    ck_assert_uint_eq(made.n_older, 1);
    ck_assert(is_there("ann") && user.n_interactions == 2);
    ck_assert_int_eq(user.interactions[1].timestamp, 5);
    ck_assert_double_eq(user.interactions[1].weight, 1);
    ck_assert_int_eq(user.revision, touched[0].revision);
}
END_TEST

START_TEST(an_event_without_a_time_is_the_newest_and_the_last_of_equal_ones_wins)
{
    enum { AHEAD = 2000000000 };
    struct told told;
    struct update_rules rules = rules_of(&told, false, false);
    struct update_touched touched[3];
    struct update_made made;
    size_t n_touched;
    register_user("ann", "1");
    struct update_interaction list[] = {event("ann", "1", AHEAD), event("ann", "2x", 100),
                                        event("ann", "2x", 100)};
    STORE_OK(update_events(t, list, 1, &rules, touched, &n_touched, &made, &e));
    list[1].timed = list[2].timed = false; /* their time is the clock's */
    list[2].weight = 3;
    STORE_OK(update_events(t, list + 1, 2, &rules, touched, &n_touched, &made, &e));
    ck_assert_uint_eq(n_touched, 1);
    ck_assert(is_there("ann") && user.n_interactions == 2);
    ck_assert_int_eq(user.interactions[1].timestamp, AHEAD);
    ck_assert_double_eq(user.interactions[1].weight, 3);
}
END_TEST

/* ---- answers after a change ---- */

static bool is_cached(const char *id)
{
    struct weights *cached = recommender_cached(t->recommender, recommender_find(t->recommender, NULL),
                                                WEIGHTS_OF_USER, text_of(id));
    weights_unref(cached);
    return cached != NULL;
}

static int64_t revision_of_answer(const char *id)
{
    struct weights *made;
    bool hit;
    STORE_OK(recommender_acquire(t->recommender, recommender_find(t->recommender, NULL), WEIGHTS_OF_USER,
                                 text_of(id), &made, &hit, &e));
    int64_t revision = made->revision;
    weights_unref(made);
    return revision;
}

START_TEST(every_change_of_a_user_drops_what_is_cached_and_no_one_else_s)
{
    struct told told;
    struct update_rules rules = rules_of(&told, false, false);
    struct update_touched touched[1];
    struct update_made made;
    size_t n_touched;
    register_user("ann", "1");
    register_user("bob", "1");
    (void)revision_of_answer("bob");
    (void)revision_of_answer("ann");
    register_user("ann", "2x");
    ck_assert(!is_cached("ann") && is_cached("bob"));
    int64_t before = revision_of_answer("ann");
    struct update_interaction x = event("ann", "1", 9);
    STORE_OK(update_events(t, &x, 1, &rules, touched, &n_touched, &made, &e));
    ck_assert(!is_cached("ann"));
    ck_assert_int_gt(revision_of_answer("ann"), before);
    STORE_OK(update_delete(t, text_of("ann"), &e));
    ck_assert(!is_cached("ann") && is_cached("bob"));
}
END_TEST

START_TEST(who_is_forgotten_is_in_no_table_and_a_second_time_not_found)
{
    struct err why = {0};
    register_user("ann", "1");
    ck_assert_int_gt(api_world_counts(&w).n_contexts, 0);
    STORE_OK(update_delete(t, text_of("ann"), &e));
    struct store_counts counts = api_world_counts(&w);
    ck_assert_int_eq(counts.n_users + counts.n_interactions + counts.n_contexts, 0);
    ck_assert_int_eq(update_delete(t, text_of("ann"), &why), ERR_NOTFOUND);
    ck_assert_ptr_null(t->writer); /* and the next write begins */
    register_user("ann", "1");
    ck_assert(is_there("ann") && user.n_interactions == 1);
}
END_TEST

/* ---- memory ---- */

/* An update of two users, one of them new. */
static enum err_code update_two(bool events, struct err *e)
{
    struct told told;
    struct update_rules rules = rules_of(&told, false, true);
    struct update_touched touched[2];
    struct update_made made;
    size_t n_touched;
    struct update_interaction x[] = {event("ann", "2x", 9), event("zoe", "new", 9)};
    struct registration list[] = {registration("ann", x, 1), registration("zoe", x + 1, 1)};
    return events ? update_events(t, x, 2, &rules, touched, &n_touched, &made, e)
                  : update_register(t, list, 2, &rules, e);
}

START_TEST(without_memory_an_update_is_whole_or_leaves_no_trace)
{
    bool events = _i % 2, persistent = _i / 2;
    enum err_code code = ERR_NOMEM;
    register_user("ann", "1");
    for (long n = 1; code; n++) {
        struct err e = {0};
        struct trace before = trace();
        mem_fail_at(n, persistent);
        code = update_two(events, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, e.text);
        ck_assert(code == e.code && n < 2000);
        ck_assert_ptr_null(t->writer);
        if (code)
            assert_no_trace_since(&before);
        else
            mem_free(before.content);
    }
    ck_assert(is_there("ann") && is_there("zoe"));
}
END_TEST

SUITE("server/user_updates", setup, teardown,
      {a_registration_of_an_unknown_item_is_refused_with_all_others_of_the_call},
      {with_skip_the_rest_of_the_call_is_kept},
      {what_the_store_refuses_is_told_and_goes_alone_where_others_may_stay, 2},
      {a_patch_of_nobody_is_not_found_and_makes_nobody}, {a_registration_says_what_it_made_its_context_of},
      {events_of_nobody_and_of_nothing_are_all_told_and_none_is_kept},
      {events_that_may_create_make_users_and_items_once}, {an_older_event_changes_nothing_and_is_counted},
      {an_event_without_a_time_is_the_newest_and_the_last_of_equal_ones_wins},
      {every_change_of_a_user_drops_what_is_cached_and_no_one_else_s},
      {who_is_forgotten_is_in_no_table_and_a_second_time_not_found},
      {without_memory_an_update_is_whole_or_leaves_no_trace, 4})
