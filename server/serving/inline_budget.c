/* What a making costs beside the generation grows with the user's items, and how depends on the model: what
 * is solved for a context from ratings has a part that every user pays, neighbours walk the lists of each
 * item. So both kinds of users are tried with as many items as are read at once, then with half of them, and
 * so on. The store's part is not in it: some 0.3 us a row. */
#include "server/serving/inline_budget.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/serving/user_weights.h"
#include "store/store.h"

enum { MAX_READ = 1024, MAX_TAKEN = 4096, RUNS = 3 };

/* Whom it is measured with: a user, and the keys of the model's own items, which cost most. */
struct made_up {
    struct store_user user;
    uint32_t *keys; /* (n_keys) */
    size_t n_keys;
};

static void find_keys(struct made_up *u, const struct item_snapshot *items, size_t n_items)
{
    int64_t last = item_snapshot_last_key(items);
    for (int64_t key = 1; key <= last && u->n_keys < n_items; key++) {
        long index = item_snapshot_index(items, key);
        if (index >= 0 && (size_t)index < n_items)
            u->keys[u->n_keys++] = (uint32_t)key;
    }
}

/* n items from all over the catalogue; the same ones again where it has fewer. */
static void give_items(struct made_up *u, size_t n)
{
    size_t step = u->n_keys > n ? u->n_keys / n : 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t key = u->keys[i * step % u->n_keys];
        u->user.interactions[i] = (struct store_interaction){
            .item_key = key, .weight = 1, .rating = 1, .timestamp = (int64_t)i + 1};
        u->user.taken[i] = key;
    }
    u->user.n_interactions = u->user.brief ? 0 : n;
    u->user.n_taken = u->user.brief ? n : 0;
}

/* The least of some makings; one is enough when it took far too long. */
static enum err_code making_ns(struct user_encoder *k, const struct item_snapshot *items,
                               const struct store_user *user, int64_t max_ns, int64_t *out, struct err *e)
{
    enum err_code code = ERR_OK;
    int64_t least = INT64_MAX;
    bool enough = false;
    for (int i = 0; i < RUNS && !code && !enough; i++) {
        struct weights *w = NULL;
        int64_t start = clock_thread_ns();
        code = context_make_weights(k, items, user, &w, e);
        int64_t took = clock_thread_ns() - start;
        weights_unref(w);
        least = took < least ? took : least;
        enough = least <= max_ns || least / 4 >= max_ns;
    }
    *out = least;
    return code;
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

struct measurement {
    struct user_encoder *encoder;
    const struct item_snapshot *items;
    struct made_up *user;
};

static enum err_code cost_of(void *arg, size_t n_items, int64_t max_ns, int64_t *ns, struct err *e)
{
    struct measurement *m = arg;
    give_items(m->user, n_items);
    return making_ns(m->encoder, m->items, &m->user->user, max_ns, ns, e);
}

/* Both kinds of users; a context of zeros is as long to use as any. */
static enum err_code measure_both(struct user_encoder *k, const struct model *m,
                                  const struct item_snapshot *items, struct made_up *u, int64_t max_ns,
                                  struct inline_budget *out, struct err *e)
{
    size_t n_bytes = m->spec.d_context * sizeof(float);
    struct buf *embedding = &u->user.embedding;
    struct measurement measurement = {k, items, u};
    u->user.embedding_given = !m->spec.encoder.present; /* else it is encoded */
    while (u->user.embedding_given && embedding->len < n_bytes && !embedding->failed)
        buf_addc(embedding, '\0');
    enum err_code code = buf_check(embedding, "a context", e);
    if (!code)
        code = inline_budget_most(cost_of, &measurement, MAX_READ, max_ns, &out->max_read, e);
    while (embedding->len < n_bytes && !embedding->failed)
        buf_addc(embedding, '\0');
    if (!code)
        code = buf_check(embedding, "a context", e);
    u->user.brief = true;
    return code ? code : inline_budget_most(cost_of, &measurement, MAX_TAKEN, max_ns, &out->max_taken, e);
}

enum err_code inline_budget_measure(const struct model *m, const struct item_snapshot *items,
                                    const struct batcher *g, int64_t max_ns, struct inline_budget *out,
                                    struct err *e)
{
    *out = (struct inline_budget){.any = batcher_max_batch(g)};
    if (!out->any)
        return ERR_OK;
    struct user_encoder *k = NULL;
    struct made_up u = {0};
    buf_init(&u.user.embedding, m->spec.d_context * sizeof(float));
    buf_init(&u.user.profile, 0);
    u.user.interactions = mem_alloc_array(MAX_TAKEN, sizeof *u.user.interactions);
    u.user.taken = mem_alloc_array(MAX_TAKEN, sizeof *u.user.taken);
    u.keys = mem_alloc_array(m->spec.n_items, sizeof *u.keys);
    enum err_code code = user_encoder_new(m, &k, e);
    if (!code && !(u.user.interactions && u.user.taken && u.keys))
        code = err_set(e, ERR_NOMEM, "no memory to measure what weights cost");
    if (!code)
        find_keys(&u, items, m->spec.n_items);
    out->n_items = u.n_keys;
    if (!code && u.n_keys)
        code = measure_both(k, m, items, &u, max_ns, out, e);
    user_encoder_free(k);
    store_user_fini(&u.user);
    mem_free(u.keys);
    if (code == ERR_OK || code == ERR_NOMEM)
        return code;
    *out = (struct inline_budget){0}; /* who is made up is none of its users */
    err_clear(e);
    return ERR_OK;
}
