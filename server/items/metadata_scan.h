/* metadata_scan - the members of an item's metadata, as a store has them: the text of a JSON object.
 * Cost: one pass over the text and no tree of it: the metadata of a whole catalogue are read at a start.
 * Layer: server/items
 * Threads: a scan is confined.
 * Memory: a buffer for texts with escapes, kept between scans; metadata_scan_fini frees. */
#ifndef SERVER_ITEMS_METADATA_SCAN_H
#define SERVER_ITEMS_METADATA_SCAN_H

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* What a value is. Lists of texts are lists; null is no value; an object and any other list are OTHER. */
enum metadata_type {
    METADATA_NONE,
    METADATA_NUMBER,
    METADATA_TEXT,
    METADATA_BOOL,
    METADATA_LIST,
    METADATA_OTHER
};
enum { METADATA_TYPES = METADATA_OTHER + 1 };

struct metadata_value {
    enum metadata_type type;
    double number;              /* of a NUMBER; of a BOOL 1 or 0 */
    struct text text;           /* of a TEXT */
    const struct text *members; /* (n_members) of a LIST */
    size_t n_members;
};

struct metadata_scan {
    struct buf decoded;
    struct text *members; /* (capacity) of the list that was read last */
    size_t capacity;
};

void metadata_scan_init(struct metadata_scan *s);
void metadata_scan_fini(struct metadata_scan *s);

/* Calls fn with each member of the object, names and texts borrowed for the call, until it returns false.
 * False: fn did, or there was no memory. A text that is no object cannot have been stored; were it so, what
 * stands in front of the fault would be told. */
typedef bool metadata_fn(void *arg, struct text name, const struct metadata_value *value);
bool metadata_scan_each(struct metadata_scan *s, struct text json, metadata_fn *fn, void *arg);

#endif
