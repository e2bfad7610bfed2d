/* Any bytes as a filter, and behind a line's end as the metadata of an item: both are read to their end or
 * refused with a text, and what was read becomes bits of an item without a fault. */
#include "base/limits.h"
#include "server/items/item_columns.h"
#include "server/items/item_filter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static bool set_member(void *arg, struct text name, const struct metadata_value *value)
{
    struct item_columns *t = arg;
    struct item_column *c =
        t->n < LIMIT_ITEM_FIELDS && !memchr(name.data, '\0', name.len) ? item_column_new(name) : NULL;
    if (!c)
        return true;
    if (item_columns_find(t, name) || !item_column_set(c, 1, value))
        item_column_unref(c);
    else
        t->columns[t->n++] = c;
    return true;
}

static void tell(void *arg, const char *pointer, const char *why)
{
    ++*(size_t *)arg;
    if ((*pointer && *pointer != '/') || !*why)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    const char *text = (const char *)bytes;
    const char *end = n ? memchr(text, '\n', n) : NULL;
    size_t len = end ? (size_t)(end - text) : n;
    struct item_columns columns = {.n = 0};
    struct metadata_scan scan;
    struct item_filter *f = NULL;
    struct err e = {0};
    size_t n_faults = 0;
    metadata_scan_init(&scan);
    if (end)
        (void)metadata_scan_each(&scan, (struct text){end + 1, n - len - 1}, set_member, &columns);
    json_t *tree = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (tree && item_filter_read(tree, &columns, true, tell, &n_faults, &f, &e))
        abort();
    if (tree && !f == !n_faults)
        abort();
    for (size_t i = 0; f && i < f->n_nodes; i++)
        if (f->nodes[i].end <= i || f->nodes[i].end > f->n_nodes)
            abort();
    for (size_t i = 0; f && i < f->n_parts; i++)
        if (f->parts[i]->n_own || f->parts[i]->n_nodes == 0)
            abort();
    item_filter_free(f);
    json_decref(tree);
    for (size_t i = 0; i < columns.n; i++)
        item_column_unref(columns.columns[i]);
    metadata_scan_fini(&scan);
    return 0;
}
