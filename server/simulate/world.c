/* Who takes what: a category is drawn from the user's taste of the moment, an item from that category by
 * popularity; it is kept when its tone suits the user, and when it is new to the user. Numbers come from one
 * stream a subject (affinities, items, two for each user), so a user's draws do not move when others change.
 */
#include "server/simulate/world.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_AFFINITY = 1,
    STREAM_ITEMS,
    STREAM_USERS, /* and two for each user from here on: who it is, and what it does */
    YEAR_SECONDS = 366 * 86400,
    TRIES = 200 /* draws of an item before the first new one is taken */
};

static const int64_t YEAR_START = 1704067200; /* 2024-01-01 */
static const size_t field_values[WORLD_FIELDS] = {6, 5, 8};

/* Cumulative popularity of the items of each category. */
struct shelf {
    uint32_t *items;    /* (n) */
    double *cumulative; /* (n) */
    size_t n;
};

struct builder {
    const struct world_options *options;
    struct world *w;
    double affinity[WORLD_FIELDS][WORLD_VALUES][WORLD_CATEGORIES];
    struct shelf shelves[WORLD_CATEGORIES];
    uint32_t *seen;  /* (n_items) the last user, from 1, that met the item */
    uint32_t *order; /* (n_items) scratch */
};

/* ---- arithmetic that is the same everywhere ---- */

/* Nearly normal: the sum of twelve uniform numbers has variance 1. */
static double bell(struct rng *r)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += rng_uniform(r);
    return sum;
}

/* e to the x by (1 + x/2^20)^(2^20); |x| stays below 20 here. */
static double power_of_e(double x)
{
    double y = 1 + x / 1048576;
    for (int i = 0; i < 20; i++)
        y *= y;
    return y;
}

static void to_shares(const double *logits, double *shares)
{
    double sum = 0;
    for (size_t c = 0; c < WORLD_CATEGORIES; c++)
        sum += shares[c] = power_of_e(logits[c]);
    for (size_t c = 0; c < WORLD_CATEGORIES; c++)
        shares[c] /= sum;
}

/* ---- items ---- */

static void make_affinities(struct builder *m)
{
    struct rng r;
    rng_init(&r, m->options->seed, STREAM_AFFINITY);
    for (size_t f = 0; f < WORLD_FIELDS; f++)
        for (size_t v = 0; v < WORLD_VALUES; v++)
            for (size_t c = 0; c < WORLD_CATEGORIES; c++)
                m->affinity[f][v][c] = bell(&r);
}

static bool holds(const struct world_item *item, uint8_t category)
{
    return memchr(item->categories, category, item->n_categories) != NULL;
}

static void add_category(struct world_item *item, uint8_t category)
{
    if (!holds(item, category))
        item->categories[item->n_categories++] = category;
}

static void make_item(struct world_item *item, size_t rank, size_t index, struct rng *r)
{
    /* the main categories take turns, so that no shelf is empty */
    add_category(item, (uint8_t)(index % WORLD_CATEGORIES));
    int n = 1 + (rng_uniform(r) < 0.45) + (rng_uniform(r) < 0.2);
    while (item->n_categories < n)
        add_category(item, (uint8_t)rng_below(r, WORLD_CATEGORIES));
    double root = sqrt((double)rank + 1);
    item->popularity = 1 / (root * sqrt(root)); /* rank to the -3/4 */
    item->quality = bell(r);
    item->tone = bell(r);
}

static void make_items(struct builder *m)
{
    struct rng r;
    rng_init(&r, m->options->seed, STREAM_ITEMS);
    struct world *w = m->w;
    for (size_t i = 0; i < w->n_items; i++)
        m->order[i] = (uint32_t)i;
    rng_shuffle(&r, m->order, w->n_items);
    for (size_t i = 0; i < w->n_items; i++)
        make_item(&w->items[i], m->order[i], i, &r);
}

static enum err_code make_shelf(struct builder *m, uint8_t category, struct err *e)
{
    struct shelf *s = &m->shelves[category];
    size_t n = 0;
    for (size_t i = 0; i < m->w->n_items; i++)
        n += holds(&m->w->items[i], category);
    s->items = mem_alloc_array(n, sizeof *s->items);
    s->cumulative = mem_alloc_array(n, sizeof *s->cumulative);
    if (!s->items || !s->cumulative)
        return err_set(e, ERR_NOMEM, "no memory for a world of %zu items", m->w->n_items);
    double sum = 0;
    for (size_t i = 0; i < m->w->n_items; i++) {
        const struct world_item *item = &m->w->items[i];
        if (!holds(item, category))
            continue;
        sum += item->popularity;
        s->items[s->n] = (uint32_t)i;
        s->cumulative[s->n++] = sum;
    }
    return ERR_OK;
}

