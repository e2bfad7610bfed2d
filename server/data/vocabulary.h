/* vocabulary - which values of users (or categories of items) a model learns, and which owner has which. A
 * value is learned when enough owners have it, so that what is somebody's own is in no model; fields that are
 * called a name or an address are left out, since such values are shared too. A field of which
 * many numbers are known is learned as ranges: each has enough owners too, and its bounds are round. A field
 * with more than VOCABULARY_MOST_VALUES values that are learned is left out, and so are fields beyond the 64
 * that a model may have.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: three arrays; the texts are the caller's, who keeps them. */
#ifndef SERVER_DATA_VOCABULARY_H
#define SERVER_DATA_VOCABULARY_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VOCABULARY_MOST_VALUES = 1000, VOCABULARY_MOST_RANGES = 16, VOCABULARY_MOST_CODES = 24 };

/* One value of one owner. */
struct occurrence {
    size_t field, value; /* offsets in the texts, terminated there; values in the form of base/value_text.h */
    uint32_t owner;
    uint32_t row; /* of the vocabulary, once known; UINT32_MAX: none */
};

/* What the owners have: rows of a vocabulary, those of owner u at [start[u], start[u + 1]). */
struct vocabulary {
    size_t *start;                        /* (n_owners + 1) */
    uint32_t *values;                     /* (start[n_owners]) */
    struct profile_value *values_of_rows; /* (n_rows) views of the texts */
    size_t n_rows;
};

struct vocabulary_options {
    size_t least; /* owners of a value that is learned */
    bool ranges;  /* numbers may be learned as ranges */
    bool
        no_private; /* nothing is learned of fields that private_field_is knows, however many share a value */
    struct buf *
        unknown; /* gets the names of the fields of which nothing is learned, ", " between; NULL: not asked */
};

/* Makes the vocabulary of n occurrences, which are put in order of their owners. */
enum err_code vocabulary_make(const char *texts, struct occurrence *list, size_t n, size_t n_owners,
                              const struct vocabulary_options *o, struct vocabulary *out,
                              struct err *e) ERR_MUST_CHECK;
void vocabulary_fini(struct vocabulary *v);

#endif
