/* field - the one rule for each value that is stored, whichever way it comes in: tables and requests both ask
 * here. The ranges are in base/limits.h, with what they were derived from. What is refused is ERR_INVALID: a
 * whole reason that names the value and says what to do, to which the caller adds the place.
 * Layer: server/fields
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_FIELDS_FIELD_H
#define SERVER_FIELDS_FIELD_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- at the door ---- */

/* An id: 1 to LIMIT_ID_BYTES bytes of UTF-8 without a zero byte. what is "user" or "item". */
enum err_code field_check_id(struct text id, const char *what, struct err *e) ERR_MUST_CHECK;

/* Refuses an id or a column's name that has a control character: nobody sees it, and another program's id
 * would be another. what is "id of the user", for example. */
enum err_code field_check_plain(struct text text, const char *what, struct err *e) ERR_MUST_CHECK;

/* Whether text is what programs write where there is no value: NULL, \N, nan, None, NA, <NA>, NaT, undefined.
 * An id that is one of them is a missing one, unless it was quoted. */
bool field_is_null_word(struct text text);

/* The weight of an interaction: LIMIT_WEIGHT_LEAST to LIMIT_WEIGHT_MOST. */
enum err_code field_check_weight(double weight, struct err *e) ERR_MUST_CHECK;

/* A rating: up to LIMIT_RATING away from 0. One too small for float32 is 0. */
enum err_code field_check_rating(double *rating, struct err *e) ERR_MUST_CHECK;

/* One number of an embedding or an input row: up to LIMIT_COMPONENT away from 0. */
enum err_code field_check_component(double x, struct err *e) ERR_MUST_CHECK;

/* How a time was written. The size tells the unit: seconds of before 5138 have at most eleven digits,
 * milliseconds of after 1973 twelve or more, and so on. */
enum field_time_form {
    FIELD_TIME_ISO, /* ISO 8601 */
    FIELD_TIME_SECONDS,
    FIELD_TIME_MILLISECONDS,
    FIELD_TIME_MICROSECONDS,
    FIELD_TIME_NANOSECONDS,
    FIELD_N_TIME_FORMS
};

/* Names a form for people: "seconds since 1970", ... */
const char *field_time_form_name(enum field_time_form form);

/* A number as seconds since 1970: it is seconds (so also any small rising order), milli-, micro- or
 * nanoseconds; fractions are cut. Refused: what is negative, or more than LIMIT_AHEAD_SECONDS ahead of
 * now. */
enum err_code field_time_of_integer(int64_t number, int64_t now, int64_t *seconds, enum field_time_form *form,
                                    struct err *e) ERR_MUST_CHECK;
enum err_code field_time_of_number(double number, int64_t now, int64_t *seconds, enum field_time_form *form,
                                   struct err *e) ERR_MUST_CHECK;

/* The same of a text: a number or an ISO 8601 date or time. */
enum err_code field_time_of_text(struct text text, int64_t now, int64_t *seconds, enum field_time_form *form,
                                 struct err *e) ERR_MUST_CHECK;

/* When answers may have an item, which may lie ahead, or since when it is there (`made`): whole seconds
 * since 1970 up to the year 9999, of `made` up to 2100. What is more are milli-, micro- or nanoseconds:
 * those of after 1978, of `made` of after February 1970, cannot be seconds. 0: no such time. */
int64_t field_life_of_integer(int64_t number, bool made);

/* The same of a text, or an ISO 8601 date or time. what: its name. */
enum err_code field_life_of_text(struct text text, bool made, const char *what, int64_t *seconds,
                                 struct err *e) ERR_MUST_CHECK;

/* The time of a task's row: the same, but that numbers too small for milliseconds may be any rising order,
 * also below 0 and with a fraction. text has NULL data for a number that is none of a text. */
enum err_code field_time_of_row(struct text text, double number, int64_t now, double *time,
                                struct err *e) ERR_MUST_CHECK;

/* ---- for what stores hold from before these rules ---- */

/* The value at the limit nearest to a stored one; what has no nearest one (NaN) is a weight of 1, a component
 * of 0. A rating that is NaN stays: there is none. */
float field_usable_weight(double weight);
float field_usable_rating(double rating);
void field_make_usable(float *x, size_t n); /* components (n) */

/* Whether a stored weight and rating are what they may be. */
bool field_is_usable(double weight, double rating);

#endif
