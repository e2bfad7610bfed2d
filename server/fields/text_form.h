/* text_form - what a text looks like that is no number to this program and was meant as one: 1,99 or
 * 1.299,00 or EUR 5, and dates. Nothing is read so: whether 1,299 is one or a thousand, the text alone does
 * not say.
 * Layer: server/fields
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_FIELDS_TEXT_FORM_H
#define SERVER_FIELDS_TEXT_FORM_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum text_form {
    TEXT_FORM_OTHER,
    TEXT_FORM_NUMBER,   /* 1.99 */
    TEXT_FORM_COMMA,    /* 1,99; 1.299,00; also 1,299 */
    TEXT_FORM_GROUPS,   /* 1,299.00; 1,299,000; 1.299.000; 1 299 */
    TEXT_FORM_CURRENCY, /* a number in any of these forms with a currency before or behind it */
    TEXT_FORM_DATE,     /* 1985-07-31 in any order and with a time or none */
    TEXT_N_FORMS
};

enum text_form text_form_of(struct text text);

/* The number as it is to be written, to out (n), cut where it is longer; for the forms that are one. */
void text_form_plain(struct text text, char *out, size_t n);

/* What to say of a text that stands where a number is to be, as the end of a sentence: ": a decimal comma;
 * write 1.99", of digits "; write 1.99, without the quotes" where it is quoted, else "". out: where it is. */
enum { TEXT_FORM_ADVICE_BYTES = 96 };
const char *text_form_advice(struct text text, bool quoted, char out[TEXT_FORM_ADVICE_BYTES]);

#endif
