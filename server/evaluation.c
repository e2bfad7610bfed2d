/* Everything is measured through the functions that serve: context_make_weights and catalogue_score. The iALS
 * baseline is the fold-in block of the context against the factors it was solved with, so it knows just what
 * the model knows. */
#include "server/evaluation.h"

#include "base/mem.h"
#include "engine/blas.h"
#include "engine/bootstrap.h"
#include "engine/catalogue.h"
#include "engine/train/ease.h"
#include "engine/train/parallel.h"
#include "server/context.h"
#include "server/ease_baseline.h"
#include "server/item_table.h"
#include "server/table.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one test user has; items are indices in the first model, UINT32_MAX: it has no such item. */
struct test_user {
    size_t id, id_len; /* in texts */
    size_t first, n;   /* in items: the held-out ones */
    size_t first_candidate, n_candidates;
};

struct row {
    size_t id, id_len;
    uint32_t item;
};

enum baseline { BASELINE_POPULARITY, BASELINE_IALS, BASELINE_EASE, N_BASELINES };

struct evaluation {
    struct store *store;
    struct model *const *models;
    size_t n_models, n_systems;
    enum baseline baselines[N_BASELINES]; /* the systems after the models */
    const struct evaluation_options *options;
    struct item_table *items[EVALUATION_MAX_SYSTEMS]; /* by model */
    struct buf texts;
    struct row *rows; /* (n_rows) */
    size_t n_rows, row_capacity;
    uint32_t *candidates;
    size_t n_candidates, candidate_capacity;
    struct test_user *users; /* (n_users) sorted by id */
    size_t n_users;
    float *popularity;          /* (n_items of the first model) */
    struct ease_baseline *ease; /* NULL: not among the systems */
    double *values;             /* (n_systems, n_metrics, n_users) */
    unsigned char *without;     /* (n_users) 1: no context */
    uint32_t *known;            /* (n_users) interactions in the store */
    struct eval_thread *threads;
    struct err failure;
    pthread_mutex_t lock; /* guards failure */
};

/* One thread's tools. */
struct eval_thread {
    struct store_conn *conn;
    struct store_user user;
    struct context_maker *makers[EVALUATION_MAX_SYSTEMS];
    real *workspace;
    float *scores;      /* (n_items) all, then relevant, then others */
    float *ease_scores; /* (n_items) */
    uint32_t *relevant, *others;
    size_t *positions;
    unsigned char *mark; /* (n_items) */
};

/* ---- reading the test ---- */

static const char *text_at(const struct evaluation *v, size_t at)
{
    return v->texts.data + at;
}

static enum err_code reserve(void **array, size_t *capacity, size_t n, size_t size, struct err *e)
{
    if (n <= *capacity)
        return ERR_OK;
    size_t grown = *capacity ? *capacity * 2 : 1024;
    while (grown < n)
        grown *= 2;
    void *at = mem_realloc_array(*array, grown, size);
    if (!at)
        return err_set(e, ERR_NOMEM, "no memory for the test rows");
    *array = at;
    *capacity = grown;
    return ERR_OK;
}

static uint32_t index_of(const struct evaluation *v, struct store_text item)
{
    long index = model_item_index(v->models[0], item.data, item.len);
    return index < 0 ? UINT32_MAX : (uint32_t)index;
}

static enum err_code add_row(struct evaluation *v, const struct table_row *row, struct err *e)
{
    enum err_code code = reserve((void **)&v->rows, &v->row_capacity, v->n_rows + 1, sizeof *v->rows, e);
    if (code)
        return code;
    v->rows[v->n_rows++] = (struct row){v->texts.len, row->user.len, index_of(v, row->item)};
    buf_add(&v->texts, row->user.data, row->user.len);
    return buf_check(&v->texts, "the test rows", e);
}

