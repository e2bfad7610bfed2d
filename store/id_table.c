/* Open addressing; the texts lie in one block, so that millions of ids are few allocations. */
#include "store/id_table.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

struct text id_table_text(const struct id_table *t, uint32_t number)
{
    size_t from = number ? t->end[number - 1] : 0;
    return (struct text){t->texts + from, t->end[number] - from};
}

static uint32_t *slot_of(const struct id_table *t, struct text id)
{
    size_t mask = t->n_slots - 1, at = (size_t)hash_bytes(hash_seed(), id.data, id.len) & mask;
    for (; t->slots[at] != ID_TABLE_NONE; at = (at + 1) & mask) {
        struct text there = id_table_text(t, t->slots[at]);
        if (there.len == id.len && memcmp(there.data, id.data, id.len) == 0)
            break;
    }
    return &t->slots[at];
}

static enum err_code no_memory(const struct id_table *t, struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory to remember %zu ids", t->n);
}

static enum err_code grow_slots(struct id_table *t, struct err *e)
{
    size_t n_slots = t->n_slots ? 2 * t->n_slots : 1024;
    uint32_t *slots = mem_alloc_array(n_slots, sizeof *slots);
    if (!slots)
        return no_memory(t, e);
    memset(slots, 0xFF, n_slots * sizeof *slots);
    mem_free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
    for (size_t i = 0; i < t->n; i++)
        *slot_of(t, id_table_text(t, (uint32_t)i)) = (uint32_t)i;
    return ERR_OK;
}

static enum err_code reserve(struct id_table *t, size_t len, struct err *e)
{
    size_t used = t->n ? t->end[t->n - 1] : 0;
    if (t->n == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 512;
        size_t *end = mem_realloc_array(t->end, capacity, sizeof *end);
        if (!end)
            return no_memory(t, e);
        t->end = end;
        t->capacity = capacity;
    }
    if (used + len > t->texts_capacity) {
        size_t capacity = 2 * t->texts_capacity + len + 4096;
        char *texts = mem_realloc_array(t->texts, capacity, 1);
        if (!texts)
            return no_memory(t, e);
        t->texts = texts;
        t->texts_capacity = capacity;
    }
    return ERR_OK;
}

enum err_code id_table_add(struct id_table *t, struct text id, uint32_t *number, struct err *e)
{
    enum err_code code = 2 * (t->n + 1) > t->n_slots ? grow_slots(t, e) : ERR_OK;
    if (code)
        return code;
    uint32_t *slot = slot_of(t, id);
    if (*slot == ID_TABLE_NONE) {
        if (t->n == ID_TABLE_NONE - 1)
            return err_set(e, ERR_LIMIT, "more than %zu ids", t->n);
        if ((code = reserve(t, id.len, e)))
            return code;
        size_t used = t->n ? t->end[t->n - 1] : 0;
        memcpy(t->texts + used, id.data, id.len);
        t->end[t->n] = used + id.len;
        *slot = (uint32_t)t->n++;
    }
    *number = *slot;
    return ERR_OK;
}

uint32_t id_table_find(const struct id_table *t, struct text id)
{
    return t->n_slots ? *slot_of(t, id) : ID_TABLE_NONE;
}

void id_table_fini(struct id_table *t)
{
    mem_free(t->texts);
    mem_free(t->end);
    mem_free(t->slots);
    *t = (struct id_table){0};
}
