/* Scalars become text and go the way of every other format. Only what text cannot say is handled here: arrays
 * of categories and numbers, and profile values that are JSON already and stay as they are. */
#include "server/tables/ndjson_row.h"

#include "base/limits.h"
#include "server/fields/field.h"
#include "server/fields/field_value.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_NUMBER 9e18 /* near what 64 bits hold */

void table_json_fini(struct table_json *j)
{
    json_decref(j->line);
    j->line = NULL;
}

/* The text of a string or number; a view into the value, or into scratch. */
static bool scalar_text(const json_t *value, char *scratch, size_t n, struct text *out)
{
    if (json_is_string(value)) {
        *out = (struct text){json_string_value(value), json_string_length(value)};
        return true;
    }
    int written = -1;
    if (json_is_integer(value))
        written = snprintf(scratch, n, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        written = snprintf(scratch, n, "%.17g", json_real_value(value));
    *out = (struct text){scratch, written > 0 ? (size_t)written : 0};
    return written > 0 && (size_t)written < n;
}

static enum err_code set_id(char *scratch, enum table_role role, const char *name, const json_t *value,
                            struct table_row_builder *b, struct err *e)
{
    struct text text;
    if (json_is_real(value))
        return err_set(e, ERR_INVALID,
                       "\"%s\" is a number with a fraction (%.17g); write ids as texts, or as whole numbers: "
                       "pandas makes fractions where a column has gaps, astype('Int64') before to_json",
                       name, json_real_value(value));
    if (!scalar_text(value, scratch, TABLE_JSON_ID_BYTES, &text))
        return err_set(e, ERR_INVALID, "\"%s\" is neither a string nor a whole number", name);
    b->exact = true;
    enum err_code code = table_row_set(b, role, name, text, true, e); /* a text of JSON is quoted */
    b->exact = false;
    return code;
}

static enum err_code set_categories(const char *name, const json_t *value, struct table_row_builder *b,
                                    struct err *e)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        if (!json_is_string(one))
            return err_set(e, ERR_INVALID, "\"%s\" is not an array of strings", name);
        struct text text = {json_string_value(one), json_string_length(one)};
        b->exact = true;
        enum err_code code = table_row_add_category(b, text, e);
        b->exact = false;
        if (code)
            return code;
    }
    return ERR_OK;
}

static enum err_code set_embedding(const char *name, const json_t *value, struct table_row_builder *b,
                                   struct err *e)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        if (!json_is_number(one))
            return err_set(e, ERR_INVALID, "\"%s\" is not an array of numbers", name);
        enum err_code code = table_row_add_component(b, json_number_value(one), e);
        if (code)
            return code;
    }
    return ERR_OK;
}

static int append(const char *bytes, size_t n, void *arg)
{
    buf_add(arg, bytes, n);
    return 0; /* a failed append sticks to the buffer */
}

/* Which a float32 can say. */
static bool are_numbers(const json_t *value)
{
    bool all = json_array_size(value) > 0;
    for (size_t i = 0; i < json_array_size(value) && all; i++) {
        const json_t *one = json_array_get(value, i);
        all = json_is_number(one) && fabs(json_number_value(one)) <= (double)FLT_MAX;
    }
    return all;
}

/* A row of an image: pixels; n_channels not 0: or the channels of each. */
static bool is_row(const json_t *value, size_t width, size_t n_channels)
{
    bool good = json_array_size(value) == width && (n_channels || are_numbers(value));
    for (size_t i = 0; i < width && good && n_channels; i++) {
        const json_t *pixel = json_array_get(value, i);
        good = json_array_size(pixel) == n_channels && are_numbers(pixel);
    }
    return good;
}

