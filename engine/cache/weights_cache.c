/* A shard is a chained hash table, a doubly linked list in order of use and a list of flights, under one
 * mutex:
 *
 *     buckets [ | | | ] -> entry -> entry          newest <-> ... <-> oldest          flights -> flight
 *
 * - A hit holds one lock for a look-up, a reference and a move to the front; nothing is copied or allocated.
 * - The buckets are made once, sized by the limit: growing later would need memory (and a place in the limit)
 * at the worst moment. A shard gets one bucket for BUCKET_BYTES of its part; real weights are about that or
 * larger.
 * - Room is made before an entry is linked in, so the count of bytes is never above the limit, not even in
 * between. What a request still holds after its entry was evicted is not the cache's and lives until its last
 * reference.
 * - A flight is one miss whose weights are being generated, in the shard's list until that is over. Who
 *   misses its key joins it, unless a drop closed it: then the next to miss starts another, and the closed
 *   one's weights are kept only when they turn out to be of the revision the drop asked for. Leases are its
 *   references: who generates never waits for who joined. The key is borrowed from the lease of who
 *   generates, which ends when the flight leaves the list.
 * - No memory is never the reason for no answer: without a flight a miss is one that nobody can join, without
 *   an entry the weights are handed out and not kept.
 *
 * The number of shards grows with the limit, so that each has room for many entries and hot keys rarely
 * meet. */
#include "engine/cache/weights_cache_parts.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAP_BYTES = 16,               /* what the allocator keeps beside a block */
    ALIGNED_HEAP_BYTES = 64,       /* the same for a block aligned to 64 bytes */
    BUCKET_BYTES = 2048,           /* of a shard's part, for each bucket */
    MIN_BUCKETS = 16,              /* of a shard */
    SHARD_BYTES = 8 * 1024 * 1024, /* a shard's part at least, when there are several */
    MAX_SHARDS = 64,
    SHARD_ENTRIES = 4, /* usual weights that a shard's part holds at least, when there are several */
};

/* ---- the table ---- */

static void count(struct shard *s, enum counter which, uint64_t n)
{
    atomic_fetch_add_explicit(&s->counters[which], n, memory_order_relaxed);
}

static size_t floor_power_of_two(size_t n)
{
    size_t power = 1;
    while (power <= n / 2)
        power *= 2;
    return power;
}

static struct shard *shard_of(struct weights_cache *c, uint64_t hash)
{
    return &c->shards[(hash >> 56) & (c->n_shards - 1)];
}

static struct entry **bucket_of(const struct weights_cache *c, struct shard *s, uint64_t hash)
{
    return &s->buckets[hash & (c->n_buckets - 1)];
}

/* The link that points to the entry of a key, or to NULL. */
static struct entry **find(const struct weights_cache *c, struct shard *s, uint64_t hash, const void *key,
                           size_t key_len)
{
    ASSERT_HELD(&s->lock);
    struct entry **link = bucket_of(c, s, hash);
    while (*link &&
           ((*link)->hash != hash || (*link)->key_len != key_len || memcmp((*link)->key, key, key_len) != 0))
        link = &(*link)->next;
    return link;
}

static void unlink_use(struct shard *s, struct entry *x)
{
    ASSERT_HELD(&s->lock);
    *(x->newer ? &x->newer->older : &s->newest) = x->older;
    *(x->older ? &x->older->newer : &s->oldest) = x->newer;
}

static void link_newest(struct shard *s, struct entry *x)
{
    ASSERT_HELD(&s->lock);
    x->newer = NULL;
    x->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = x;
    s->newest = x;
}

static void make_newest(struct shard *s, struct entry *x)
{
    if (s->newest == x)
        return;
    unlink_use(s, x);
    link_newest(s, x);
}

/* Takes the entry at *link out and puts it on a list that is freed without the lock. */
static void remove_entry(struct weights_cache *c, struct shard *s, struct entry **link,
                         struct entry **removed)
{
    struct entry *x = *link;
    *link = x->next;
    unlink_use(s, x);
    s->used_bytes -= x->n_bytes;
    atomic_fetch_sub_explicit(&c->used_bytes, x->n_bytes, memory_order_relaxed);
    count(s, ENTRIES, (uint64_t)-1);
    x->next = *removed;
    *removed = x;
}

static void free_entries(struct entry *list)
{
    while (list) {
        struct entry *next = list->next;
        weights_unref(list->weights);
        mem_free(list);
        list = next;
    }
}

