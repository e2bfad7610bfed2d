/* The gate to the heap: products that overflow fail, the n-th allocation fails when a test says so, and
 * threads share a heap when asked to. Risk: fault tests that believe they failed an allocation and did not; a
 * server that grows. */
#include "base/mem.h"

#include "tests/support/suite.h"

#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_memory_of_every_kind_can_be_written_and_freed)
{
    unsigned char *a = mem_alloc(100), *b = mem_zalloc_array(10, 10), *c = mem_alloc_array(25, 4);
    char *d = mem_strdup("text");
    ck_assert(a && b && c && d);
    memset(a, 1, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(b[i], 0);
    memset(c, 2, 100);
    c = mem_realloc_array(c, 50, 4);
    ck_assert_ptr_nonnull(c);
    ck_assert_uint_eq(c[99], 2);
    ck_assert_str_eq(d, "text");
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(d);
    mem_free(NULL);
}
END_TEST

START_TEST(test_nothing_is_a_size_too)
{
    void *blocks[] = {mem_alloc(0),          mem_zalloc_array(0, 8),        mem_zalloc_array(8, 0),
                      mem_alloc_array(0, 0), mem_realloc_array(NULL, 0, 8), mem_alloc_aligned(0, 4),
                      mem_strdup("")};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        ck_assert_ptr_nonnull(blocks[i]);
        mem_free(blocks[i]);
    }
}
END_TEST

START_TEST(test_aligned_memory_is_aligned)
{
    for (size_t n = 1; n < 200; n += 13) {
        float *p = mem_alloc_aligned(n, sizeof *p);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        memset(p, 0, n * sizeof *p);
        mem_free(p);
    }
}
END_TEST

enum { THREADS = 8 };

static void *holds_a_block(void *barrier)
{
    void *p = mem_alloc(5000);
    (void)pthread_barrier_wait(barrier); /* all hold one at once */
    mem_free(p);
    return p;
}

static void hold_blocks(void)
{
    pthread_barrier_t all;
    pthread_t threads[THREADS];
    ck_assert_int_eq(pthread_barrier_init(&all, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, holds_a_block, &all), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *held;
        ck_assert_int_eq(pthread_join(threads[i], &held), 0);
        ck_assert_ptr_nonnull(held);
    }
    (void)pthread_barrier_destroy(&all);
}

