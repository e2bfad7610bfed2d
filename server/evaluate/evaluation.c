/* Everything is measured through the functions that serve: context_make_weights and catalogue_score. New
 * users pass the same way, from a record that was filled from files instead of the store. */
#include "server/evaluate/evaluation.h"

#include "base/mem.h"
#include "base/parallel.h"
#include "engine/rank/catalogue.h"
#include "server/evaluate/evaluation_ids.h"
#include "server/evaluate/evaluation_run.h"
#include "server/items/encoder_rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- one user ---- */

/* Fills the thread's record for a model; ERR_NOTFOUND: nobody has told of this user. */
static enum err_code load_user(const struct evaluation *v, struct evaluation_thread *t, size_t number,
                               size_t user, struct err *e)
{
    const struct model_spec *spec = &v->models[number]->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    if (v->known)
        return evaluation_known_user(v->known, user, v->count, &t->user, e);
    return store_read_user(t->conn, evaluation_test_id(&v->test, user), &key, &t->user, e);
}

/* What the user of the record took of the first model's items, for the baselines. */
static enum err_code take_interactions(const struct evaluation *v, struct evaluation_thread *t, struct err *e)
{
    if (!MEM_RESERVE(t->interactions, t->capacity, t->user.n_interactions))
        return err_set(e, ERR_NOMEM, "no memory for %zu interactions", t->user.n_interactions);
    enum err_code code = kinds_merge(&t->merged, t->user.interactions, t->user.n_interactions, e);
    if (!code)
        t->n_interactions = encoder_rows(v->items[0], t->merged.at, t->merged.n, t->interactions);
    return code;
}

static bool has_item(const struct item_snapshot *items, const struct store_interaction *x, size_t n,
                     uint32_t item)
{
    for (size_t i = 0; i < n; i++)
        if (!x[i].unseen && item_index_index(item_snapshot_items(items), x[i].item_key) == (long)item)
            return true;
    return false;
}

/* Marks the held-out rows of a user that are known all the same: of them nothing was held out. */
static void mark_already(struct evaluation *v, const struct evaluation_thread *t, size_t user)
{
    const struct evaluation_test_user *u = &v->test.users[user];
    const struct store_interaction *x = t->user.interactions;
    size_t n = t->user.n_interactions;
    if (v->known)
        x = evaluation_known_rows(v->known, user, &n);
    for (size_t i = u->first; i < u->first + u->n; i++)
        v->already[i] =
            v->test.rows[i].item != UINT32_MAX && has_item(v->items[0], x, n, v->test.rows[i].item);
}

/* Of somebody nobody has told of, a ranking is all missed; a rating has the prior's answer. */
static enum err_code evaluate_stranger(struct evaluation *v, struct evaluation_thread *t, size_t user,
                                       struct err *e)
{
    struct weights *w;
    v->without[user] = 1;
    t->user.n_interactions = t->n_interactions = 0;
    for (size_t i = 0; i < v->n_models && v->ratings; i++) {
        enum err_code code = context_make_prior(t->encoders[i], &w, e);
        if (code)
            return code;
        evaluation_rate_model(v, t, i, user, w);
        weights_unref(w);
    }
    return ERR_OK;
}

static enum err_code evaluate_model(struct evaluation *v, struct evaluation_thread *t, size_t number,
                                    size_t user, struct err *e)
{
    struct weights *w;
    enum err_code code = number ? load_user(v, t, number, user, e) : ERR_OK; /* the first is there */
    if (!code && !v->models[number]->spec.encoder.present && t->user.embedding.len == 0) {
        v->without[user] = 1; /* nobody gave this user a context, and the model cannot make one */
        return ERR_OK;
    }
    if (!code)
        code = context_make_weights(t->encoders[number], v->items[number], &t->user, &w, e);
    if (code)
        return code;
    (v->ratings ? evaluation_rate_model : evaluation_rank_model)(v, t, number, user, w);
    weights_unref(w);
    return ERR_OK;
}

