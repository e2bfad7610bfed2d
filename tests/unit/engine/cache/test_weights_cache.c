/* engine/cache/weights_cache.c and weights.c: the least recently used leaves first, the limit holds at every
 * moment, one generates a key however many ask, nothing read before a drop is kept. Risks: races, references,
 * accounting. Long because the threads, the naive model and the cases of a flight share one set of makers. */
#include "engine/cache/weights_cache.h"
#include "tests/support/cached_weights.h"
#include "tests/support/suite.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a maker of these tests makes: every number of theta and seen is `stamp`. */
struct order {
    size_t n_theta, n_seen;
    uint32_t stamp;
    int calls;
};

static struct weights *stamped(size_t n_theta, size_t n_seen, uint32_t stamp)
{
    real *theta;
    uint32_t *seen;
    struct weights *w = weights_new(n_theta, n_seen, &theta, &seen);
    ck_assert_ptr_nonnull(w);
    ck_assert_uint_eq((uintptr_t)theta % 64, 0);
    for (size_t i = 0; i < n_theta; i++)
        theta[i] = (real)stamp;
    for (size_t i = 0; i < n_seen; i++)
        seen[i] = stamp;
    w->revision = stamp;
    return w;
}

/* Whether all numbers are the stamp's: false for mixed, freed or foreign weights. */
static bool is_stamped(const struct weights *w, uint32_t stamp)
{
    bool same = w->revision == stamp;
    for (size_t i = 0; i < w->n_theta; i++)
        same = same && w->theta[i] == (real)stamp;
    for (size_t i = 0; i < w->n_seen; i++)
        same = same && w->seen[i] == stamp;
    return same;
}

static enum err_code make_order(void *arg, struct weights **out, struct err *e)
{
    struct order *o = arg;
    (void)e;
    o->calls++;
    *out = stamped(o->n_theta, o->n_seen, o->stamp);
    return ERR_OK;
}

static struct weights_cache *cache_of(size_t limit)
{
    struct weights_cache *c = NULL;
    struct err e = {0};
    ck_assert_msg(weights_cache_new(limit, 0, &c, &e) == ERR_OK, "%s", e.text);
    return c;
}

static struct weights_cache_stats stats_of(const struct weights_cache *c)
{
    struct weights_cache_stats s;
    weights_cache_read_stats(c, &s);
    return s;
}

static struct weights *must_acquire(struct weights_cache *c, const char *key, make_weights_fn *make,
                                    void *arg, bool *hit)
{
    struct weights *w = NULL;
    struct err e = {0};
    ck_assert_msg(cached_weights_acquire(c, key, strlen(key), make, arg, &w, hit, &e) == ERR_OK, "%s",
                  e.text);
    ck_assert_ptr_nonnull(w);
    return w;
}

START_TEST(the_first_makes_and_the_second_is_given_the_same)
{
    struct weights_cache *c = cache_of(1 << 20);
    struct order o = {.n_theta = 100, .n_seen = 7, .stamp = 9};
    bool hit = true;
    struct weights *first = must_acquire(c, "u", make_order, &o, &hit);
    ck_assert(!hit);
    struct weights *second = must_acquire(c, "u", make_order, &o, &hit);
    ck_assert(hit);
    ck_assert_ptr_eq(first, second);
    ck_assert_int_eq(o.calls, 1);
    ck_assert(is_stamped(second, 9));
    struct weights *third = weights_cache_get(c, "u", 1);
    ck_assert_ptr_eq(first, third);
    ck_assert_ptr_null(weights_cache_get(c, "u2", 2));
    ck_assert_ptr_null(weights_cache_get(c, "", 0));
    struct weights_cache_stats s = stats_of(c);
    ck_assert_uint_eq(s.hits, 2);
    ck_assert_uint_eq(s.misses, 1);
    ck_assert_uint_eq(s.made, 1);
    ck_assert_uint_eq(s.n_entries, 1);
    ck_assert_uint_ge(s.used_bytes, weights_bytes(first) + 1);
    ck_assert_uint_ge(weights_bytes(first), 100 * sizeof(real) + 7 * sizeof(uint32_t));
    weights_unref(first);
    weights_unref(second);
    weights_unref(third);
    weights_cache_free(c);
}
END_TEST

START_TEST(keys_with_a_zero_byte_or_a_common_start_are_different)
{
    struct weights_cache *c = cache_of(1 << 20);
    const char keys[][4] = {"a", "a\0", "a\0b", "a\0c", ""};
    const size_t lens[] = {1, 2, 3, 3, 0};
    for (uint32_t i = 0; i < 5; i++) {
        struct order o = {.n_theta = 1, .stamp = i};
        struct weights *w = NULL;
        bool hit;
        ck_assert_int_eq(cached_weights_acquire(c, keys[i], lens[i], make_order, &o, &w, &hit, NULL), ERR_OK);
        ck_assert(!hit);
        weights_unref(w);
    }
    for (uint32_t i = 0; i < 5; i++) {
        struct weights *w = weights_cache_get(c, keys[i], lens[i]);
        ck_assert_ptr_nonnull(w);
        ck_assert(is_stamped(w, i));
        weights_unref(w);
    }
    weights_cache_free(c);
}
END_TEST

