/* All occurrences are sorted by field and value, so that the owners of a value and the values of a field are
 * runs. */
#include "server/data/vocabulary.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/value_text.h"
#include "server/fields/private_field.h"
#include "server/fields/profile_ranges.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct builder {
    const char *texts;
    const struct vocabulary_options *o;
    struct vocabulary *v;
    double *numbers; /* (n) of the field at hand, rising */
    size_t n_fields; /* of which something is learned */
};

static int compare_occurrences(const void *a, const void *b, void *texts)
{
    const char *t = texts;
    const struct occurrence *x = a, *y = b;
    int order = strcmp(t + x->field, t + y->field);
    if (!order)
        order = strcmp(t + x->value, t + y->value);
    return order ? order : (x->owner > y->owner) - (x->owner < y->owner);
}

static bool same_text(const struct builder *m, size_t a, size_t b)
{
    return strcmp(m->texts + a, m->texts + b) == 0;
}

/* The run of one value that begins at i: its end, and how many owners it has, who may name it more than
 * once. */
static size_t end_of_value(const struct builder *m, const struct occurrence *list, size_t i, size_t end,
                           size_t *n_owners)
{
    size_t k = i;
    for (*n_owners = 0; k < end && same_text(m, list[k].value, list[i].value); k++)
        *n_owners += k == i || list[k].owner != list[k - 1].owner;
    return k;
}

static void set_row(struct occurrence *list, size_t from, size_t to, uint32_t row)
{
    for (size_t i = from; i < to; i++)
        list[i].row = row;
}

/* ---- values ---- */

/* Gives rows to the frequent values of a field whose row is not known yet. */
static void learn_values(struct builder *m, struct occurrence *list, size_t end)
{
    struct vocabulary *v = m->v;
    size_t first = v->n_rows, n_owners, n = 0;
    for (size_t i = 0, k; i < end; i = k) {
        k = end_of_value(m, list, i, end, &n_owners);
        n += list[i].row == UINT32_MAX && n_owners >= m->o->least;
    }
    if (n > VOCABULARY_MOST_VALUES) /* an identifier or free text, not a trait */
        return;
    for (size_t i = 0, k; i < end; i = k) {
        k = end_of_value(m, list, i, end, &n_owners);
        if (list[i].row != UINT32_MAX || n_owners < m->o->least)
            continue;
        v->values_of_rows[first] = (struct profile_value){.field = (char *)m->texts + list[i].field,
                                                          .value = (char *)m->texts + list[i].value};
        set_row(list, i, k, (uint32_t)first++);
    }
    v->n_rows = first;
}

/* ---- numbers ---- */

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_owner(const void *a, const void *b)
{
    uint32_t x = ((const struct occurrence *)a)->owner, y = ((const struct occurrence *)b)->owner;
    return (x > y) - (x < y);
}

/* Whether somebody has more than one value: lists have codes, not amounts. The order is that of owners
 * then. */
static bool any_list(struct occurrence *list, size_t n)
{
    bool any = false;
    qsort(list, n, sizeof *list, by_owner);
    for (size_t i = 1; i < n && !any; i++)
        any = list[i].owner == list[i - 1].owner;
    return any;
}

/* Collects the numbers of a field; whether they are amounts: more than codes would be, few texts among them,
 * nothing of which a number would lose the first digit, one for each owner. */
static bool collect_numbers(struct builder *m, struct occurrence *list, size_t end, size_t *n)
{
    size_t n_distinct = 0;
    *n = 0;
    for (size_t i = 0; i < end; i++) {
        const char *text = m->texts + list[i].value;
        if (value_text_is_code(text))
            return false;
        if (!value_text_number(text, &m->numbers[*n]))
            continue;
        n_distinct += i == 0 || !same_text(m, list[i].value, list[i - 1].value);
        ++*n;
    }
    if (n_distinct <= VOCABULARY_MOST_CODES || *n < end - end / 10)
        return false;
    bool lists = any_list(list, end);
    qsort_r(list, end, sizeof *list, compare_occurrences, (void *)m->texts);
    return !lists;
}