/* Links x in after making room for it; the caller has checked that it fits into a shard's part. */
static void insert(struct weights_cache *c, struct shard *s, struct entry *x, struct entry **removed)
{
    assert(x->n_bytes <= c->part_bytes);
    while (s->used_bytes > c->part_bytes - x->n_bytes) {
        struct entry *old = s->oldest;
        remove_entry(c, s, find(c, s, old->hash, old->key, old->key_len), removed);
        count(s, EVICTED, 1);
    }
    struct entry **bucket = bucket_of(c, s, x->hash);
    x->next = *bucket;
    *bucket = x;
    link_newest(s, x);
    s->used_bytes += x->n_bytes;
    count(s, ENTRIES, 1);
    size_t used = atomic_fetch_add_explicit(&c->used_bytes, x->n_bytes, memory_order_relaxed) + x->n_bytes;
    size_t peak = atomic_load_explicit(&c->peak_bytes, memory_order_relaxed);
    while (used > peak && !atomic_compare_exchange_weak_explicit(&c->peak_bytes, &peak, used,
                                                                 memory_order_relaxed, memory_order_relaxed))
        ;
}

/* A reference to the cached weights of a key, or NULL. */
static struct weights *look_up(struct weights_cache *c, struct shard *s, uint64_t hash, const void *key,
                               size_t key_len)
{
    struct entry *x = c->n_buckets ? *find(c, s, hash, key, key_len) : NULL;
    if (!x)
        return NULL;
    make_newest(s, x);
    count(s, HITS, 1);
    return weights_ref(x->weights);
}

/* New: an entry that holds a reference to w, not linked in; NULL when it would not fit or there is no memory.
 */
static struct entry *entry_new(const struct weights_cache *c, uint64_t hash, const void *key, size_t key_len,
                               struct weights *w)
{
    size_t n_bytes;
    if (__builtin_add_overflow(sizeof(struct entry) + HEAP_BYTES, key_len, &n_bytes) ||
        __builtin_add_overflow(n_bytes, weights_bytes(w), &n_bytes) || n_bytes > c->part_bytes)
        return NULL;
    struct entry *x = mem_alloc(sizeof *x + key_len);
    if (!x)
        return NULL;
    *x = (struct entry){.weights = weights_ref(w), .hash = hash, .n_bytes = n_bytes, .key_len = key_len};
    memcpy(x->key, key, key_len);
    return x;
}

/* ---- flights; under the shard's lock unless it is said otherwise ---- */

static bool is_of(const struct flight *f, uint64_t hash, const void *key, size_t key_len)
{
    return f->hash == hash && f->key_len == key_len && memcmp(f->key, key, key_len) == 0;
}

/* The flight that one who misses the key may join, or NULL. */
static struct flight *find_flight(struct shard *s, const struct weights_lease *l)
{
    ASSERT_HELD(&s->lock);
    for (struct flight *f = s->flights; f; f = f->next)
        if (!f->closed && is_of(f, l->hash, l->key, l->key_len))
            return f;
    return NULL;
}

static void close_flight(struct flight *f, int64_t least)
{
    if (!f->closed || f->least < least)
        f->least = least;
    f->closed = true;
}

static void unlist(struct shard *s, struct flight *f)
{
    ASSERT_HELD(&s->lock);
    struct flight **link = &s->flights;
    while (*link != f)
        link = &(*link)->next;
    *link = f->next;
}

/* New: a listed flight with one reference; NULL when there is no memory. */
static struct flight *start_flight(struct shard *s, const struct weights_lease *l)
{
    ASSERT_HELD(&s->lock);
    struct flight *f = mem_alloc(sizeof *f);
    if (!f)
        return NULL;
    *f = (struct flight){.key = l->key, .key_len = l->key_len, .hash = l->hash, .n_refs = 1};
    if (pthread_cond_init(&f->finished, NULL) != 0) {
        mem_free(f);
        return NULL;
    }
    f->next = s->flights;
    s->flights = f;
    return f;
}

/* Gives up one reference; returns true to the last one, who then calls free_flight without the lock. */
static bool leave_flight(struct flight *f)
{
    assert(f->n_refs > 0);
    return --f->n_refs == 0;
}

/* Without the lock. */
static void free_flight(struct flight *f)
{
    weights_unref(f->result);
    (void)pthread_cond_destroy(&f->finished);
    mem_free(f);
}

