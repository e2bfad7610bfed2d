#include "server/tables/naming.h"

#include "base/utf8.h"
#include "server/fields/field.h"
#include "server/fields/field_value.h"

#include <string.h>

enum err_code table_name_parse(const char *text, struct table_name *out, struct err *e)
{
    const char *sign = strchr(text, '=');
    if (!sign || sign == text || !sign[1])
        return err_set(e, ERR_INVALID,
                       "'%s' does not say what which column is: NAME=COLUMN, as in user=customer_id", text);
    size_t n = (size_t)(sign - text);
    if (n >= sizeof out->as)
        return err_set(e, ERR_INVALID, "'%.40s..' is a name of %zu bytes; at most %zu are allowed", text, n,
                       sizeof out->as - 1);
    *out = (struct table_name){.called = sign + 1};
    memcpy(out->as, text, n);
    struct text as = {out->as, n};
    if (!utf8_valid(out->as, n) || field_value_trim(as).len != n)
        return err_set(e, ERR_INVALID, "the name before = is not UTF-8, or has spaces around it");
    return field_check_plain(as, "name of a column", e);
}

const struct table_name *table_naming_of(const struct table_naming *naming, struct text column)
{
    for (size_t i = 0; naming && i < naming->n; i++) {
        struct table_name *name = &naming->names[i];
        if (strlen(name->called) == column.len && memcmp(name->called, column.data, column.len) == 0) {
            name->seen = true;
            return name;
        }
    }
    return NULL;
}

enum err_code table_naming_read(const char *const *texts, size_t n, bool no_header, struct table_name *names,
                                struct table_naming *out, struct err *e)
{
    enum err_code code = ERR_OK;
    *out = (struct table_naming){.names = names, .no_header = no_header};
    for (size_t i = 0; i < n && !code; i++) {
        const struct table_name *other;
        code = table_name_parse(texts[i], &names[i], e);
        if (!code && (other = table_naming_of(out, text_of(names[i].called))))
            code =
                err_set(e, ERR_INVALID, "'%s' is to be '%s' and '%s'", other->called, other->as, names[i].as);
        out->n = i + 1;
    }
    for (size_t i = 0; i < out->n; i++)
        names[i].seen = false;
    return code ? err_prefix(e, "--column") : ERR_OK;
}
