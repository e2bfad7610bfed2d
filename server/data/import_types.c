#include "server/data/import_types.h"

#include "server/fields/field_value.h"
#include "server/fields/time_text.h"

#include <inttypes.h>
#include <string.h>

static const char *const names[N_IMPORT_TYPES] = {
#define X(type, name, key) name,
    IMPORT_TYPES(X)
#undef X
};
static const char *const keys[N_IMPORT_TYPES] = {
#define X(type, name, key) key,
    IMPORT_TYPES(X)
#undef X
};

void import_types_fini(struct import_types *t)
{
    metadata_scan_fini(&t->scan);
    *t = (struct import_types){.n = 0};
}

static struct import_type_field *field_of(struct import_types *t, struct text name)
{
    for (size_t i = 0; i < t->n; i++)
        if (text_is(name, t->at[i].name))
            return &t->at[i];
    if (t->n == IMPORT_TYPES_FIELDS || name.len >= IMPORT_TYPES_NAME_BYTES ||
        memchr(name.data, 0, name.len)) {
        t->more = true;
        return NULL;
    }
    struct import_type_field *field = &t->at[t->n++];
    *field = (struct import_type_field){.n_of = {0}};
    memcpy(field->name, name.data, name.len);
    return field;
}

static enum import_type type_of(const struct metadata_value *value)
{
    int64_t seconds;
    double number;
    switch (value->type) {
    case METADATA_NUMBER:
        return IMPORT_NUMBER;
    case METADATA_TEXT:
        return field_value_quantity(value->text, &number) ? IMPORT_NUMBER
               : time_text_seconds(value->text, &seconds) ? IMPORT_TIME
                                                          : IMPORT_TEXT;
    case METADATA_BOOL:
        return IMPORT_BOOL;
    case METADATA_LIST:
        return IMPORT_LIST;
    default:
        return IMPORT_OTHER;
    }
}

static bool count(void *arg, struct text name, const struct metadata_value *value)
{
    struct import_types *t = arg;
    struct import_type_field *field = value->type == METADATA_NONE || !name.len ? NULL : field_of(t, name);
    if (field)
        field->n_of[type_of(value)]++;
    return true;
}

void import_types_row(struct import_types *t, struct text object)
{
    if (t->n_rows++ == 0)
        metadata_scan_init(&t->scan);
    if (object.len)
        (void)metadata_scan_each(&t->scan, object, count, t); /* without memory fewer are counted */
}

void import_types_text(const struct import_types *t, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        const char *between = " ";
        buf_addf(out, "%s%s", i ? ", " : "", t->at[i].name);
        for (size_t type = 0; type < N_IMPORT_TYPES; type++) {
            int64_t n = t->at[i].n_of[type];
            if (!n)
                continue;
            buf_addf(out, "%s%s", between, names[type]);
            if (n < t->n_rows)
                buf_addf(out, " in %" PRId64, n);
            between = " and ";
        }
    }
    if (t->more)
        buf_adds(out, ", and others");
}

void import_types_json(const struct import_types *t, struct buf *out)
{
    buf_adds(out, ",\"metadata\":{");
    for (size_t i = 0; i < t->n; i++) {
        const char *between = "";
        buf_adds(out, i ? "," : "");
        buf_add_json_string(out, t->at[i].name, strlen(t->at[i].name));
        buf_adds(out, ":{");
        for (size_t type = 0; type < N_IMPORT_TYPES; type++) {
            if (!t->at[i].n_of[type])
                continue;
            buf_addf(out, "%s\"%s\":%" PRId64, between, keys[type], t->at[i].n_of[type]);
            between = ",";
        }
        buf_addc(out, '}');
    }
    buf_addc(out, '}');
}