/* Links the weights of a flight in, unless a drop forbids it or newer ones of the key are there. */
static bool keep(struct weights_cache *c, struct shard *s, const struct flight *f, struct entry *x,
                 struct entry **removed)
{
    if (f->closed && (f->least == INT64_MAX || x->weights->revision < f->least))
        return false;
    struct entry **there = find(c, s, x->hash, x->key, x->key_len);
    if (*there && (*there)->weights->revision >= x->weights->revision)
        return false;
    if (*there)
        remove_entry(c, s, there, removed);
    insert(c, s, x, removed);
    return true;
}

/* Takes a flight that is over off the list and wakes who joined; called with the lock, which it releases. */
static void land(struct shard *s, struct flight *f, enum flight_state state)
{
    unlist(s, f);
    f->state = state;
    bool last = leave_flight(f);
    if (!last)
        (void)pthread_cond_broadcast(&f->finished);
    (void)pthread_mutex_unlock(&s->lock);
    if (last)
        free_flight(f);
}

/* ---- life cycle ---- */

enum err_code weights_cache_new(size_t limit_bytes, size_t usual_bytes, struct weights_cache **out,
                                struct err *e)
{
    struct weights_cache *c = mem_zalloc_array(1, sizeof *c);
    if (!c)
        goto nomem;
    c->limit_bytes = limit_bytes;
    size_t few = usual_bytes < SIZE_MAX / SHARD_ENTRIES ? usual_bytes * SHARD_ENTRIES : SIZE_MAX;
    c->n_shards = floor_power_of_two(limit_bytes / (few > SHARD_BYTES ? few : SHARD_BYTES));
    if (c->n_shards > MAX_SHARDS)
        c->n_shards = MAX_SHARDS;
    size_t part = limit_bytes / c->n_shards, n_buckets = floor_power_of_two(part / BUCKET_BYTES);
    if (n_buckets < MIN_BUCKETS)
        n_buckets = MIN_BUCKETS;
    size_t fixed = sizeof(struct shard) + ALIGNED_HEAP_BYTES + n_buckets * sizeof(struct entry *) +
                   HEAP_BYTES + sizeof *c + HEAP_BYTES;
    if (part > fixed) {
        c->n_buckets = n_buckets;
        c->part_bytes = part - fixed;
        atomic_init(&c->used_bytes, fixed * c->n_shards);
        atomic_init(&c->peak_bytes, fixed * c->n_shards);
    }
    c->shards = mem_alloc_aligned(c->n_shards, sizeof *c->shards);
    if (!c->shards)
        goto nomem;
    memset(c->shards, 0, c->n_shards * sizeof *c->shards);
    c->seed = hash_seed();
    for (size_t i = 0; i < c->n_shards; i++)
        (void)pthread_mutex_init(&c->shards[i].lock, NULL); /* default attributes: cannot fail on Linux */
    for (size_t i = 0; i < c->n_shards && c->n_buckets; i++) {
        c->shards[i].buckets = mem_zalloc_array(c->n_buckets, sizeof *c->shards[i].buckets);
        if (!c->shards[i].buckets)
            goto nomem;
    }
    *out = c;
    return ERR_OK;
nomem:
    weights_cache_free(c);
    return err_set(e, ERR_NOMEM, "no memory for a weight cache of %zu bytes", limit_bytes);
}

size_t weights_cache_most_bytes(const struct weights_cache *c)
{
    return c->part_bytes;
}

void weights_cache_free(struct weights_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->shards && i < c->n_shards; i++) {
        struct shard *s = &c->shards[i];
        assert(!s->flights);
        while (s->newest) {
            struct entry *x = s->newest;
            s->newest = x->older;
            x->next = NULL;
            free_entries(x);
        }
        mem_free(s->buckets);
        (void)pthread_mutex_destroy(&s->lock);
    }
    mem_free(c->shards);
    mem_free(c);
}

/* ---- use ---- */

struct weights *weights_cache_get(struct weights_cache *c, const void *key, size_t key_len)
{
    uint64_t hash = hash_bytes(c->seed, key, key_len);
    struct shard *s = shard_of(c, hash);
    (void)pthread_mutex_lock(&s->lock);
    struct weights *w = look_up(c, s, hash, key, key_len);
    (void)pthread_mutex_unlock(&s->lock);
    return w;
}

/* ---- leases ---- */