static int compare_ids(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static int by_id(const void *a, const void *b, void *arg)
{
    const struct row *x = a, *y = b;
    int order = compare_ids(text_at(arg, x->id), x->id_len, text_at(arg, y->id), y->id_len);
    return order ? order : (x->item > y->item) - (x->item < y->item);
}

/* An item named twice is one held-out item. Items the model does not have cannot be told apart: each counts.
 */
static void drop_repeated(struct evaluation *v)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->n_rows; i++) {
        const struct row *r = &v->rows[i], *last = kept ? &v->rows[kept - 1] : NULL;
        if (!last || r->item == UINT32_MAX || r->item != last->item ||
            compare_ids(text_at(v, last->id), last->id_len, text_at(v, r->id), r->id_len) != 0)
            v->rows[kept++] = *r;
    }
    v->n_rows = kept;
}

/* Sorts the rows and makes one test user of each run. */
static enum err_code group_users(struct evaluation *v, struct err *e)
{
    v->users = mem_zalloc_array(v->n_rows, sizeof *v->users);
    if (!v->users)
        return err_set(e, ERR_NOMEM, "no memory for the test users");
    if (v->n_rows)
        qsort_r(v->rows, v->n_rows, sizeof *v->rows, by_id, v);
    drop_repeated(v);
    for (size_t i = 0; i < v->n_rows; i++) {
        struct test_user *last = v->n_users ? &v->users[v->n_users - 1] : NULL;
        const struct row *r = &v->rows[i];
        if (!last || compare_ids(text_at(v, last->id), last->id_len, text_at(v, r->id), r->id_len) != 0) {
            last = &v->users[v->n_users++];
            *last = (struct test_user){.id = r->id, .id_len = r->id_len, .first = i};
        }
        last->n++;
    }
    return ERR_OK;
}