/* An image as it stands; which model it is for, and so of what size it must be, nobody knows here. */
static enum err_code add_image(const char *name, const json_t *value, struct table_row_builder *b,
                               struct err *e)
{
    const json_t *first = json_array_get(value, 0);
    size_t width = json_array_size(first), n_channels = json_array_size(json_array_get(first, 0));
    bool good = n_channels <= LIMIT_IMAGE_CHANNELS;
    for (size_t i = 0; i < json_array_size(value) && good; i++)
        good = is_row(json_array_get(value, i), width, n_channels);
    good = good && width > 0;
    if (!good)
        return err_set(e, ERR_INVALID,
                       "\"%s\" is no image, which is an array of rows of numbers within +-%.7g, all of one "
                       "length, or of the channels of each pixel, as many of all and at most %d, or the text "
                       "of a PNG",
                       name, (double)FLT_MAX, LIMIT_IMAGE_CHANNELS);
    if (json_dump_callback(value, append, &b->object, JSON_COMPACT))
        return err_set(e, ERR_NOMEM, "no memory to write \"%s\" as JSON", name);
    enum err_code code = buf_check(&b->object, "an image", e);
    const struct table_cell cell = {.name = name, .text = {b->object.data, b->object.len}, .is_image = true};
    return code ? code : table_row_add_cell(b, &cell, e);
}

/* A value that is a whole by itself; "" is absent. */
static enum err_code add_cell(const char *name, const json_t *value, struct table_row_builder *b,
                              struct err *e)
{
    struct table_cell cell = {.name = name, .is_number = json_is_number(value) || json_is_boolean(value)};
    if (b->takes_images && json_is_array(value) && strcmp(name, "image") == 0)
        return add_image(name, value, b, e);
    if (json_is_object(value) || json_is_array(value))
        return err_set(e, ERR_INVALID, "\"%s\" is neither a number nor a text, true, false or null", name);
    if (json_is_string(value))
        cell.text = (struct text){json_string_value(value), json_string_length(value)};
    else if (json_is_boolean(value))
        cell.text = json_is_true(value) ? (struct text){"true", 4} : (struct text){"false", 5};
    cell.number = json_is_number(value) ? json_number_value(value) : json_is_true(value);
    cell.whole = json_integer_value(value);
    cell.none = json_is_null(value);
    return cell.text.data && !cell.text.len ? ERR_OK : table_row_add_cell(b, &cell, e);
}

/* empty_says: a text without a character is a value too, as it is where the object stands as a whole. */
static enum err_code add_member(const char *name, const json_t *value, bool empty_says,
                                struct table_row_builder *b, struct err *e)
{
    enum err_code code = field_check_plain(text_of(name), "name of a field", e);
    if (code)
        return code;
    if (b->kind == TABLE_ROWS && *name)
        return add_cell(name, value, b, e);
    bool empty = !empty_says && json_is_string(value) && !json_string_length(value);
    if (empty || !*name || (b->kind != TABLE_USERS && b->kind != TABLE_ITEMS))
        return ERR_OK;
    table_row_add_member(b, name);
    if (json_dump_callback(value, append, &b->object, JSON_COMPACT | JSON_ENCODE_ANY))
        return err_set(e, ERR_NOMEM, "no memory to write \"%s\" as JSON", name);
    return ERR_OK;
}

/* The member of the line that is to be called so; NULL: none is. */
static const char *given_name(const struct table_json *j, const char *as)
{
    for (size_t i = 0; j->naming && i < j->naming->n; i++)
        if (strcmp(j->naming->names[i].as, as) == 0 && json_object_get(j->line, j->naming->names[i].called))
            return j->naming->names[i].called;
    return NULL;
}

/* Whether the line has a field that goes by this name beside the nested object. */
static bool stands_beside(const struct table_json *j, const char *key, const char *nested,
                          enum table_kind kind)
{
    const char *called = given_name(j, key);
    if (called && !table_is_ignored(j->ignored, called))
        return table_role_of(kind, text_of(key), NULL) == ROLE_EXTRA;
    return strcmp(key, nested) != 0 && json_object_get(j->line, key) &&
           table_json_role(j, key, kind, NULL) == ROLE_EXTRA;
}

