/* One block of memory: the struct, then the matrices one after the other, each at a multiple of a lane
 * block. */
#include "engine/network/hypernet_panels.h"

#include "base/mem.h"
#include "engine/kernels/kernel.h"
#include "engine/network/hypernet_parts.h"

#include <string.h>

static size_t round_up(size_t n)
{
    return (n + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
}

/* Where the next matrix goes; NULL while their sizes are added up. */
struct place {
    real *memory;
    size_t used; /* reals */
};

/* w (n, d), or the same in bfloat16, into panels; NULL for neither. */
static const real *put(struct place *to, const real *w, const uint16_t *half, size_t n, size_t d)
{
    const struct kernels *k = kernel_best();
    if (!w && !half)
        return NULL;
    real *out = to->memory ? to->memory + to->used : NULL;
    to->used += round_up(n) * d;
    for (size_t at = 0; at < n && out; at += KERNEL_PANEL) {
        size_t rows = n - at < KERNEL_PANEL ? n - at : KERNEL_PANEL, wide = round_up(rows);
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < d; i++)
                if (w)
                    out[at * d + i * wide + r] = w[(at + r) * d + i];
                else
                    k->widen(&half[(at + r) * d + i], 1, &out[at * d + i * wide + r]);
    }
    return out;
}

static void put_all(struct hypernet_panels *p, const struct model_spec *spec,
                    const struct model_params *params, struct place *to)
{
    struct theta_layout layout;
    struct hypernet_part parts[HYPERNET_MOST_PARTS];
    size_t d = model_spec_d_code(spec), d_trunk = model_spec_d_trunk(spec);
    for (size_t i = 0; i < spec->n_trunk; d = spec->trunk[i++].d_out)
        p->trunk[i] = put(to, params->trunk[i].weight, NULL, spec->trunk[i].d_out, d);
    theta_layout_of(spec, &layout);
    size_t n = hypernet_parts(spec, params, &layout, parts);
    for (size_t i = 0; i < n; i++) {
        p->parts[i].from_context = put(to, parts[i].from_context, NULL, parts[i].n, model_spec_d_code(spec));
        p->parts[i].from_trunk = put(to, parts[i].from_trunk, parts[i].from_half, parts[i].n, d_trunk);
    }
}

enum err_code hypernet_panels_new(const struct model_spec *spec, const struct model_params *params,
                                  struct hypernet_panels **out, struct err *e)
{
    struct hypernet_panels head = {0};
    struct place to = {0};
    size_t before = round_up((sizeof head + sizeof(real) - 1) / sizeof(real));
    *out = NULL;
    if (spec->chunks.size)
        return ERR_OK; /* products on many rows need none */
    put_all(&head, spec, params, &to);
    if (to.used * sizeof(real) > HYPERNET_PANELS_BYTES)
        return ERR_OK;
    real *memory = mem_alloc_aligned(before + to.used, sizeof *memory);
    if (!memory)
        return err_set(e, ERR_NOMEM, "no memory for the hypernetwork's matrices");
    memset(memory, 0, (before + to.used) * sizeof *memory);
    to = (struct place){memory + before, 0};
    struct hypernet_panels *p = (struct hypernet_panels *)(void *)memory;
    put_all(p, spec, params, &to);
    *out = p;
    return ERR_OK;
}

void hypernet_panels_free(struct hypernet_panels *p)
{
    mem_free(p);
}
