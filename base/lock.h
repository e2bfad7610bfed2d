/* lock - what a comment says of who holds a mutex, as a precondition that runs. In builds for debugging and
 * under sanitizers (HYPERNET_DEBUG); a release checks nothing here, since locks are taken on the way of every
 * request.
 * Layer: base
 * Threads: any.
 * Memory: none. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

/* The calling thread holds the mutex. glibc notes the thread in each mutex that it locks; where that is not
 * known, somebody holds it. */
#if !defined HYPERNET_DEBUG
#define ASSERT_HELD(mutex) ((void)(mutex))
#elif defined __GLIBC__
#define ASSERT_HELD(mutex) assert((mutex)->__data.__owner == gettid())
#else
#define ASSERT_HELD(mutex) assert(pthread_mutex_trylock(mutex) == EBUSY)
#endif

#endif