/* With the lock: makes a lease of what is there now. */
static void look(struct weights_lease *l)
{
    l->weights = look_up(l->cache, l->shard, l->hash, l->key, l->key_len);
    if (l->weights) {
        l->found = WEIGHTS_HIT;
        return;
    }
    l->flight = find_flight(l->shard, l);
    l->found = l->flight ? WEIGHTS_PENDING : WEIGHTS_MISS;
    if (l->flight) {
        l->flight->n_refs++;
        return;
    }
    l->flight = start_flight(l->shard, l);
    l->start_ns = clock_monotonic_ns();
}

void weights_cache_lease(struct weights_cache *c, const void *key, size_t key_len, struct weights_lease *out)
{
    uint64_t hash = hash_bytes(c->seed, key, key_len);
    *out = (struct weights_lease){
        .cache = c, .shard = shard_of(c, hash), .key = key, .key_len = key_len, .hash = hash};
    (void)pthread_mutex_lock(&out->shard->lock);
    look(out);
    (void)pthread_mutex_unlock(&out->shard->lock);
}

/* With the lock: whether the flight that this pending lease joined is over with something for it, weights or
 * an error. */
static bool join(struct weights_lease *l, struct err *why)
{
    struct flight *f = l->flight;
    count(l->shard, MISSES, 1);
    count(l->shard, WAITED, 1);
    while (f->state == FLIGHT_OPEN)
        (void)pthread_cond_wait(&f->finished, &l->shard->lock);
    l->flight = NULL;
    l->weights = f->state == FLIGHT_PUBLISHED ? weights_ref(f->result) : NULL;
    l->found = WEIGHTS_HIT;
    if (f->state == FLIGHT_FAILED)
        *why = f->err;
    bool abandoned = f->state == FLIGHT_ABANDONED;
    if (leave_flight(f))
        free_flight(f); /* under the lock, as the loop goes on: no more than a free */
    return !abandoned;
}

enum err_code weights_lease_wait(struct weights_lease *l, struct err *e)
{
    struct err why = {0};
    assert(l->found == WEIGHTS_PENDING);
    (void)pthread_mutex_lock(&l->shard->lock);
    while (l->found == WEIGHTS_PENDING && !join(l, &why))
        look(l);
    (void)pthread_mutex_unlock(&l->shard->lock);
    return why.code ? err_copy(e, &why) : ERR_OK;
}

static void count_miss(const struct weights_lease *l, enum counter how)
{
    count(l->shard, MISSES, 1);
    count(l->shard, MAKE_NS, (uint64_t)(clock_monotonic_ns() - l->start_ns));
    count(l->shard, how, 1);
}

void weights_lease_publish(struct weights_lease *l, struct weights *w)
{
    struct shard *s = l->shard;
    struct flight *f = l->flight;
    assert(l->found == WEIGHTS_MISS && w);
    count_miss(l, MADE);
    if (!f) {
        count(s, NOT_KEPT, 1); /* without a flight a drop in the meantime would have gone unseen */
        return;
    }
    struct entry *removed = NULL, *x = entry_new(l->cache, l->hash, l->key, l->key_len, w);
    (void)pthread_mutex_lock(&s->lock);
    if (x && keep(l->cache, s, f, x, &removed))
        x = NULL;
    else
        count(s, NOT_KEPT, 1);
    f->result = weights_ref(w);
    land(s, f, FLIGHT_PUBLISHED);
    if (x) {
        x->next = removed;
        removed = x;
    }
    free_entries(removed);
}

void weights_lease_fail(struct weights_lease *l, const struct err *why)
{
    assert(l->found == WEIGHTS_MISS && why->code);
    count_miss(l, FAILED);
    if (!l->flight)
        return;
    (void)pthread_mutex_lock(&l->shard->lock);
    l->flight->err = *why;
    land(l->shard, l->flight, FLIGHT_FAILED);
}

void weights_lease_abandon(struct weights_lease *l)
{
    assert(l->found != WEIGHTS_HIT);
    if (!l->flight)
        return;
    (void)pthread_mutex_lock(&l->shard->lock);
    if (l->found == WEIGHTS_MISS) {
        land(l->shard, l->flight, FLIGHT_ABANDONED);
        return;
    }
    bool last = leave_flight(l->flight);
    (void)pthread_mutex_unlock(&l->shard->lock);
    if (last)
        free_flight(l->flight);
}

/* ---- drops ---- */

