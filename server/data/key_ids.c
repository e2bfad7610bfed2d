#include "server/data/key_ids.h"

#include "base/mem.h"

#include <string.h>

enum err_code key_ids_add(struct key_ids *k, int64_t key, struct text id, struct err *e)
{
    size_t index = (size_t)key, room = k->n_texts + sizeof(uint32_t) + id.len;
    uint32_t n = (uint32_t)id.len;
    if (!MEM_RESERVE(k->at, k->capacity, index + 1) || !MEM_RESERVE(k->texts, k->texts_capacity, room))
        return err_set(e, ERR_NOMEM, "no memory for the ids of a store");
    while (k->n_keys <= index)
        k->at[k->n_keys++] = 0;
    k->at[index] = k->n_texts + 1;
    memcpy(k->texts + k->n_texts, &n, sizeof n);
    memcpy(k->texts + k->n_texts + sizeof n, id.data, id.len);
    k->n_texts = room;
    return ERR_OK;
}

struct text key_ids_text(const struct key_ids *k, int64_t key)
{
    uint32_t n;
    if (key < 0 || (size_t)key >= k->n_keys || !k->at[key])
        return (struct text){NULL, 0};
    const char *at = k->texts + k->at[key] - 1;
    memcpy(&n, at, sizeof n);
    return (struct text){at + sizeof n, n};
}

void key_ids_fini(struct key_ids *k)
{
    mem_free(k->texts);
    mem_free(k->at);
    *k = (struct key_ids){0};
}