/* Gives a row to each range of the numbers of a field; whether they are amounts at all. */
static bool learn_ranges(struct builder *m, struct occurrence *list, size_t end)
{
    double bounds[VOCABULARY_MOST_RANGES - 1], x;
    struct vocabulary *v = m->v;
    size_t n;
    if (!m->o->ranges || !collect_numbers(m, list, end, &n))
        return false;
    qsort(m->numbers, n, sizeof *m->numbers, by_number);
    size_t n_bounds = profile_ranges_cut(m->numbers, n, m->o->least, VOCABULARY_MOST_RANGES - 1, bounds);
    for (size_t k = 0; n_bounds && k <= n_bounds; k++)
        v->values_of_rows[v->n_rows + k] =
            (struct profile_value){.field = (char *)m->texts + list[0].field,
                                   .from = k ? bounds[k - 1] : -(double)INFINITY,
                                   .below = k < n_bounds ? bounds[k] : (double)INFINITY};
    for (size_t i = 0; n_bounds && i < end; i++)
        if (value_text_number(m->texts + list[i].value, &x))
            list[i].row = (uint32_t)(v->n_rows + profile_ranges_of(bounds, n_bounds, x));
    v->n_rows += n_bounds ? n_bounds + 1 : 0;
    return true;
}

/* ---- fields ---- */

/* The texts among the numbers of a field: `unknown`, `n/a`. Numbers that no range has stay without a row. */
static void learn_texts(struct builder *m, struct occurrence *list, size_t end)
{
    double x;
    for (size_t i = 0, k; i < end; i = k) {
        bool number = value_text_number(m->texts + list[i].value, &x);
        for (k = i; k < end && value_text_number(m->texts + list[k].value, &x) == number;)
            k++;
        if (!number)
            learn_values(m, list + i, k - i);
    }
}

static void learn_field(struct builder *m, struct occurrence *list, size_t n)
{
    const char *name = m->texts + list[0].field;
    size_t had = m->v->n_rows;
    set_row(list, 0, n, UINT32_MAX);
    bool private = m->o->no_private && private_field_is(name);
    if (!private && m->n_fields < LIMIT_PROFILE_FIELDS) {
        if (learn_ranges(m, list, n))
            learn_texts(m, list, n);
        else
            learn_values(m, list, n);
    }
    m->n_fields += m->v->n_rows > had;
    if (m->v->n_rows == had && m->o->unknown) {
        if (m->o->unknown->len)
            buf_adds(m->o->unknown, ", ");
        buf_adds(m->o->unknown, name);
    }
}

static int by_owner_then_row(const void *a, const void *b)
{
    const struct occurrence *x = a, *y = b;
    if (x->owner != y->owner)
        return x->owner < y->owner ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The rows of each owner, from occurrences in the order of owners. */
static void give_owners(struct vocabulary *v, const struct occurrence *list, size_t n, size_t n_owners)
{
    size_t at = 0, owner = 0;
    for (size_t i = 0; i < n; i++) {
        while (owner <= list[i].owner)
            v->start[owner++] = at;
        if (list[i].row != UINT32_MAX)
            v->values[at++] = list[i].row;
    }
    while (owner <= n_owners)
        v->start[owner++] = at;
}

enum err_code vocabulary_make(const char *texts, struct occurrence *list, size_t n, size_t n_owners,
                              const struct vocabulary_options *o, struct vocabulary *out, struct err *e)
{
    struct builder m = {.texts = texts, .o = o, .v = out};
    *out = (struct vocabulary){.start = mem_alloc_array(n_owners + 1, sizeof *out->start),
                               .values = mem_alloc_array(n, sizeof *out->values),
                               .values_of_rows = mem_alloc_array(n, sizeof *out->values_of_rows)};
    m.numbers = mem_alloc_array(n, sizeof *m.numbers);
    enum err_code code = ERR_OK;
    if (!out->start || !out->values || !out->values_of_rows || !m.numbers) {
        code = err_set(e, ERR_NOMEM, "no memory for the training data");
        goto out;
    }
    if (n)
        qsort_r(list, n, sizeof *list, compare_occurrences, (void *)texts);
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && same_text(&m, list[k].field, list[i].field);)
            k++;
        learn_field(&m, list + i, k - i);
    }
    if (n)
        qsort(list, n, sizeof *list, by_owner_then_row);
    give_owners(out, list, n, n_owners);
out:
    mem_free(m.numbers);
    if (code)
        vocabulary_fini(out);
    return code;
}

void vocabulary_fini(struct vocabulary *v)
{
    mem_free(v->start);
    mem_free(v->values);
    mem_free(v->values_of_rows);
    *v = (struct vocabulary){0};
}
