#include "server/serving/image_guess.h"

#include "server/serving/image_contexts.h"

struct run {
    struct session *t;
    struct model_handle *handle;
    struct image_guess *g;
    struct image_room *room;
};

static enum err_code load(struct run *u, struct text id, struct err *e)
{
    return image_contexts_load(u->t->conn, u->handle, id, &u->t->task, &u->room, e);
}

/* Of a struct run. One task that this model cannot read is no reason to refuse a guess among the others. */
static enum err_code score_task(void *arg, struct text id, double *score, struct err *e)
{
    struct run *u = arg;
    const struct image_guess *g = u->g;
    struct err why = {0};
    enum err_code code = load(u, id, &why);
    if (code == ERR_CONFLICT || code == ERR_LIMIT)
        return ERR_OK;
    if (code)
        return err_copy(e, &why);
    if (u->room->context.n < 2)
        return ERR_OK;
    double sum = 0;
    for (size_t i = 0; i < g->n; i++)
        sum += image_layer_novelty(&u->room->view, &u->room->context,
                                   g->features + i * u->room->context.d_features);
    *score = -sum / (double)g->n;
    return ERR_OK;
}

static enum err_code tell_best(struct run *u, struct err *e)
{
    const struct guess_candidates *c = &u->g->among;
    for (size_t i = 0; i < c->n_best; i++) {
        struct image_layer layer;
        struct image_guessed task = {
            .id = guess_candidates_id(c, c->best[i].candidate), .score = c->best[i].score, .layer = &layer};
        enum err_code code = load(u, task.id, e);
        if (!code)
            code = image_room_own_layer(u->room, &layer, e);
        if (code)
            return code;
        task.revision = u->t->task.revision;
        if (!u->g->found(u->g->arg, &task))
            return ERR_OK;
    }
    return ERR_OK;
}

/* All of it, within one snapshot. */
static enum err_code guess(struct run *u, bool *ok, struct err *e)
{
    struct guess_candidates *c = &u->g->among;
    enum err_code code = guess_candidates_list(c, u->t->conn, ok, e);
    if (!code && *ok)
        code = guess_candidates_compare(c, score_task, u, ok, e);
    return !code && *ok ? tell_best(u, e) : code;
}

enum err_code image_guess_run(struct session *t, struct model_handle *handle, struct image_guess *g, bool *ok,
                              struct err *e)
{
    struct run u = {.t = t, .handle = handle, .g = g};
    *ok = true;
    guess_candidates_init(&g->among);
    enum err_code code = model_handle_images(handle, &u.room, e);
    if (!code && !(code = store_snapshot_begin(t->conn, e))) {
        code = guess(&u, ok, e);
        store_snapshot_end(t->conn);
    }
    guess_candidates_fini(&g->among);
    return code;
}
