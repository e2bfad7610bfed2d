/* Events are recorded by user. Those of many users would hold up others who write for long: all that can be
 * is read and checked before the transaction, and where somebody whom events name was deleted meanwhile it is
 * done once more within it. */
#include "server/serving/user_updates.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "server/serving/item_updates.h"
#include "server/serving/update_run.h"
#include "server/serving/user_contexts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An event with its place in the request, so that sorting by user keeps the order within a user. */
struct placed {
    struct update_interaction *x;
    size_t index;
    struct store_history history; /* of the first one of each user of many */
};

static int by_user(const void *a, const void *b)
{
    const struct placed *p = a, *q = b;
    size_t n = p->x->user.len < q->x->user.len ? p->x->user.len : q->x->user.len;
    int order = memcmp(p->x->user.data, q->x->user.data, n);
    if (order == 0)
        order = (p->x->user.len > q->x->user.len) - (p->x->user.len < q->x->user.len);
    return order ? order : (p->index > q->index) - (p->index < q->index);
}

static bool same_user(const struct placed *a, const struct placed *b)
{
    return a->x->user.len == b->x->user.len && memcmp(a->x->user.data, b->x->user.data, a->x->user.len) == 0;
}

/* The events that are not refused, in their order; returns how many. */
static size_t place(struct update_interaction *events, size_t n, struct placed *list)
{
    size_t n_placed = 0;
    for (size_t i = 0; i < n; i++)
        if (!events[i].refused)
            list[n_placed++] = (struct placed){.x = &events[i], .index = i};
    return n_placed;
}

/* Whether the user is there, or is to be made: then he is new. */
static enum err_code user_can_be(struct update_run *run, struct text user, struct buf *profile, bool *can,
                                 bool *is_new, struct err *e)
{
    struct err why = {0};
    enum err_code code = store_read_profile(update_run_reads(run), user, profile, &why);
    *is_new = code == ERR_NOTFOUND && run->rules->create_users;
    *can = code == ERR_OK || *is_new;
    return code && code != ERR_NOTFOUND ? err_set(e, code, "%s", why.text) : ERR_OK;
}

/* Refuses the events whose users or items cannot be, in the order of the request. */
static enum err_code check_events(struct update_run *run, struct placed *list, size_t n, struct err *e)
{
    struct buf profile;
    enum err_code code = ERR_OK;
    bool user_can = true, is_new = false;
    buf_init(&profile, LIMIT_PROFILE_BYTES);
    for (size_t i = 0; i < n && !code; i++) {
        struct update_fault fault = {.index = list[i].index, .interaction = SIZE_MAX};
        struct text user = list[i].x->user;
        bool can = true;
        if (i == 0 || !same_user(&list[i - 1], &list[i]))
            code = user_can_be(run, user, &profile, &user_can, &is_new, e);
        if (!code && !user_can) {
            char text[ERR_TEXT_BYTES];
            fault.unknown_user = true;
            (void)snprintf(text, sizeof text, "no user '%.*s'", (int)user.len, user.data);
            run->rules->refuse(run->rules->arg, &fault, text);
        }
        fault.unknown_user = false;
        if (!code)
            code = update_run_check_item(run, list[i].x->item, fault, &can, e);
        list[i].x->refused = !code && !(user_can && can);
        list[i].x->of_new_user = is_new;
    }
    buf_fini(&profile);
    return code;
}

/* The time of events without one: now, and not before what the user has. Stores may hold times that are
 * ahead, from milliseconds that were taken for seconds, and what happens now is the newest among them all the
 * same. */
static enum err_code time_of_now(struct session *t, struct text user, int64_t now, int64_t *time,
                                 struct err *e)
{
    int64_t newest;
    enum err_code code = store_newest_time(t->writer, user, &newest, e);
    if (!code)
        *time = newest > now ? newest : now;
    return code;
}

static enum err_code record_event(struct update_run *run, struct text user,
                                  const struct update_interaction *x, struct err *e)
{
    int64_t time = x->timestamp, key;
    enum store_put put;
    enum err_code code = x->timed ? ERR_OK : time_of_now(run->t, user, x->timestamp, &time, e);
    if (!code)
        code = update_run_put(run, user, x, time, &key, &put, e);
    if (!code)
        run->made.n_older += put == STORE_PUT_OLDER;
    return code;
}

