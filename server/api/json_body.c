/* jansson does the parsing; depth is counted before, because its own limit is 2048. */
#include "server/api/json_body.h"

#include "base/limits.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "server/fields/field.h"
#include "server/fields/field_value.h"
#include "server/fields/text_form.h"
#include "server/http/problem.h"
#include "server/http/problem_list.h"
#include "server/http/route.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct json_place json_place_root(void)
{
    return (struct json_place){""};
}

struct json_place json_place_key(const struct json_place *at, const char *key)
{
    struct json_place place = *at;
    size_t n = strlen(place.text);
    if (n + 1 < sizeof place.text)
        place.text[n++] = '/';
    for (; *key && n + 2 < sizeof place.text; key++) { /* RFC 6901: ~ is ~0 and / is ~1 */
        if (*key == '~' || *key == '/') {
            place.text[n++] = '~';
            place.text[n++] = *key == '~' ? '0' : '1';
        } else {
            place.text[n++] = *key;
        }
    }
    while (*key && n > 0 && !utf8_valid(place.text, n))
        n--; /* cut: at a whole character */
    place.text[n] = '\0';
    return place;
}

struct json_place json_place_index(const struct json_place *at, size_t index)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%zu", index);
    return json_place_key(at, number);
}

/* What a text would become: jansson takes up to a hundred times the bytes of it. */
struct extent {
    size_t n_containers; /* objects and arrays */
    size_t n_values; /* these, and all else that a comma, colon or bracket sets apart: never less than there
                        are */
    size_t n_listed; /* elements of the longest array that is a member of the document */
    size_t too_deep_at; /* where nesting passes the limit; the length when it does not */
};

/* What jansson 2.14 takes for a container with its place in what holds it, and for a value that is none. */
enum { CONTAINER_BYTES = 256, VALUE_BYTES = 64 };

static struct extent measure(const char *text, size_t n)
{
    struct extent x = {.n_values = 1, .too_deep_at = n};
    int depth = 0;
    bool quoted = false;
    size_t listed = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == ',' || c == ':') {
            x.n_values++;
            if (depth == 2 && c == ',' && ++listed >= x.n_listed)
                x.n_listed = listed + 1;
        } else if (c == '{' || c == '[') {
            x.n_containers++;
            x.n_values++;
            if (++depth == 2)
                listed = 0;
            if (depth > LIMIT_JSON_DEPTH) {
                x.too_deep_at = i;
                return x;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return x;
}

static void refuse_depth(struct request *r, const char *text, size_t at, int line_offset)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < at; i++, column++)
        if (text[i] == '\n') {
            line++;
            column = 0;
        }
    problem_answer_json(r, line + line_offset, column, "nested more deeply than this server reads");
}

/* The calls that take a list, and how long a one. */
static const struct {
    const char *pattern, *pointer;
    size_t most;
} lists[] = {{"/v1/events", "/events", LIMIT_EVENTS_PER_CALL},
             {"/v1/admin/users", "/users", LIMIT_USERS_PER_CALL},
             {"/v1/admin/tasks", "/tasks", LIMIT_TASKS_PER_CALL},
             {"/v1/admin/items", "/items", LIMIT_ITEMS_PER_CALL}};

static bool list_fits(struct request *r, size_t n_listed)
{
    for (size_t i = 0; r->route && i < sizeof lists / sizeof *lists; i++)
        if (n_listed > lists[i].most && strcmp(r->route->pattern, lists[i].pattern) == 0) {
            problem_answer(r, PROBLEM_INVALID_VALUE, lists[i].pointer, "%zu elements; at most %zu", n_listed,
                           lists[i].most);
            return false;
        }
    return true;
}

/* Refuses, before it is made, a document that would take more than calls have use for, or than there is. */
static bool fits(struct request *r, const struct extent *x)
{
    if (!list_fits(r, x->n_listed))
        return false;
    if (x->n_containers > LIMIT_JSON_CONTAINERS || x->n_values > LIMIT_JSON_VALUES) {
        problem_answer(
            r, PROBLEM_TOO_LARGE, NULL,
            "%zu objects and arrays, about %zu values; a body may have %d and %d: send it in parts",
            x->n_containers, x->n_values, LIMIT_JSON_CONTAINERS, LIMIT_JSON_VALUES);
        return false;
    }
    size_t bytes = x->n_containers * CONTAINER_BYTES + x->n_values * VALUE_BYTES;
    if (!request_charge_more(r, bytes)) {
        problem_answer(
            r, PROBLEM_OVERLOADED, NULL,
            "bodies take all the memory there is for them (--max-body-memory); try again in a second");
        return false;
    }
    return true;
}

