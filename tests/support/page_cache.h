/* page_cache - what the kernel says when it is asked for what lies in its page cache (preadv2 with RWF_NOWAIT).
 * Layer: tests.     Threads: any.     Memory: static.
 * Stands before libc's preadv64v2 in every program that uses it. At first everything is there, on any file system. */
#ifndef TESTS_SUPPORT_PAGE_CACHE_H
#define TESTS_SUPPORT_PAGE_CACHE_H

/* From now on such reads fail with this errno (EAGAIN: it is not there), but for the first so many; 0: they succeed. */
void page_cache_fail(int error, long after);

/* How many such reads there were, failed ones included. */
long page_cache_asked(void);

#endif