static struct test_user *find_user(struct evaluation *v, struct store_text id)
{
    size_t low = 0, high = v->n_users;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_ids(text_at(v, v->users[middle].id), v->users[middle].id_len, id.data, id.len);
        if (order == 0)
            return &v->users[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static enum err_code add_candidates(struct evaluation *v, const struct table_row *row, struct err *e)
{
    struct test_user *u = find_user(v, row->user);
    if (!u)
        return ERR_OK; /* candidates of somebody who is not tested */
    enum err_code code = reserve((void **)&v->candidates, &v->candidate_capacity,
                                 v->n_candidates + row->n_items, sizeof *v->candidates, e);
    if (code)
        return code;
    u->first_candidate = v->n_candidates;
    for (size_t i = 0; i < row->n_items; i++) {
        uint32_t index = index_of(v, row->items[i]);
        if (index != UINT32_MAX) /* an item the model never heard of is no rival */
            v->candidates[v->n_candidates++] = index;
    }
    u->n_candidates = v->n_candidates - u->first_candidate;
    return ERR_OK;
}

static enum err_code read_file(struct evaluation *v, const char *path, enum table_kind kind, struct err *e)
{
    struct table *t;
    struct table_row row;
    bool got = true;
    enum err_code code = table_open(path, kind, TABLE_AUTO, &t, e);
    if (code)
        return code;
    while (!code && !(code = table_next(t, &row, &got, e)) && got)
        code = kind == TABLE_CANDIDATES ? add_candidates(v, &row, e) : add_row(v, &row, e);
    table_close(t);
    return code;
}

static enum err_code check_candidates(const struct evaluation *v, struct err *e)
{
    for (size_t i = 0; i < v->n_users; i++)
        if (v->users[i].n_candidates == 0)
            return err_set(e, ERR_INVALID, "%s has no line for user '%.*s' of the test file",
                           v->options->candidates_path, (int)v->users[i].id_len, text_at(v, v->users[i].id));
    return ERR_OK;
}

static enum err_code read_test(struct evaluation *v, struct err *e)
{
    enum err_code code = read_file(v, v->options->test_path, TABLE_INTERACTIONS, e);
    if (!code)
        code = group_users(v, e);
    if (!code && v->n_users == 0)
        code = err_set(e, ERR_INVALID, "%s has no rows", v->options->test_path);
    if (!code && v->options->candidates_path)
        code = read_file(v, v->options->candidates_path, TABLE_CANDIDATES, e);
    return code || !v->options->candidates_path ? code : check_candidates(v, e);
}

/* ---- popularity ---- */

static bool count_item(void *arg, int64_t user_key, const struct store_interaction *x)
{
    struct evaluation *v = arg;
    long index = item_table_index(v->items[0], x->item_key);
    if (index < 0)
        return true;
    v->popularity[index] += 1;
    return !v->ease ||
           ease_baseline_add(v->ease, user_key, (uint32_t)index, x->timestamp, &v->failure) == ERR_OK;
}

/* ---- scoring ---- */

/* The relevant items and the others of a user's ranking, as indices; returns how many relevant ones are
 * ranked. */
static size_t ranking_of(const struct evaluation *v, struct eval_thread *t, const struct test_user *u,
                         size_t *n_others)
{
    size_t n_relevant = 0, n_items = v->models[0]->spec.n_items;
    memset(t->mark, 0, n_items);
    for (size_t i = 0; i < u->n; i++) {
        uint32_t item = v->rows[u->first + i].item;
        if (item != UINT32_MAX) {
            t->mark[item] = 1;
            t->relevant[n_relevant++] = item;
        }
    }
    *n_others = 0;
    if (v->options->candidates_path) {
        for (size_t i = 0; i < u->n_candidates; i++) {
            uint32_t item = v->candidates[u->first_candidate + i];
            if (!t->mark[item])
                t->others[(*n_others)++] = item;
            t->mark[item] |= 2; /* a candidate named twice is one rival */
        }
        return n_relevant;
    }
    for (size_t i = 0; i < t->user.n_interactions; i++) {
        long item = item_table_index(v->items[0], t->user.interactions[i].item_key);
        if (item >= 0 && !t->mark[item])
            t->mark[item] = 2;
    }
    for (uint32_t item = 0; item < n_items; item++)
        if (!t->mark[item])
            t->others[(*n_others)++] = item;
    return n_relevant;
}

static void score_model(const struct evaluation *v, struct eval_thread *t, size_t number,
                        const uint32_t *items, size_t n, float *scores, const struct weights *w)
{
    const struct model *m = v->models[number];
    if (number == 0) {
        catalogue_score(m->catalogue, w->theta, items, n, t->workspace, scores);
        return;
    }
    for (size_t i = 0; i < n; i++) { /* another model may number its items differently */
        size_t len;
        const char *id = model_item_id(v->models[0], items[i], &len);
        long index = model_item_index(m, id, len);
        uint32_t one = (uint32_t)index;
        scores[i] = NAN;
        if (index >= 0)
            catalogue_score(m->catalogue, w->theta, &one, 1, t->workspace, &scores[i]);
    }
}

/* Scores of all items by what the store knows of the user. */
static void score_ease(const struct evaluation *v, struct eval_thread *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->user.n_interactions; i++) {
        long item = item_table_index(v->items[0], t->user.interactions[i].item_key);
        if (item >= 0)
            t->others[n++] = (uint32_t)item;
    }
    ease_baseline_scores(v->ease, t->others, n, t->ease_scores);
}

static void score_baseline(const struct evaluation *v, const struct eval_thread *t, enum baseline b,
                           const float *c, const uint32_t *items, size_t n, float *scores)
{
    const struct model *m = v->models[0];
    size_t d = m->spec.encoder.d_fold_in;
    for (size_t i = 0; i < n; i++) {
        if (b == BASELINE_IALS)
            scores[i] = blas_dot(d, c, m->params.fold_in_factor + (size_t)items[i] * d);
        else
            scores[i] = (b == BASELINE_EASE ? t->ease_scores : v->popularity)[items[i]];
    }
}

static void measure(const struct evaluation *v, struct eval_thread *t, size_t system, size_t user,
                    size_t n_relevant, size_t n_others)
{
    const struct test_user *u = &v->users[user];
    metric_positions(t->scores, n_relevant, t->scores + n_relevant, n_others, t->positions);
    for (size_t m = 0; m < v->options->n_metrics; m++)
        v->values[(system * v->options->n_metrics + m) * v->n_users + user] =
            metric_value(&v->options->metrics[m], t->positions, n_relevant, u->n);
}

static enum err_code evaluate_model(struct evaluation *v, struct eval_thread *t, size_t number, size_t user,
                                    struct err *e)
{
    const struct test_user *u = &v->users[user];
    const struct model_spec *spec = &v->models[number]->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    struct store_text id = {text_at(v, u->id), u->id_len};
    struct weights *w;
    enum err_code code = store_read_user(t->conn, id, &key, &t->user, e);
    v->known[user] = code ? 0 : (uint32_t)t->user.n_interactions;
    if (!code && !spec->encoder.present && t->user.embedding.len == 0) {
        v->without[user] = 1; /* nobody gave this user a context, and the model cannot make one */
        return ERR_OK;
    }
    if (!code)
        code = context_make_weights(t->makers[number], v->items[number], &t->user, &w, e);
    if (code)
        return code;
    size_t n_others, n_relevant = ranking_of(v, t, u, &n_others);
    score_model(v, t, number, t->relevant, n_relevant, t->scores, w);
    score_model(v, t, number, t->others, n_others, t->scores + n_relevant, w);
    weights_unref(w);
    measure(v, t, number, user, n_relevant, n_others);
    return ERR_OK;
}

static enum err_code evaluate_baselines(struct evaluation *v, struct eval_thread *t, size_t user,
                                        struct err *e)
{
    const float *c = NULL;
    size_t n_others, n_relevant;
    enum err_code code = ERR_OK;
    for (size_t system = v->n_models; system < v->n_systems && !code; system++) {
        enum baseline b = v->baselines[system - v->n_models];
        if (b == BASELINE_IALS)
            code = context_encode(t->makers[0], v->items[0], &t->user, &c, e);
        else if (b == BASELINE_EASE)
            score_ease(v, t);
        if (code)
            break;
        n_relevant = ranking_of(v, t, &v->users[user], &n_others);
        score_baseline(v, t, b, c, t->relevant, n_relevant, t->scores);
        score_baseline(v, t, b, c, t->others, n_others, t->scores + n_relevant);
        measure(v, t, system, user, n_relevant, n_others);
    }
    return code;
}

static void evaluate_user(void *arg, size_t user, size_t thread)
{
    struct evaluation *v = arg;
    struct eval_thread *t = &v->threads[thread];
    struct err e = {0};
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < v->n_models && !code; i++)
        code = evaluate_model(v, t, i, user, &e);
    if (!code)
        code = evaluate_baselines(v, t, user, &e);
    if (code == ERR_NOTFOUND) {
        v->without[user] = 1;
    } else if (code) {
        pthread_mutex_lock(&v->lock);
        (void)err_set(&v->failure, e.code, "user '%.*s': %s", (int)v->users[user].id_len,
                      text_at(v, v->users[user].id), e.text);
        pthread_mutex_unlock(&v->lock);
    }
}

