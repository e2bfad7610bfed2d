#include "server/data/import_names.h"

#include "base/suggest.h"

#include <string.h>

/* The column that a name was most likely meant to be; NULL: none is near. */
static const char *column_like(const struct import_report *r, const char *name)
{
    struct suggestion s = suggest_for(name, strlen(name));
    for (size_t i = 0; i < r->n_files; i++)
        for (size_t k = 0; k < r->files[i].columns.n; k++)
            if (strcmp(r->files[i].columns.list[k].name, name) != 0)
                suggest_consider(&s, r->files[i].columns.list[k].name);
    return s.best;
}

static enum err_code refuse(const char *option, const char *name, const struct import_report *r,
                            struct err *e)
{
    const char *like = column_like(r, name);
    return err_set(e, ERR_INVALID, "%s %s: no table has such a column or field%s%s%s; nothing was imported",
                   option, name, like ? " (did you mean " : "", like ? like : "", like ? "?)" : "");
}

static bool has_kind(const struct import_report *r)
{
    bool has = false;
    for (size_t i = 0; i < r->n_files && !has; i++)
        for (size_t k = 0; k < r->files[i].columns.n && !has; k++)
            has = r->files[i].columns.list[k].role == ROLE_KIND;
    return has;
}

enum err_code import_names_check(const struct import_options *o, const bool *ignored_seen,
                                 const struct import_report *report, struct err *e)
{
    for (size_t i = 0; i < o->n_ignored; i++)
        if (!ignored_seen[i])
            return refuse("--ignore-field", o->ignored[i], report, e);
    for (size_t i = 0; i < o->naming.n; i++)
        if (!o->naming.names[i].seen)
            return refuse("--column", o->naming.names[i].called, report, e);
    if (o->kinds.n_words && !has_kind(report))
        return err_set(
            e, ERR_INVALID,
            "--kind-map: no table has a column kind, whose words it tells; --column kind=NAME says "
            "which it is; nothing was imported");
    return ERR_OK;
}
