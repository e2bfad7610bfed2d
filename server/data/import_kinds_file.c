/* A line is what the API's list of kinds has for each: a file of either is taken by the other. */
#include "server/data/import_kinds_file.h"

#include "base/limits.h"
#include "server/tables/line_reader.h"

#include <jansson.h>

#include <inttypes.h>
#include <string.h>

static bool is_member(const char *key)
{
    static const char *const keys[] = {"name", "weight", "negative", "seen", "ttl_seconds"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

/* A member of true or false; false: of another type. */
static bool take_bool(const json_t *kind, const char *key, bool *out)
{
    const json_t *value = json_object_get(kind, key);
    *out = value ? json_is_true(value) : *out;
    return !value || json_is_boolean(value);
}

/* What the store says against a value is told when it is put. */
static bool read_members(const json_t *line, struct store_kind *out)
{
    const json_t *name = json_object_get(line, "name"), *weight = json_object_get(line, "weight");
    const json_t *ttl = json_object_get(line, "ttl_seconds");
    bool seen = true;
    const char *key;
    json_t *value;
    *out = (struct store_kind){.name = {json_string_value(name), json_string_length(name)}, .weight = 1};
    json_object_foreach((json_t *)line, key, value) if (!is_member(key)) return false;
    if (weight)
        out->weight = json_number_value(weight);
    if (ttl && !json_is_null(ttl))
        out->ttl = (int64_t)json_integer_value(ttl);
    bool ok =
        json_is_string(name) && out->name.len <= LIMIT_KIND_BYTES && (!weight || json_is_number(weight));
    ok = take_bool(line, "negative", &out->negative) && ok;
    ok = take_bool(line, "seen", &seen) && ok;
    out->unseen = !seen;
    return ok && (!ttl || json_is_null(ttl) || (json_is_integer(ttl) && out->ttl > 0));
}

static enum err_code take_line(struct import_kinds *k, const char *file, const struct table_line *line,
                               struct err *e)
{
    struct store_kind kind;
    json_t *read = json_loadb(line->data, line->len, JSON_REJECT_DUPLICATES, NULL);
    enum err_code code = ERR_OK;
    if (!read_members(read, &kind))
        code =
            err_set(e, ERR_INVALID,
                    "%s:%" PRIu64 ": no kind of events: {\"name\": text, \"weight\": number, \"negative\", "
                    "\"seen\": true or false, \"ttl_seconds\": whole number or null}",
                    file, line->number);
    if (!code)
        code = import_kinds_put(k, &kind, e);
    json_decref(read);
    return code;
}

enum err_code import_kinds_read(struct import_kinds *k, const char *path, struct err *e)
{
    struct table_lines *lines;
    bool got = true;
    enum err_code code = table_lines_open(path, &lines, e);
    if (code)
        return code;
    while (!code && got) {
        struct table_line line;
        code = table_lines_next(lines, '\0', &line, &got, e);
        if (!code && got)
            code = take_line(k, table_lines_name(lines), &line, e);
    }
    table_lines_close(lines);
    return code;
}
