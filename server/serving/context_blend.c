#include "server/serving/context_blend.h"

#include "base/mem.h"

#include <string.h>

enum err_code context_blend_init(struct context_blend *b, const struct model *m,
                                 const struct item_snapshot *items, struct err *e)
{
    *b = (struct context_blend){
        .items = items, .d_context = m->spec.d_context, .n_items = item_snapshot_count(items)};
    b->c = mem_zalloc_array(b->d_context, sizeof *b->c);
    b->shares = mem_zalloc_array(b->n_items, sizeof *b->shares);
    b->seen = mem_zalloc_array(b->n_items / 64 + 1, sizeof *b->seen);
    if (b->c && b->shares && b->seen)
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory to blend contexts");
}

void context_blend_fini(struct context_blend *b)
{
    mem_free(b->c);
    mem_free(b->shares);
    mem_free(b->seen);
    *b = (struct context_blend){.c = NULL};
}

void context_blend_add(struct context_blend *b, const float *c, double weight)
{
    for (size_t i = 0; i < b->d_context; i++)
        b->c[i] += weight * (double)c[i];
}

void context_blend_take(struct context_blend *b, const struct context_items *items, double weight)
{
    for (size_t i = 0; i < items->n_taken; i++)
        b->shares[items->taken[i]] += weight;
    for (size_t i = 0; i < items->n_seen; i++)
        b->seen[items->seen[i] / 64] |= (uint64_t)1 << (items->seen[i] % 64);
}

enum err_code context_blend_weights(const struct context_blend *b, struct user_encoder *k,
                                    struct weights **out, struct err *e)
{
    struct context_items items = {.n_seen = 0};
    uint32_t *seen = mem_alloc_array(b->n_items, sizeof *seen);   /* (n_seen) */
    uint32_t *taken = mem_alloc_array(b->n_items, sizeof *taken); /* (n_taken) */
    real *shares = mem_alloc_array(b->n_items, sizeof *shares);   /* (n_taken) */
    float *c = mem_alloc_aligned(b->d_context, sizeof *c);        /* (d_context) */
    enum err_code code =
        seen && taken && shares && c ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for blended contexts");
    for (size_t i = 0; i < b->n_items && !code; i++) {
        if (b->seen[i / 64] >> (i % 64) & 1)
            seen[items.n_seen++] = (uint32_t)i;
        if (b->shares[i] == 0)
            continue;
        shares[items.n_taken] = (real)b->shares[i];
        taken[items.n_taken++] = (uint32_t)i;
    }
    for (size_t i = 0; i < b->d_context && !code; i++)
        c[i] = (float)b->c[i];
    items.seen = seen;
    items.taken = taken;
    if (!code)
        code = context_generate_taken(k, c, &items, shares, out, e);
    mem_free(seen);
    mem_free(taken);
    mem_free(shares);
    mem_free(c);
    return code;
}
