/* import_forms - fields of users and items whose values look like numbers or dates and are kept as texts:
 * said, not guessed.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: some fields' names and counts. */
#ifndef SERVER_DATA_IMPORT_FORMS_H
#define SERVER_DATA_IMPORT_FORMS_H

#include "server/data/import.h"
#include "server/fields/text_form.h"

enum { IMPORT_FORMS_FIELDS = 64, IMPORT_FORMS_NAME_BYTES = 64, IMPORT_FORMS_SHOWN_BYTES = 24 };

/* Zero-initialise. */
struct import_forms {
    unsigned n_rows; /* of the file, that were looked at: the first are enough */
    size_t n;
    struct import_form {
        char name[IMPORT_FORMS_NAME_BYTES];
        unsigned n_values, n_of[TEXT_N_FORMS];
        char shown[TEXT_N_FORMS][IMPORT_FORMS_SHOWN_BYTES]; /* the first value of each form */
    } at[IMPORT_FORMS_FIELDS];                              /* (n) those beyond them are not looked at */
};

/* Looks at a row's fields: a JSON object, or NULL data. */
void import_forms_row(struct import_forms *f, struct text object);

/* At the end of a file: notes what was found in it, and begins anew. */
void import_forms_say(struct import_forms *f, const struct import_file_report *file,
                      struct import_report *report);

#endif
