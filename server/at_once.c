/* What a making costs beside the generation grows with the user's items, and how depends on the model: what is solved for a context
 * from ratings has a part that every user pays, neighbours walk the lists of each item. So both kinds of users are tried with as many
 * items as are read at once, then with half of them, and so on. The store's part is not in it: some 0.3 us a row. */
#include "server/at_once.h"

#include "base/mem.h"
#include "server/context.h"
#include "store/store.h"

#include <string.h>
#include <time.h>

enum { MOST_READ = 1024, MOST_TAKEN = 4096, RUNS = 3 };

static int64_t thread_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A user with n items from all over the catalogue; fewer where there are fewer. */
static void give_items(struct store_user *u, const struct item_table *items, size_t n)
{
    int64_t last = item_table_last_key(items), step = last / (int64_t)n > 1 ? last / (int64_t)n : 1, key = 1;
    size_t given = 0;
    for (; given < n && key <= last; given++, key += step) {
        u->interactions[given] = (struct store_interaction){
            .item_key = key, .weight = 1, .rating = 1, .timestamp = (int64_t)given + 1};
        u->taken[given] = (uint32_t)key;
    }
    u->n_interactions = u->brief ? 0 : given;
    u->n_taken = u->brief ? given : 0;
}

/* The least of some makings; one is enough when it took far too long. */
static enum err_code making_ns(struct context_maker *k, const struct item_table *items,
                               const struct store_user *u, int64_t most_ns, int64_t *out, struct err *e)
{
    enum err_code code = ERR_OK;
    *out = INT64_MAX;
    for (int i = 0; i < RUNS && !code && *out > most_ns && (i == 0 || *out / 4 < most_ns); i++) {
        struct weights *w = NULL;
        int64_t start = thread_ns();
        code = context_make_weights(k, items, u, &w, e);
        int64_t took = thread_ns() - start;
        weights_unref(w);
        *out = took < *out ? took : *out;
    }
    return code;
}

/* With how many items a making takes most_ns or less, of `most` and its halves; 0 when one item is too many. */
static enum err_code most_items(struct context_maker *k, const struct item_table *items, struct store_user *u,
                                size_t most, int64_t most_ns, size_t *out, struct err *e)
{
    int64_t ns = 0;
    give_items(u, items, 1);
    enum err_code code = making_ns(k, items, u, most_ns, &ns, e);
    for (*out = ns > most_ns ? 0 : most; !code && *out > 1; *out /= 2) {
        give_items(u, items, *out);
        code = making_ns(k, items, u, most_ns, &ns, e);
        if (ns <= most_ns)
            break;
    }
    return code;
}

/* Both kinds of users; a context of zeros is as long to use as any. */
static enum err_code measure_both(struct context_maker *k, const struct model *m,
                                  const struct item_table *items, struct store_user *u, int64_t most_ns,
                                  struct at_once *out, struct err *e)
{
    size_t n_bytes = m->spec.d_context * sizeof(float);
    u->embedding_given = !m->spec.encoder.present; /* else it is encoded */
    while (u->embedding_given && u->embedding.len < n_bytes && !u->embedding.failed)
        buf_addc(&u->embedding, '\0');
    enum err_code code = most_items(k, items, u, MOST_READ, most_ns, &out->most_read, e);
    while (u->embedding.len < n_bytes && !u->embedding.failed)
        buf_addc(&u->embedding, '\0');
    u->brief = true;
    return code ? code : most_items(k, items, u, MOST_TAKEN, most_ns, &out->most_taken, e);
}

enum err_code at_once_measure(const struct model *m, const struct item_table *items, const struct gather *g,
                              int64_t most_ns, struct at_once *out, struct err *e)
{
    *out = (struct at_once){.any = gather_at_once(g)};
    if (!out->any)
        return ERR_OK;
    struct context_maker *k = NULL;
    struct store_user u = {0};
    buf_init(&u.embedding, m->spec.d_context * sizeof(float));
    buf_init(&u.profile, 0);
    u.interactions = mem_alloc_array(MOST_TAKEN, sizeof *u.interactions);
    u.taken = mem_alloc_array(MOST_TAKEN, sizeof *u.taken);
    enum err_code code = context_maker_new(m, &k, e);
    if (!code && !(u.interactions && u.taken))
        code = err_set(e, ERR_NOMEM, "no memory to measure what weights cost");
    if (!code)
        code = measure_both(k, m, items, &u, most_ns, out, e);
    context_maker_free(k);
    store_user_fini(&u);
    if (code == ERR_OK || code == ERR_NOMEM)
        return code;
    *out = (struct at_once){0}; /* who is made up is none of its users */
    err_clear(e);
    return ERR_OK;
}