json_t *json_body_parse(struct request *r, const char *text, size_t n, int line_offset)
{
    struct extent x = measure(text, n);
    if (x.too_deep_at < n) {
        refuse_depth(r, text, x.too_deep_at, line_offset);
        return NULL;
    }
    if (!fits(r, &x))
        return NULL;
    json_error_t where;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (!root && json_error_code(&where) == json_error_numeric_overflow && r->faults)
        problem_list_add(r->faults, PROBLEM_INVALID_VALUE, NULL, "a number is too large",
                         where.line + line_offset, where.column);
    else if (!root && json_error_code(&where) == json_error_numeric_overflow)
        problem_answer(r, PROBLEM_INVALID_VALUE, NULL, "line %d, column %d: a number is too large",
                       where.line + line_offset, where.column);
    else if (!root)
        problem_answer_json(r, where.line + line_offset, where.column > 0 ? where.column : 1, where.text);
    return root;
}

static const char *kind_of(const json_t *value)
{
    if (!value)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static bool refuse(struct request *r, const struct json_place *at, const char *wanted, const json_t *got)
{
    problem_answer(r, PROBLEM_INVALID_VALUE, at->text, "expected %s, got %s", wanted, kind_of(got));
    return false;
}

/* A text that was meant as a number is told how to be one. */
static bool refuse_number(struct request *r, const struct json_place *at, const char *wanted,
                          const json_t *got)
{
    char advice[TEXT_FORM_ADVICE_BYTES];
    if (!json_is_string(got))
        return refuse(r, at, wanted, got);
    struct text text = {json_string_value(got), json_string_length(got)};
    problem_answer(r, PROBLEM_INVALID_VALUE, at->text, "expected %s, got a string%s", wanted,
                   text_form_advice(text, true, advice));
    return false;
}

/* What a rule of server/field refused. */
static bool refuse_value(struct request *r, const struct json_place *at, const struct err *e)
{
    problem_answer(r, PROBLEM_INVALID_VALUE, at->text, "%s", e->text);
    return false;
}

/* A name that is not understood, with the one that may have been meant. */
static void refuse_name(struct request *r, const struct json_place *at, const char *name,
                        const char *const *keys)
{
    struct suggestion s = suggest_for(name, strlen(name));
    for (size_t i = 0; keys[i]; i++)
        suggest_consider(&s, keys[i]);
    if (s.best)
        problem_answer(r, PROBLEM_INVALID_VALUE, at->text,
                       "no member of this name is understood here; did you mean \"%s\"?", s.best);
    else
        problem_answer(r, PROBLEM_INVALID_VALUE, at->text, "no member of this name is understood here");
}

bool json_body_parts(struct request *r, const json_t *value, const char *name, const char *mark, size_t most,
                     const json_t **out)
{
    const char *const keys[] = {name, NULL};
    struct json_place root = json_place_root();
    bool is_part = !json_object_get(value, name) && json_object_get(value, mark);
    if (json_is_array(value) || is_part) {
        problem_answer(r, PROBLEM_INVALID_VALUE, root.text,
                       "expected an object with the member \"%s\", got %s; send {\"%s\":[%s]}", name,
                       is_part ? "one of its elements" : "an array", name, is_part ? "{...}" : "...");
        return false;
    }
    return json_body_object(r, value, &root, keys) && json_body_array(r, value, name, &root, most, true, out);
}

bool json_body_object(struct request *r, const json_t *value, const struct json_place *at,
                      const char *const *keys)
{
    if (!json_is_object(value))
        return refuse(r, at, "an object", value);
    const char *key;
    json_t *member;
    bool known = true;
    json_object_foreach((json_t *)value, key, member)
    {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], key) != 0)
            i++;
        if (!keys[i]) {
            struct json_place place = json_place_key(at, key);
            refuse_name(r, &place, key, keys);
            if (!r->faults)
                return false;
            known = false;
        }
    }
    return known;
}

bool json_body_array(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                     size_t most, bool required, const json_t **out)
{
    const json_t *value = json_object_get(object, key);
    struct json_place place = json_place_key(at, key);
    *out = NULL;
    if (!value && !required)
        return true;
    if (!json_is_array(value))
        return refuse(r, &place, "an array", value);
    if (json_array_size(value) > most) {
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "%zu elements; at most %zu",
                       json_array_size(value), most);
        return false;
    }
    *out = value;
    return true;
}

/* An id that is a number, as databases have them; an import writes them as these strings. */
static void refuse_number_as_id(struct request *r, const struct json_place *at, const json_t *value)
{
    const double exact = 9007199254740992; /* 2^53: whole numbers up to here are doubles */
    double x = json_number_value(value);
    if (json_is_integer(value))
        problem_answer(r, PROBLEM_INVALID_VALUE, at->text,
                       "expected a string, got a number; ids are strings: write \"%lld\", with the quotes",
                       (long long)json_integer_value(value));
    else if (fabs(x) <= exact && nearbyint(x) == x)
        problem_answer(
            r, PROBLEM_INVALID_VALUE, at->text,
            "expected a string, got a number with a fraction; ids are strings: write \"%.0f\", with "
            "the quotes, if that is the id",
            x);
    else
        problem_answer(
            r, PROBLEM_INVALID_VALUE, at->text,
            "expected a string, got a number with a fraction; ids are strings: write the id in quotes");
}

