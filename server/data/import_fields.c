/* Price and price are two fields, in a profile as in JSON; a table that says one and a store that has the
 * other are two programs that do not know of each other. They are not made one: which spelling was meant is
 * not for an import to guess. It is said. */
#include "server/data/import_fields.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

enum { MAX_COMPARED = 100 };

static void note_case(const char *path, const char *name, const char *other, const char *whose,
                      struct import_report *report)
{
    struct err note = {0};
    (void)err_set(
        &note, ERR_INVALID,
        "%s: the field '%.60s' differs from '%.60s'%s by letter case alone: they are two fields, and a "
        "value of one does not replace that of the other; write them one way",
        path, name, other, whose);
    import_report_add_note(report, &note);
}

void import_fields_compare(struct import_fields *f, const struct import_file *file, const struct buf *stored,
                           struct text given, struct import_report *report)
{
    if (!stored->len || !given.len || f->said[file->kind] || f->n_compared[file->kind] >= MAX_COMPARED)
        return;
    f->n_compared[file->kind]++;
    json_t *old = json_loadb(stored->data, stored->len, 0, NULL);
    json_t *new = json_loadb(given.data, given.len, 0, NULL); /* without memory nothing is compared */
    const char *name, *other;
    json_t *value, *unused;
    json_object_foreach(new, name, value)
    {
        if (json_object_get(old, name) || f->said[file->kind])
            continue;
        json_object_foreach(old, other, unused)
        {
            if (f->said[file->kind] || strcasecmp(name, other) != 0)
                continue;
            f->said[file->kind] = true;
            note_case(file->path, name, other, ", which the store has,", report);
        }
    }
    json_decref(old);
    json_decref(new);
}

static void look_for_case(const struct import_file_report *file, struct import_report *report)
{
    const struct table_column *list = file->columns.list;
    for (size_t i = 0; i < file->columns.n; i++)
        for (size_t j = 0; j < i; j++)
            if (list[i].role == ROLE_EXTRA && list[j].role == ROLE_EXTRA && *list[i].name &&
                strcmp(list[i].name, list[j].name) != 0 && strcasecmp(list[i].name, list[j].name) == 0) {
                note_case(file->path, list[i].name, list[j].name, " of the same table", report);
                return;
            }
}

static void look_for_fractions(const struct import_file_report *file, const char *what, int64_t n,
                               struct import_report *report)
{
    struct err note = {0};
    if (!n || n != file->n_rows)
        return;
    (void)err_set(&note, ERR_INVALID,
                  "%s: every id of the %ss is a number like 1.0 and kept as that text, so '1' finds no %s; "
                  "pandas writes whole numbers so where a column has gaps: astype('Int64') before to_csv",
                  file->path, what, what);
    import_report_add_note(report, &note);
}

void import_fields_look(const struct import_file_report *file, struct import_report *report)
{
    if (file->kind == TABLE_USERS || file->kind == TABLE_ITEMS)
        look_for_case(file, report);
    look_for_fractions(file, "user", file->n_user_fractions, report);
    look_for_fractions(file, "item", file->n_item_fractions, report);
}
