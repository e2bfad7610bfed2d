/* A counting gate instead of a replaced malloc: libraries (SQLite, jansson, OpenBLAS) keep their own, and a
 * fault test then aims at our allocations only, deterministically. */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long asked;   /* allocations since mem_fail_at */
static atomic_long fail_at; /* 0: never */
static atomic_int fail_on;  /* persistent failure */

static int must_fail(void)
{
    long at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at == 0)
        return 0;
    long n = atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed) + 1;
    return n == at || (n > at && atomic_load_explicit(&fail_on, memory_order_relaxed));
}

void *mem_alloc(size_t n_bytes)
{
    return must_fail() ? NULL : malloc(n_bytes ? n_bytes : 1);
}

void *mem_zalloc_array(size_t count, size_t size)
{
    size_t n; /* calloc checks the product too; a sanitizer's ends the program instead */
    if (__builtin_mul_overflow(count, size, &n) || must_fail())
        return NULL;
    return calloc(n ? n : 1, 1);
}

void *mem_alloc_array(size_t count, size_t size)
{
    size_t n;
    return __builtin_mul_overflow(count, size, &n) ? NULL : mem_alloc(n);
}

void *mem_realloc_array(void *old, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n) || must_fail())
        return NULL;
    return realloc(old, n ? n : 1);
}

void *mem_grow(void *array, size_t *capacity, size_t n, size_t size)
{
    enum { FIRST = 32 };
    size_t grown = *capacity > FIRST / 2 ? *capacity * 2 : FIRST;
    if (n <= *capacity)
        return array;
    void *moved = mem_realloc_array(array, n > grown ? n : grown, size);
    if (!moved)
        return array;
    *capacity = n > grown ? n : grown;
    return moved;
}

void *mem_alloc_aligned(size_t count, size_t size)
{
    size_t n;
    void *p = NULL;
    if (__builtin_mul_overflow(count, size, &n) || must_fail())
        return NULL;
    return posix_memalign(&p, 64, n ? n : 1) == 0 ? p : NULL;
}

char *mem_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = mem_alloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

void mem_free(void *p)
{
    free(p);
}

void mem_share_heap(void)
{
#ifdef M_ARENA_MAX
    enum { MAX_IDLE_BYTES = 2 << 20, OWN_MAPPING_BYTES = 1 << 20 };
    (void)mallopt(M_ARENA_MAX, 1);
    /* By itself the end of the heap goes back to the system when 128 KB of it are free, to be asked for by
     * the next call. */
    (void)mallopt(M_TRIM_THRESHOLD, MAX_IDLE_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
#endif
}

void mem_fail_at(long n, int persistent)
{
    atomic_store(&asked, 0);
    atomic_store(&fail_on, persistent);
    atomic_store(&fail_at, n);
}

long mem_count(void)
{
    return atomic_load(&asked);
}

/* Stands before libc's for the whole process, libraries included: libmicrohttpd asks for zeroed memory four
 * times an answer, and up to 2.40 glibc's calloc passes by what a thread keeps for itself and locks the heap.
 * Sanitizers have a calloc of their own. */
#ifdef __has_feature /* clang's way to say so */
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#if defined(__GLIBC__) && !SANITIZED
#if !__GLIBC_PREREQ(2, 41)
enum { SMALL_BYTES = 1024 }; /* what a thread keeps goes up to here */

extern void *__libc_calloc(size_t count, size_t size);

void *calloc(size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n) || n > SMALL_BYTES)
        return __libc_calloc(count, size);
    void *p = malloc(n);
    __asm__ volatile("" : "+r"(p)); /* else the compiler makes a call of calloc of this */
    return p ? memset(p, 0, n) : NULL;
}
#endif
#endif