START_TEST(a_reference_outlives_eviction_drop_and_the_cache)
{
    struct weights_cache *c = cache_of(64 * 1024);
    struct order o = {.n_theta = 2000, .stamp = 1};
    bool hit;
    struct weights *held = must_acquire(c, "held", make_order, &o, &hit);
    for (uint32_t i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "other %u", i);
        struct order other = {.n_theta = 2000, .stamp = 100 + i};
        weights_unref(must_acquire(c, key, make_order, &other, &hit));
    }
    ck_assert_ptr_null(weights_cache_get(c, "held", 4));
    ck_assert_uint_gt(stats_of(c).evicted, 0);
    o.stamp = 2;
    struct weights *again = must_acquire(c, "held", make_order, &o, &hit);
    weights_cache_drop_older(c, "held", 4, INT64_MAX);
    weights_cache_free(c);
    ck_assert(is_stamped(held, 1));
    ck_assert(is_stamped(again, 2));
    weights_unref(held);
    weights_unref(again);
}
END_TEST

START_TEST(a_few_of_the_usual_weights_are_kept_however_large_they_are)
{
    enum { USUAL = 9 << 20, KEYS = 8 };
    struct weights_cache *c = NULL;
    struct order o = {.n_theta = USUAL / sizeof(real), .stamp = 3};
    ck_assert_int_eq(weights_cache_new((size_t)256 << 20, USUAL, &c, NULL), ERR_OK);
    ck_assert_uint_gt(weights_cache_most_bytes(c), 4 * (size_t)USUAL - (1 << 20));
    for (char key = 'a'; key < 'a' + KEYS; key++) {
        bool hit;
        weights_unref(must_acquire(c, (const char[]){key, 0}, make_order, &o, &hit));
    }
    ck_assert_uint_eq(stats_of(c).not_kept, 0);
    weights_cache_free(c);
}
END_TEST

START_TEST(what_is_larger_than_a_part_is_handed_out_and_not_kept)
{
    const size_t limits[] = {0, 1, 600, 20000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct weights_cache *c = cache_of(limits[i]);
        struct order o = {.n_theta = 20000 / sizeof(real), .stamp = 3};
        bool hit;
        for (int j = 0; j < 2; j++) {
            struct weights *w = must_acquire(c, "big", make_order, &o, &hit);
            ck_assert(!hit);
            ck_assert(is_stamped(w, 3));
            weights_unref(w);
        }
        struct weights_cache_stats s = stats_of(c);
        ck_assert_uint_eq(s.not_kept, 2);
        ck_assert_uint_eq(s.n_entries, 0);
        ck_assert_uint_le(s.peak_bytes, limits[i]);
        weights_cache_drop_older(c, "big", 3, INT64_MAX);
        weights_cache_clear(c);
        ck_assert_ptr_null(weights_cache_get(c, "big", 3));
        weights_cache_free(c);
    }
}
END_TEST

/* ---- random operations against the plainest model: an array in order of use ---- */

enum { N_KEYS = 40, N_OPERATIONS = 20000, MODEL_LIMIT = 48 * 1024 };

struct naive {
    struct {
        uint32_t key, stamp;
        size_t bytes;
    } at[N_KEYS]; /* (n) newest first */
    size_t n, used;
};

static size_t naive_find(const struct naive *m, uint32_t key)
{
    size_t i = 0;
    while (i < m->n && m->at[i].key != key)
        i++;
    return i;
}

static void naive_remove(struct naive *m, size_t i)
{
    m->used -= m->at[i].bytes;
    m->n--;
    memmove(&m->at[i], &m->at[i + 1], (m->n - i) * sizeof m->at[0]);
}

static void naive_push(struct naive *m, uint32_t key, uint32_t stamp, size_t bytes)
{
    memmove(&m->at[1], &m->at[0], m->n * sizeof m->at[0]);
    m->at[0].key = key;
    m->at[0].stamp = stamp;
    m->at[0].bytes = bytes;
    m->n++;
    m->used += bytes;
}

static void naive_use(struct naive *m, size_t i)
{
    uint32_t key = m->at[i].key, stamp = m->at[i].stamp;
    size_t bytes = m->at[i].bytes;
    naive_remove(m, i);
    naive_push(m, key, stamp, bytes);
}

static size_t key_text(uint32_t key, char text[64])
{
    return (size_t)snprintf(text, 64, "%0*u", (int)(1 + key % 30), key);
}

