/* value_text - the one form of a profile's value, whoever wrote it.
 * A table has texts, JSON has booleans and numbers, and programs write both in several ways: `True`, `true`;
 * `20`, `20.0`, `2e1`. Each stands for one value, and has one text here.
 * Layer: base
 * Threads: any.
 * Memory: none; the caller's room. */
#ifndef BASE_VALUE_TEXT_H
#define BASE_VALUE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VALUE_TEXT_ROOM = 32 };

/* The one form of a value: `true` and `false` in lower case, a number in its shortest form that reads back
 * the same (20, 0.5, 1e+300), any other text as it is. Returns text, or room. */
const char *value_text(const char *text, char room[VALUE_TEXT_ROOM]);

/* Writes a finite number in that form. */
void value_text_of_number(double x, char room[VALUE_TEXT_ROOM]);

/* Whether a text is a number: a decimal with an optional minus, point and exponent. What begins with a zero
 * before another digit (a zip code) or a plus (a telephone), or has more whole digits than a double keeps (an
 * account), is a text. */
bool value_text_number(const char *text, double *x);

/* Whether a whole number has more digits than a double keeps: then its value is its digits, as of a text. */
bool value_text_is_long(int64_t x);

/* Whether a text is digits of which a number would lose the first: `02139`. */
bool value_text_is_code(const char *text);

#endif