void weights_cache_drop_older(struct weights_cache *c, const void *key, size_t key_len, int64_t revision)
{
    uint64_t hash = hash_bytes(c->seed, key, key_len);
    struct shard *s = shard_of(c, hash);
    struct entry *removed = NULL;
    (void)pthread_mutex_lock(&s->lock);
    struct entry **link = c->n_buckets ? find(c, s, hash, key, key_len) : NULL;
    if (link && *link && (*link)->weights->revision < revision) {
        remove_entry(c, s, link, &removed);
        count(s, DROPPED, 1);
    }
    for (struct flight *f = s->flights; f; f = f->next)
        if (is_of(f, hash, key, key_len))
            close_flight(f, revision);
    (void)pthread_mutex_unlock(&s->lock);
    free_entries(removed);
}

/* What a drop is of: keys that begin so, and of those an owner's alone where by_owner says so, below a
 * revision. */
struct drop {
    const void *prefix; /* (len) */
    size_t len;
    bool by_owner;
    int64_t owner, revision;
};

static bool begins(const struct drop *d, const void *key, size_t key_len)
{
    return d->len == 0 || (key_len >= d->len && memcmp(key, d->prefix, d->len) == 0);
}

static bool is_dropped(const struct drop *d, const struct entry *x)
{
    return begins(d, x->key, x->key_len) && (!d->by_owner || x->weights->owner == d->owner) &&
           (x->weights->revision < d->revision || d->revision == INT64_MAX);
}

/* Whose a flight will be is not known yet: it is closed to that revision whoever the owner is. */
static void drop_from_all(struct weights_cache *c, const struct drop *d)
{
    for (size_t i = 0; i < c->n_shards; i++) {
        struct shard *s = &c->shards[i];
        struct entry *removed = NULL;
        (void)pthread_mutex_lock(&s->lock);
        for (struct entry *x = s->oldest, *newer; x; x = newer) {
            newer = x->newer;
            if (!is_dropped(d, x))
                continue;
            remove_entry(c, s, find(c, s, x->hash, x->key, x->key_len), &removed);
            count(s, DROPPED, 1);
        }
        for (struct flight *f = s->flights; f; f = f->next)
            if (begins(d, f->key, f->key_len))
                close_flight(f, d->revision);
        (void)pthread_mutex_unlock(&s->lock);
        free_entries(removed);
    }
}

void weights_cache_drop_owner(struct weights_cache *c, int64_t owner, int64_t revision)
{
    drop_from_all(c, &(const struct drop){.by_owner = true, .owner = owner, .revision = revision});
}

void weights_cache_drop_prefix(struct weights_cache *c, const void *prefix, size_t len)
{
    drop_from_all(c, &(const struct drop){.prefix = prefix, .len = len, .revision = INT64_MAX});
}

void weights_cache_clear(struct weights_cache *c)
{
    drop_from_all(c, &(const struct drop){.revision = INT64_MAX});
}

void weights_cache_touch(struct weights_cache *c, const void *key, size_t key_len)
{
    uint64_t hash = hash_bytes(c->seed, key, key_len);
    struct shard *s = shard_of(c, hash);
    (void)pthread_mutex_lock(&s->lock);
    struct entry *x = c->n_buckets ? *find(c, s, hash, key, key_len) : NULL;
    if (x)
        make_newest(s, x);
    (void)pthread_mutex_unlock(&s->lock);
}

void weights_cache_read_stats(const struct weights_cache *c, struct weights_cache_stats *out)
{
    uint64_t sums[N_COUNTERS] = {0};
    for (size_t i = 0; i < c->n_shards; i++)
        for (size_t j = 0; j < N_COUNTERS; j++)
            sums[j] += atomic_load_explicit(&c->shards[i].counters[j], memory_order_relaxed);
    *out = (struct weights_cache_stats){
        .hits = sums[HITS],
        .misses = sums[MISSES],
        .made = sums[MADE],
        .waited = sums[WAITED],
        .failed = sums[FAILED],
        .evicted = sums[EVICTED],
        .dropped = sums[DROPPED],
        .not_kept = sums[NOT_KEPT],
        .n_entries = (size_t)sums[ENTRIES],
        .used_bytes = atomic_load_explicit(&c->used_bytes, memory_order_relaxed),
        .limit_bytes = c->limit_bytes,
        .peak_bytes = atomic_load_explicit(&c->peak_bytes, memory_order_relaxed),
        .make_ns = sums[MAKE_NS],
    };
}
