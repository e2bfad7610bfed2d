/* What a miss costs beside the generation grows with the user's items, and how depends on the model: what
 * is solved for a context from ratings has a part that every user pays, neighbours walk the lists of each
 * item. So both kinds of users are tried with as many items as are read at once, then with half of them, and
 * so on. The store's part is not in it: some 0.3 us a row. */
#include "server/serving/inline_budget.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/serving/user_weights.h"
#include "store/store.h"

enum { MAX_READ = 1024, MAX_ITEMS = 4096, RUNS = 3 };

/* Whom it is measured with: a user as the two reads of the store give one, and the keys of the model's own
 * items, which cost most. */
struct made_up {
    struct store_user user;            /* has room for MAX_READ interactions */
    struct store_user_context context; /* has room for MAX_ITEMS items */
    uint32_t *keys;                    /* (n_keys) */
    size_t n_keys;
};

static void find_keys(struct made_up *u, const struct item_snapshot *items, size_t n_items)
{
    int64_t last = item_index_last_key(item_snapshot_items(items));
    for (int64_t key = 1; key <= last && u->n_keys < n_items; key++) {
        long index = item_index_index(item_snapshot_items(items), key);
        if (index >= 0 && (size_t)index < n_items)
            u->keys[u->n_keys++] = (uint32_t)key;
    }
}

/* The i-th of n items from all over the catalogue; the same ones again where it has fewer. */
static uint32_t key_of(const struct made_up *u, size_t i, size_t n)
{
    size_t step = u->n_keys > n ? u->n_keys / n : 1;
    return u->keys[i * step % u->n_keys];
}

struct measurement {
    struct user_encoder *encoder;
    const struct item_snapshot *items;
    struct made_up *user;
};

/* Makes weights of the user, once. */
typedef enum err_code make_fn(const struct measurement *m, struct weights **w, struct err *e);

static enum err_code make_whole(const struct measurement *m, struct weights **w, struct err *e)
{
    return context_make_weights(m->encoder, m->items, &m->user->user, w, e);
}

static enum err_code make_stored(const struct measurement *m, struct weights **w, struct err *e)
{
    return context_make_stored(m->encoder, m->items, &m->user->context, w, e);
}

/* The least of some makings; one is enough when it took far too long. */
static enum err_code generation_ns(const struct measurement *m, make_fn *make, int64_t max_ns, int64_t *out,
                                   struct err *e)
{
    enum err_code code = ERR_OK;
    int64_t least = INT64_MAX;
    bool enough = false;
    for (int i = 0; i < RUNS && !code && !enough; i++) {
        struct weights *w = NULL;
        int64_t start = clock_thread_ns();
        code = make(m, &w, e);
        int64_t took = clock_thread_ns() - start;
        weights_unref(w);
        least = took < least ? took : least;
        enough = least <= max_ns || least / 4 >= max_ns;
    }
    *out = least;
    return code;
}

/* Of a user of n interactions, whose context is encoded. */
static enum err_code cost_of_whole(void *arg, size_t n, int64_t max_ns, int64_t *ns, struct err *e)
{
    struct measurement *m = arg;
    struct store_user *user = &m->user->user;
    for (size_t i = 0; i < n; i++)
        user->interactions[i] = (struct store_interaction){
            .item_key = key_of(m->user, i, n), .weight = 1, .rating = 1, .timestamp = (int64_t)i + 1};
    user->n_interactions = n;
    return generation_ns(m, make_whole, max_ns, ns, e);
}

/* Of a user whose context is stored, with n items. */
static enum err_code cost_of_stored(void *arg, size_t n, int64_t max_ns, int64_t *ns, struct err *e)
{
    struct measurement *m = arg;
    struct store_user_context *context = &m->user->context;
    for (size_t i = 0; i < n; i++)
        context->items[i] = key_of(m->user, i, n);
    context->n_items = n;
    return generation_ns(m, make_stored, max_ns, ns, e);
}

enum err_code inline_budget_most(inline_budget_cost_fn *cost, void *arg, size_t most, int64_t max_ns,
                                 size_t *out, struct err *e)
{
    int64_t ns = 0;
    enum err_code code = cost(arg, 1, max_ns, &ns, e);
    for (*out = ns > max_ns ? 0 : most; !code && *out > 1; *out /= 2) {
        code = cost(arg, *out, max_ns, &ns, e);
        if (ns <= max_ns)
            break;
    }
    return code;
}

/* A context of zeros is as long to use as any. */
static enum err_code add_zeros(struct buf *embedding, size_t n_bytes, struct err *e)
{
    while (embedding->len < n_bytes && !embedding->failed)
        buf_addc(embedding, '\0');
    return buf_check(embedding, "a context", e);
}

/* Both kinds of users. */
static enum err_code measure_both(struct user_encoder *k, const struct model *m,
                                  const struct item_snapshot *items, struct made_up *u, int64_t max_ns,
                                  struct inline_budget *out, struct err *e)
{
    size_t n_bytes = m->spec.d_context * sizeof(float);
    struct measurement measurement = {k, items, u};
    enum err_code code = add_zeros(&u->context.embedding, n_bytes, e);
    u->user.embedding_given = !m->spec.encoder.present; /* else it is encoded */
    if (!code && u->user.embedding_given)
        code = add_zeros(&u->user.embedding, n_bytes, e);
    if (!code)
        code = inline_budget_most(cost_of_whole, &measurement, MAX_READ, max_ns, &out->max_read, e);
    return code ? code
                : inline_budget_most(cost_of_stored, &measurement, MAX_ITEMS, max_ns, &out->max_items, e);
}

enum err_code inline_budget_measure(const struct model *m, const struct item_snapshot *items,
                                    const struct batcher *g, int64_t max_ns, struct inline_budget *out,
                                    struct err *e)
{
    *out = (struct inline_budget){.any = batcher_allows_inline(g)};
    if (!out->any)
        return ERR_OK;
    struct user_encoder *k = NULL;
    struct made_up u = {0};
    buf_init(&u.user.embedding, m->spec.d_context * sizeof(float));
    buf_init(&u.context.embedding, m->spec.d_context * sizeof(float));
    buf_init(&u.user.profile, 0);
    u.user.interactions = mem_alloc_array(MAX_READ, sizeof *u.user.interactions);
    u.context.items = mem_alloc_array(MAX_ITEMS, sizeof *u.context.items);
    u.keys = mem_alloc_array(m->spec.n_items, sizeof *u.keys);
    enum err_code code = user_encoder_new(m, &k, e);
    if (!code && !(u.user.interactions && u.context.items && u.keys))
        code = err_set(e, ERR_NOMEM, "no memory to measure what weights cost");
    if (!code)
        find_keys(&u, items, m->spec.n_items);
    out->n_items = u.n_keys;
    if (!code && u.n_keys)
        code = measure_both(k, m, items, &u, max_ns, out, e);
    user_encoder_free(k);
    store_user_fini(&u.user);
    store_user_context_fini(&u.context);
    mem_free(u.keys);
    if (code == ERR_OK || code == ERR_NOMEM)
        return code;
    *out = (struct inline_budget){0}; /* who is made up is none of its users */
    err_clear(e);
    return ERR_OK;
}
