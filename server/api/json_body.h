/* json_body - request bodies: parsing with line and column, and typed access with JSON pointers for what is
 * wrong.
 * Each getter answers the request with a 422 that points at the value and returns false when the value is not
 * as it must be.
 * Layer: server/api
 * Threads: any.
 * Memory: a JSON tree, which the request owns. */
#ifndef SERVER_API_JSON_BODY_H
#define SERVER_API_JSON_BODY_H

#include "server/http/request.h"

#include <jansson.h>
#include <stdbool.h>

/* A place in the body: "/events/3/item". */
enum { JSON_POINTER_BYTES = 512 };
struct json_place {
    char text[JSON_POINTER_BYTES];
};

struct json_place json_place_root(void);
struct json_place json_place_key(const struct json_place *at, const char *key);
struct json_place json_place_index(const struct json_place *at, size_t index);

/* Parses n bytes at text; answers 400 with line and column (line_offset lines come before). NULL when it
 * failed. Duplicate keys and nesting beyond the limit are refused; a number too large to be read is a 422.
 * The caller owns the result. */
json_t *json_body_parse(struct request *r, const char *text, size_t n, int line_offset);

/* A body of parts: the value must be an object with the member `name` alone, an array of at most `most`
 * elements. A bare array, or one element without the object around it (told by its member `mark`), is told
 * how it is sent. */
bool json_body_parts(struct request *r, const json_t *value, const char *name, const char *mark, size_t most,
                     const json_t **out);

/* The value must be an object with these keys only (NULL-terminated list). Another one is refused, with the
 * key it is nearest to. */
bool json_body_object(struct request *r, const json_t *value, const struct json_place *at,
                      const char *const *keys);

/* The value of a key that must be an array of at most `most`; *out NULL when it is absent and not required.
 */
bool json_body_array(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                     size_t most, bool required, const json_t **out);

/* A string that is an id, 1 to 256 bytes without a zero byte; absent is refused, and of a number it is said
 * how it is written. The value at a place, or the member of an object; what is "user", "item" or
 * "task". */
bool json_body_id_value(struct request *r, const json_t *value, const char *what, const struct json_place *at,
                        struct text *out);
bool json_body_id(struct request *r, const json_t *object, const char *key, const char *what,
                  const struct json_place *at, struct text *out);

/* Members that are a whole number from least to most, a number in such a range, true or false; absent: *out
 * stays. *given: there is one. */
bool json_body_count(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                     size_t least, size_t most, size_t *out);
bool json_body_number(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                      double least, double most, double *out, bool *given);
bool json_body_bool(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                    bool *out);

/* The members "weight", "rating" and "timestamp" of an interaction, by the rules of server/field; absent:
 * *out stays. A timestamp is a number, or a text in ISO 8601; now is the clock's. *given (may be NULL) is set
 * where there is one. */
bool json_body_weight(struct request *r, const json_t *object, const struct json_place *at, double *out);
bool json_body_rating(struct request *r, const json_t *object, const struct json_place *at, double *out);
bool json_body_timestamp(struct request *r, const json_t *object, const struct json_place *at, int64_t now,
                         int64_t *out, bool *given);

/* One element of an array of numbers: a component of an embedding or an input row (server/field). */
bool json_body_float(struct request *r, const json_t *value, const struct json_place *at, float *out);

#endif
