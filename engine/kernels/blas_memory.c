/* A product takes a buffer of 128 MB of address space, of which it touches little, and keeps it for the next
 * one; each thread that makes one meanwhile takes another. When none can be mapped OpenBLAS (0.3.21, and
 * later) tries again, for ever. So under a limit the buffers are mapped at start, by OpenBLAS itself, and no
 * more products than buffers run at once: this is the one state of the engine that is the process's and no
 * object's, because the library is. */
#include "engine/kernels/blas_memory.h"

#include "base/machine.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

static const size_t buffer_bytes =
    ((size_t)128 << 20) + ((size_t)1 << 16);       /* what OpenBLAS maps for x86-64, or more */
static const size_t rest_bytes = (size_t)48 << 20; /* for everything else: the model, the store */

enum { MAX_BUFFERS = 48 }; /* OpenBLAS remembers some 50 */

/* OpenBLAS's own; a library in its place may not have them. */
extern void *blas_memory_alloc(int position) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

static struct {
    bool limited; /* written before there are threads */
    pthread_mutex_t lock;
    pthread_cond_t left;
    size_t n_free; /* guarded by lock */
} places = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

void blas_memory_enter(void)
{
    if (!places.limited)
        return;
    pthread_mutex_lock(&places.lock);
    while (places.n_free == 0)
        pthread_cond_wait(&places.left, &places.lock);
    places.n_free--;
    pthread_mutex_unlock(&places.lock);
}

void blas_memory_leave(void)
{
    if (!places.limited)
        return;
    pthread_mutex_lock(&places.lock);
    places.n_free++;
    pthread_mutex_unlock(&places.lock);
    pthread_cond_signal(&places.left);
}

/* How many buffers, n at most, the system maps at once; none is kept. */
static size_t count_mappable(size_t n)
{
    void *buffers[MAX_BUFFERS]; /* (n_mapped) */
    size_t n_mapped = 0;
    while (n_mapped < n && (buffers[n_mapped] = mmap(NULL, buffer_bytes, PROT_READ | PROT_WRITE,
                                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED)
        n_mapped++;
    for (size_t i = 0; i < n_mapped; i++)
        (void)munmap(buffers[i], buffer_bytes);
    return n_mapped;
}

/* OpenBLAS keeps what it has once had. */
static void take_buffers(size_t n)
{
    void *buffers[MAX_BUFFERS]; /* (n) */
    for (size_t i = 0; i < n; i++)
        buffers[i] = blas_memory_alloc(0);
    for (size_t i = 0; i < n; i++)
        blas_memory_free(buffers[i]);
}

/* The address space that the system gives a thread for its stack. */
static size_t stack_bytes(void)
{
    pthread_attr_t attributes;
    size_t n = (size_t)8 << 20;
    if (pthread_attr_init(&attributes) == 0) {
        (void)pthread_attr_getstacksize(&attributes, &n);
        (void)pthread_attr_destroy(&attributes);
    }
    return n;
}

enum err_code blas_reserve(size_t n_threads, struct err *e)
{
    const char *which;
    size_t limit, left = machine_address_space_left(&which, &limit);
    if (left == SIZE_MAX)
        return ERR_OK;
    n_threads = n_threads ? n_threads : machine_processors();
    size_t rest = rest_bytes + n_threads * stack_bytes(), needed = buffer_bytes + rest;
    bool can_keep = blas_memory_alloc && blas_memory_free;
    size_t most = !can_keep ? 1 : n_threads < MAX_BUFFERS ? n_threads : MAX_BUFFERS;
    size_t n = left < needed ? 0 : (left - rest) / buffer_bytes;
    n = n > 1 ? n / 2 : n; /* half of the room at most: caches and models grow too */
    n = count_mappable(n < most ? n : most);
    if (n == 0)
        return err_set(e, ERR_NOMEM,
                       "address space is limited to %zu MB (%s), of which %zu MB are left, and %zu MB are "
                       "needed: %zu for the "
                       "products of matrices (OpenBLAS), %zu for the stacks of %zu thread%s and %zu for the "
                       "rest; allow %zu MB or more",
                       limit >> 20, which, left >> 20, needed >> 20, buffer_bytes >> 20,
                       (rest - rest_bytes) >> 20, n_threads, n_threads == 1 ? "" : "s", rest_bytes >> 20,
                       (limit - left + needed + ((size_t)1 << 20)) >> 20);
    if (can_keep)
        take_buffers(n);
    places.n_free = n;
    places.limited = true;
    return ERR_OK;
}
