#include "server/items/filter_bits.h"

#include "base/mem.h"
#include "server/fields/field_value.h"
#include "server/fields/time_text.h"

#include <stdlib.h>
#include <string.h>

struct compiling {
    const struct item_filter *f;
    const struct item_index *texts;
    const struct item_columns *columns;
    size_t n, n_words; /* items, and words of bits */
    uint64_t *rooms;   /* (LIMIT_FILTER_DEPTH + 1, n_words) bits of the children at hand, by depth */
    bool failed;       /* for want of memory */
};

static void set_bit(uint64_t *bits, size_t index)
{
    bits[index / 64] |= (uint64_t)1 << (index % 64);
}

static void invert(const struct compiling *k, uint64_t *bits)
{
    for (size_t i = 0; i < k->n_words; i++)
        bits[i] = ~bits[i];
}

/* ---- texts of the index ---- */

static int by_text(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

/* The texts of a comparison, sorted; NULL: no memory. */
static struct text *texts_of(const struct filter_node *leaf, size_t *n)
{
    bool list = json_is_array(leaf->value);
    *n = list ? json_array_size(leaf->value) : 1;
    struct text *texts = mem_alloc_array(*n, sizeof *texts);
    for (size_t i = 0; texts && i < *n; i++) {
        const json_t *value = list ? json_array_get(leaf->value, i) : leaf->value;
        texts[i] = (struct text){json_string_value(value), json_string_length(value)};
    }
    if (texts && *n > 1)
        qsort(texts, *n, sizeof *texts, by_text);
    return texts;
}

static void mark_titles(const struct compiling *k, const struct filter_node *leaf, const struct text *texts,
                        size_t n, uint64_t *bits)
{
    for (size_t i = 0; i < k->n; i++) {
        struct text title = item_index_info(k->texts, i).title;
        if (title.data &&
            (leaf->compare == COMPARE_EXISTS || bsearch(&title, texts, n, sizeof *texts, by_text)))
            set_bit(bits, i);
    }
}

static void mark_postings(uint64_t *bits, const uint32_t *indices, size_t n)
{
    for (size_t i = 0; i < n; i++)
        set_bit(bits, indices[i]);
}

/* Those in one of the categories, or in any at all. */
static void mark_categories(const struct compiling *k, const struct filter_node *leaf,
                            const struct text *texts, size_t n, uint64_t *bits)
{
    const uint32_t *indices;
    struct text name;
    size_t n_items;
    if (leaf->compare == COMPARE_EXISTS) {
        for (size_t i = 0; item_index_category_at(k->texts, i, &name, &indices, &n_items); i++)
            mark_postings(bits, indices, n_items);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (item_index_category(k->texts, texts[i], &indices, &n_items))
            mark_postings(bits, indices, n_items);
}

static void mark_ids(const struct compiling *k, const struct filter_node *leaf, const struct text *texts,
                     size_t n, uint64_t *bits)
{
    if (leaf->compare == COMPARE_EXISTS)
        memset(bits, 0xFF, k->n_words * sizeof *bits);
    for (size_t i = 0; i < n; i++) {
        long index = item_index_find(k->texts, texts[i]);
        if (index >= 0)
            set_bit(bits, (size_t)index);
    }
}

/* ---- columns ---- */

static bool orders(enum filter_compare compare, bool below, bool above)
{
    switch (compare) {
    case COMPARE_GT:
        return above;
    case COMPARE_GTE:
        return !below;
    case COMPARE_LT:
        return below;
    default:
        return !above;
    }
}

/* The number that a value is, or that its text is. */
static bool number_of(const struct item_column *c, const struct column_value *v, double *out)
{
    if (v->is_number)
        return field_value_quantity(item_column_text(c, v), out);
    *out = v->type == METADATA_NUMBER ? v->number : 0;
    return v->type == METADATA_NUMBER;
}

static bool in_order(const struct filter_node *leaf, const struct item_column *c,
                     const struct column_value *v)
{
    double number = json_number_value(leaf->value), held;
    int64_t seconds;
    if (!leaf->by_time)
        return number_of(c, v, &held) && orders(leaf->compare, held<number, held> number);
    return v->is_time && time_text_seconds(item_column_text(c, v), &seconds) &&
           orders(leaf->compare, seconds<leaf->seconds, seconds> leaf->seconds);
}

static uint32_t find_value(const struct item_column *c, const json_t *value)
{
    if (json_is_string(value))
        return item_column_find_text(c, (struct text){json_string_value(value), json_string_length(value)});
    return json_is_boolean(value) ? item_column_find_bool(c, json_is_true(value))
                                  : item_column_find_number(c, json_number_value(value));
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Texts that are one of these numbers (n); they are sorted. */
static void mark_number_texts(const struct item_column *c, double *numbers, size_t n, bool *verdicts)
{
    double held;
    qsort(numbers, n, sizeof *numbers, by_number);
    for (size_t i = 1; n && i < c->n_values; i++)
        if (c->values[i].is_number && number_of(c, &c->values[i], &held) &&
            bsearch(&held, numbers, n, sizeof held, by_number))
            verdicts[i] = true;
}

/* The values that are equal to one, or to one of a list: as they are, and texts that are its number. */
static bool mark_equal(const struct item_column *c, const json_t *value, bool *verdicts)
{
    bool list = json_is_array(value);
    size_t n = list ? json_array_size(value) : 1, n_numbers = 0;
    double *numbers = c->n_numbers ? mem_alloc_array(n ? n : 1, sizeof *numbers) : NULL; /* (n_numbers) */
    if (c->n_numbers && !numbers)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = list ? json_array_get(value, i) : value;
        verdicts[find_value(c, one)] = true;
        if (numbers && json_is_number(one))
            numbers[n_numbers++] = json_number_value(one);
    }
    if (numbers)
        mark_number_texts(c, numbers, n_numbers, verdicts);
    mem_free(numbers);
    verdicts[0] = false;
    return true;
}

/* Of lists: whether one of the values that are met is a member. */
static void judge_lists(const struct item_column *c, bool *verdicts)
{
    for (size_t i = 1; i < c->n_values; i++) {
        const struct column_value *v = &c->values[i];
        for (size_t m = 0; v->type == METADATA_LIST && m < v->len && !verdicts[i]; m++)
            verdicts[i] = verdicts[c->members[v->at + m]];
    }
}

/* Of which values (n_values) the comparison holds; of an item without the field the first is asked. False:
 * no memory. */
static bool judge(const struct filter_node *leaf, const struct item_column *c, bool *verdicts)
{
    bool ok = true;
    const json_t *value = leaf->value;
    switch (leaf->compare) {
    case COMPARE_IN:
        ok = mark_equal(c, value, verdicts);
        judge_lists(c, verdicts);
        break;
    case COMPARE_HAS: {
        uint32_t code = find_value(c, value);
        verdicts[code] = code != 0;
        judge_lists(c, verdicts);
        verdicts[code] = false; /* the text alone is no list */
        break;
    }
    case COMPARE_EQ:
    case COMPARE_NE:
        ok = mark_equal(c, value, verdicts);
        break;
    case COMPARE_EXISTS:
        memset(verdicts + 1, true, c->n_values - 1);
        break;
    default:
        for (size_t i = 1; i < c->n_values; i++)
            verdicts[i] = in_order(leaf, c, &c->values[i]);
    }
    return ok;
}

static void mark_column(struct compiling *k, const struct filter_node *leaf, uint64_t *bits)
{
    const struct item_column *c = item_columns_find(k->columns, leaf->name);
    bool *verdicts = c ? mem_zalloc_array(c->n_values, sizeof *verdicts) : NULL;
    k->failed = k->failed || (c && !verdicts);
    if (!verdicts)
        return;
    k->failed = !judge(leaf, c, verdicts) || k->failed;
    for (size_t w = 0; w < k->n_words; w++) {
        size_t first = w * 64, n = k->n - first < 64 ? k->n - first : 64;
        uint64_t word = 0;
        for (size_t i = 0; i < n; i++)
            word |= (uint64_t)verdicts[item_column_code(c, item_index_key(k->texts, first + i))] << i;
        bits[w] = word;
    }
    mem_free(verdicts);
}

static void mark_created(const struct compiling *k, const struct filter_node *leaf, uint64_t *bits)
{
    for (size_t i = 0; k->columns && i < k->n; i++) {
        int64_t created = item_lives_created(&k->columns->lives, item_index_key(k->texts, i));
        if (created && (leaf->compare == COMPARE_EXISTS ||
                        orders(leaf->compare, created<leaf->seconds, created> leaf->seconds)))
            set_bit(bits, i);
    }
}

/* ---- the tree ---- */

static void mark_leaf(struct compiling *k, const struct filter_node *leaf, uint64_t *bits)
{
    struct text *texts = NULL;
    size_t n = 0;
    memset(bits, 0, k->n_words * sizeof *bits);
    if (leaf->field < FIELD_CREATED && leaf->compare != COMPARE_EXISTS && !(texts = texts_of(leaf, &n))) {
        k->failed = true;
        return;
    }
    if (leaf->field == FIELD_ID)
        mark_ids(k, leaf, texts, n, bits);
    else if (leaf->field == FIELD_TITLE)
        mark_titles(k, leaf, texts, n, bits);
    else if (leaf->field == FIELD_CATEGORIES)
        mark_categories(k, leaf, texts, n, bits);
    else if (leaf->field == FIELD_CREATED)
        mark_created(k, leaf, bits);
    else
        mark_column(k, leaf, bits);
    mem_free(texts);
    if (leaf->compare == COMPARE_NE || (leaf->compare == COMPARE_EXISTS && json_is_false(leaf->value)))
        invert(k, bits);
}

/* The bits of a node to `bits`; depth: of its children's room. */
static void mark(struct compiling *k, size_t at, size_t depth, uint64_t *bits)
{
    const struct filter_node *node = &k->f->nodes[at];
    uint64_t *room = k->rooms + depth * k->n_words;
    if (node->kind == FILTER_LEAF) {
        mark_leaf(k, node, bits);
        return;
    }
    if (node->kind == FILTER_OWN) { /* of who has nothing */
        memset(bits, 0, k->n_words * sizeof *bits);
        return;
    }
    memset(bits, node->kind == FILTER_ANY ? 0 : 0xFF, k->n_words * sizeof *bits);
    for (size_t child = at + 1; child < node->end; child = k->f->nodes[child].end) {
        mark(k, child, depth + 1, room);
        for (size_t i = 0; i < k->n_words; i++)
            bits[i] = node->kind == FILTER_ANY ? bits[i] | room[i] : bits[i] & room[i];
    }
    if (node->kind == FILTER_NOT)
        invert(k, bits);
}

enum err_code filter_bits_make(const struct item_filter *f, const struct item_index *texts,
                               const struct item_columns *columns, struct filter_bits **out, struct err *e)
{
    struct compiling k = {.f = f, .texts = texts, .columns = columns, .n = item_index_count(texts)};
    k.n_words = (k.n + 63) / 64;
    struct filter_bits *b = mem_alloc(sizeof *b + k.n_words * sizeof *b->words);
    k.rooms = mem_alloc_array(LIMIT_FILTER_DEPTH + 2, k.n_words * sizeof *k.rooms);
    if (b && k.rooms) {
        atomic_init(&b->refs, 1);
        b->n_words = k.n_words;
        mark(&k, 0, 0, b->words);
    }
    bool ok = b && k.rooms && !k.failed;
    mem_free(k.rooms);
    if (!ok) {
        mem_free(b);
        return err_set(e, ERR_NOMEM, "no memory for a filter");
    }
    *out = b;
    return ERR_OK;
}

struct filter_bits *filter_bits_ref(struct filter_bits *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void filter_bits_unref(struct filter_bits *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        mem_free(b);
}