/* ---- threads ---- */

static enum err_code thread_init(const struct evaluation *v, struct eval_thread *t, struct err *e)
{
    size_t n_items = v->models[0]->spec.n_items, len = 1, most = n_items;
    enum err_code code = store_connect(v->store, &t->conn, e);
    for (size_t i = 0; i < v->n_models && !code; i++) {
        size_t need = catalogue_workspace_len(v->models[i]->catalogue);
        len = need > len ? need : len;
        code = context_maker_new(v->models[i], &t->makers[i], e);
    }
    if (code)
        return code;
    t->workspace = mem_alloc_aligned(len, sizeof *t->workspace);
    t->scores = mem_alloc_array(2 * most, sizeof *t->scores);
    t->ease_scores = mem_alloc_array(most, sizeof *t->ease_scores);
    t->relevant = mem_alloc_array(most, sizeof *t->relevant);
    t->others = mem_alloc_array(most, sizeof *t->others);
    t->positions = mem_alloc_array(most, sizeof *t->positions);
    t->mark = mem_alloc(n_items);
    if (!t->workspace || !t->scores || !t->ease_scores || !t->relevant || !t->others || !t->positions ||
        !t->mark)
        return err_set(e, ERR_NOMEM, "no memory to evaluate");
    return ERR_OK;
}

