/* json_reader - an object of the description of a model, read key by key. The first error is kept and
 * getters do nothing after it, so that a decoder asks for what it expects and looks at the error once, at
 * the end.
 * Layer: engine/format
 * Threads: confined to its thread.
 * Memory: none; the document is the caller's. */
#ifndef ENGINE_FORMAT_JSON_READER_H
#define ENGINE_FORMAT_JSON_READER_H

#include "base/err.h"
#include "base/limits.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { READER_PATH_BYTES = 96, READER_MAX_KEYS = 16 };

struct json_reader {
    const json_t *object;
    char path[READER_PATH_BYTES];      /* "" at the top, else it ends with a dot */
    const char *read[READER_MAX_KEYS]; /* (n_read) keys that were asked for; the object may have no others */
    size_t n_read;
    enum err_code *code; /* shared by all readers of one document */
    struct err *e;
};

/* Records `path.key: problem` unless there was an error. */
void reader_fail(struct json_reader *r, const char *key, const char *problem);

/* The value of a key, NULL when it is not there or an error came before; the second: its absence is an
 * error. */
const json_t *reader_get(struct json_reader *r, const char *key);
const json_t *reader_required(struct json_reader *r, const char *key);

/* Values of these types; 0, false, "" after an error. */
size_t reader_size(struct json_reader *r, const char *key);
double reader_number(struct json_reader *r, const char *key);
bool reader_bool(struct json_reader *r, const char *key);
const char *reader_string(struct json_reader *r, const char *key);
void reader_name(struct json_reader *r, const char *key, char out[LIMIT_NAME_BYTES + 1]);

/* Reads a name that one of the parsers of model_spec.h knows. */
#define READER_ENUM(r, key, parse, out, choices)                                                             \
    do {                                                                                                     \
        const char *name = reader_string(r, key);                                                            \
        if (!parse(name, out))                                                                               \
            reader_fail(r, key, "is none of " choices);                                                      \
    } while (0)

/* A reader of an object inside r; of an empty one after an error. The second: of the object at a key. */
struct json_reader reader_enter(struct json_reader *r, const char *key, const json_t *object);
struct json_reader reader_object(struct json_reader *r, const char *key);

/* Whether an optional object is there; `in` is its reader then. */
bool reader_block(struct json_reader *r, const char *key, struct json_reader *in);

/* The array at a key, of at most LIMIT_LAYERS (*n); and a reader of the i-th of an array. */
const json_t *reader_layers(struct json_reader *r, const char *key, size_t *n);
struct json_reader reader_element(struct json_reader *r, const char *key, const json_t *array, size_t i);

/* Refuses keys that were not asked for. */
void reader_leave(struct json_reader *r);

#endif
