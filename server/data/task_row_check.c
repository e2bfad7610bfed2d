#include "server/data/task_row_check.h"

#include "base/mem.h"
#include "base/value_text.h"
#include "server/fields/text_form.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool task_cell_is_none(const struct task_cell *cell)
{
    return isnan(cell->number) && cell->text == ID_TABLE_NONE;
}

/* Whether a cell is what programs write for a number that is none: inf, -Infinity, "nan", 1e999. */
static bool is_no_finite_number(const struct task_rows *rows, const struct task_cell *cell)
{
    char copy[32], *end;
    if (!isnan(cell->number) || task_cell_is_none(cell))
        return false;
    struct text text = id_table_text(&rows->texts, cell->text);
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return !isfinite(strtod(copy, &end)) && !*end;
}

enum err_code task_row_kinds_count(const struct task_rows *rows, struct task_row_kinds **out, struct err *e)
{
    struct task_row_kinds *kinds = mem_zalloc_array(rows->columns.n + 1, sizeof *kinds);
    *out = kinds;
    if (!kinds)
        return err_set(e, ERR_NOMEM, "no memory for %zu columns", rows->columns.n);
    for (size_t i = 0; i < rows->n_cells; i++) {
        const struct task_cell *cell = &rows->cells[i];
        bool number = !isnan(cell->number);
        kinds[cell->column].n_numbers += number;
        kinds[cell->column].n_texts +=
            !number && !task_cell_is_none(cell) && !is_no_finite_number(rows, cell);
    }
    return ERR_OK;
}

/* What no model could take where nearly all others are numbers: such a word, a number that is written
 * otherwise, one that is too large to learn from. NULL: the cell is good; advice: what to do. */
static const char *fault_of(const struct task_rows *rows, const struct task_cell *cell,
                            char advice[TEXT_FORM_ADVICE_BYTES])
{
    advice[0] = '\0';
    if (!isnan(cell->number))
        return fabs(cell->number) > TASK_MOST_NUMBER ? "too large a number: at most 1e100" : NULL;
    if (is_no_finite_number(rows, cell))
        return "no finite number";
    if (task_cell_is_none(cell) || !*text_form_advice(id_table_text(&rows->texts, cell->text), false, advice))
        return NULL;
    return "no number as nearly all others are";
}

bool task_row_check(const struct task_rows *rows, const struct task_row_kinds *kinds, size_t row,
                    const char *path, struct err *why)
{
    for (size_t i = rows->rows[row].first; i < rows->rows[row + 1].first; i++) {
        const struct task_cell *cell = &rows->cells[i];
        const struct task_row_kinds *of = &kinds[cell->column];
        char advice[TEXT_FORM_ADVICE_BYTES], room[VALUE_TEXT_ROOM];
        const char *fault = NULL;
        if (of->n_numbers && of->n_numbers >= 19 * of->n_texts)
            fault = fault_of(rows, cell, advice);
        if (!fault)
            continue;
        struct text name = id_table_text(&rows->columns, cell->column);
        value_text_of_number(isnan(cell->number) ? 0 : cell->number, room);
        struct text text = cell->text == ID_TABLE_NONE ? (struct text){room, strlen(room)}
                                                       : id_table_text(&rows->texts, cell->text);
        (void)err_set(why, ERR_INVALID, "%s:%" PRIu64 ": column '%.*s': '%.*s' is %s%s", path,
                      rows->rows[row].line, text_shown(name), name.data, text_shown(text), text.data, fault,
                      advice);
        return false;
    }
    return true;
}