static void thread_fini(struct eval_thread *t)
{
    store_disconnect(t->conn);
    store_user_fini(&t->user);
    for (size_t i = 0; i < EVALUATION_MAX_SYSTEMS; i++)
        context_maker_free(t->makers[i]);
    mem_free(t->workspace);
    mem_free(t->scores);
    mem_free(t->ease_scores);
    mem_free(t->relevant);
    mem_free(t->others);
    mem_free(t->positions);
    mem_free(t->mark);
}

/* ---- results ---- */

static void name_row(const struct evaluation *v, size_t system, struct evaluation_row *row)
{
    static const char *const names[N_BASELINES] = {"popularity", "iALS fold-in", "EASE"};
    if (system < v->n_models)
        (void)snprintf(row->name, sizeof row->name, "%s %s", v->models[system]->spec.name,
                       v->models[system]->spec.version);
    else
        (void)snprintf(row->name, sizeof row->name, "%s", names[v->baselines[system - v->n_models]]);
}

static void summarise(const struct evaluation *v, struct evaluation_result *out)
{
    size_t n_metrics = v->options->n_metrics;
    for (size_t s = 0; s < v->n_systems; s++) {
        struct evaluation_row *row = &out->rows[out->n_rows++];
        name_row(v, s, row);
        for (size_t m = 0; m < n_metrics; m++) {
            const double *x = v->values + (s * n_metrics + m) * v->n_users,
                         *first = v->values + m * v->n_users;
            bootstrap_mean(x, NULL, v->n_users, v->options->seed, &row->mean[m], &row->low[m], &row->high[m]);
            bootstrap_mean(x, first, v->n_users, v->options->seed, &row->difference[m],
                           &row->difference_low[m], &row->difference_high[m]);
        }
    }
    out->n_users = v->n_users;
    out->n_test_rows = v->n_rows;
    for (size_t i = 0; i < v->n_rows; i++)
        out->n_unknown_items += v->rows[i].item == UINT32_MAX;
    for (size_t u = 0; u < v->n_users; u++) {
        if (!v->without[u])
            continue;
        if (out->n_without < EVALUATION_NAMED)
            (void)snprintf(out->without[out->n_without], sizeof out->without[0], "%.*s",
                           (int)v->users[u].id_len, text_at(v, v->users[u].id));
        out->n_without++;
    }
}

static enum err_code summarise_groups(const struct evaluation *v, struct evaluation_result *out,
                                      struct err *e)
{
    size_t n = v->n_systems * v->options->n_metrics;
    out->group_figures = mem_alloc_array(EVALUATION_GROUPS * n, sizeof *out->group_figures);
    if (!out->group_figures)
        return err_set(e, ERR_NOMEM, "no memory for groups of users");
    return evaluation_groups(v->values, v->n_systems, v->options->n_metrics, v->known, v->n_users,
                             v->options->seed, out->groups, out->group_figures, e);
}

void evaluation_fini(struct evaluation_result *result)
{
    mem_free(result->group_figures);
    result->group_figures = NULL;
}

