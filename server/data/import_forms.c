/* A field is told of when nearly all of its values are numbers or dates in some form, and some in one that is
 * kept as text; names and codes have a few that look so by chance. */
#include "server/data/import_forms.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LOOKED_AT = 1000 };

static struct import_form *form_of(struct import_forms *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->at[i].name, name) == 0)
            return &f->at[i];
    if (f->n == IMPORT_FORMS_FIELDS || strlen(name) >= IMPORT_FORMS_NAME_BYTES)
        return NULL;
    struct import_form *form = &f->at[f->n++];
    *form = (struct import_form){.n_values = 0};
    (void)snprintf(form->name, sizeof form->name, "%s", name);
    return form;
}

static void count(struct import_form *form, struct text value)
{
    enum text_form is = text_form_of(value);
    form->n_values++;
    if (form->n_of[is]++ == 0 && value.len < IMPORT_FORMS_SHOWN_BYTES)
        memcpy(form->shown[is], value.data, value.len);
}

void import_forms_row(struct import_forms *f, struct text object)
{
    if (!object.len || f->n_rows == MAX_LOOKED_AT)
        return;
    f->n_rows++;
    json_t *row = json_loadb(object.data, object.len, 0, NULL); /* without memory nothing is looked at */
    const char *name;
    json_t *value;
    json_object_foreach(row, name, value)
    {
        struct import_form *form = json_is_null(value) ? NULL : form_of(f, name);
        if (form && json_is_string(value))
            count(form, (struct text){json_string_value(value), json_string_length(value)});
        else if (form)
            form->n_values++;
        if (form && json_is_number(value))
            form->n_of[TEXT_FORM_NUMBER]++;
    }
    json_decref(row);
}

/* Whether at least nine of ten values are one of these. */
static bool nearly_all(const struct import_form *form, unsigned n)
{
    return 10 * n >= 9 * form->n_values;
}

static void say_number(const struct import_form *form, enum text_form is, const char *how,
                       const struct import_file_report *file, struct import_report *report)
{
    struct err note = {0};
    char plain[IMPORT_FORMS_SHOWN_BYTES] = "";
    const char *shown = form->shown[is];
    if (!form->n_of[is])
        return;
    text_form_plain((struct text){shown, strlen(shown)}, plain, sizeof plain);
    (void)err_set(&note, ERR_INVALID,
                  "%s: the field '%s' looks like numbers %s (in %u of the first %u rows, as '%s'): these are "
                  "kept as texts; write %s",
                  file->path, form->name, how, form->n_of[is], form->n_values, shown, plain);
    import_report_add_note(report, &note);
}

static void say_date(const struct import_form *form, const struct import_file_report *file,
                     struct import_report *report)
{
    struct err note = {0};
    (void)err_set(
        &note, ERR_INVALID,
        "%s: the field '%s' has dates (as '%s'): to training each is a value of its own and no time of "
        "life; a year or an age as a number is learned as a range",
        file->path, form->name, form->shown[TEXT_FORM_DATE]);
    import_report_add_note(report, &note);
}

void import_forms_say(struct import_forms *f, const struct import_file_report *file,
                      struct import_report *report)
{
    static const enum text_form numbers[] = {TEXT_FORM_COMMA, TEXT_FORM_GROUPS, TEXT_FORM_CURRENCY};
    static const char *const how[] = {"with a decimal comma", "with separators between thousands",
                                      "with a currency"};
    for (size_t i = 0; i < f->n; i++) {
        const struct import_form *form = &f->at[i];
        const unsigned *n = form->n_of;
        bool are_numbers = nearly_all(form, n[TEXT_FORM_NUMBER] + n[TEXT_FORM_COMMA] + n[TEXT_FORM_GROUPS] +
                                                n[TEXT_FORM_CURRENCY]);
        for (size_t k = 0; are_numbers && k < sizeof numbers / sizeof *numbers; k++)
            say_number(form, numbers[k], how[k], file, report);
        if (file->kind == TABLE_USERS && n[TEXT_FORM_DATE] && nearly_all(form, n[TEXT_FORM_DATE]))
            say_date(form, file, report); /* of items nothing is learned from them */
    }
    f->n = f->n_rows = 0;
}
