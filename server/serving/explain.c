/* The user without an entry passes through the same encoder as any other user, so an explanation is what the
 * server would have answered, however contexts are made. An approximation from gradients would cost less and
 * be wrong where it matters: one interaction of few moves the context far. */
#include "server/serving/explain.h"

#include "base/limits.h"
#include "base/mem.h"
#include "engine/added_items.h"
#include "server/fields/profile.h"

#include <math.h>
#include <string.h>

/* An effect below this part of the score is what rounding leaves, not a reason. */
static const float LEAST_EFFECT = 2e-6F;

struct pair {
    char *field, *value; /* heap */
};

struct reason {
    size_t entry; /* an interaction, or after them all a pair of the profile */
    float effect;
};

struct explanation {
    struct explain_query q;
    struct pair *pairs; /* (n_pairs) of the profile, each once */
    size_t n_pairs;
    struct err failure;     /* of the callback that takes pairs */
    struct reason *reasons; /* (n, most) the largest effect first */
    size_t *n_reasons;      /* (n) */
    float *scores;          /* (n) without an entry */
    real *theta;
};

void explain_free(struct explanation *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->n_pairs; i++) {
        mem_free(x->pairs[i].field);
        mem_free(x->pairs[i].value);
    }
    mem_free(x->pairs);
    mem_free(x->reasons);
    mem_free(x->n_reasons);
    mem_free(x->scores);
    mem_free(x->theta);
    mem_free(x);
}

/* ---- the entries ---- */

static bool take_pair(void *arg, const char *field, const char *value)
{
    struct explanation *x = arg;
    for (size_t i = 0; i < x->n_pairs; i++)
        if (strcmp(x->pairs[i].field, field) == 0 && strcmp(x->pairs[i].value, value) == 0)
            return true;
    struct pair *p = &x->pairs[x->n_pairs++];
    p->field = mem_strdup(field);
    p->value = mem_strdup(value);
    if (!p->field || !p->value) {
        (void)err_set(&x->failure, ERR_NOMEM, "no memory for the entries of a profile");
        return false;
    }
    return x->n_pairs < LIMIT_EXPLAIN_PAIRS;
}

static enum err_code take_pairs(struct explanation *x, struct err *e)
{
    const struct buf *profile = &x->q.user->profile;
    if (profile->len == 0 || !x->q.model->spec.encoder.n_values)
        return ERR_OK;
    x->pairs = mem_zalloc_array(LIMIT_EXPLAIN_PAIRS, sizeof *x->pairs);
    if (!x->pairs)
        return err_set(e, ERR_NOMEM, "no memory for the entries of a profile");
    enum err_code code = profile_each(profile->data, profile->len, take_pair, x, e);
    if (!code && x->failure.code)
        code = err_set(e, x->failure.code, "%s", x->failure.text);
    return code;
}

/* ---- what is left without one ---- */

/* Puts a reason in its place among the item's; of equal effects the one tried first stays first. */
static void offer(struct explanation *x, size_t item, size_t entry, float effect)
{
    struct reason *list = x->reasons + item * x->q.most;
    size_t at = x->n_reasons[item];
    if (!(effect > LEAST_EFFECT * fmaxf(1, fabsf(x->q.scores[item]))))
        return;
    if (at == x->q.most && effect <= list[--at].effect)
        return;
    for (; at > 0 && list[at - 1].effect < effect; at--)
        list[at] = list[at - 1];
    list[at] = (struct reason){entry, effect};
    if (x->n_reasons[item] < x->q.most)
        x->n_reasons[item]++;
}

static enum err_code try_without(struct explanation *x, const struct store_user *rest, size_t entry,
                                 struct err *e)
{
    const struct explain_query *q = &x->q;
    enum err_code code = context_theta(q->encoder, q->items, rest, x->theta, e);
    if (code)
        return code;
    added_items_score(q->model, item_snapshot_extra(q->items), x->theta, q->indices, q->n, q->workspace,
                      x->scores);
    for (size_t i = 0; i < q->n; i++)
        offer(x, i, entry, q->scores[i] - x->scores[i]);
    return ERR_OK;
}

/* How many of the newest interactions are tried: bounded, and fewer when each costs much. */
static size_t interactions_to_try(size_t n)
{
    size_t most = n > LIMIT_EXPLAIN_INTERACTIONS ? LIMIT_EXPLAIN_INTERACTIONS : n;
    return n && most > LIMIT_EXPLAIN_STEPS / n ? LIMIT_EXPLAIN_STEPS / n : most;
}

/* The others' interactions without those of the item of number i; false: there is a newer one of the item,
 * which stands for all of its kinds. */