static enum err_code prepare(struct evaluation *v, struct parallel *team, struct err *e)
{
    struct store_conn *c;
    size_t n_items = v->models[0]->spec.n_items;
    enum err_code code = store_connect(v->store, &c, e);
    if (code)
        return code;
    for (size_t i = 0; i < v->n_models && !code; i++)
        code = item_table_load(c, v->models[i], &v->items[i], e);
    if (!code)
        code = read_test(v, e);
    v->popularity = mem_zalloc_array(n_items, sizeof *v->popularity);
    v->values = mem_zalloc_array(v->n_systems * v->options->n_metrics * (v->n_users ? v->n_users : 1),
                                 sizeof *v->values);
    v->without = mem_zalloc_array(v->n_users, 1);
    v->known = mem_zalloc_array(v->n_users, sizeof *v->known);
    v->threads = mem_zalloc_array(parallel_threads(team), sizeof *v->threads);
    if (!code && (!v->popularity || !v->values || !v->without || !v->known || !v->threads))
        code = err_set(e, ERR_NOMEM, "no memory to evaluate");
    if (!code && v->options->baselines)
        code = store_each_interaction(c, count_item, v, e);
    if (!code && v->failure.code)
        code = err_set(e, v->failure.code, "%s", v->failure.text);
    store_disconnect(c);
    if (!code && v->ease)
        code = ease_baseline_fit(v->ease, team, v->options->seed, e);
    for (size_t i = 0; i < parallel_threads(team) && !code; i++)
        code = thread_init(v, &v->threads[i], e);
    return code;
}

static void fini(struct evaluation *v, size_t n_threads)
{
    for (size_t i = 0; v->threads && i < n_threads; i++)
        thread_fini(&v->threads[i]);
    for (size_t i = 0; i < v->n_models; i++)
        item_table_unref(v->items[i]);
    buf_fini(&v->texts);
    mem_free(v->threads);
    mem_free(v->rows);
    mem_free(v->candidates);
    mem_free(v->users);
    mem_free(v->popularity);
    ease_baseline_free(v->ease);
    mem_free(v->values);
    mem_free(v->without);
    mem_free(v->known);
    pthread_mutex_destroy(&v->lock);
}

/* The models, then the baselines there can be: iALS needs the model's factors, EASE a matrix of all items. */
static enum err_code choose_systems(struct evaluation *v, struct err *e)
{
    const struct model_spec *spec = &v->models[0]->spec;
    v->n_systems = v->n_models;
    if (!v->options->baselines)
        return ERR_OK;
    size_t n = 0;
    v->baselines[n++] = BASELINE_POPULARITY;
    if (spec->encoder.d_fold_in > 0)
        v->baselines[n++] = BASELINE_IALS;
    if (spec->n_items <= EASE_MOST_ITEMS) {
        v->baselines[n++] = BASELINE_EASE;
        if (ease_baseline_new(spec->n_items, &v->ease, e))
            return ERR_NOMEM;
    }
    v->n_systems += n;
    return ERR_OK;
}

enum err_code evaluation_run(struct store *store, struct model *const *models, size_t n_models,
                             const struct evaluation_options *options, struct evaluation_result *out,
                             struct err *e)
{
    struct evaluation v = {.store = store, .models = models, .n_models = n_models, .options = options};
    struct parallel *team;
    memset(out, 0, sizeof *out);
    if (n_models + N_BASELINES > EVALUATION_MAX_SYSTEMS)
        return err_set(e, ERR_LIMIT, "at most %d models in one evaluation",
                       EVALUATION_MAX_SYSTEMS - N_BASELINES);
    enum err_code code = parallel_new(options->n_threads, &team, e);
    if (code)
        return code;
    pthread_mutex_init(&v.lock, NULL);
    buf_init(&v.texts, SIZE_MAX / 4);
    code = choose_systems(&v, e);
    if (!code)
        code = prepare(&v, team, e);
    if (!code) {
        parallel_for(team, v.n_users, evaluate_user, &v);
        if (v.failure.code)
            code = err_set(e, v.failure.code, "%s", v.failure.text);
    }
    if (!code)
        summarise(&v, out);
    if (!code && options->groups)
        code = summarise_groups(&v, out, e);
    fini(&v, parallel_threads(team));
    parallel_free(team);
    return code;
}
