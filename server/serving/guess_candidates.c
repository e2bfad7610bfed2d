#include "server/serving/guess_candidates.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

void guess_candidates_init(struct guess_candidates *c)
{
    c->n_all = c->n_looked = c->n_compared = c->n_best = c->n_ids = c->ends_capacity = 0;
    c->complete = c->behind = false;
    c->ends = NULL;
    c->seen = (struct id_table){0};
    buf_init(&c->ids, (size_t)LIMIT_TASK_CANDIDATES * LIMIT_ID_BYTES);
}

void guess_candidates_fini(struct guess_candidates *c)
{
    mem_free(c->ends);
    buf_fini(&c->ids);
    id_table_fini(&c->seen);
}

struct text guess_candidates_id(const struct guess_candidates *c, size_t candidate)
{
    size_t from = candidate ? c->ends[candidate - 1] : 0;
    return (struct text){c->ids.data + from, c->ends[candidate] - from};
}

static bool add_id(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct guess_candidates *c = arg;
    (void)key, (void)profile, (void)revision;
    if (!c->behind) {
        c->behind = id.len == c->after.len && memcmp(id.data, c->after.data, id.len) == 0;
        return true;
    }
    c->n_all++;
    if (c->n_ids == LIMIT_TASK_CANDIDATES)
        return true; /* it is counted */
    if (!MEM_RESERVE(c->ends, c->ends_capacity, c->n_ids + 1)) {
        c->ids.failed = ERR_NOMEM;
        return false;
    }
    buf_add(&c->ids, id.data, id.len);
    c->ends[c->n_ids++] = c->ids.len;
    return !c->ids.failed;
}

enum err_code guess_candidates_list(struct guess_candidates *c, struct store_conn *conn, bool *ok,
                                    struct err *e)
{
    enum err_code code = ERR_OK;
    c->behind = c->named || !c->after.data;
    if (!c->named)
        code = store_each_task(conn, add_id, c, e);
    if (!code && !c->behind) {
        c->unknown(c->arg, SIZE_MAX, "no such task: begin again without `after`");
        *ok = false;
    }
    for (size_t i = 0; i < json_array_size(c->named); i++) {
        const json_t *id = json_array_get(c->named, i);
        (void)add_id(c, 0, (struct text){json_string_value(id), json_string_length(id)},
                     (struct text){NULL, 0}, 0);
    }
    return code ? code : buf_check(&c->ids, "the ids of tasks", e);
}

/* Whether a candidate was named before, so that it counts once. */
static enum err_code find_again(struct guess_candidates *c, size_t i, bool *again, struct err *e)
{
    size_t n_before = c->seen.n;
    uint32_t number;
    *again = false;
    if (!c->named) /* a store has each once */
        return ERR_OK;
    enum err_code code = id_table_add(&c->seen, guess_candidates_id(c, i), &number, e);
    *again = c->seen.n == n_before;
    return code;
}

static void keep(struct guess_candidates *c, size_t candidate, double score)
{
    size_t i = c->n_best;
    if (i == c->most && !(score > c->best[i - 1].score))
        return;
    i -= i == c->most;
    for (; i > 0 && score > c->best[i - 1].score; i--)
        c->best[i] = c->best[i - 1];
    c->best[i] = (struct guess_best){candidate, score};
    c->n_best += c->n_best < c->most;
}

static enum err_code compare_one(struct guess_candidates *c, size_t i, guess_score_fn *score, void *arg,
                                 bool *ok, struct err *e)
{
    struct err why = {0};
    double x = (double)NAN;
    enum err_code code = score(arg, guess_candidates_id(c, i), &x, &why);
    if (code == ERR_NOTFOUND) { /* one of those that were named */
        c->unknown(c->arg, i, why.text);
        *ok = false;
    } else if (code) {
        return err_copy(e, &why);
    } else if (isfinite(x)) {
        keep(c, i, x);
        c->n_compared++;
    }
    return ERR_OK;
}

enum err_code guess_candidates_compare(struct guess_candidates *c, guess_score_fn *score, void *arg, bool *ok,
                                       struct err *e)
{
    size_t i = 0;
    enum err_code code = ERR_OK;
    for (; i < c->n_ids && !code; i++) {
        bool again;
        if (c->n_looked && clock_monotonic_ns() > c->until_ns)
            break;
        code = find_again(c, i, &again, e);
        c->n_looked += !again;
        c->n_all -= again;
        if (!code && !again)
            code = compare_one(c, i, score, arg, ok, e);
    }
    if (code)
        return code;
    c->complete = c->n_looked == c->n_all;
    if (!c->complete) {
        struct text last = guess_candidates_id(c, i - 1);
        memcpy(c->next, last.data, last.len);
        c->next[last.len] = 0;
    }
    return ERR_OK;
}
