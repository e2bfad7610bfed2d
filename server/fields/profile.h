/* profile - a profile, as a JSON object, to (field, value) pairs of text.
 * A value is the text that base/value_text.h gives it, so that a table's `True` and `20.0` are JSON's true
 * and 20; an array gives one pair an element; null and nested objects give none.
 * Layer: server/fields
 * Threads: any.
 * Memory: a JSON tree while it reads. */
#ifndef SERVER_FIELDS_PROFILE_H
#define SERVER_FIELDS_PROFILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef bool profile_fn(void *arg, const char *field, const char *value); /* false stops */

/* Calls fn for each pair in the order of the text; ERR_INVALID when json is no object. Empty text has no
 * pairs. */
enum err_code profile_each(const char *json, size_t len, profile_fn *fn, void *arg,
                           struct err *e) ERR_MUST_CHECK;

/* The same, and fn is also told of nested objects and arrays, with NULL for their value. */
enum err_code profile_each_given(const char *json, size_t len, profile_fn *fn, void *arg,
                                 struct err *e) ERR_MUST_CHECK;

/* Appends the profile without its pairs of this field and value to out. ERR_INVALID when json is no object,
 * ERR_NOMEM, ERR_LIMIT. */
enum err_code profile_without(const char *json, size_t len, const char *field, const char *value,
                              struct buf *out, struct err *e) ERR_MUST_CHECK;

#endif
