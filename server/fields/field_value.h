/* field_value - the texts of table fields as numbers, times and UTF-8.
 * The locale never matters: the point is the point.
 * Layer: server/fields
 * Threads: any.
 * Memory: none, but for field_value_from_latin1. */
#ifndef SERVER_FIELDS_FIELD_VALUE_H
#define SERVER_FIELDS_FIELD_VALUE_H

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* A finite decimal number that fills the whole text. */
bool field_value_number(struct text text, double *out);

/* The same of a number that counts or measures: digits behind a zero are a code (02139). */
bool field_value_quantity(struct text text, double *out);

/* Seconds since 1970: a number that is not negative (a fraction is cut), or a time as text
 * (server/fields/time_text.h). */
bool field_value_time(struct text text, int64_t *out);

/* Replaces out by the Latin-1 text as UTF-8. */
void field_value_from_latin1(struct text text, struct buf *out);

/* Text without spaces at both ends. */
struct text field_value_trim(struct text text);

/* Whether text equals the word, letter case aside. */
bool field_value_is(struct text text, const char *word);

#endif
