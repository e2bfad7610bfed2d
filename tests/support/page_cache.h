/* page_cache - what the kernel says when it is asked for what lies in its page cache (preadv2 with
 * RWF_NOWAIT). Stands before libc's preadv64v2 in every program that uses it, and ends the program when that
 * is asked for anything else. At first everything is there, on any file system.
 * Layer: tests/support
 * Threads: any.
 * Memory: static. */
#ifndef TESTS_SUPPORT_PAGE_CACHE_H
#define TESTS_SUPPORT_PAGE_CACHE_H

/* Not errors: such reads give no byte, as at the end of a file, or half of them. */
enum { PAGE_CACHE_NOTHING = -1, PAGE_CACHE_HALF = -2 };

/* From now on such reads fail with this errno (EAGAIN: it is not there), but for the first so many; 0: they
 * succeed. */
void page_cache_fail(int how, long after);

/* How many such reads there were, failed ones included. */
long page_cache_asked(void);

#endif