static bool leave_out(const struct store_user *user, size_t i, struct store_user *rest)
{
    int64_t item = user->interactions[i].item_key;
    rest->n_interactions = 0;
    for (size_t k = 0; k < user->n_interactions; k++) {
        if (k > i && user->interactions[k].item_key == item)
            return false;
        if (user->interactions[k].item_key != item)
            rest->interactions[rest->n_interactions++] = user->interactions[k];
    }
    return true;
}

/* Newest first. */
static enum err_code try_interactions(struct explanation *x, struct err *e)
{
    const struct store_user *user = x->q.user;
    size_t n = user->n_interactions, tries = interactions_to_try(n);
    if (n == 0)
        return ERR_OK;
    struct store_user rest = *user;
    enum err_code code = ERR_OK;
    rest.interactions = mem_alloc_array(n, sizeof *rest.interactions);
    if (!rest.interactions)
        return err_set(e, ERR_NOMEM, "no memory for %zu interactions", n);
    for (size_t i = n; i-- > n - tries && !code;)
        if (item_index_index(item_snapshot_items(x->q.items), user->interactions[i].item_key) >= 0 &&
            leave_out(user, i, &rest))
            code = try_without(x, &rest, i, e);
    mem_free(rest.interactions);
    return code;
}

static enum err_code try_pairs(struct explanation *x, struct err *e)
{
    const struct store_user *user = x->q.user;
    struct store_user rest = *user;
    enum err_code code = ERR_OK;
    buf_init(&rest.profile, LIMIT_PROFILE_BYTES);
    for (size_t i = 0; i < x->n_pairs && !code; i++) {
        buf_reset(&rest.profile);
        code = profile_without(user->profile.data, user->profile.len, x->pairs[i].field, x->pairs[i].value,
                               &rest.profile, e);
        if (!code)
            code = try_without(x, &rest, user->n_interactions + i, e);
    }
    buf_fini(&rest.profile);
    return code;
}

/* ---- life ---- */

enum err_code explain_new(const struct explain_query *q, struct explanation **out, struct err *e)
{
    struct explanation *x = mem_zalloc_array(1, sizeof *x);
    if (!x)
        return err_set(e, ERR_NOMEM, "no memory for an explanation");
    x->q = *q;
    x->reasons = mem_alloc_array(q->n, q->most * sizeof *x->reasons);
    x->n_reasons = mem_zalloc_array(q->n, sizeof *x->n_reasons);
    x->scores = mem_alloc_array(q->n, sizeof *x->scores);
    x->theta = mem_alloc_aligned(context_theta_len(q->encoder), sizeof *x->theta);
    enum err_code code = ERR_OK;
    if (!x->reasons || !x->n_reasons || !x->scores || !x->theta)
        code = err_set(e, ERR_NOMEM, "no memory for an explanation");
    if (!code && !q->user->embedding_given && q->n) {
        code = take_pairs(x, e);
        if (!code)
            code = try_interactions(x, e);
        if (!code)
            code = try_pairs(x, e);
    }
    if (code)
        explain_free(x);
    else
        *out = x;
    return code;
}

/* ---- answers ---- */

static void add_interaction(const struct explanation *x, size_t i, struct buf *out)
{
    size_t len, index = (size_t)item_index_index(item_snapshot_items(x->q.items),
                                                 x->q.user->interactions[i].item_key);
    const char *id = item_index_id(item_snapshot_items(x->q.items), index, &len);
    struct item_info info = item_index_info(item_snapshot_items(x->q.items), index);
    buf_adds(out, "{\"kind\":\"interaction\",\"item\":");
    buf_add_json_string(out, id, len);
    if (info.title.data) {
        buf_adds(out, ",\"title\":");
        buf_add_json_string(out, info.title.data, info.title.len);
    }
}

static void add_pair(const struct pair *p, struct buf *out)
{
    buf_adds(out, "{\"kind\":\"profile\",\"field\":");
    buf_add_json_string(out, p->field, strlen(p->field));
    buf_adds(out, ",\"value\":");
    buf_add_json_string(out, p->value, strlen(p->value));
}

void explain_add(const struct explanation *x, size_t i, struct buf *out)
{
    buf_addc(out, '[');
    for (size_t k = 0; k < x->n_reasons[i]; k++) {
        const struct reason *r = &x->reasons[i * x->q.most + k];
        if (k)
            buf_addc(out, ',');
        if (r->entry < x->q.user->n_interactions)
            add_interaction(x, r->entry, out);
        else
            add_pair(&x->pairs[r->entry - x->q.user->n_interactions], out);
        buf_adds(out, ",\"effect\":");
        buf_add_float(out, r->effect);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}
