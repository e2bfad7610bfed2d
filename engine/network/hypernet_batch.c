/* Contexts lie side by side, a lane each, as items do in the target network: the trunk and the heads are the
 * products of engine/kernels/kernel.h on lane blocks, and a tile of outputs goes from lanes to the rows of
 * each theta while it is in the nearest cache:
 *
 *     rows of a head (TILE_ROWS, Z)  x  z of a block (Z, lanes)  =  tile (TILE_ROWS, lanes)
 *     tile (TILE_ROWS, lanes)  -->  theta of each lane
 *
 * A tile's rows are read from memory for the first block and found in the cache by the next. cblas_sgemm
 * would do, but the bits of its results depend on how many contexts come together; what a context generates
 * must not. */
#include "engine/network/hypernet.h"

#include "engine/kernels/kernel.h"
#include "engine/network/hypernet_parts.h"
#include "engine/network/layers.h"

#include <string.h>

enum {
    BLOCKS = HYPERNET_BATCH / KERNEL_LANES,
    STEP_ROWS = 16, /* few enough that the next ones can be fetched while these are worked on */
    TILE_ROWS =
        128, /* goes to the thetas in one piece: long runs are written faster, and 16 KB stay in the cache */
    FAR_REALS = 1 << 18,  /* a larger matrix is not in the caches near the core, and fetching ahead pays */
    FAR_THETAS = 1 << 21, /* reals of a batch that no cache holds until they are read: written past them */
    LEAST = 3,            /* fewer are faster one after the other: a lane costs the same, used or not */
    LEAST_PANELS = 7      /* where one alone has panels */
};

/* A lane block of contexts. */
struct block {
    size_t n; /* lanes in use */
    real *c;  /* (C, LANES) */
    real *x, *y;
    const real *z;             /* (Z, LANES), in x or y */
    real *non_finite;          /* (LANES) 0 where all that was generated is finite */
    real *theta[KERNEL_LANES]; /* of each lane */
};

size_t hypernet_batch_workspace_len(const struct model_spec *spec)
{
    size_t batch =
        KERNEL_LANES * BLOCKS * (model_spec_d_code(spec) + 2 * hypernet_widest(spec) + 1 + TILE_ROWS) +
        STEP_ROWS * model_spec_d_trunk(spec);
    size_t alone = hypernet_workspace_len(spec);
    if (spec->chunks.size)
        return alone;
    return batch > alone ? batch : alone;
}

static void trunk_lanes(const struct model_spec *spec, const struct model_params *params, struct block *b)
{
    size_t d = model_spec_d_code(spec);
    norm_lanes(spec, params->norm_weight, params->norm_bias, b->c, b->x);
    for (size_t i = 0; i < spec->n_trunk; i++) {
        size_t d_out = spec->trunk[i].d_out;
        kernel_best()->layer(params->trunk[i].weight, params->trunk[i].bias, NULL, d_out, d, b->x, b->y);
        activation_forward(spec->trunk[i].activation, b->y, d_out * KERNEL_LANES);
        real *held = b->x;
        b->x = b->y;
        b->y = held;
        d = d_out;
    }
    b->z = b->x;
}

/* Rows at .. at + n of one part, for one block, in lanes; heads (n, Z): those rows of from_trunk, or NULL. */
static void generate_step(const struct model_spec *spec, const struct hypernet_part *p, size_t at, size_t n,
                          const real *heads, const struct block *b, real *out)
{
    const struct kernels *k = kernel_best();
    const real *base = p->base ? p->base + at : NULL, *start = NULL;
    size_t d_context = model_spec_d_code(spec), d_trunk = model_spec_d_trunk(spec);
    if (p->from_context) {
        k->layer(p->from_context + at * d_context, base, NULL, n, d_context, b->c, out);
        base = NULL;
        start = out;
    }
    if (heads)
        k->layer(heads, base, start, n, d_trunk, b->z, out);
}

/* Starts fetching the step at: eight rows at once are too many streams for the CPU to foresee. */
static void fetch_step(const struct model_spec *spec, const struct hypernet_part *p, size_t at)
{
    enum { LINE = 64 };
    size_t d = model_spec_d_trunk(spec);
    if (!p->from_trunk || p->n * d <= FAR_REALS || p->n < at + STEP_ROWS)
        return; /* what is widened is read in the order in which it lies, and the CPU foresees it */
    const char *rows = (const char *)(p->from_trunk + at * d);
    for (size_t i = 0; i < STEP_ROWS * d * sizeof(real); i += LINE)
        __builtin_prefetch(rows + i);
}