/* Fields of the line itself, and those of the nested object that stands for the profile or metadata. */
static enum err_code add_extra(struct table_json *j, const char *name, json_t *value,
                               struct table_row_builder *b, struct err *e)
{
    const char *nested = b->kind == TABLE_USERS ? "profile" : "metadata";
    if (b->kind == TABLE_ROWS)
        return add_member(name, value, false, b, e);
    if (strcmp(name, nested) == 0 && json_is_null(value)) {
        b->row.no_object = true;
        return ERR_OK;
    }
    if (strcmp(name, nested) != 0 || !json_is_object(value))
        return add_member(name, value, false, b, e);
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        if (table_is_ignored(j->ignored, key))
            continue;
        if (stands_beside(j, key, nested, b->kind))
            return err_set(e, ERR_INVALID, "\"%s\" stands both in \"%s\" and beside it", key, nested);
        enum err_code code = add_member(key, member, true, b, e);
        if (code)
            return code;
    }
    return ERR_OK;
}

static bool is_life(enum table_role role)
{
    return role == ROLE_HIDDEN || role == ROLE_FROM || role == ROLE_UNTIL || role == ROLE_CREATED;
}

/* What a member says of when answers may have an item, as table_row_set_life takes it; false: nothing. */
static bool read_life(enum table_role role, const json_t *value, int64_t *out)
{
    struct text text = {json_string_value(value), json_string_length(value)};
    double number = json_number_value(value);
    bool made = role == ROLE_CREATED;
    *out = json_is_true(value);
    if (role == ROLE_HIDDEN || json_is_null(value))
        return json_is_boolean(value) || json_is_null(value);
    if (json_is_number(value))
        *out = number >= 1 && number <= MAX_NUMBER ? field_life_of_integer((int64_t)number, made) : 0;
    else if (!text.data || field_life_of_text(text, made, "", out, NULL))
        return false;
    return *out != 0;
}

static enum err_code set_value(struct table_json *j, enum table_role role, const char *name, json_t *value,
                               struct table_row_builder *b, struct err *e)
{
    if (role == ROLE_EXTRA)
        return add_extra(j, name, value, b, e);
    if (role == ROLE_DELETED) {
        b->row.marked = true;
        b->row.deleted = json_is_true(value);
        return ERR_OK;
    }
    if (is_life(role)) {
        int64_t said;
        if (read_life(role, value, &said))
            table_row_set_life(b, role, said);
        return ERR_OK;
    }
    bool none =
        json_is_null(value) || (role == ROLE_CATEGORIES && json_is_array(value) && !json_array_size(value));
    if (none) {
        b->row.no_title = b->row.no_title || role == ROLE_TITLE;
        b->row.no_categories = b->row.no_categories || role == ROLE_CATEGORIES;
        return ERR_OK;
    }
    if (role == ROLE_USER || role == ROLE_ITEM)
        return set_id(role == ROLE_USER ? j->user : j->item, role, name, value, b, e);
    if (role == ROLE_CATEGORIES && json_is_array(value))
        return set_categories(name, value, b, e);
    if (role == ROLE_EMBEDDING && json_is_array(value))
        return set_embedding(name, value, b, e);
    char local[TABLE_JSON_NUMBER_BYTES], *scratch = role == ROLE_KIND ? j->kind : local;
    struct text text;
    bool only_text = role == ROLE_TITLE || role == ROLE_CATEGORIES || role == ROLE_EMBEDDING;
    if ((only_text && !json_is_string(value)) || !scalar_text(value, scratch, sizeof local, &text))
        return err_set(e, ERR_INVALID, "\"%s\" has a value of the wrong type", name);
    b->exact = role == ROLE_TITLE;
    enum err_code code = table_row_set(b, role, name, text, true, e);
    b->exact = false;
    return code;
}

/* What a member, called `as`, says of an item beside its fields: that it is deleted or hidden, or is not, and
 * times; ROLE_EXTRA: nothing, for what has another type is a field of a shop's own. */
static enum table_role mark_of(const struct table_json *j, const char *name, const char *as,
                               enum table_kind kind)
{
    const json_t *value = json_object_get(j->line, name);
    int64_t said;
    enum table_role role = ROLE_EXTRA;
    for (size_t i = ROLE_DELETED; i <= ROLE_CREATED && kind == TABLE_ITEMS; i++)
        if (strcmp(as, table_role_name((enum table_role)i)) == 0)
            role = (enum table_role)i;
    bool is = role == ROLE_DELETED ? json_is_boolean(value) : is_life(role) && read_life(role, value, &said);
    return is ? role : ROLE_EXTRA;
}