/* Whether nothing is to be written of an event, because it came before; counts it. Within the transaction: it
 * may have come in this call or by another process. */
static enum err_code pass_over(struct update_run *run, struct text user, struct update_interaction *x,
                               struct err *e)
{
    enum err_code code = update_run_repeats(run, user, x, &x->repeated, e);
    run->made.n_repeated += !code && x->repeated;
    return code;
}

static enum err_code check_size(struct session *t, struct text user, struct err *e)
{
    size_t n;
    enum err_code code = store_count_interactions(t->writer, user, &n, e);
    return code ? code : user_contexts_check_size(user, n, e);
}

/* Touches the user, who may have to be made. */
static enum err_code touch(struct update_run *run, const struct placed *first, struct update_touched *touched,
                           struct err *e)
{
    struct store_conn *writer = run->t->writer;
    struct err why = {0};
    bool created;
    enum err_code code =
        run->within ? store_touch_user(writer, touched->user, &touched->revision, &why)
                    : store_touch_user_read(writer, touched->user, &first->history, &touched->revision, &why);
    if (code == ERR_NOTFOUND && run->rules->create_users) {
        code = store_put_user(writer, touched->user, (struct text){NULL, 0}, &touched->revision, &created, e);
        run->made.n_users += code == ERR_OK;
        return code;
    }
    run->vanished = code == ERR_NOTFOUND && !run->within;
    return code ? err_set(e, code, "%s", why.text) : ERR_OK;
}

/* The events of one user: [from, to) of the sorted list. *n_touched counts the user, unless all of them came
 * before. */
static enum err_code record_user(struct update_run *run, const struct placed *list, size_t from, size_t to,
                                 struct update_touched *touched, size_t *n_touched, struct err *e)
{
    enum err_code code = ERR_OK;
    bool is_touched = false;
    touched->user = list[from].x->user;
    for (size_t i = from; i < to && !code; i++) {
        code = pass_over(run, touched->user, list[i].x, e);
        if (code || list[i].x->repeated)
            continue;
        if (!is_touched)
            code = touch(run, &list[from], touched, e);
        is_touched = true;
        if (!code)
            code = record_event(run, touched->user, list[i].x, e);
    }
    *n_touched += is_touched;
    if (code || !is_touched)
        return code;
    return run->many ? check_size(run->t, touched->user, e)
                     : user_contexts_put(run->t, touched->user, 0, NULL, e);
}

/* ---- new users ---- */

static int by_place(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static bool begins_new_user(const struct placed *list, size_t i)
{
    return list[i].x->of_new_user && (i == 0 || !same_user(&list[i - 1], &list[i]));
}

static size_t count_new_users(const struct placed *list, size_t n)
{
    size_t n_new = 0;
    for (size_t i = 0; i < n; i++)
        n_new += begins_new_user(list, i);
    return n_new;
}

/* Refuses the events of new users whose first one stands at `end` of the request or behind it. */
static void refuse_new_users(struct update_run *run, struct placed *list, size_t n, size_t end)
{
    char text[ERR_TEXT_BYTES];
    bool refuses = false;
    (void)snprintf(text, sizeof text,
                   "events make %lld users a minute (--events-new-users); send it again in %d s, or with the "
                   "admin token",
                   (long long)run->rules->allowance->per_minute, run->made.wait_s);
    for (size_t i = 0; i < n; i++) {
        const struct update_fault fault = {
            .index = list[i].index, .interaction = SIZE_MAX, .too_many_users = true};
        if (i == 0 || !same_user(&list[i - 1], &list[i]))
            refuses = list[i].x->of_new_user && list[i].index >= end;
        if (!refuses)
            continue;
        list[i].x->refused = true;
        run->rules->refuse(run->rules->arg, &fault, text);
    }
}

/* Of n_new users as many are made as the allowance has, those whose events came first. The list is by
 * user. */
static enum err_code allow_new_users(struct update_run *run, struct placed *list, size_t n, struct err *e)
{
    struct user_allowance *allowance = run->rules->allowance;
    size_t n_new = allowance ? count_new_users(list, n) : 0, at = 0;
    int64_t now_ns = clock_monotonic_ns();
    if (!n_new)
        return ERR_OK;
    run->n_allowed = user_allowance_take(allowance, n_new, now_ns);
    if (run->n_allowed == n_new)
        return ERR_OK;
    size_t *first = mem_alloc_array(n_new, sizeof *first); /* (n_new) */
    if (!first)
        return err_set(e, ERR_NOMEM, "no memory for %zu users", n_new);
    for (size_t i = 0; i < n; i++)
        if (begins_new_user(list, i))
            first[at++] = list[i].index;
    qsort(first, n_new, sizeof *first, by_place);
    run->made.n_not_made = n_new - run->n_allowed;
    run->made.wait_s = user_allowance_wait_s(allowance, run->made.n_not_made, now_ns);
    refuse_new_users(run, list, n, first[run->n_allowed]);
    mem_free(first);
    return ERR_OK;
}

/* What an attempt took and did not use. */
static void return_allowance(struct update_run *run, enum err_code code)
{
    size_t used = code ? 0 : run->made.n_users;
    if (run->n_allowed > used)
        user_allowance_return(run->rules->allowance, run->n_allowed - used);
    run->n_allowed = 0;
}

static size_t count_users(const struct placed *list, size_t n)
{
    size_t n_users = n > 0;
    for (size_t i = 1; i < n; i++)
        n_users += !same_user(&list[i - 1], &list[i]);
    return n_users;
}

/* Reads what their users have, before the transaction: of one that does not change meanwhile nothing need be
 * read within it. */
static enum err_code read_histories(struct update_run *run, struct placed *list, size_t n, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code; i++) {
        struct err why = {0};
        if (i && same_user(&list[i - 1], &list[i]))
            continue;
        code = store_read_history(run->t->conn, list[i].x->user, &list[i].history, &why);
        code = code == ERR_NOTFOUND ? ERR_OK : code ? err_set(e, code, "%s", why.text) : ERR_OK;
    }
    return code;
}

