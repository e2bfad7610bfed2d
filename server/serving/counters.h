/* counters - what the serving core counts, however it was asked.
 * Layer: server/serving
 * Threads: any; relaxed atomics.
 * Memory: fixed. */
#ifndef SERVER_SERVING_COUNTERS_H
#define SERVER_SERVING_COUNTERS_H

#include "base/counter.h"

#include <stdint.h>

/* name, help */
#define SERVING_COUNTERS(X)                                                                                  \
    X(registrations, "Users registered or replaced")                                                         \
    X(deletions, "Users deleted")                                                                            \
    X(merges, "Users who became part of another")                                                            \
    X(item_registrations, "Items registered or replaced")                                                    \
    X(item_deletions, "Items deleted")                                                                       \
    X(task_registrations, "Tasks registered or replaced")                                                    \
    X(task_deletions, "Tasks deleted")                                                                       \
    X(task_examples, "Labelled rows of tasks added by examples")                                             \
    X(events, "Events recorded")                                                                             \
    X(users_made, "Users whom events made")                                                                  \
    X(users_not_made, "New users of events who were more than --events-new-users allows")                    \
    X(interactions_expired, "Interactions that went because they were too old")                              \
    X(misses_at_once, "Cache misses made by the HTTP thread that was asked, which waited for nothing")       \
    X(store_errors, "Reads and writes of the store that failed")                                             \
    X(changes_followed, "Changes of other processes that were followed")                                     \
    X(model_renewals, "Models that took the place of one of the same name")                                  \
    X(model_renewals_failed, "Files of models that could not take the place of those served")

struct serving_counters {
#define X(name, help) atomic_uint_fast64_t name;
    SERVING_COUNTERS(X)
#undef X
};

#endif
