/* Occurrences are collected as they come, sorted by text, and numbered; sorting again by item gives the
 * rows. */
#include "server/items/item_features.h"

#include "base/buf.h"
#include "base/mem.h"
#include "engine/network/cold_items.h"
#include "engine/network/title_words.h"
#include "server/fields/categories.h"

#include <stdlib.h>
#include <string.h>

/* Told of each feature of an item; returns false to stop. */
typedef bool feature_fn(void *arg, bool word, const char *text);

struct telling {
    feature_fn *fn;
    void *arg;
    bool stopped;
};

static bool tell_word(void *arg, const char *word)
{
    struct telling *t = arg;
    t->stopped = !t->fn(t->arg, true, word);
    return !t->stopped;
}

static bool tell_category(void *arg, struct text name)
{
    const struct telling *t = arg;
    return t->fn(t->arg, false, name.data);
}

static bool each_feature(const struct store_item *item, feature_fn *fn, void *arg)
{
    struct telling t = {fn, arg, false};
    t.stopped = !categories_each(item->categories, tell_category, &t);
    if (!t.stopped && item->title.data)
        title_words_each(item->title.data, item->title.len, tell_word, &t);
    return !t.stopped;
}

static const char *field_of(bool word)
{
    return word ? "word" : "category";
}

/* ---- training ---- */

struct occurrence {
    size_t text; /* offset in the arena */
    uint32_t item;
    uint32_t row; /* of the vocabulary; UINT32_MAX: none */
    bool word;
};

struct item_features_private {
    struct occurrence *list; /* (n) */
    size_t n, capacity;
    struct buf texts; /* terminated */
    size_t item;      /* that is being added */
    bool failed;
};

enum err_code item_features_init(struct item_features *f, struct err *e)
{
    memset(f, 0, sizeof *f);
    f->private = mem_zalloc_array(1, sizeof *f->private);
    if (!f->private)
        return err_set(e, ERR_NOMEM, "no memory for the features of items");
    buf_init(&f->private->texts, SIZE_MAX / 4);
    return ERR_OK;
}

void item_features_fini(struct item_features *f)
{
    mem_free(f->start);
    mem_free(f->features);
    mem_free(f->names);
    if (f->private) {
        mem_free(f->private->list);
        buf_fini(&f->private->texts);
        mem_free(f->private);
    }
    memset(f, 0, sizeof *f);
}

static bool collect(void *arg, bool word, const char *text)
{
    struct item_features_private *p = arg;
    if (!MEM_RESERVE(p->list, p->capacity, p->n + 1)) {
        p->failed = true;
        return false;
    }
    p->list[p->n++] = (struct occurrence){p->texts.len, (uint32_t)p->item, UINT32_MAX, word};
    buf_add(&p->texts, text, strlen(text) + 1);
    return true;
}

bool item_features_add(struct item_features *f, const struct store_item *record, size_t item)
{
    f->private->item = item;
    return each_feature(record, collect, f->private) && !f->private->failed && !f->private->texts.failed;
}

static int by_text(const void *a, const void *b, void *arg)
{
    const struct item_features_private *p = arg;
    const struct occurrence *x = a, *y = b;
    if (x->word != y->word)
        return x->word ? 1 : -1;
    int order = strcmp(p->texts.data + x->text, p->texts.data + y->text);
    return order ? order : (x->item > y->item) - (x->item < y->item);
}

static int by_item(const void *a, const void *b)
{
    const struct occurrence *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static bool same(const struct item_features_private *p, const struct occurrence *x,
                 const struct occurrence *y)
{
    return x->word == y->word && strcmp(p->texts.data + x->text, p->texts.data + y->text) == 0;
}

/* Numbers the features that at least so many items have; repeated ones of an item get no row. Returns how
 * many. */
static size_t number(struct item_features_private *p, size_t least, struct profile_value *names)
{
    size_t rows = 0;
    for (size_t i = 0, end; i < p->n; i = end) {
        size_t n_items = 0;
        for (end = i; end < p->n && same(p, &p->list[i], &p->list[end]); end++)
            n_items += end == i || p->list[end].item != p->list[end - 1].item;
        bool kept = n_items >= least;
        for (size_t k = i; k < end; k++) {
            bool repeated = k > i && p->list[k].item == p->list[k - 1].item;
            p->list[k].row = kept && !repeated ? (uint32_t)rows : UINT32_MAX;
        }
        if (kept && names)
            names[rows] = (struct profile_value){.field = (char *)(uintptr_t)field_of(p->list[i].word),
                                                 .value = p->texts.data + p->list[i].text};
        rows += kept;
    }
    return rows;
}

enum err_code item_features_finish(struct item_features *f, size_t n_items, struct err *e)
{
    struct item_features_private *p = f->private;
    size_t least = ITEM_FEATURES_LEAST, at = 0, item = 0;
    if (p->n)
        qsort_r(p->list, p->n, sizeof *p->list, by_text, p);
    while ((f->n_names = number(p, least, NULL)) > ITEM_FEATURES_MOST)
        least++;
    f->names = mem_alloc_array(f->n_names, sizeof *f->names);
    f->features = mem_alloc_array(p->n, sizeof *f->features);
    f->start = mem_alloc_array(n_items + 1, sizeof *f->start);
    if (!f->names || !f->features || !f->start || p->failed || p->texts.failed)
        return err_set(e, ERR_NOMEM, "no memory for the features of items");
    (void)number(p, least, f->names);
    if (p->n)
        qsort(p->list, p->n, sizeof *p->list, by_item);
    for (size_t i = 0; i < p->n; i++) {
        while (item <= p->list[i].item)
            f->start[item++] = at;
        if (p->list[i].row != UINT32_MAX)
            f->features[at++] = p->list[i].row;
    }
    while (item <= n_items)
        f->start[item++] = at;
    return ERR_OK;
}

/* ---- serving ---- */

struct looking {
    const struct model_spec *spec;
    uint32_t *out;
    size_t n;
};

static bool look_up(void *arg, bool word, const char *text)
{
    struct looking *l = arg;
    long row = cold_items_feature(l->spec, field_of(word), text);
    for (size_t i = 0; row >= 0 && i < l->n; i++)
        if (l->out[i] == (uint32_t)row)
            return true;
    if (row >= 0)
        l->out[l->n++] = (uint32_t)row;
    return l->n < ITEM_FEATURES_OF_ITEM;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

size_t item_features_of(const struct model_spec *spec, const struct store_item *record,
                        uint32_t out[ITEM_FEATURES_OF_ITEM])
{
    struct looking l = {spec, out, 0};
    if (spec->cold_items.n_features)
        (void)each_feature(record, look_up, &l);
    if (l.n > 1)
        qsort(out, l.n, sizeof *out, by_number);
    return l.n;
}