/* The events that are still not refused, in their order; returns how many. */
static size_t keep_allowed(struct placed *list, size_t n)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!list[i].x->refused)
            list[n_kept++] = list[i];
    return n_kept;
}

/* The events that are recorded, by user (n_placed). */
static enum err_code prepare(struct update_run *run, struct update_interaction *events, size_t n,
                             struct placed *list, size_t *n_placed, struct err *e)
{
    *n_placed = place(events, n, list);
    enum err_code code = check_events(run, list, *n_placed, e);
    *n_placed = place(events, n, list);
    if (*n_placed > 1)
        qsort(list, *n_placed, sizeof *list, by_user);
    if (!code)
        code = allow_new_users(run, list, *n_placed, e);
    *n_placed = keep_allowed(list, *n_placed);
    if (!code && *n_placed < n && !run->rules->skip)
        code = update_run_refused(e);
    run->many = count_users(list, *n_placed) > USER_CONTEXTS_MAX_WITHIN;
    return code || run->within ? code : read_histories(run, list, *n_placed, e);
}

/* What is at work: the events of one user of the list. */
struct stretch {
    size_t from, to;
};

/* *at: the events whose user failed. */
static enum err_code record_users(struct update_run *run, const struct placed *list, size_t n,
                                  struct update_touched *touched, size_t *n_touched, struct stretch *at,
                                  struct err *e)
{
    enum err_code code = run->many ? user_contexts_first_change(run->t, &run->first, e) : ERR_OK;
    for (size_t from = 0, to; from < n && !code; from = to) {
        for (to = from + 1; to < n && same_user(&list[from], &list[to]);)
            to++;
        code = record_user(run, list, from, to, &touched[*n_touched], n_touched, e);
        if (code)
            *at = (struct stretch){from, to};
    }
    return code || !run->many ? code : user_contexts_leave(run->t, run->first, e);
}

/* *at: the events whose user failed; empty: none did. */
static enum err_code attempt(struct update_run *run, struct update_interaction *events, size_t n,
                             struct placed *list, struct update_touched *touched, size_t *n_touched,
                             struct stretch *at, struct err *e)
{
    size_t n_placed;
    *at = (struct stretch){0};
    *n_touched = 0;
    run->made = (struct update_made){0};
    run->vanished = false;
    enum err_code code = run->within ? session_begin_write(run->t, e) : store_snapshot_begin(run->t->conn, e);
    if (code)
        return code;
    code = prepare(run, events, n, list, &n_placed, e);
    if (!run->within) {
        store_snapshot_end(run->t->conn);
        if (code || (code = session_begin_write(run->t, e)))
            return code;
    }
    if (!code)
        code = record_users(run, list, n_placed, touched, n_touched, at, e);
    return session_end_write_answerable(run->t, code, &run->rules->answerable, e);
}

