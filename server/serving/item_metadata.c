#include "server/serving/item_metadata.h"

#include "base/limits.h"
#include "base/mem.h"

#include <jansson.h>

struct reading {
    struct buf *out;
    const struct text *fields; /* (n_fields) */
    size_t n_fields;
    bool failed; /* for want of memory */
};

static int append(const char *text, size_t n, void *out)
{
    buf_add(out, text, n);
    return 0;
}

/* Of a store_item_fn. */
static bool take(void *arg, const struct store_item *item)
{
    struct reading *reading = arg;
    json_t *all = item->metadata.data ? json_loadb(item->metadata.data, item->metadata.len, 0, NULL) : NULL;
    bool any = false;
    for (size_t i = 0; i < reading->n_fields; i++) {
        struct text field = reading->fields[i];
        const json_t *value = json_object_getn(all, field.data, field.len);
        if (!value)
            continue;
        if (any)
            buf_addc(reading->out, ',');
        any = true;
        buf_add_json_string(reading->out, field.data, field.len);
        buf_addc(reading->out, ':');
        if (json_dump_callback(value, append, reading->out, JSON_COMPACT | JSON_ENCODE_ANY))
            reading->failed = true;
    }
    reading->failed = reading->failed || (item->metadata.data && !all);
    json_decref(all);
    return true;
}

enum err_code item_metadata_read(struct store_conn *conn, const struct item_snapshot *items,
                                 const struct topk_entry *entries, size_t n, const struct text *fields,
                                 size_t n_fields, struct item_metadata *out, struct err *e)
{
    struct reading reading = {.out = &out->texts, .fields = fields, .n_fields = n_fields};
    buf_init(&out->texts, LIMIT_LISTS_BYTES);
    out->ends = mem_alloc_array(n, sizeof *out->ends);
    if (!out->ends)
        return err_set(e, ERR_NOMEM, "no memory for the metadata of %zu items", n);
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n && !code && !out->texts.failed; i++) {
        struct text id;
        struct err why = {0};
        id.data = item_index_id(item_snapshot_items(items), entries[i].index, &id.len);
        buf_addc(&out->texts, '{');
        code = store_read_item(conn, id, take, &reading, &why);
        if (code == ERR_NOTFOUND)
            code = ERR_OK;
        buf_addc(&out->texts, '}');
        out->ends[i] = out->texts.len;
        if (code)
            return err_copy(e, &why);
    }
    if (reading.failed && !out->texts.failed)
        return err_set(e, ERR_NOMEM, "no memory for the metadata of items");
    return buf_check(&out->texts, "the metadata of items", e);
}

void item_metadata_fini(struct item_metadata *m)
{
    buf_fini(&m->texts);
    mem_free(m->ends);
    *m = (struct item_metadata){.ends = NULL};
}

struct text item_metadata_of(const struct item_metadata *m, size_t i)
{
    size_t from = i ? m->ends[i - 1] : 0;
    return (struct text){m->texts.data + from, m->ends[i] - from};
}