static uint32_t draw_from_shelf(const struct shelf *s, struct rng *r)
{
    double x = rng_uniform(r) * s->cumulative[s->n - 1];
    size_t low = 0, high = s->n - 1;
    while (low < high) { /* the first whose cumulative popularity is above x */
        size_t middle = low + (high - low) / 2;
        if (s->cumulative[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return s->items[low];
}

/* ---- users ---- */

static void make_user(struct builder *m, struct world_user *u, struct rng *r)
{
    double first[WORLD_CATEGORIES], last[WORLD_CATEGORIES];
    for (size_t f = 0; f < WORLD_FIELDS; f++)
        u->values[f] = (uint8_t)rng_below(r, field_values[f]);
    for (size_t c = 0; c < WORLD_CATEGORIES; c++) {
        first[c] = bell(r);
        for (size_t f = 0; f < WORLD_FIELDS; f++)
            first[c] += 0.7 * m->affinity[f][u->values[f]][c];
        last[c] = first[c] + 0.8 * bell(r);
    }
    to_shares(first, u->first);
    to_shares(last, u->last);
    u->tone = bell(r);
    u->activity = power_of_e(0.9 * bell(r));
}

static bool by_share(const double *shares, uint8_t a, uint8_t b)
{
    return shares[a] > shares[b] || (shares[a] == shares[b] && a < b);
}

void world_favourites(const struct world_user *u, uint8_t order[static WORLD_CATEGORIES])
{
    double shares[WORLD_CATEGORIES];
    for (uint8_t c = 0; c < WORLD_CATEGORIES; c++) {
        shares[c] = (u->first[c] + u->last[c]) / 2;
        size_t at = c;
        for (; at && by_share(shares, c, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
}

static size_t max_for_a_user(const struct world_options *o)
{
    size_t most = o->n_items - WORLD_CANDIDATES - 1;
    return most < o->n_items / 2 ? most : o->n_items / 2;
}

/* Shares the interactions out: a few for everyone, the rest by a skewed activity, what rounding and the cap
 * leave over one by one. */
static void share_out(struct builder *m)
{
    struct world *w = m->w;
    size_t most = max_for_a_user(m->options);
    size_t rest = m->options->n_interactions - WORLD_LEAST_USER * w->n_users, left = rest;
    double sum = 0;
    for (size_t u = 0; u < w->n_users; u++)
        sum += w->users[u].activity;
    for (size_t u = 0; u < w->n_users; u++) {
        size_t more = (size_t)((double)rest * (w->users[u].activity / sum));
        if (more > most - WORLD_LEAST_USER)
            more = most - WORLD_LEAST_USER;
        if (more > left)
            more = left;
        w->users[u].n_interactions = WORLD_LEAST_USER + more;
        left -= more;
    }
    for (size_t u = 0; left; u = (u + 1) % w->n_users)
        if (w->users[u].n_interactions < most) {
            w->users[u].n_interactions++;
            left--;
        }
    for (size_t u = 0; u < w->n_users; u++)
        w->users[u].n_interactions++; /* the held-out one */
}

static void make_users(struct builder *m)
{
    struct rng r;
    for (size_t u = 0; u < m->w->n_users; u++) {
        rng_init(&r, m->options->seed, STREAM_USERS + 2 * (uint64_t)u);
        make_user(m, &m->w->users[u], &r);
    }
    share_out(m);
}

/* ---- events ---- */

/* The taste at `when` of 1, or again the category of the item before. */
static size_t draw_category(const struct world_user *u, double when, int before, struct rng *r)
{
    if (before >= 0 && rng_uniform(r) < 1.0 / 3)
        return (size_t)before;
    double x = rng_uniform(r);
    for (size_t c = 0; c < WORLD_CATEGORIES - 1; c++) {
        x -= (1 - when) * u->first[c] + when * u->last[c];
        if (x < 0)
            return c;
    }
    return WORLD_CATEGORIES - 1;
}

static uint32_t draw_item(struct builder *m, size_t user, double when, int before, struct rng *r)
{
    const struct world_user *u = &m->w->users[user];
    for (int i = 0; i < TRIES; i++) {
        uint32_t at = draw_from_shelf(&m->shelves[draw_category(u, when, before, r)], r);
        double apart = u->tone - m->w->items[at].tone;
        if (m->seen[at] != user + 1 && rng_uniform(r) * (1 + apart * apart) < 1)
            return at;
    }
    uint32_t at = (uint32_t)rng_below(r, m->w->n_items);
    while (m->seen[at] == user + 1) /* max_for_a_user leaves some */
        at = (uint32_t)((at + 1) % m->w->n_items);
    return at;
}

static uint32_t draw_rating(const struct world_user *u, const struct world_item *item, double when,
                            struct rng *r)
{
    size_t c = item->categories[0];
    double share = (1 - when) * u->first[c] + when * u->last[c], apart = u->tone - item->tone;
    double x = 3.2 + 2 * share - 0.15 * apart * apart + 0.6 * item->quality + 0.5 * bell(r);
    return x < 1.5 ? 1 : x >= 4.5 ? 5 : (uint32_t)(x + 0.5);
}

static void make_events(struct builder *m, size_t user, struct world_event *events, struct rng *r)
{
    size_t n = m->w->users[user].n_interactions;
    int64_t begin = (int64_t)rng_below(r, YEAR_SECONDS * 7 / 10);
    int64_t gap = 1 + (YEAR_SECONDS - begin) / (int64_t)(n + 1), time = YEAR_START + begin;
    int before = -1;
    for (size_t i = 0; i < n; i++) {
        double when = n > 1 ? (double)i / (double)(n - 1) : 0;
        uint32_t item = draw_item(m, user, when, before, r);
        time += 1 + (int64_t)rng_below(r, (uint64_t)gap);
        m->seen[item] = (uint32_t)user + 1;
        before = m->w->items[item].categories[0];
        events[i] = (struct world_event){(uint32_t)user, item,
                                         draw_rating(&m->w->users[user], &m->w->items[item], when, r),
                                         i + 1 == n, time};
    }
}

static void make_candidates(struct builder *m, size_t user, struct rng *r)
{
    uint32_t *list = m->w->candidates + user * WORLD_CANDIDATES;
    for (size_t n = 0; n < WORLD_CANDIDATES;) {
        uint32_t item = (uint32_t)rng_below(r, m->w->n_items);
        if (m->seen[item] == user + 1)
            continue;
        m->seen[item] = (uint32_t)user + 1;
        list[n++] = item;
    }
}

static int by_time(const void *left, const void *right)
{
    const struct world_event *a = left, *b = right;
    if (a->timestamp != b->timestamp)
        return a->timestamp < b->timestamp ? -1 : 1;
    return (a->user > b->user) - (a->user < b->user); /* a user has one event a second at most */
}

static void make_all_events(struct builder *m)
{
    struct world *w = m->w;
    for (size_t u = 0; u < w->n_users; u++) {
        struct rng r;
        rng_init(&r, m->options->seed, STREAM_USERS + 2 * (uint64_t)u + 1);
        make_events(m, u, w->events + w->n_events, &r);
        make_candidates(m, u, &r);
        w->n_events += w->users[u].n_interactions;
    }
    qsort(w->events, w->n_events, sizeof *w->events, by_time);
}

/* ---- the world ---- */

static enum err_code check_options(const struct world_options *o, struct err *e)
{
    if (o->n_users < 1 || o->n_users > WORLD_MOST || o->n_items > WORLD_MOST ||
        o->n_interactions > WORLD_MOST)
        return err_set(e, ERR_INVALID, "a world has 1 to %d users, items and interactions", WORLD_MOST);
    if (o->n_items < WORLD_LEAST_ITEMS)
        return err_set(e, ERR_INVALID, "%zu items are too few: a world needs %d", o->n_items,
                       WORLD_LEAST_ITEMS);
    size_t least = WORLD_LEAST_USER * o->n_users, most = max_for_a_user(o) * o->n_users;
    if (o->n_interactions < least || o->n_interactions > most)
        return err_set(e, ERR_INVALID, "%zu users and %zu items go with %zu to %zu interactions, not %zu",
                       o->n_users, o->n_items, least, most, o->n_interactions);
    return ERR_OK;
}

static enum err_code make_memory(struct builder *m, struct err *e)
{
    const struct world_options *o = m->options;
    struct world *w = m->w;
    w->n_users = o->n_users;
    w->n_items = o->n_items;
    w->users = mem_zalloc_array(o->n_users, sizeof *w->users);
    w->items = mem_zalloc_array(o->n_items, sizeof *w->items);
    w->events = mem_alloc_array(o->n_interactions + o->n_users, sizeof *w->events);
    w->candidates = mem_alloc_array(o->n_users, WORLD_CANDIDATES * sizeof *w->candidates);
    m->seen = mem_zalloc_array(o->n_items, sizeof *m->seen);
    m->order = mem_alloc_array(o->n_items, sizeof *m->order);
    if (!w->users || !w->items || !w->events || !w->candidates || !m->seen || !m->order)
        return err_set(e, ERR_NOMEM, "no memory for a world of %zu users, %zu items and %zu interactions",
                       o->n_users, o->n_items, o->n_interactions);
    return ERR_OK;
}

static void builder_fini(struct builder *m)
{
    for (size_t c = 0; c < WORLD_CATEGORIES; c++) {
        mem_free(m->shelves[c].items);
        mem_free(m->shelves[c].cumulative);
    }
    mem_free(m->seen);
    mem_free(m->order);
}

enum err_code world_new(const struct world_options *options, struct world **out, struct err *e)
{
    enum err_code code = check_options(options, e);
    if (code)
        return code;
    struct builder m = {.options = options, .w = mem_zalloc_array(1, sizeof *m.w)};
    code = m.w ? make_memory(&m, e) : err_set(e, ERR_NOMEM, "no memory for a world");
    if (!code) {
        m.w->seed = options->seed;
        m.w->kinds = options->kinds;
        make_affinities(&m);
        make_items(&m);
    }
    for (uint8_t c = 0; !code && c < WORLD_CATEGORIES; c++)
        code = make_shelf(&m, c, e);
    if (!code) {
        make_users(&m);
        make_all_events(&m);
        *out = m.w;
    } else {
        world_free(m.w);
    }
    builder_fini(&m);
    return code;
}

void world_free(struct world *w)
{
    if (!w)
        return;
    mem_free(w->users);
    mem_free(w->items);
    mem_free(w->events);
    mem_free(w->candidates);
    mem_free(w);
}
