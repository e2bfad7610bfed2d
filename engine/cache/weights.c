/* One block for everything a request needs of a context, so that making it is one allocation that fails or
 * not, and evicting it one free. The count of references stands in front, out of the caller's sight:
 *
 *     [ weights, n_refs, n_bytes | to a line | theta ........ | seen .... | to a size of the ladder ]
 *
 * theta starts a cache line, which is what the kernels like; seen follows at 4 bytes, where theta ends.
 *
 * A cache that is full makes and frees blocks for as long as the process runs, of a size for each number of
 * seen items. Sizes of a ladder let a block take the place of another, so that the heap does not creep.
 * Blocks are not asked for aligned, because glibc up to 2.37 puts an aligned block into a hole of its own
 * size only when more is free around it. */
#include "engine/cache/weights_cache.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
    LINE_BYTES = 64,
    HEAP_BYTES = 16,   /* what the allocator keeps beside a block */
    LADDER_STEPS = 16, /* from a power of two to the next: 6 % more at most */
};

struct counted_weights {
    struct weights public; /* first, so that the pointers are the same */
    atomic_size_t n_refs;
    size_t n_bytes;
};

/* The first size of the ladder that is not less than n, which is at least 128 and at most SIZE_MAX / 2. */
static size_t ladder_size(size_t n)
{
    size_t power = (size_t)1 << (63 - __builtin_clzll(n)), step = power / LADDER_STEPS;
    if (step < HEAP_BYTES)
        step = HEAP_BYTES;
    return (n + step - 1) / step * step;
}

static struct counted_weights *counted(struct weights *w)
{
    return (struct counted_weights *)w;
}

struct weights *weights_new(size_t n_theta, size_t n_seen, real **theta, uint32_t **seen)
{
    const size_t beside = sizeof(struct counted_weights) + LINE_BYTES - 1 + HEAP_BYTES;
    size_t theta_bytes, seen_bytes, n;
    if (__builtin_mul_overflow(n_theta, sizeof(real), &theta_bytes) ||
        __builtin_mul_overflow(n_seen, sizeof(uint32_t), &seen_bytes) ||
        __builtin_add_overflow(theta_bytes, seen_bytes, &n) || __builtin_add_overflow(n, beside, &n) ||
        n > SIZE_MAX / 2)
        return NULL;
    n = ladder_size(n);
    struct counted_weights *w = mem_alloc(n - HEAP_BYTES);
    if (!w)
        return NULL;
    char *line = (char *)(((uintptr_t)(w + 1) + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES);
    *theta = (real *)(void *)line;
    *seen = (uint32_t *)(void *)(line + theta_bytes);
    w->public = (struct weights){.n_theta = n_theta, .n_seen = n_seen, .theta = *theta, .seen = *seen};
    atomic_init(&w->n_refs, 1);
    w->n_bytes = n;
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
