/* user_allowance - how many users events may make: so many a minute, and what a quiet time left over, up to a
 * minute's.
 * Layer: server/serving
 * Threads: any; a lock, taken by writes that make users alone.
 * Memory: none. */
#ifndef SERVER_SERVING_USER_ALLOWANCE_H
#define SERVER_SERVING_USER_ALLOWANCE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct user_allowance {
    pthread_mutex_t lock; /* a leaf; guards what follows */
    int64_t per_minute;
    int64_t credit; /* in users times the nanoseconds of a minute, at most a minute's */
    int64_t at_ns;  /* when it was reckoned */
};

/* A whole minute's is there at first. */
void user_allowance_init(struct user_allowance *a, int64_t per_minute, int64_t now_ns);
void user_allowance_fini(struct user_allowance *a);

/* Takes up to n users; how many. What is not used comes back by user_allowance_return. */
size_t user_allowance_take(struct user_allowance *a, size_t n, int64_t now_ns);
void user_allowance_return(struct user_allowance *a, size_t n);

/* Seconds until n users more can be taken, 1 to 60. */
int user_allowance_wait_s(struct user_allowance *a, size_t n, int64_t now_ns);

#endif
