/* mem - the one gate to the heap, where tests make the n-th allocation fail.
 *
 * Every size product goes through the _array forms, which fail (NULL) when count * size overflows.
 * Cost: one relaxed atomic load more than malloc.
 * Layer: base
 * Threads: any.
 * Memory: plain malloc and friends. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* New memory of n bytes, not initialised; NULL when there is none. n = 0 gives a pointer that can be freed.
 */
void *mem_alloc(size_t n_bytes) __attribute__((malloc, warn_unused_result));

/* New zeroed memory for count things of size bytes; NULL when there is none or the product overflows. */
void *mem_zalloc_array(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* New memory for count things of size bytes, not initialised. */
void *mem_alloc_array(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* Like realloc with a checked product; on NULL the old block stands. */
void *mem_realloc_array(void *old, size_t count, size_t size) __attribute__((warn_unused_result));

/* The array with room for n elements of size bytes: itself, or moved, with *capacity then at least doubled.
 * Where there is no memory it and *capacity stand, and *capacity is below n. */
void *mem_grow(void *array, size_t *capacity, size_t n, size_t size) __attribute__((warn_unused_result));

/* Room for n elements in a growing array; false: no memory, and both stand. A macro, for a function could set
 * a pointer of one type only. */
#define MEM_RESERVE(array, capacity, n)                                                                      \
    ((array) = mem_grow((array), &(capacity), (n), sizeof *(array)), (capacity) >= (n))

/* New memory aligned to 64 bytes (a cache line and an AVX-512 register), for arrays that kernels read. */
void *mem_alloc_aligned(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* A new copy of a string; NULL when there is no memory. */
char *mem_strdup(const char *text) __attribute__((malloc, warn_unused_result));

/* Frees what any function above returned; NULL is allowed. */
void mem_free(void *p);

/* Makes all threads allocate from one heap. Called before a process starts its threads.
 *
 * By default glibc gives each thread a heap of its own, and a block returns to the heap that it came from, no
 * matter which thread frees it. Where one thread allocates and another frees, as with the weight cache, every
 * heap then stays as large as it ever was. With one heap the freed block serves the next thread. Each thread
 * still keeps a few freed blocks of up to a kilobyte, which it takes again without a lock.
 *
 * The heap keeps at most 2 MB of free memory at its end. Blocks of 1 MB and more go back to the system when
 * they are freed. */
void mem_share_heap(void);

/* For tests: from now on the n-th allocation (1 is the next) fails; with persistent, all later ones too. 0
 * turns it off. */
void mem_fail_at(long n, int persistent);

/* For tests: allocations asked for since the last mem_fail_at. */
long mem_count(void);

#endif