/* What a cache counts for an entry beside its key and its weights. */
static size_t bytes_per_entry(void)
{
    struct weights_cache *c = cache_of(1 << 20);
    struct order o = {.n_theta = 0};
    bool hit;
    size_t before = stats_of(c).used_bytes;
    struct weights *w = must_acquire(c, "", make_order, &o, &hit);
    size_t bytes = stats_of(c).used_bytes - before - weights_bytes(w);
    weights_unref(w);
    weights_cache_free(c);
    return bytes;
}

START_TEST(random_operations_agree_with_a_naive_model)
{
    struct naive m = {.n = 0};
    struct weights_cache *c = cache_of(MODEL_LIMIT);
    size_t fixed = stats_of(c).used_bytes, peak = fixed, dropped = 0, evicted = 0;
    size_t per_entry = bytes_per_entry();
    unsigned state = (unsigned)_i + 7;
    for (uint32_t op = 1; op <= N_OPERATIONS; op++) {
        uint32_t key = (uint32_t)(rand_r(&state) % N_KEYS);
        int what = rand_r(&state) % 100;
        char text[64];
        size_t len = key_text(key, text), at = naive_find(&m, key);
        if (what < 60) {
            size_t n_theta = (size_t)(rand_r(&state) % 1200);
            struct order o = {.n_theta = n_theta, .n_seen = key, .stamp = op};
            bool hit;
            struct weights *w = must_acquire(c, text, make_order, &o, &hit);
            ck_assert_int_eq(hit, at < m.n);
            ck_assert(is_stamped(w, hit ? m.at[at].stamp : op));
            size_t bytes = per_entry + len + weights_bytes(w);
            weights_unref(w);
            if (hit) {
                naive_use(&m, at);
            } else {
                while (m.used + bytes > MODEL_LIMIT - fixed) {
                    naive_remove(&m, m.n - 1);
                    evicted++;
                }
                naive_push(&m, key, op, bytes);
            }
        } else if (what < 85) {
            struct weights *w = weights_cache_get(c, text, len);
            ck_assert_int_eq(w != NULL, at < m.n);
            if (w) {
                ck_assert(is_stamped(w, m.at[at].stamp));
                naive_use(&m, at);
            }
            weights_unref(w);
        } else if (what < 99 || op % 10) {
            weights_cache_drop_older(c, text, len, INT64_MAX);
            if (at < m.n) {
                naive_remove(&m, at);
                dropped++;
            }
        } else {
            weights_cache_clear(c);
            dropped += m.n;
            m.n = m.used = 0;
        }
        struct weights_cache_stats s = stats_of(c);
        if (fixed + m.used > peak)
            peak = fixed + m.used;
        ck_assert_uint_eq(s.used_bytes, fixed + m.used);
        ck_assert_uint_eq(s.n_entries, m.n);
        ck_assert_uint_eq(s.dropped, dropped);
        ck_assert_uint_eq(s.evicted, evicted);
        ck_assert_uint_le(s.peak_bytes, MODEL_LIMIT);
    }
    ck_assert_uint_eq(stats_of(c).peak_bytes, peak);
    weights_cache_clear(c);
    ck_assert_uint_eq(stats_of(c).used_bytes, fixed);
    weights_cache_free(c);
}
END_TEST

/* ---- threads ---- */

enum { N_THREADS = 8, N_ASKS = 4000, N_USERS = 300 };

struct load {
    struct weights_cache *c;
    atomic_uint versions[N_USERS]; /* the revision of each user's context */
    atomic_int running, wrong, over;
};

struct load_thread {
    struct load *load;
    unsigned seed;
    unsigned user;
};

static enum err_code make_user(void *arg, struct weights **out, struct err *e)
{
    struct load_thread *t = arg;
    if (rand_r(&t->seed) % 50 == 0)
        return err_set(e, ERR_IO, "user %u", t->user);
    uint32_t stamp = t->user + N_USERS * atomic_load(&t->load->versions[t->user]);
    *out = stamped(200 + t->user, t->user % 5, stamp);
    return ERR_OK;
}

static void ask_once(struct load_thread *t)
{
    struct load *l = t->load;
    char key[16];
    t->user = (unsigned)rand_r(&t->seed) % N_USERS;
    size_t len = (size_t)snprintf(key, sizeof key, "user %u", t->user);
    int what = rand_r(&t->seed) % 100;
    if (what < 5) { /* a write: first the new context, then the drop */
        atomic_fetch_add(&l->versions[t->user], 1);
        weights_cache_drop_older(l->c, key, len, INT64_MAX);
        return;
    }
    if (what == 5 && rand_r(&t->seed) % 20 == 0) {
        weights_cache_clear(l->c);
        return;
    }
    struct weights *w = NULL;
    bool hit;
    struct err e = {0};
    enum err_code code = ERR_OK;
    if (what < 30)
        w = weights_cache_get(l->c, key, len);
    else
        code = cached_weights_acquire(l->c, key, len, make_user, t, &w, &hit, &e);
    if (code != ERR_OK && (code != ERR_IO || strtoul(e.text + 5, NULL, 10) != t->user))
        atomic_fetch_add(&l->wrong, 1);
    if (w && ((uint32_t)w->revision % N_USERS != t->user || !is_stamped(w, (uint32_t)w->revision)))
        atomic_fetch_add(&l->wrong, 1);
    weights_unref(w);
}