/* As the C library tells them. */
static int count_heaps(void)
{
    char *text = NULL;
    size_t n = 0;
    int heaps = 0;
    FILE *f = open_memstream(&text, &n);
    ck_assert_int_eq(malloc_info(0, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    for (const char *at = text; (at = strstr(at, "<heap nr=")); at++)
        heaps++;
    free(text);
    return heaps;
}

START_TEST(test_a_shared_heap_is_one_for_all_threads)
{
    mem_share_heap();
    hold_blocks();
    ck_assert_int_eq(count_heaps(), 1);
}
END_TEST

/* libc's calloc must not stand in for it: libraries call this one. */
START_TEST(test_zeroed_memory_is_zero_and_a_small_block_the_one_freed_last)
{
    void *(*volatile zeroed)(size_t, size_t) = NULL;
    *(void **)&zeroed = dlsym(RTLD_DEFAULT, "calloc");
    for (size_t n = 1; n <= 5000; n += n < 1100 ? 1 : 97) {
        unsigned char *dirty = malloc(n), *clean;
        ck_assert_ptr_nonnull(dirty);
        memset(dirty, 0xEE, n);
        volatile uintptr_t at = (uintptr_t)dirty;
        free(dirty);
        clean = zeroed(1, n);
        ck_assert_ptr_nonnull(clean);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        if (n <= 1000)
            ck_assert_uint_eq((uintptr_t)clean, at);
#else
        (void)at;
#endif
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(clean[i], 0);
        free(clean);
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* whose ends the program */
    ck_assert_ptr_null(zeroed(SIZE_MAX / 2, 3));
#endif
}
END_TEST

START_TEST(test_products_that_overflow_fail_and_keep_the_old_block)
{
    size_t half = SIZE_MAX / 2 + 1;
    char *old = mem_strdup("old");
    ck_assert_ptr_null(mem_zalloc_array(half, 2));
    ck_assert_ptr_null(mem_alloc_array(2, half));
    ck_assert_ptr_null(mem_alloc_array(SIZE_MAX, SIZE_MAX));
    ck_assert_ptr_null(mem_alloc_aligned(half, 2));
    ck_assert_ptr_null(mem_realloc_array(old, half, 2));
    ck_assert_str_eq(old, "old");
    mem_free(old);
}
END_TEST

/* The i-th kind of allocation; true when it gave memory. */
static int allocates(int kind)
{
    void *p = kind == 0   ? mem_alloc(8)
              : kind == 1 ? mem_zalloc_array(2, 4)
              : kind == 2 ? mem_alloc_array(2, 4)
              : kind == 3 ? mem_realloc_array(NULL, 2, 4)
              : kind == 4 ? mem_alloc_aligned(2, 4)
                          : (void *)mem_strdup("x");
    mem_free(p);
    return p != NULL;
}

START_TEST(test_the_nth_allocation_fails_and_only_that)
{
    for (long n = 1; n < 6; n++) {
        mem_fail_at(n, 0);
        for (long i = 1; i < 10; i++)
            ck_assert_int_eq(allocates(_i), i != n);
        ck_assert_int_eq(mem_count(), 9);
    }
    mem_fail_at(0, 0);
    ck_assert(allocates(_i));
}
END_TEST

START_TEST(test_from_the_nth_allocation_on_all_fail)
{
    for (long n = 1; n < 6; n++) {
        mem_fail_at(n, 1);
        for (long i = 1; i < 10; i++)
            ck_assert_int_eq(allocates(_i), i < n);
    }
    mem_fail_at(0, 0);
    ck_assert(allocates(_i));
}
END_TEST

START_TEST(test_a_failed_reallocation_keeps_the_old_block)
{
    char *old = mem_strdup("old");
    mem_fail_at(1, 0);
    ck_assert_ptr_null(mem_realloc_array(old, 100, 100));
    mem_fail_at(0, 0);
    ck_assert_str_eq(old, "old");
    mem_free(old);
}
END_TEST

static void *allocate_often(void *failures)
{
    for (int i = 0; i < 10000; i++)
        *(int *)failures += !allocates(i % 6);
    return NULL;
}

START_TEST(test_one_allocation_fails_among_all_threads)
{
    pthread_t threads[4];
    int failures[4] = {0}, sum = 0;
    mem_fail_at(17000, 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate_often, &failures[i]), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(mem_count(), 40000);
    mem_fail_at(0, 0);
    for (int i = 0; i < 4; i++)
        sum += failures[i];
    ck_assert_int_eq(sum, 1);
}
END_TEST

START_TEST(test_a_growing_array_keeps_what_it_has_and_at_least_doubles)
{
    int *list = NULL;
    size_t capacity = 0, n_moves = 0;
    for (size_t n = 0; n < 10000; n++) {
        size_t had = capacity;
        ck_assert(MEM_RESERVE(list, capacity, n + 1));
        ck_assert(capacity == had || capacity >= 2 * had);
        n_moves += capacity != had;
        list[n] = (int)n;
    }
    ck_assert_uint_le(n_moves, 10);
    for (int i = 0; i < 10000; i++)
        ck_assert_int_eq(list[i], i);
    ck_assert(MEM_RESERVE(list, capacity, 1000000) && capacity == 1000000);
    ck_assert(list[9999] == 9999);
    mem_free(list);
}
END_TEST

START_TEST(test_an_array_that_cannot_grow_stands)
{
    int *list = NULL, *before;
    size_t capacity = 0, none = 0;
    mem_fail_at(1, 0);
    ck_assert(!MEM_RESERVE(list, capacity, 1) && !list && capacity == 0);
    mem_fail_at(0, 0);
    ck_assert(MEM_RESERVE(list, capacity, none) && !list && MEM_RESERVE(list, capacity, 1));
    before = list;
    list[0] = 7;
    ck_assert(!MEM_RESERVE(list, capacity, SIZE_MAX / 2)); /* times four is too much */
    ck_assert(list == before && list[0] == 7);
    mem_free(list);
}
END_TEST

SUITE("base mem", NULL, NULL, {test_memory_of_every_kind_can_be_written_and_freed},
      {test_nothing_is_a_size_too}, {test_aligned_memory_is_aligned},
      {test_zeroed_memory_is_zero_and_a_small_block_the_one_freed_last},
      {test_a_shared_heap_is_one_for_all_threads}, {test_products_that_overflow_fail_and_keep_the_old_block},
      {test_the_nth_allocation_fails_and_only_that, 6}, {test_from_the_nth_allocation_on_all_fail, 6},
      {test_a_failed_reallocation_keeps_the_old_block},
      {test_a_growing_array_keeps_what_it_has_and_at_least_doubles}, {test_an_array_that_cannot_grow_stands},
      {test_one_allocation_fails_among_all_threads})
