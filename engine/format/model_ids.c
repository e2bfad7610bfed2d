/* Open addressing with linear probing. Most ids are short and are compared in their slots: the file, where
 * all ids are, would be two more cache lines for each of a request's hundred. Opening allocates nothing per
 * id. The writer runs the same checks on what it is about to write. */
#include "engine/format/model_ids.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdbool.h>
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
        return err_set(e, ERR_INVALID, "tensor \"%s.id_offsets\": the first is %lld, expected 0", x->of,
                       (long long)offset_at(x, 0));
    for (size_t i = 0; i < x->n; i++) {
        int64_t begin = offset_at(x, i), end = offset_at(x, i + 1);
        /* begin was checked by the step before, so the difference cannot overflow. */
        if (end <= begin || end - begin > LIMIT_ID_BYTES || (uint64_t)end > n_bytes)
            return err_set(e, ERR_INVALID,
                           "tensor \"%s.id_offsets\": id %zu goes from %lld to %lld of %zu bytes, "
                           "expected 1 to %d bytes",
                           x->of, i, (long long)begin, (long long)end, n_bytes, LIMIT_ID_BYTES);
    }
    if ((uint64_t)offset_at(x, x->n) != n_bytes)
        return err_set(e, ERR_INVALID,
                       "tensor \"%s.id_offsets\": the last is %lld, expected %zu, the size of %s.id_bytes",
                       x->of, (long long)offset_at(x, x->n), n_bytes, x->of);
    return ERR_OK;
}

/* What stands in the slot of an id, but for its number; *hash says where that is. */
static struct model_ids_slot key_of(uint64_t seed, const char *id, size_t len, uint64_t *hash)
{
    struct model_ids_slot key = {.rest = UINT32_MAX};
    if (len > MODEL_IDS_INLINE) {
        key.head = *hash = hash_bytes(seed, id, len);
        return key;
    }
    if (len < sizeof key.head) {
        key.head = hash_short(id, len);
        key.rest = (uint32_t)len << 24;
    } else {
        memcpy(&key.head, id, sizeof key.head);
        key.rest = (uint32_t)len << 24 | (uint32_t)hash_short(id + sizeof key.head, len - sizeof key.head);
    }
    *hash = hash_words(seed, key.head, key.rest);
    return key;
}

static bool holds(const struct model_ids_index *x, const struct model_ids_slot *slot,
                  const struct model_ids_slot *key, const char *id, size_t len)
{
    if (slot->head != key->head || slot->rest != key->rest)
        return false;
    if (len <= MODEL_IDS_INLINE)
        return true;
    size_t other_len;
    const char *other = model_ids_get(x, slot->number - 1, &other_len);
    return other_len == len && memcmp(other, id, len) == 0;
}

/* The slot of an id: the one that holds it, or the free one where it belongs. *key gets what that one should
 * have. */
static struct model_ids_slot *slot_of(const struct model_ids_index *x, const char *id, size_t len,
                                      struct model_ids_slot *key)
{
    uint64_t hash;
    *key = key_of(x->seed, id, len, &hash);
    size_t mask = x->n_slots - 1, i = (size_t)hash & mask;
    while (x->slots[i].number && !holds(x, &x->slots[i], key, id, len))
        i = (i + 1) & mask;
    return &x->slots[i];
}

static enum err_code add_id(struct model_ids_index *x, size_t index, struct err *e)
{
    size_t len;
    const char *id = model_ids_get(x, index, &len);
    if (!utf8_valid(id, len) || memchr(id, 0, len))
        return err_set(e, ERR_INVALID, "tensor \"%s.id_bytes\": id %zu is not UTF-8 or has a zero byte",
                       x->of, index);
    struct model_ids_slot key, *slot = slot_of(x, id, len, &key);
    if (slot->number)
        return err_set(e, ERR_INVALID, "tensor \"%s.id_bytes\": ids %u and %zu are the same, \"%.*s\"", x->of,
                       slot->number - 1, index, (int)len, id);
    *slot = key;
    slot->number = (uint32_t)(index + 1);
    return ERR_OK;
}

enum err_code model_ids_init(struct model_ids_index *x, const void *bytes, size_t n_bytes,
                             const void *offsets, size_t n, const char *of, struct err *e)
{
    *x = (struct model_ids_index){.of = of, .n = n, .bytes = bytes, .offsets = offsets, .n_slots = 16};
    enum err_code code = check_offsets(x, n_bytes, e);
    if (code != ERR_OK)
        return code;
    while (x->n_slots / 2 < n)
        x->n_slots *= 2;
    x->slots = mem_zalloc_array(x->n_slots, sizeof *x->slots);
    if (!x->slots)
        return err_set(e, ERR_NOMEM, "no memory for an index of %zu ids", n);
    x->seed = hash_seed();
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
    struct model_ids_slot key;
    return x->n ? (long)slot_of(x, id, len, &key)->number - 1 : -1;
}
