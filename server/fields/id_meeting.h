/* id_meeting - whether the ids of one side are those of another, and if not, what keeps them apart.
 * Layer: server/fields
 * Threads: confined to its thread.
 * Memory: the ids of the held side and their forms, at most ID_MEETING_MOST; those of the other side that
 *   have such a form. */
#ifndef SERVER_FIELDS_ID_MEETING_H
#define SERVER_FIELDS_ID_MEETING_H

#include "base/buf.h"
#include "store/id_table.h"

#include <stdbool.h>

enum {
    ID_MEETING_MOST = 200000, /* held; that is enough to tell */
    ID_MEETING_FEW = 10,      /* fewer may be strangers to each other by chance */
    ID_MEETING_SHARE = 20     /* one in so many of the smaller side is hardly any */
};

struct id_meeting {
    struct id_table ids, forms, others; /* held; their forms; ids of the other side, the first of each form */
    uint32_t *form_of;                  /* (ids.n) */
    uint32_t *other_of;                 /* (forms.n) in others, ID_TABLE_NONE: none */
    bool *met;                          /* (ids.n) */
    size_t ids_capacity, forms_capacity;
    size_t n_seen;       /* of the other side */
    size_t n_apart;      /* of these, those that have the form of a held id and are none */
    struct buf form;     /* scratch */
    struct buf stranger; /* the first of the other side that has nothing of a held one */
    struct buf apart[2]; /* a held id and the first of the other side with its form alone */
};

void id_meeting_init(struct id_meeting *m);
void id_meeting_fini(struct id_meeting *m);

/* Adds an id to the side that is held; false through *more when no more are held. ERR_NOMEM. */
enum err_code id_meeting_hold(struct id_meeting *m, struct text id, bool *more, struct err *e) ERR_MUST_CHECK;

/* Counts an id of the other side; after the last that is held. ERR_NOMEM. */
enum err_code id_meeting_meet(struct id_meeting *m, struct text id, struct err *e) ERR_MUST_CHECK;

/* Puts into *out what is to be said; leaves it empty when the sides meet. what: "users"; held, other: where
 * the ids are, as a path. */
void id_meeting_say(const struct id_meeting *m, const char *what, const char *held, const char *other,
                    struct err *out);

#endif