static enum err_code evaluate_baselines(struct evaluation *v, struct evaluation_thread *t, size_t user,
                                        struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < v->n_systems - v->n_models && !code; i++)
        if (v->ratings)
            evaluation_rate_baseline(v, t, i, user);
        else
            code = evaluation_rank_baseline(v, t, i, user, e);
    return code;
}

static enum err_code evaluate(struct evaluation *v, struct evaluation_thread *t, size_t user, struct err *e)
{
    enum err_code code = load_user(v, t, 0, user, e);
    v->n_rows[user] = v->ratings ? (double)v->test.users[user].n : 1;
    if (code == ERR_NOTFOUND) {
        err_clear(e);
        code = evaluate_stranger(v, t, user, e);
        return code || !v->ratings ? code : evaluate_baselines(v, t, user, e);
    }
    if (!code)
        code = take_interactions(v, t, e);
    if (code)
        return code;
    v->n_known[user] = (uint32_t)t->user.n_interactions;
    mark_already(v, t, user);
    if (!v->ratings)
        evaluation_rank_prepare(v, t, user);
    for (size_t i = 0; i < v->n_models && !code; i++)
        code = evaluate_model(v, t, i, user, e);
    return code ? code : evaluate_baselines(v, t, user, e);
}

static void evaluate_user(void *arg, size_t user, size_t thread)
{
    struct evaluation *v = arg;
    struct err e = {0};
    if (evaluate(v, &v->threads[thread], user, &e) == ERR_OK)
        return;
    struct text id = evaluation_test_id(&v->test, user);
    pthread_mutex_lock(&v->lock);
    (void)err_set(&v->failure, e.code, "user '%.*s': %s", (int)id.len, id.data, e.text);
    pthread_mutex_unlock(&v->lock);
}

/* ---- threads ---- */

static size_t largest_coverage(const struct evaluation_options *o)
{
    size_t k = 0;
    for (size_t m = 0; m < o->n_metrics; m++)
        if (o->metrics[m].kind == METRIC_COVERAGE && o->metrics[m].k > k)
            k = o->metrics[m].k;
    return k;
}

static enum err_code thread_init(const struct evaluation *v, struct evaluation_thread *t, struct err *e)
{
    size_t n_items = v->models[0]->spec.n_items, len = 1 + evaluation_baselines_workspace_len(v->baselines);
    enum err_code code = store_connect(v->store, &t->conn, e);
    for (size_t i = 0; i < v->n_models && !code; i++) {
        size_t need = catalogue_workspace_len(v->models[i]->catalogue);
        len = need > len ? need : len;
        code = user_encoder_new(v->models[i], &t->encoders[i], e);
    }
    if (code)
        return code;
    t->workspace = mem_alloc_aligned(len, sizeof *t->workspace);
    t->all = mem_alloc_aligned(n_items, sizeof *t->all);
    t->scores = mem_alloc_array(n_items, sizeof *t->scores);
    t->ranked = mem_alloc_array(n_items, sizeof *t->ranked);
    t->moved = mem_alloc_array(n_items, sizeof *t->moved);
    t->positions = mem_alloc_array(n_items, sizeof *t->positions);
    t->mark = mem_alloc(n_items);
    t->best = mem_alloc_array(largest_coverage(v->options), sizeof *t->best);
    if (!t->workspace || !t->all || !t->scores || !t->ranked || !t->moved || !t->positions || !t->mark ||
        !t->best)
        return err_set(e, ERR_NOMEM, "no memory to evaluate");
    return ERR_OK;
}

static void thread_fini(struct evaluation_thread *t)
{
    store_disconnect(t->conn);
    store_user_fini(&t->user);
    for (size_t i = 0; i < EVALUATION_MAX_SYSTEMS; i++)
        user_encoder_free(t->encoders[i]);
    mem_free(t->interactions);
    kinds_merged_fini(&t->merged);
    mem_free(t->workspace);
    mem_free(t->all);
    mem_free(t->scores);
    mem_free(t->ranked);
    mem_free(t->moved);
    mem_free(t->positions);
    mem_free(t->mark);
    mem_free(t->best);
}

/* ---- preparation ---- */

