/* waiting - a rest of a connection's thread that another thread can end.
 * Layer: store
 * Threads: one rests; any wakes it, between init and fini.
 * Memory: none. */
#ifndef STORE_WAITING_H
#define STORE_WAITING_H

#include <pthread.h>
#include <stdbool.h>

struct store_waiting {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool woken; /* guarded by lock; the next rest ends it */
};

void store_waiting_init(struct store_waiting *w);
void store_waiting_fini(struct store_waiting *w);

/* Rests for so long; true: it was woken meanwhile or before, and came back at once. */
bool store_waiting_rest(struct store_waiting *w, int ms);
void store_waiting_wake(struct store_waiting *w);

#endif
