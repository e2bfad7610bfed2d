/* import_types - of which types the metadata of imported items are, field by field, as filters take them:
 * said at the end, so that a price that is a text in some rows is seen before anybody filters by it.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: a buffer of the scan; import_types_fini frees. */
#ifndef SERVER_DATA_IMPORT_TYPES_H
#define SERVER_DATA_IMPORT_TYPES_H

#include "base/buf.h"
#include "base/text.h"
#include "server/items/metadata_scan.h"

#include <stddef.h>
#include <stdint.h>

/* name in text, name in JSON; a text that is a number or a time counts as one */
#define IMPORT_TYPES(X)                                                                                      \
    X(NUMBER, "number", "number")                                                                            \
    X(TIME, "time", "time")                                                                                  \
    X(TEXT, "text", "text")                                                                                  \
    X(BOOL, "true or false", "boolean")                                                                      \
    X(LIST, "list of texts", "list")                                                                         \
    X(OTHER, "something else", "other")
enum import_type {
#define X(type, name, key) IMPORT_##type,
    IMPORT_TYPES(X)
#undef X
        N_IMPORT_TYPES
};

enum { IMPORT_TYPES_FIELDS = 64, IMPORT_TYPES_NAME_BYTES = 64 };

/* Zero-initialise. */
struct import_types {
    struct metadata_scan scan;
    int64_t n_rows; /* of items */
    size_t n;
    struct import_type_field {
        char name[IMPORT_TYPES_NAME_BYTES];
        int64_t n_of[N_IMPORT_TYPES];
    } at[IMPORT_TYPES_FIELDS]; /* (n) those beyond them, and those with longer names, are counted only */
    bool more;                 /* there are such fields */
};

void import_types_fini(struct import_types *t);

/* Counts a row's metadata: a JSON object, or NULL data. */
void import_types_row(struct import_types *t, struct text object);

/* Appends the fields in words: "price number in 118, colour text"; nothing where there are none. */
void import_types_text(const struct import_types *t, struct buf *out);

/* Appends the member: ,"metadata":{"price":{"number":118}, ...}. */
void import_types_json(const struct import_types *t, struct buf *out);

#endif