/* Where the first model's items are in another; nothing where they are the same in the same order. */
static enum err_code find_places(struct evaluation *v, size_t number, struct err *e)
{
    const struct model *first = v->models[0], *m = v->models[number];
    size_t n = first->spec.n_items, same = 0, len;
    uint32_t *places = mem_alloc_array(n, sizeof *places);
    if (!places)
        return err_set(e, ERR_NOMEM, "no memory for the items of model '%s'", m->spec.name);
    for (size_t i = 0; i < n; i++) {
        const char *id = model_item_id(first, i, &len);
        long index = model_item_index(m, id, len);
        places[i] = index < 0 ? UINT32_MAX : (uint32_t)index;
        same += places[i] == i;
    }
    if (same == n)
        mem_free(places);
    else
        v->places[number] = places;
    return ERR_OK;
}

static enum err_code prepare_models(struct evaluation *v, struct store_conn *c, struct err *e)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < v->n_models && !code; i++) {
        code = item_snapshot_load(c, v->models[i], &v->items[i], e);
        if (!code && !v->options->foreign_items)
            code = item_snapshot_check_known(v->items[i], e);
        if (!code && i > 0)
            code = find_places(v, i, e);
    }
    return code;
}

static enum err_code prepare_values(struct evaluation *v, size_t n_threads, struct err *e)
{
    size_t n_users = v->test.n_users, n = v->n_systems * v->options->n_metrics;
    bool coverage = largest_coverage(v->options) > 0;
    v->values = mem_zalloc_array(n * n_users, sizeof *v->values);
    v->n_rows = mem_zalloc_array(n_users, sizeof *v->n_rows);
    v->without = mem_zalloc_array(n_users, 1);
    v->already = mem_zalloc_array(v->test.n_rows, 1);
    v->n_known = mem_zalloc_array(n_users, sizeof *v->n_known);
    v->threads = mem_zalloc_array(n_threads, sizeof *v->threads);
    if (coverage)
        v->shown = mem_zalloc_array(n * v->models[0]->spec.n_items, sizeof *v->shown);
    if (!v->values || !v->n_rows || !v->without || !v->already || !v->n_known || !v->threads ||
        (coverage && !v->shown))
        return err_set(e, ERR_NOMEM, "no memory to evaluate");
    return ERR_OK;
}

/* Baselines of a test with candidates are tuned among as many rivals as its users have. */
static enum err_code make_baselines(struct evaluation *v, struct store_conn *c, struct parallel *team,
                                    struct err *e)
{
    const struct evaluation_options *o = v->options;
    struct evaluation_baselines_options b = {.ratings = v->ratings,
                                             .wanted = o->baselines,
                                             .seed = o->seed,
                                             .progress = o->progress,
                                             .progress_arg = o->progress_arg};
    if (o->candidates_path && v->test.n_users > 0)
        b.n_rivals = (v->test.n_candidates + v->test.n_users - 1) / v->test.n_users;
    return evaluation_baselines_new(c, v->models[0], v->items[0], &b, team, &v->baselines, e);
}

static enum err_code prepare(struct evaluation *v, struct parallel *team, struct err *e)
{
    const struct evaluation_options *o = v->options;
    struct store_conn *c;
    enum err_code code = store_connect(v->store, &c, e);
    if (code)
        return code;
    code = prepare_models(v, c, e);
    if (!code)
        code =
            evaluation_test_read(c, v->models[0], o->test_path, o->candidates_path, v->ratings, &v->test, e);
    if (!code && o->known_path)
        code = evaluation_known_read(c, &v->test, o->known_path, o->users_path, &v->known, e);
    if (!code && (o->baselines || v->ratings)) /* the mean of ratings answers for items that nobody knows */
        code = make_baselines(v, c, team, e);
    store_disconnect(c);
    v->n_systems = v->n_models + (o->baselines ? evaluation_baselines_n(v->baselines) : 0);
    if (!code)
        code = prepare_values(v, parallel_threads(team), e);
    for (size_t i = 0; i < parallel_threads(team) && !code; i++)
        code = thread_init(v, &v->threads[i], e);
    return code;
}

