/* id_form - what stays of an id when it loses what programs add to ids or take from them.
 * Layer: server/fields
 * Threads: any.
 * Memory: the caller's buffer. */
#ifndef SERVER_FIELDS_ID_FORM_H
#define SERVER_FIELDS_ID_FORM_H

#include "base/buf.h"
#include "base/text.h"

/* What an id may lose: spaces, seen or unseen; the fraction of 1.0; the zeros of 001; capitals. */
enum { ID_FORM_SPACES = 1, ID_FORM_FRACTION = 2, ID_FORM_ZEROS = 4, ID_FORM_CASE = 8, ID_FORM_ALL = 15 };

/* Replaces out by the id without what `lose` names. A failed append sticks to out. */
void id_form(struct text id, unsigned lose, struct buf *out);

/* Whether it is a whole number with a fraction of zeros: 1.0 */
bool id_form_has_fraction(struct text id);

/* How two ids differ that have one form, as "letter case", and what to do; "the way they are written" where
 * it is more than one thing. Static texts. */
struct id_form_difference {
    const char *what, *remedy;
};
struct id_form_difference id_form_compare(struct text a, struct text b);

#endif
