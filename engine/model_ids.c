/* Open addressing with linear probing over indices alone: the ids themselves are in the file already, so a
 * table of a million ids is one block of 8 MB and opening allocates nothing per id. The writer runs the same
 * checks on what it is about to write. */
#include "engine/model_ids.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <string.h>

static int64_t offset_at(const struct model_ids_index *x, size_t i)
{
    int64_t offset;
    memcpy(&offset, (const char *)x->offsets + i * sizeof offset, sizeof offset);
    return offset;
}

const char *model_ids_get(const struct model_ids_index *x, size_t index, size_t *len)
{
    int64_t begin = offset_at(x, index);
    *len = (size_t)(offset_at(x, index + 1) - begin);
    return x->bytes + begin;
}

static enum err_code check_offsets(const struct model_ids_index *x, size_t n_bytes, struct err *e)
{
    if (offset_at(x, 0) != 0)
        return err_set(e, ERR_INVALID, "tensor \"catalogue.id_offsets\": the first is %lld, expected 0",
                       (long long)offset_at(x, 0));
    for (size_t i = 0; i < x->n; i++) {
        int64_t begin = offset_at(x, i), end = offset_at(x, i + 1);
        /* begin was checked by the step before, so the difference cannot overflow. */
        if (end <= begin || end - begin > LIMIT_ID_BYTES || (uint64_t)end > n_bytes)
            return err_set(e, ERR_INVALID,
                           "tensor \"catalogue.id_offsets\": id %zu goes from %lld to %lld of %zu bytes, "
                           "expected 1 to %d bytes",
                           i, (long long)begin, (long long)end, n_bytes, LIMIT_ID_BYTES);
    }
    if ((uint64_t)offset_at(x, x->n) != n_bytes)
        return err_set(
            e, ERR_INVALID,
            "tensor \"catalogue.id_offsets\": the last is %lld, expected %zu, the size of catalogue.id_bytes",
            (long long)offset_at(x, x->n), n_bytes);
    return ERR_OK;
}

/* The slot of an id: the one that holds it, or the free one where it belongs. */
static uint32_t *slot_of(const struct model_ids_index *x, const char *id, size_t len)
{
    size_t mask = x->n_slots - 1, i = (size_t)hash_bytes(x->seed, id, len) & mask;
    for (;; i = (i + 1) & mask) {
        size_t other_len;
        if (x->slots[i] == 0)
            return &x->slots[i];
        const char *other = model_ids_get(x, x->slots[i] - 1, &other_len);
        if (other_len == len && memcmp(other, id, len) == 0)
            return &x->slots[i];
    }
}

static enum err_code add_id(struct model_ids_index *x, size_t index, struct err *e)
{
    size_t len;
    const char *id = model_ids_get(x, index, &len);
    if (!utf8_valid(id, len) || memchr(id, 0, len))
        return err_set(e, ERR_INVALID,
                       "tensor \"catalogue.id_bytes\": id %zu is not UTF-8 or has a zero byte", index);
    uint32_t *slot = slot_of(x, id, len);
    if (*slot)
        return err_set(e, ERR_INVALID,
                       "tensor \"catalogue.id_bytes\": items %u and %zu have the same id \"%.*s\"", *slot - 1,
                       index, (int)len, id);
    *slot = (uint32_t)(index + 1);
    return ERR_OK;
}

enum err_code model_ids_init(struct model_ids_index *x, const void *bytes, size_t n_bytes,
                             const void *offsets, size_t n, struct err *e)
{
    *x = (struct model_ids_index){.n = n, .bytes = bytes, .offsets = offsets, .n_slots = 16};
    enum err_code code = check_offsets(x, n_bytes, e);
    if (code != ERR_OK)
        return code;
    while (x->n_slots / 2 < n)
        x->n_slots *= 2;
    x->slots = mem_zalloc_array(x->n_slots, sizeof *x->slots);
    if (!x->slots)
        return err_set(e, ERR_NOMEM, "no memory for an index of %zu item ids", n);
    x->seed = (uint64_t)(uintptr_t)x->slots; /* differs from run to run, so that no file is made to collide */
    for (size_t i = 0; i < n && code == ERR_OK; i++)
        code = add_id(x, i, e);
    if (code != ERR_OK)
        model_ids_fini(x);
    return code;
}

void model_ids_fini(struct model_ids_index *x)
{
    mem_free(x->slots);
    x->slots = NULL;
    x->n = 0;
}

long model_ids_find(const struct model_ids_index *x, const char *id, size_t len)
{
    return x->n ? (long)*slot_of(x, id, len) - 1 : -1;
}