static enum err_code record_all(struct update_run *run, struct update_interaction *events, size_t n,
                                struct placed *list, struct update_touched *touched, size_t *n_touched,
                                struct stretch *at, struct err *e)
{
    size_t n_not_made = run->made.n_not_made; /* by attempts before */
    enum err_code code = attempt(run, events, n, list, touched, n_touched, at, e);
    run->made.n_not_made += n_not_made;
    return_allowance(run, code);
    return code;
}

/* Whether another attempt is worth it, for what others did meanwhile. */
static bool goes_on(struct update_run *run, struct err *e)
{
    if (!run->vanished)
        return update_run_hears(run, e);
    err_clear(e);
    run->within = true;
    return true;
}

/* Whether the failure of one user's events leaves the others to be tried. */
static bool leaves_out_events(struct update_run *run, const struct placed *list, struct stretch at,
                              struct err *e)
{
    if (at.from == at.to || !update_run_blames_a_part(e->code))
        return false;
    for (size_t i = at.from; i < at.to; i++) {
        const struct update_fault fault = {.index = list[i].index, .interaction = SIZE_MAX};
        list[i].x->refused = true;
        run->rules->refuse(run->rules->arg, &fault, e->text);
    }
    if (!run->rules->skip)
        return false;
    err_clear(e);
    return true;
}

/* Makes the contexts that were not made within the transaction; as follow_registrations. */
static void make_later(const struct update_run *run, const struct update_interaction *events, size_t n,
                       const struct update_touched *touched, size_t n_touched)
{
    size_t n_users = 0, n_items = 0;
    struct text *users = mem_alloc_array(n_touched, sizeof *users),
                *items = mem_alloc_array(n, sizeof *items);
    for (; n_users < n_touched && users && items; n_users++)
        users[n_users] = touched[n_users].user;
    for (size_t i = 0; i < n && users && items; i++)
        if (!events[i].refused && !events[i].repeated)
            items[n_items++] = events[i].item;
    if (users && items)
        user_contexts_follow(run->t, &(const struct user_batch){users, n_users, items, n_items, run->first});
    mem_free(users);
    mem_free(items);
}

/* After the commit: who changed is made anew. */
static void follow_events(const struct update_run *run, const struct update_interaction *events, size_t n,
                          const struct update_touched *touched, size_t n_touched)
{
    if (run->made.n_items)
        update_follow_items(run->t);
    for (size_t i = 0; i < n_touched; i++)
        serving_drop_user(run->t->serving, touched[i].user, touched[i].revision);
    if (run->many)
        make_later(run, events, n, touched, n_touched);
}

enum err_code update_events(struct session *t, struct update_interaction *events, size_t n,
                            const struct update_rules *rules, struct update_touched *touched,
                            size_t *n_touched, struct update_made *made, struct err *e)
{
    struct update_run run = {
        .t = t, .rules = rules, .hears_first = true, .within = n <= USER_CONTEXTS_MAX_WITHIN};
    struct placed *list = mem_alloc_array(n, sizeof *list);
    struct stretch at;
    if (!list)
        return err_set(e, ERR_NOMEM, "no memory for %zu events", n);
    enum err_code code = record_all(&run, events, n, list, touched, n_touched, &at, e);
    for (int i = 0; code && i < 2 && goes_on(&run, e); i++)
        code = record_all(&run, events, n, list, touched, n_touched, &at, e);
    while (code && leaves_out_events(&run, list, at, e))
        code = record_all(&run, events, n, list, touched, n_touched, &at, e);
    mem_free(list);
    *made = run.made;
    COUNTER_ADD(t->counters, users_not_made, run.made.n_not_made);
    if (code)
        return code;
    follow_events(&run, events, n, touched, *n_touched);
    COUNTER_ADD(t->counters, users_made, run.made.n_users);
    size_t n_recorded = 0;
    for (size_t i = 0; i < n; i++)
        n_recorded += !events[i].refused && !events[i].repeated;
    COUNTER_ADD(t->counters, events, n_recorded);
    return ERR_OK;
}