static void *run_load(void *arg)
{
    struct load_thread *t = arg;
    for (int i = 0; i < N_ASKS; i++)
        ask_once(t);
    atomic_fetch_sub(&t->load->running, 1);
    return NULL;
}

static void *watch_limit(void *arg)
{
    struct load *l = arg;
    while (atomic_load(&l->running) > 0) {
        struct weights_cache_stats s = stats_of(l->c);
        if (s.used_bytes > s.limit_bytes || s.peak_bytes > s.limit_bytes)
            atomic_fetch_add(&l->over, 1);
        (void)sched_yield();
    }
    return NULL;
}

START_TEST(the_limit_holds_and_keys_never_mix_under_random_load)
{
    struct load *l = calloc(1, sizeof *l);
    struct load_thread threads[N_THREADS];
    pthread_t ids[N_THREADS], follower;
    ck_assert_ptr_nonnull(l);
    l->c =
        cache_of(_i ? 17 << 20 : 96 * 1024); /* two shards with room for all; one with room for a quarter */
    atomic_store(&l->running, N_THREADS);
    ck_assert_int_eq(pthread_create(&follower, NULL, watch_limit, l), 0);
    for (unsigned i = 0; i < N_THREADS; i++) {
        threads[i] = (struct load_thread){.load = l, .seed = i + 1};
        ck_assert_int_eq(pthread_create(&ids[i], NULL, run_load, &threads[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(ids[i], NULL);
    pthread_join(follower, NULL);
    struct weights_cache_stats s = stats_of(l->c);
    ck_assert_int_eq(atomic_load(&l->wrong), 0);
    ck_assert_int_eq(atomic_load(&l->over), 0);
    ck_assert_uint_le(s.peak_bytes, s.limit_bytes);
    ck_assert_uint_gt(s.peak_bytes, 0);
    ck_assert_uint_eq(s.misses, s.made + s.failed + s.waited);
    if (_i == 0)
        ck_assert_uint_gt(s.evicted, 0);
    /* All is quiet: what is cached now must be of the latest revision. */
    for (unsigned u = 0; u < N_USERS; u++) {
        char key[16];
        struct weights *w = weights_cache_get(l->c, key, (size_t)snprintf(key, sizeof key, "user %u", u));
        if (w)
            ck_assert_uint_eq((uint32_t)w->revision / N_USERS, atomic_load(&l->versions[u]));
        weights_unref(w);
    }
    weights_cache_free(l->c);
    free(l);
}
END_TEST

/* Many threads ask for one key; the maker goes on only when all the others wait for it. */
struct crowd {
    struct weights_cache *c;
    uint64_t n_waiters; /* the maker goes on when so many wait */
    enum err_code fail;
    bool drop, clear;
    atomic_int makers, answers, hits, failures;
};

static void wait_until_waiting(const struct weights_cache *c, uint64_t n)
{
    while (stats_of(c).waited < n)
        (void)sched_yield();
}

static enum err_code make_for_crowd(void *arg, struct weights **out, struct err *e)
{
    struct crowd *crowd = arg;
    int nth = atomic_fetch_add(&crowd->makers, 1);
    wait_until_waiting(crowd->c, crowd->n_waiters);
    if (crowd->drop)
        weights_cache_drop_older(crowd->c, "cold", 4, INT64_MAX);
    if (crowd->clear)
        weights_cache_clear(crowd->c);
    if (crowd->fail)
        return err_set(e, crowd->fail, "the store is away (%d)", nth);
    *out = stamped(500, 3, 77);
    return ERR_OK;
}

static void *ask_in_crowd(void *arg)
{
    struct crowd *crowd = arg;
    struct weights *w = NULL;
    struct err e = {0};
    bool hit = true;
    enum err_code code = cached_weights_acquire(crowd->c, "cold", 4, make_for_crowd, crowd, &w, &hit, &e);
    if (hit)
        atomic_fetch_add(&crowd->hits, 1);
    if (code == ERR_OK && is_stamped(w, 77))
        atomic_fetch_add(&crowd->answers, 1);
    if (code != ERR_OK && code == crowd->fail && strcmp(e.text, "the store is away (0)") == 0)
        atomic_fetch_add(&crowd->failures, 1);
    weights_unref(w);
    return NULL;
}

static void run_crowd(struct crowd *crowd)
{
    size_t n = crowd->n_waiters + 1;
    pthread_t *ids = calloc(n, sizeof *ids);
    pthread_attr_t attr;
    ck_assert_ptr_nonnull(ids);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(pthread_create(&ids[i], &attr, ask_in_crowd, crowd), 0);
    for (size_t i = 0; i < n; i++)
        pthread_join(ids[i], NULL);
    pthread_attr_destroy(&attr);
    free(ids);
}

START_TEST(two_hundred_threads_and_one_making)
{
    struct crowd crowd = {.c = cache_of(1 << 20), .n_waiters = 199};
    run_crowd(&crowd);
    ck_assert_int_eq(atomic_load(&crowd.makers), 1);
    ck_assert_int_eq(atomic_load(&crowd.answers), 200);
    ck_assert_int_eq(atomic_load(&crowd.hits), 0);
    struct weights_cache_stats s = stats_of(crowd.c);
    ck_assert_uint_eq(s.made, 1);
    ck_assert_uint_eq(s.waited, 199);
    ck_assert_uint_eq(s.misses, 200);
    ck_assert_uint_eq(s.n_entries, 1);
    weights_cache_free(crowd.c);
}
END_TEST

START_TEST(a_failure_is_told_to_all_who_waited_and_not_kept)
{
    struct crowd crowd = {.c = cache_of(1 << 20), .n_waiters = 19, .fail = ERR_BUSY};
    run_crowd(&crowd);
    ck_assert_int_eq(atomic_load(&crowd.makers), 1);
    ck_assert_int_eq(atomic_load(&crowd.failures), 20);
    ck_assert_uint_eq(stats_of(crowd.c).failed, 1);
    ck_assert_uint_eq(stats_of(crowd.c).n_entries, 0);
    crowd.fail = ERR_OK;
    crowd.n_waiters = 0;
    run_crowd(&crowd);
    ck_assert_int_eq(atomic_load(&crowd.makers), 2);
    ck_assert_int_eq(atomic_load(&crowd.answers), 1);
    weights_cache_free(crowd.c);
}
END_TEST

START_TEST(who_waited_before_a_drop_is_answered_and_nothing_is_kept)
{
    struct crowd crowd = {.c = cache_of(1 << 20), .n_waiters = 9, .drop = _i == 0, .clear = _i == 1};
    run_crowd(&crowd);
    ck_assert_int_eq(atomic_load(&crowd.answers), 10);
    ck_assert_int_eq(atomic_load(&crowd.makers), 1);
    ck_assert_ptr_null(weights_cache_get(crowd.c, "cold", 4));
    ck_assert_uint_eq(stats_of(crowd.c).not_kept, 1);
    weights_cache_free(crowd.c);
}
END_TEST

struct outdated {
    struct weights_cache *c;
    int depth;
};

/* The outer making is overtaken: a write drops the key, and the next asker makes newer weights meanwhile. */
static enum err_code make_overtaken(void *arg, struct weights **out, struct err *e)
{
    struct outdated *o = arg;
    (void)e;
    uint32_t stamp = (uint32_t)++o->depth;
    if (stamp == 1) {
        bool hit = true;
        weights_cache_drop_older(o->c, "k", 1, INT64_MAX);
        struct weights *newer = must_acquire(o->c, "k", make_overtaken, o, &hit);
        ck_assert(!hit);
        ck_assert(is_stamped(newer, 2));
        weights_unref(newer);
    }
    *out = stamped(10, 0, stamp);
    return ERR_OK;
}

START_TEST(who_asks_after_a_drop_is_not_given_older_weights)
{
    struct outdated o = {.c = cache_of(1 << 20)};
    bool hit;
    struct weights *w = must_acquire(o.c, "k", make_overtaken, &o, &hit);
    ck_assert(is_stamped(w, 1));
    weights_unref(w);
    w = must_acquire(o.c, "k", make_overtaken, &o, &hit);
    ck_assert(hit);
    ck_assert(is_stamped(w, 2));
    weights_unref(w);
    ck_assert_int_eq(o.depth, 2);
    weights_cache_free(o.c);
}
END_TEST

/* A making of stamp `made` in which news comes of the change `news`, and another asker who made `between` (0:
 * none). */
struct late {
    struct weights_cache *c;
    int64_t news;
    uint32_t made, between;
};

static enum err_code make_late(void *arg, struct weights **out, struct err *e)
{
    const struct late *l = arg;
    (void)e;
    weights_cache_drop_older(l->c, "k", 1, l->news);
    if (l->between) {
        struct order o = {.n_theta = 10, .stamp = l->between};
        bool hit = true;
        weights_unref(must_acquire(l->c, "k", make_order, &o, &hit));
        ck_assert(!hit);
    }
    *out = stamped(10, 0, l->made);
    return ERR_OK;
}

/* ---- whose key is not known any more ---- */

static enum err_code make_owned(void *arg, struct weights **out, struct err *e)
{
    (void)e;
    *out = stamped(10, 0, 7);
    (*out)->owner = *(const int64_t *)arg;
    return ERR_OK;
}

START_TEST(what_an_owner_has_goes_without_its_key_and_newer_ones_stay)
{
    struct weights_cache *c = cache_of(1 << 20);
    for (int64_t i = 0; i < 100; i++) {
        char key[8];
        int64_t owner = i % 10;
        bool hit;
        (void)snprintf(key, sizeof key, "u%d", (int)i);
        weights_unref(must_acquire(c, key, make_owned, &owner, &hit));
    }
    ck_assert_uint_eq(stats_of(c).n_entries, 100);
    weights_cache_drop_owner(c, 3, 7); /* they are of revision 7 */
    ck_assert_uint_eq(stats_of(c).n_entries, 100);
    weights_cache_drop_owner(c, 3, 8);
    ck_assert_uint_eq(stats_of(c).n_entries, 90);
    ck_assert_ptr_null(weights_cache_get(c, "u13", 3));
    struct weights *other = weights_cache_get(c, "u14", 3);
    ck_assert_ptr_nonnull(other);
    weights_unref(other);
    weights_cache_free(c);
}
END_TEST

static enum err_code make_forgotten(void *arg, struct weights **out, struct err *e)
{
    (void)e;
    weights_cache_drop_owner(arg, 5, 8);
    *out = stamped(10, 0, 7);
    (*out)->owner = 5;
    return ERR_OK;
}

START_TEST(weights_that_are_made_while_their_owner_goes_are_not_kept)
{
    struct weights_cache *c = cache_of(1 << 20);
    bool hit;
    weights_unref(must_acquire(c, "u", make_forgotten, c, &hit));
    ck_assert_ptr_null(weights_cache_get(c, "u", 1));
    weights_cache_free(c);
}
END_TEST

/* ---- makers that rather fail than wait ---- */

static enum err_code make_failure(void *arg, struct weights **out, struct err *e)
{
    (void)arg, (void)out;
    return err_set(e, ERR_BUSY, "not without waiting");
}

START_TEST(a_try_is_given_what_is_cached_or_made_and_a_failure_leaves_no_trace)
{
    struct weights_cache *c = cache_of(1 << 20);
    struct order o = {.n_theta = 100, .stamp = 9};
    bool hit = true;
    ck_assert_ptr_null(cached_weights_try(c, "u", 1, make_failure, NULL, &hit));
    struct weights_cache_stats s = stats_of(c);
    ck_assert_uint_eq(s.misses + s.made + s.failed + s.n_entries, 0);
    struct weights *made = cached_weights_try(c, "u", 1, make_order, &o, &hit);
    ck_assert(made && !hit && is_stamped(made, 9));
    struct weights *again = cached_weights_try(c, "u", 1, make_failure, NULL, &hit);
    ck_assert(hit);
    ck_assert_ptr_eq(made, again);
    s = stats_of(c);
    ck_assert(s.misses == 1 && s.made == 1 && s.hits == 1 && s.failed == 0);
    weights_unref(made);
    weights_unref(again);
    weights_cache_free(c);
}
END_TEST

/* In the making of "k" somebody tries it, and a drop comes. */
static enum err_code make_tried(void *arg, struct weights **out, struct err *e)
{
    struct order other = {.n_theta = 1, .stamp = 5};
    bool hit = true;
    (void)e;
    ck_assert_ptr_null(
        cached_weights_try(arg, "k", 1, make_order, &other, &hit)); /* it does not wait for us */
    ck_assert(!hit);
    weights_cache_drop_older(arg, "k", 1, INT64_MAX);
    *out = stamped(10, 0, 4);
    return ERR_OK;
}

START_TEST(a_try_waits_for_no_other_and_is_not_kept_past_a_drop)
{
    struct weights_cache *c = cache_of(1 << 20);
    bool hit = true;
    struct weights *w =
        _i ? cached_weights_try(c, "k", 1, make_tried, c, &hit) : must_acquire(c, "k", make_tried, c, &hit);
    ck_assert(w && !hit && is_stamped(w, 4));
    weights_unref(w);
    ck_assert_ptr_null(weights_cache_get(c, "k", 1));
    ck_assert(stats_of(c).not_kept == 1 && stats_of(c).misses == 1);
    weights_cache_free(c);
}
END_TEST

enum { N_JOINED = 9 };
struct joined {
    struct weights_cache *c;
    pthread_t ids[N_JOINED];
    atomic_int makers, answers;
};

static enum err_code make_for_joined(void *arg, struct weights **out, struct err *e)
{
    struct joined *j = arg;
    (void)e;
    atomic_fetch_add(&j->makers, 1);
    *out = stamped(500, 3, 77);
    return ERR_OK;
}

static void *join_flight(void *arg)
{
    struct joined *j = arg;
    bool hit;
    struct weights *w = must_acquire(j->c, "k", make_for_joined, j, &hit);
    atomic_fetch_add(&j->answers, is_stamped(w, 77));
    weights_unref(w);
    return NULL;
}

static enum err_code make_joined(void *arg, struct weights **out, struct err *e)
{
    struct joined *j = arg;
    for (size_t i = 0; i < N_JOINED; i++)
        ck_assert_int_eq(pthread_create(&j->ids[i], NULL, join_flight, j), 0);
    wait_until_waiting(j->c, N_JOINED);
    return make_failure(NULL, out, e);
}

START_TEST(who_joined_a_try_that_fails_makes_them_with_time)
{
    struct joined j = {.c = cache_of(1 << 20)};
    bool hit;
    ck_assert_ptr_null(cached_weights_try(j.c, "k", 1, make_joined, &j, &hit));
    for (size_t i = 0; i < N_JOINED; i++)
        pthread_join(j.ids[i], NULL);
    ck_assert_int_eq(atomic_load(&j.makers), 1);
    ck_assert_int_eq(atomic_load(&j.answers), N_JOINED);
    ck_assert_uint_eq(stats_of(j.c).failed, 0);
    ck_assert_uint_eq(stats_of(j.c).n_entries, 1);
    weights_cache_free(j.c);
}
END_TEST

START_TEST(late_news_of_a_change_that_was_read_leaves_the_weights)
{
    static const struct {
        int64_t news;
        uint32_t made, between, kept; /* kept 0: nothing */
    } cases[] = {
        {5, 5, 0, 5}, {5, 6, 0, 6}, {5, 4, 0, 0}, {INT64_MAX, 6, 0, 0},
        {5, 6, 5, 6}, {5, 5, 6, 6}, {5, 4, 6, 6},
    };
    struct weights_cache *c = cache_of(1 << 20);
    struct late l = {.c = c, .news = cases[_i].news, .made = cases[_i].made, .between = cases[_i].between};
    bool hit = true;
    weights_unref(must_acquire(c, "k", make_late, &l, &hit));
    ck_assert(!hit);
    struct weights *w = weights_cache_get(c, "k", 1);
    ck_assert_int_eq(w ? w->revision : 0, cases[_i].kept);
    ck_assert_uint_eq(stats_of(c).n_entries, cases[_i].kept != 0);
    weights_unref(w);
    weights_cache_clear(c);
    weights_cache_free(c);
}
END_TEST

/* ---- leases, one by one ---- */

/* A miss and who joined it, in one thread. */
struct two_leases {
    struct weights_cache *c;
    struct weights_lease first, second;
};

static void lease_twice(struct two_leases *two)
{
    two->c = cache_of(1 << 20);
    weights_cache_lease(two->c, "k", 1, &two->first);
    weights_cache_lease(two->c, "k", 1, &two->second);
    ck_assert(two->first.found == WEIGHTS_MISS && two->second.found == WEIGHTS_PENDING);
    ck_assert(!two->first.weights && !two->second.weights);
}

START_TEST(who_joined_is_given_what_was_published_before_it_waited)
{
    struct two_leases two;
    lease_twice(&two);
    struct weights *w = stamped(10, 2, 6);
    if (_i) /* it asked before the drop */
        weights_cache_drop_older(two.c, "k", 1, INT64_MAX);
    weights_lease_publish(&two.first, w);
    ck_assert_int_eq(weights_lease_wait(&two.second, NULL), ERR_OK);
    ck_assert_int_eq(two.second.found, WEIGHTS_HIT);
    ck_assert_ptr_eq(two.second.weights, w);
    ck_assert_uint_eq(stats_of(two.c).n_entries, _i == 0);
    weights_unref(two.second.weights);
    weights_unref(w);
    weights_cache_free(two.c);
}
END_TEST

START_TEST(who_joined_is_told_the_failure_that_came_before_it_waited)
{
    struct two_leases two;
    struct err e = {0};
    const struct err why = {ERR_IO, "the disk"};
    lease_twice(&two);
    weights_lease_fail(&two.first, &why);
    ck_assert_int_eq(weights_lease_wait(&two.second, &e), ERR_IO);
    ck_assert_str_eq(e.text, "the disk");
    ck_assert_uint_eq(stats_of(two.c).failed, 1);
    weights_cache_free(two.c);
}
END_TEST

START_TEST(an_abandoned_miss_becomes_that_of_one_who_joined)
{
    struct two_leases two;
    struct weights_lease third;
    lease_twice(&two);
    weights_cache_lease(two.c, "k", 1, &third);
    weights_lease_abandon(&two.first);
    ck_assert_int_eq(weights_lease_wait(&two.second, NULL), ERR_OK);
    ck_assert(two.second.found == WEIGHTS_MISS && third.found == WEIGHTS_PENDING);
    struct weights *w = stamped(10, 2, 6);
    weights_lease_publish(&two.second, w);
    ck_assert_int_eq(weights_lease_wait(&third, NULL), ERR_OK);
    ck_assert(third.found == WEIGHTS_HIT && third.weights == w);
    ck_assert_uint_eq(stats_of(two.c).made, 1);
    weights_unref(third.weights);
    weights_unref(w);
    weights_cache_free(two.c);
}
END_TEST

/* In every order of ends. */
START_TEST(leases_that_are_left_leave_no_trace)
{
    struct two_leases two;
    lease_twice(&two);
    weights_lease_abandon(_i ? &two.first : &two.second);
    weights_lease_abandon(_i ? &two.second : &two.first);
    struct weights_cache_stats s = stats_of(two.c);
    ck_assert_uint_eq(s.hits + s.misses + s.made + s.waited + s.failed + s.n_entries, 0);
    weights_cache_lease(two.c, "k", 1, &two.first);
    ck_assert_int_eq(two.first.found, WEIGHTS_MISS);
    weights_lease_abandon(&two.first);
    weights_cache_free(two.c);
}
END_TEST

START_TEST(nothing_can_be_freed)
{
    weights_cache_free(NULL);
    weights_unref(NULL);
}
END_TEST

START_TEST(few_sizes_are_in_use_and_what_is_counted_is_what_they_take)
{
    enum { N = 4096 };
    static struct weights *made[N];
    size_t n_sizes = 0, last = 0;
    for (size_t n_seen = 0; n_seen < N; n_seen++) {
        struct weights *w = made[n_seen] = stamped(300, n_seen, 1);
        size_t counted = weights_bytes(w), needed = 300 * sizeof(real) + n_seen * sizeof(uint32_t);
        ck_assert_uint_le(malloc_usable_size(w), counted);
        ck_assert_uint_ge(counted, needed);
        ck_assert_uint_le(counted, (needed + 192) * 17 / 16);
        ck_assert_uint_ge(counted, last);
        ck_assert((char *)(w->seen + n_seen) == (char *)w->theta + needed);
        ck_assert((char *)(w->seen + n_seen) <= (char *)w + malloc_usable_size(w));
        n_sizes += counted > last;
        last = counted;
    }
    ck_assert_uint_le(n_sizes, 64); /* of 4096: from 1.4 to 18 KB are not quite four doublings of 16 steps */
    for (size_t i = 0; i < N; i++)
        weights_unref(made[i]);
}
END_TEST

START_TEST(sizes_that_overflow_are_no_memory)
{
    real *theta;
    uint32_t *seen;
    ck_assert_ptr_null(weights_new(SIZE_MAX / sizeof(real), 0, &theta, &seen));
    ck_assert_ptr_null(weights_new(SIZE_MAX / 2, 0, &theta, &seen));
    ck_assert_ptr_null(weights_new(0, SIZE_MAX / 2, &theta, &seen));
    ck_assert_ptr_null(
        weights_new(SIZE_MAX / 2 / sizeof(real), SIZE_MAX / 2 / sizeof(uint32_t), &theta, &seen));
}
END_TEST

SUITE("engine/weights_cache", NULL, NULL, {the_first_makes_and_the_second_is_given_the_same},
      {keys_with_a_zero_byte_or_a_common_start_are_different},
      {a_reference_outlives_eviction_drop_and_the_cache},
      {a_few_of_the_usual_weights_are_kept_however_large_they_are},
      {what_is_larger_than_a_part_is_handed_out_and_not_kept},
      {random_operations_agree_with_a_naive_model, 3},
      {the_limit_holds_and_keys_never_mix_under_random_load, 2}, {two_hundred_threads_and_one_making},
      {a_failure_is_told_to_all_who_waited_and_not_kept},
      {who_waited_before_a_drop_is_answered_and_nothing_is_kept, 2},
      {who_asks_after_a_drop_is_not_given_older_weights},
      {late_news_of_a_change_that_was_read_leaves_the_weights, 7},
      {a_try_is_given_what_is_cached_or_made_and_a_failure_leaves_no_trace},
      {a_try_waits_for_no_other_and_is_not_kept_past_a_drop, 2},
      {what_an_owner_has_goes_without_its_key_and_newer_ones_stay},
      {weights_that_are_made_while_their_owner_goes_are_not_kept},
      {who_joined_a_try_that_fails_makes_them_with_time},
      {who_joined_is_given_what_was_published_before_it_waited, 2},
      {who_joined_is_told_the_failure_that_came_before_it_waited},
      {an_abandoned_miss_becomes_that_of_one_who_joined}, {leases_that_are_left_leave_no_trace, 2},
      {nothing_can_be_freed}, {few_sizes_are_in_use_and_what_is_counted_is_what_they_take},
      {sizes_that_overflow_are_no_memory})
