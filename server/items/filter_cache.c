/* A shop has some dozens of filters, so a list in the order of use is short; the hash of a text is compared
 * before the text is. */
#include "server/items/filter_cache.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { MOST_KEPT = 256 }; /* so many are looked at */

struct kept {
    struct kept *next; /* used before this one */
    struct filter_bits *bits;
    uint64_t hash;
    size_t len;
    char text[]; /* (len) */
};

struct filter_cache {
    atomic_size_t refs;
    pthread_mutex_t lock; /* guards the rest; a leaf */
    struct kept *first;   /* used last */
    size_t n, n_bytes;
};

struct filter_cache *filter_cache_new(void)
{
    struct filter_cache *c = mem_zalloc_array(1, sizeof *c);
    if (!c)
        return NULL;
    atomic_init(&c->refs, 1);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

struct filter_cache *filter_cache_ref(struct filter_cache *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static size_t bytes_of(const struct kept *k)
{
    return sizeof *k + k->len + sizeof *k->bits + k->bits->n_words * sizeof *k->bits->words;
}

static void free_kept(struct kept *k)
{
    filter_bits_unref(k->bits);
    mem_free(k);
}

void filter_cache_unref(struct filter_cache *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (c->first) {
        struct kept *k = c->first;
        c->first = k->next;
        free_kept(k);
    }
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* The text's, which comes to the front, or NULL. */
static struct kept *find(struct filter_cache *c, struct text text, uint64_t hash)
{
    ASSERT_HELD(&c->lock);
    for (struct kept **at = &c->first; *at; at = &(*at)->next) {
        struct kept *k = *at;
        if (k->hash != hash || k->len != text.len || memcmp(k->text, text.data, text.len) != 0)
            continue;
        *at = k->next;
        k->next = c->first;
        c->first = k;
        return k;
    }
    return NULL;
}

struct filter_bits *filter_cache_get(struct filter_cache *c, struct text text)
{
    uint64_t hash = hash_bytes(hash_seed(), text.data, text.len);
    pthread_mutex_lock(&c->lock);
    struct kept *k = find(c, text, hash);
    struct filter_bits *bits = k ? filter_bits_ref(k->bits) : NULL;
    pthread_mutex_unlock(&c->lock);
    return bits;
}

/* Takes the ones off that were used longest ago, until the rest is within the limits. */
static struct kept *shorten(struct filter_cache *c)
{
    size_t n = 0, n_bytes = 0;
    struct kept **at = &c->first;
    ASSERT_HELD(&c->lock);
    while (*at && n < MOST_KEPT && n_bytes + bytes_of(*at) <= LIMIT_FILTER_CACHE) {
        n_bytes += bytes_of(*at);
        n++;
        at = &(*at)->next;
    }
    struct kept *rest = *at;
    *at = NULL;
    c->n = n;
    c->n_bytes = n_bytes;
    return rest;
}

void filter_cache_keep(struct filter_cache *c, struct text text, struct filter_bits *bits)
{
    struct kept *k = mem_alloc(sizeof *k + text.len), *rest;
    if (!k)
        return;
    *k = (struct kept){
        .bits = filter_bits_ref(bits), .hash = hash_bytes(hash_seed(), text.data, text.len), .len = text.len};
    memcpy(k->text, text.data, text.len);
    pthread_mutex_lock(&c->lock);
    bool known = find(c, text, k->hash) != NULL; /* another thread was quicker */
    if (!known) {
        k->next = c->first;
        c->first = k;
    }
    rest = known ? NULL : shorten(c);
    pthread_mutex_unlock(&c->lock);
    if (known)
        free_kept(k);
    while (rest) {
        struct kept *next = rest->next;
        free_kept(rest);
        rest = next;
    }
}

size_t filter_cache_bytes(struct filter_cache *c, size_t *n)
{
    pthread_mutex_lock(&c->lock);
    size_t n_bytes = c->n_bytes;
    *n = c->n;
    pthread_mutex_unlock(&c->lock);
    return n_bytes;
}