static void fini(struct evaluation *v, size_t n_threads)
{
    for (size_t i = 0; v->threads && i < n_threads; i++)
        thread_fini(&v->threads[i]);
    for (size_t i = 0; i < v->n_models; i++) {
        item_snapshot_unref(v->items[i]);
        mem_free(v->places[i]);
    }
    evaluation_baselines_free(v->baselines);
    evaluation_known_free(v->known);
    evaluation_test_fini(&v->test);
    mem_free(v->threads);
    mem_free(v->values);
    mem_free(v->n_rows);
    mem_free(v->shown);
    mem_free(v->without);
    mem_free(v->already);
    mem_free(v->n_known);
    pthread_mutex_destroy(&v->lock);
}

/* ---- the cases ---- */

static void clear_case(struct evaluation *v, size_t count)
{
    size_t n = v->n_systems * v->options->n_metrics;
    v->count = count;
    memset(v->values, 0, n * v->test.n_users * sizeof *v->values);
    for (size_t i = 0; v->shown && i < n * v->models[0]->spec.n_items; i++)
        atomic_init(&v->shown[i], 0);
}

static enum err_code run_cases(struct evaluation *v, struct parallel *team, FILE *per_user,
                               struct evaluation_result *out, struct err *e)
{
    const struct evaluation_options *o = v->options;
    size_t n_cases = o->n_counts ? o->n_counts : 1;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < n_cases && !code; i++) {
        clear_case(v, o->n_counts ? o->counts[i] : SIZE_MAX);
        parallel_for(team, v->test.n_users, evaluate_user, v);
        if (v->failure.code)
            return err_copy(e, &v->failure);
        evaluation_summarise(v, out);
        if (per_user)
            code = evaluation_write_users(v, per_user, e);
    }
    if (!code && o->groups && n_cases == 1)
        code = evaluation_summarise_groups(v, out, e);
    return code;
}

static enum err_code run_with_file(struct evaluation *v, struct parallel *team, struct evaluation_result *out,
                                   struct err *e)
{
    const char *path = v->options->per_user_path;
    FILE *file = path ? fopen(path, "w") : NULL;
    if (path && !file)
        return err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    enum err_code code = run_cases(v, team, file, out, e);
    if (file && fclose(file) != 0 && !code)
        code = err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return code;
}

/* Where items or users were not found, whether their ids nearly were. */
static enum err_code note_ids(struct evaluation *v, struct evaluation_result *out, struct err *e)
{
    const char *path = v->options->test_path;
    struct store_conn *c;
    enum err_code code = evaluation_ids_items(&v->test, path, &out->notes[0], e);
    if (code || !out->n_without || v->options->known_path) /* new users are in no store */
        return code;
    code = store_connect(v->store, &c, e);
    if (code)
        return code;
    code = evaluation_ids_users(c, &v->test, path, &out->notes[1], e);
    store_disconnect(c);
    return code;
}

enum err_code evaluation_run(struct store *store, struct model *const *models, size_t n_models,
                             const struct evaluation_options *options, struct evaluation_result *out,
                             struct err *e)
{
    struct evaluation v = {.store = store, .models = models, .n_models = n_models, .options = options};
    struct parallel *team;
    memset(out, 0, sizeof *out);
    v.ratings = metric_of_ratings(&options->metrics[0]);
    if (n_models + N_BASELINES > EVALUATION_MAX_SYSTEMS || options->n_counts > EVALUATION_MAX_COUNTS)
        return err_set(e, ERR_LIMIT, "at most %d models and %d counts in one evaluation",
                       EVALUATION_MAX_SYSTEMS - N_BASELINES, EVALUATION_MAX_COUNTS);
    enum err_code code = parallel_new(options->n_threads, &team, e);
    if (code)
        return code;
    pthread_mutex_init(&v.lock, NULL);
    code = prepare(&v, team, e);
    if (!code)
        code = run_with_file(&v, team, out, e);
    if (!code)
        code = note_ids(&v, out, e);
    fini(&v, parallel_threads(team));
    parallel_free(team);
    return code;
}
