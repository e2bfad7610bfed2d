/* update_run - one attempt at an update of users, which is one transaction: what registrations and events
 * have in common. For user_updates.c and event_updates.c.
 * Layer: server/serving
 * Threads: uses the session's connections and workspaces.
 * Memory: none. */
#ifndef SERVER_SERVING_UPDATE_RUN_H
#define SERVER_SERVING_UPDATE_RUN_H

#include "server/serving/user_updates.h"

struct update_run {
    struct session *t;
    const struct update_rules *rules;
    /* An item that the store has and this process's tables are yet to have ends the attempt, so that the
     * tables can be brought up first. */
    bool hears_first;
    bool unheard_item; /* and one did */
    bool within;       /* what is written is checked within the transaction; else before it */
    bool vanished;     /* what was there before the transaction was not within it */
    bool many;         /* users: their contexts are made after the transaction */
    int64_t first;     /* of many: the transaction's first change */
    size_t n_allowed;  /* new users taken from the allowance for this attempt */
    struct update_made made;
};

/* The connection on which checks read. */
static inline struct store_conn *update_run_reads(const struct update_run *run)
{
    return run->within ? run->t->writer : run->t->conn;
}

/* Refuses the interaction at this place when its item cannot be. An item that is there never goes, so it is
 * the same before the transaction and within it. */
enum err_code update_run_check_item(struct update_run *run, struct text item, struct update_fault fault,
                                    bool *can, struct err *e) ERR_MUST_CHECK;

/* Whether the event came before, by its id: then nothing is to be written of it, not even its item. */
enum err_code update_run_repeats(const struct update_run *run, struct text user,
                                 const struct update_interaction *x, bool *repeats,
                                 struct err *e) ERR_MUST_CHECK;

/* Puts an interaction, and its item where that is not there. *key: the item's. */
enum err_code update_run_put(struct update_run *run, struct text user, const struct update_interaction *x,
                             int64_t timestamp, int64_t *key, enum store_put *put,
                             struct err *e) ERR_MUST_CHECK;

/* Brings the tables up to the store after an attempt that ended for an item they did not have; true: worth
 * another one. */
bool update_run_hears(struct update_run *run, struct err *e);

/* A lower layer's word against one part: the part is refused with it, and the rest is tried anew. */
bool update_run_blames_a_part(enum err_code code);

enum err_code update_run_refused(struct err *e);

#endif