bool json_body_id_value(struct request *r, const json_t *value, const char *what, const struct json_place *at,
                        struct text *out)
{
    struct err e = {0};
    if (json_is_number(value)) {
        refuse_number_as_id(r, at, value);
        return false;
    }
    if (!json_is_string(value))
        return refuse(r, at, "a string", value);
    *out = (struct text){json_string_value(value), json_string_length(value)};
    return !field_check_id(*out, what, &e) || refuse_value(r, at, &e);
}

bool json_body_id(struct request *r, const json_t *object, const char *key, const char *what,
                  const struct json_place *at, struct text *out)
{
    struct json_place place = json_place_key(at, key);
    return json_body_id_value(r, json_object_get(object, key), what, &place, out);
}

/* The number of a member; false where it is absent, which is no fault, or is none, which is one. */
static bool number_of(struct request *r, const json_t *value, const struct json_place *place, double *out,
                      bool *fault)
{
    *fault = value && !json_is_number(value) && !refuse_number(r, place, "a number", value);
    *out = value && !*fault ? json_number_value(value) : 0;
    return value && !*fault;
}

bool json_body_count(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                     size_t least, size_t most, size_t *out)
{
    const json_t *value = json_object_get(object, key);
    struct json_place place = json_place_key(at, key);
    if (!value)
        return true;
    if (json_is_integer(value) && json_integer_value(value) >= (json_int_t)least &&
        json_integer_value(value) <= (json_int_t)most) {
        *out = (size_t)json_integer_value(value);
        return true;
    }
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected a whole number from %zu to %zu", least,
                   most);
    return false;
}

bool json_body_number(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                      double least, double most, double *out, bool *given)
{
    struct json_place place = json_place_key(at, key);
    double x;
    bool fault;
    *given = number_of(r, json_object_get(object, key), &place, &x, &fault);
    if (!*given)
        return !fault;
    *out = x;
    if (x >= least && x <= most)
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected a number from %g to %g", least, most);
    return false;
}

bool json_body_bool(struct request *r, const json_t *object, const char *key, const struct json_place *at,
                    bool *out)
{
    const json_t *value = json_object_get(object, key);
    struct json_place place = json_place_key(at, key);
    if (value && !json_is_boolean(value))
        return refuse(r, &place, "true or false", value);
    if (value)
        *out = json_is_true(value);
    return true;
}

bool json_body_weight(struct request *r, const json_t *object, const struct json_place *at, double *out)
{
    struct json_place place = json_place_key(at, "weight");
    struct err e = {0};
    double x;
    bool fault;
    if (!number_of(r, json_object_get(object, "weight"), &place, &x, &fault))
        return !fault;
    if (field_check_weight(x, &e))
        return refuse_value(r, &place, &e);
    *out = x;
    return true;
}

bool json_body_rating(struct request *r, const json_t *object, const struct json_place *at, double *out)
{
    struct json_place place = json_place_key(at, "rating");
    struct err e = {0};
    double x;
    bool fault;
    if (!number_of(r, json_object_get(object, "rating"), &place, &x, &fault))
        return !fault;
    if (field_check_rating(&x, &e))
        return refuse_value(r, &place, &e);
    *out = x;
    return true;
}

/* A text is a date. Digits in quotes would be one more way to write a number, and are mostly a mistake of the
 * caller's. */
static bool is_digits(struct text text)
{
    double number;
    return field_value_number(text, &number);
}

bool json_body_timestamp(struct request *r, const json_t *object, const struct json_place *at, int64_t now,
                         int64_t *out, bool *given)
{
    const json_t *value = json_object_get(object, "timestamp");
    struct json_place place = json_place_key(at, "timestamp");
    struct err e = {0};
    enum field_time_form form;
    if (given)
        *given = value != NULL;
    if (!value)
        return true;
    if (json_is_string(value)) {
        struct text text = {json_string_value(value), json_string_length(value)};
        if (is_digits(text))
            return refuse_number(r, &place, "a number, or a text in ISO 8601", value);
        return !field_time_of_text(text, now, out, &form, &e) || refuse_value(r, &place, &e);
    }
    if (!json_is_number(value))
        return refuse(r, &place, "a number, or a text in ISO 8601", value);
    enum err_code code = json_is_integer(value)
                             ? field_time_of_integer(json_integer_value(value), now, out, &form, &e)
                             : field_time_of_number(json_real_value(value), now, out, &form, &e);
    return !code || refuse_value(r, &place, &e);
}

bool json_body_float(struct request *r, const json_t *value, const struct json_place *at, float *out)
{
    struct err e = {0};
    if (!json_is_number(value))
        return refuse_number(r, at, "a number", value);
    if (field_check_component(json_number_value(value), &e))
        return refuse_value(r, at, &e);
    *out = (float)json_number_value(value);
    return true;
}
