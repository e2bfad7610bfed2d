/* One block for everything a request needs of a context, so that making it is one allocation that fails or
 * not, and evicting it one free. The count of references stands in front, out of the caller's sight:
 *
 *     [ weights, n_refs, n_bytes | to 64 | theta ........ | seen .... ]
 *
 * theta starts a cache line, which is what the kernels like; seen follows at 4 bytes, where theta ends. */
#include "engine/weights_cache.h"

#include "base/mem.h"

#include <stdatomic.h>

/* What the allocator may keep beside a block aligned to 64 bytes. */
enum { ALIGNED_HEAP_BYTES = 64 };

struct counted_weights {
    struct weights public; /* first, so that the pointers are the same */
    atomic_size_t n_refs;
    size_t n_bytes;
};

enum { WEIGHTS_HEAD_BYTES = (sizeof(struct counted_weights) + 63) / 64 * 64 };

static struct counted_weights *counted(struct weights *w)
{
    return (struct counted_weights *)w;
}

struct weights *weights_new(size_t n_theta, size_t n_seen, real **theta, uint32_t **seen)
{
    size_t theta_bytes, seen_bytes, n;
    if (__builtin_mul_overflow(n_theta, sizeof(real), &theta_bytes) ||
        __builtin_mul_overflow(n_seen, sizeof(uint32_t), &seen_bytes) ||
        __builtin_add_overflow(theta_bytes, seen_bytes, &n) ||
        __builtin_add_overflow(n, (size_t)WEIGHTS_HEAD_BYTES, &n))
        return NULL;
    char *block = mem_alloc_aligned(n, 1);
    if (!block)
        return NULL;
    struct counted_weights *w = (struct counted_weights *)(void *)block;
    *theta = (real *)(void *)(block + WEIGHTS_HEAD_BYTES);
    *seen = (uint32_t *)(void *)(block + WEIGHTS_HEAD_BYTES + theta_bytes);
    w->public = (struct weights){.n_theta = n_theta, .n_seen = n_seen, .theta = *theta, .seen = *seen};
    atomic_init(&w->n_refs, 1);
    w->n_bytes = n + ALIGNED_HEAP_BYTES;
    return &w->public;
}

struct weights *weights_ref(struct weights *w)
{
    atomic_fetch_add_explicit(&counted(w)->n_refs, 1, memory_order_relaxed);
    return w;
}

void weights_unref(struct weights *w)
{
    /* Release, so that reads by this thread come before the free; acquire, so that the freeing one sees them.
     */
    if (w && atomic_fetch_sub_explicit(&counted(w)->n_refs, 1, memory_order_acq_rel) == 1)
        mem_free(w);
}

size_t weights_bytes(const struct weights *w)
{
    return ((const struct counted_weights *)w)->n_bytes;
}