/* Of a role's names the one with the lowest rank has it where that settles it, as in a header. */
static enum table_role role_beside(const struct table_json *j, const char *name, enum table_kind kind)
{
    size_t rank = 0;
    enum table_role role = table_role_of(kind, text_of(name), &rank);
    if (mark_of(j, name, name, kind) != ROLE_EXTRA)
        return mark_of(j, name, name, kind);
    if (role == ROLE_EXTRA || rank == 0)
        return is_life(role) ? ROLE_EXTRA : role;
    if (json_object_get(j->line, table_role_name(role)) || given_name(j, table_role_name(role)))
        return ROLE_EXTRA;
    const char *other;
    json_t *value;
    json_object_foreach(j->line, other, value)
    {
        size_t others = 0;
        if (table_role_by_rank(role, rank) && table_role_of(kind, text_of(other), &others) == role &&
            others < rank)
            return ROLE_EXTRA;
    }
    return role;
}

static enum table_role role_alone(const struct table_json *j, const char *name, enum table_kind kind,
                                  const char **as)
{
    const struct table_name *given = table_naming_of(j->naming, text_of(name));
    if (as)
        *as = given ? given->as : name;
    if (given && mark_of(j, name, given->as, kind) != ROLE_EXTRA)
        return mark_of(j, name, given->as, kind);
    if (given) {
        enum table_role role = table_role_of(kind, text_of(given->as), NULL);
        return is_life(role) ? ROLE_EXTRA : role;
    }
    return given_name(j, name) ? ROLE_IGNORED : role_beside(j, name, kind);
}

/* Whether the line has a time by another name than the `last` of a kind. */
static bool has_time(const struct table_json *j, enum table_kind kind)
{
    const char *name;
    json_t *value;
    json_object_foreach(j->line, name, value) if (role_alone(j, name, kind, NULL) == ROLE_TIME) return true;
    return false;
}

enum table_role table_json_role(const struct table_json *j, const char *name, enum table_kind kind,
                                const char **as)
{
    const char *called = name;
    enum table_role role = role_alone(j, name, kind, &called);
    bool of_kind = kind == TABLE_INTERACTIONS && (json_object_get(j->line, "kind") || given_name(j, "kind"));
    if (as)
        *as = called;
    if (!of_kind || role == ROLE_IGNORED)
        return role;
    enum table_role with_kind = table_role_with_kind(role, called);
    bool stands_back = with_kind == ROLE_TIME && role != ROLE_TIME && has_time(j, kind);
    return stands_back ? role : with_kind;
}

enum err_code table_json_row(struct table_json *j, const char *line, size_t len, struct table_row_builder *b,
                             struct err *e)
{
    table_json_fini(j);
    json_error_t error;
    j->line = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!j->line && json_error_code(&error) == json_error_out_of_memory)
        return err_set(e, ERR_NOMEM, "no memory to read the JSON");
    if (!j->line)
        return err_set(e, ERR_INVALID, "no valid JSON at column %d: %s", error.column,
                       json_error_code(&error) == json_error_null_character
                           ? "a text has a zero character (\\u0000)"
                           : error.text);
    if (!json_is_object(j->line))
        return err_set(e, ERR_INVALID, "the line is no JSON object");
    b->any_text = true;
    unsigned seen = 0; /* bits of enum table_role */
    const char *name;
    json_t *value;
    json_object_foreach(j->line, name, value)
    {
        const char *as;
        enum table_role role = table_json_role(j, name, b->kind, &as);
        if (table_is_ignored(j->ignored, name) || (as != name && table_is_ignored(j->ignored, as)))
            continue;
        if (role == ROLE_IGNORED) /* another member is called so here */
            continue;
        if (as != name && strcmp(given_name(j, as), name) != 0)
            return err_set(e, ERR_INVALID, "two fields are to be called '%s' (--column)", as);
        if (role != ROLE_EXTRA && seen & 1u << role)
            return err_set(e, ERR_INVALID, "two fields mean the %s; \"%s\" is one of them",
                           table_role_name(role), name);
        seen |= 1u << role;
        enum err_code code = set_value(j, role, as, value, b, e);
        if (code)
            return code;
    }
    return ERR_OK;
}