/* Rows at .. at + n of what is multiplied with z: where they lie, or widened into wide (n, Z). */
static const real *heads_at(const struct model_spec *spec, const struct hypernet_part *p, size_t at, size_t n,
                            real *wide)
{
    size_t d = model_spec_d_trunk(spec);
    if (!p->from_half)
        return p->from_trunk ? p->from_trunk + at * d : NULL;
    kernel_best()->widen(p->from_half + at * d, n * d, wide);
    return wide;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Rows at .. end of one part, TILE_ROWS at most; tiles (n_blocks, TILE_ROWS, LANES) and STEP_ROWS of heads
 * behind. */
static void generate_tile(const struct model_spec *spec, const struct hypernet_part *p, size_t at, size_t end,
                          const struct block *blocks, size_t n_blocks, bool far, real *tiles)
{
    for (size_t step = at; step < end; step += STEP_ROWS) {
        size_t n = least(STEP_ROWS, end - step);
        fetch_step(spec, p, step + STEP_ROWS);
        const real *heads = heads_at(spec, p, step, n, tiles + n_blocks * TILE_ROWS * KERNEL_LANES);
        for (size_t b = 0; b < n_blocks; b++)
            generate_step(spec, p, step, n, heads, &blocks[b],
                          tiles + (b * TILE_ROWS + step - at) * KERNEL_LANES);
    }
    for (size_t b = 0; b < n_blocks; b++)
        kernel_best()->lanes_to_rows(tiles + b * TILE_ROWS * KERNEL_LANES, blocks[b].n, end - at,
                                     blocks[b].theta, p->at + at, far, blocks[b].non_finite);
}

static void generate_parts(const struct model_spec *spec, const struct model_params *params,
                           const struct theta_layout *layout, const struct block *blocks, size_t n_blocks,
                           real *tiles)
{
    struct hypernet_part parts[HYPERNET_MOST_PARTS];
    size_t n_parts = hypernet_parts(spec, params, layout, parts);
    bool far = n_blocks * KERNEL_LANES * layout->len > FAR_THETAS;
    for (size_t i = 0; i < n_parts; i++)
        for (size_t at = 0; at < parts[i].n; at += TILE_ROWS)
            generate_tile(spec, &parts[i], at, least(at + TILE_ROWS, parts[i].n), blocks, n_blocks, far,
                          tiles);
}

/* Sets b up for the contexts of n jobs, its arrays in memory; returns what of it is left. */
static real *block_init(const struct model_spec *spec, struct block *b, struct hypernet_job *const *jobs,
                        size_t n, real *memory)
{
    const real *contexts[KERNEL_LANES];
    size_t wide = hypernet_widest(spec) * KERNEL_LANES;
    b->n = n;
    b->c = memory;
    b->x = b->c + model_spec_d_code(spec) * KERNEL_LANES;
    b->y = b->x + wide;
    b->non_finite = b->y + wide;
    memset(b->non_finite, 0, KERNEL_LANES * sizeof *b->non_finite);
    for (size_t i = 0; i < n; i++) {
        contexts[i] = jobs[i]->c;
        b->theta[i] = jobs[i]->theta;
    }
    kernel_best()->rows_to_lanes(contexts, n, model_spec_d_code(spec), b->c);
    return b->non_finite + KERNEL_LANES;
}

/* At most HYPERNET_BATCH jobs. */
static void generate_blocks(const struct model_spec *spec, const struct model_params *params,
                            struct hypernet_job *const *jobs, size_t n, real *workspace)
{
    struct block blocks[BLOCKS];
    struct theta_layout layout;
    size_t n_blocks = 0;
    theta_layout_of(spec, &layout);
    for (size_t at = 0; at < n; at += KERNEL_LANES, n_blocks++) {
        size_t lanes = n - at < KERNEL_LANES ? n - at : KERNEL_LANES;
        workspace = block_init(spec, &blocks[n_blocks], jobs + at, lanes, workspace);
        trunk_lanes(spec, params, &blocks[n_blocks]);
    }
    generate_parts(spec, params, &layout, blocks, n_blocks, workspace);
    for (size_t i = 0; i < n; i++) {
        err_clear(&jobs[i]->err);
        if (spec->n_pairs)
            jobs[i]->theta[layout.len] = 0; /* no history, no neighbours */
        if (!hypernet_all_finite(jobs[i]->c, model_spec_d_code(spec)))
            (void)hypernet_refuse_context(&jobs[i]->err);
        else if (blocks[i / KERNEL_LANES].non_finite[i % KERNEL_LANES] != 0) /* or NaN */
            (void)hypernet_refuse_theta(&jobs[i]->err);
    }
}

void hypernet_generate_batch(const struct model_spec *spec, const struct model_params *params,
                             struct hypernet_job *const *jobs, size_t n, real *workspace)
{
    size_t at = 0, fewest = params->panels ? LEAST_PANELS : LEAST;
    for (; n - at >= fewest && !spec->chunks.size; at += n - at < HYPERNET_BATCH ? n - at : HYPERNET_BATCH)
        generate_blocks(spec, params, jobs + at, n - at < HYPERNET_BATCH ? n - at : HYPERNET_BATCH,
                        workspace);
    for (; at < n; at++) {
        struct hypernet_job *j = jobs[at];
        err_clear(&j->err);
        (void)!hypernet_generate(spec, params, j->c, workspace, j->theta, &j->err);
    }
}
