#include "tests/support/train_world.h"

#include "engine/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 14 };

static char folder[] = "/tmp/hypernet-train-XXXXXX";

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void name_items(char texts[][8], const char **ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "i%u", (unsigned)i % 1000000);
        ids[i] = texts[i];
    }
}

void train_world_make(struct train_world *w, bool timed)
{
    uint64_t state = 7;
    size_t n = 0;
    memset(w, 0, sizeof *w);
    for (size_t u = 0; u < TRAIN_WORLD_USERS; u++) {
        size_t count = 5 + next_random(&state) % (MOST - 4);
        uint32_t item = next_random(&state) % TRAIN_WORLD_ITEMS;
        w->start[u] = n;
        while (n < w->start[u] + count) {
            item = (item + 1 + next_random(&state) % 2) % TRAIN_WORLD_ITEMS;
            int64_t time = timed ? 1500000000 + (int64_t)(n - w->start[u]) * 2000000 : 0;
            w->interactions[n++] =
                (struct encoder_interaction){.item = item, .weight = 1, .rating = 0, .timestamp = time};
        }
    }
    w->start[TRAIN_WORLD_USERS] = n;
    name_items(w->texts, w->ids, TRAIN_WORLD_ITEMS);
    w->data = (struct train_data){.n_users = TRAIN_WORLD_USERS,
                                  .n_items = TRAIN_WORLD_ITEMS,
                                  .user_start = w->start,
                                  .interactions = w->interactions,
                                  .item_ids = w->ids};
}

enum { N_SETS = TRAIN_WORLD_ITEMS / TRAIN_WORLD_SET_ITEMS, OF_SETS = 3 };

void train_world_make_sets(struct train_world *w)
{
    uint64_t state = 7;
    train_world_make(w, false);
    for (size_t u = 0, n = 0; u < TRAIN_WORLD_USERS; u++) {
        uint32_t first = next_random(&state) % N_SETS, step = 1 + next_random(&state) % 4; /* all different */
        w->start[u] = n;
        for (uint32_t k = 0; k < TRAIN_WORLD_SET_ITEMS * OF_SETS; k++, n++)
            w->interactions[n] = (struct encoder_interaction){
                .item = (first + k / TRAIN_WORLD_SET_ITEMS * step) % N_SETS * TRAIN_WORLD_SET_ITEMS +
                        k % TRAIN_WORLD_SET_ITEMS,
                .weight = 1};
        w->start[u + 1] = n;
    }
}

enum { N_ROUNDS = 4, ROUND_ITEMS = 6, ROUND = 3, N_WALKERS = TRAIN_WORLD_MOST_USERS };

void train_world_make_rounds(struct train_world *w)
{
    uint64_t state = 11;
    train_world_make(w, true);
    w->data.n_users = N_WALKERS;
    for (size_t u = 0, n = 0; u < N_WALKERS; u++) {
        uint32_t order = next_random(&state) % N_ROUNDS;
        w->start[u] = n;
        for (uint32_t k = 0; k < N_ROUNDS; k++) {
            uint32_t first = (order + k) % N_ROUNDS * ROUND_ITEMS, a = next_random(&state) % 2,
                     b = next_random(&state) % 2, c = a ^ b;
            uint32_t items[ROUND] = {first + a, first + 2 + b, first + 4 + c};
            for (size_t i = 0; i < ROUND; i++, n++)
                w->interactions[n] = (struct encoder_interaction){
                    .item = items[i],
                    .weight = 1,
                    .timestamp = 1500000000 + (int64_t)(n - w->start[u]) * 2000000};
        }
        w->start[u + 1] = n;
    }
}

void train_world_make_chance(struct train_world *w)
{
    enum { EACH = 6 };
    uint64_t state = 5;
    train_world_make(w, true);
    for (size_t u = 0, n = 0; u < TRAIN_WORLD_USERS; u++) {
        bool taken[TRAIN_WORLD_ITEMS] = {false};
        w->start[u] = n;
        for (size_t i = 0; i < EACH; i++, n++) {
            uint32_t item;
            do {
                uint32_t x = next_random(&state) % TRAIN_WORLD_ITEMS;
                item = x * x / TRAIN_WORLD_ITEMS;
            } while (taken[item]);
            taken[item] = true;
            w->interactions[n] = (struct encoder_interaction){
                .item = item, .weight = 1, .timestamp = 1500000000 + (int64_t)(n - w->start[u]) * 2000000};
        }
        w->start[u + 1] = n;
    }
}

void train_circle_make(struct train_circle *c, bool timed)
{
    for (size_t u = 0; u < TRAIN_CIRCLE_USERS; u++)
        for (size_t i = 0; i < TRAIN_CIRCLE_EACH; i++)
            c->interactions[u * TRAIN_CIRCLE_EACH + i] = (struct encoder_interaction){
                .item = (uint32_t)((u * 7 + i * (1 + u % 3)) % TRAIN_CIRCLE_ITEMS),
                .weight = 1,
                .rating = NAN,
                .timestamp = timed ? (int64_t)(1000000000 + 86400 * i) : 0};
    for (size_t u = 0; u <= TRAIN_CIRCLE_USERS; u++)
        c->start[u] = u * TRAIN_CIRCLE_EACH;
    name_items(c->texts, c->ids, TRAIN_CIRCLE_ITEMS);
    c->data = (struct train_data){.n_users = TRAIN_CIRCLE_USERS,
                                  .n_items = TRAIN_CIRCLE_ITEMS,
                                  .user_start = c->start,
                                  .interactions = c->interactions,
                                  .item_ids = c->ids};
}

char *train_world_path(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

struct train_options train_world_options(void)
{
    struct train_options o;
    train_options_default(&o);
    o.n_epochs = 8;
    o.n_threads = 1;
    o.dim = 8;
    return o;
}

char *train_world_bytes(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *n, f), *n);
    (void)fclose(f);
    return bytes;
}

void train_world_same_file(const char *a, const char *b)
{
    size_t n_a, n_b;
    char *x = train_world_bytes(a, &n_a), *y = train_world_bytes(b, &n_b);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_int_eq(memcmp(x, y, n_a), 0);
    free(x);
    free(y);
}

static bool watch(void *arg, const struct progress *p)
{
    struct train_stop *s = arg;
    bool here = s->stage && strcmp(p->stage, s->stage) == 0 &&
                (!s->contender || (p->contender && strcmp(p->contender, s->contender) == 0));
    s->n_stages += here;
    if (p->note)
        (void)snprintf(s->note, sizeof s->note, "%s", p->note);
    if (p->note && strstr(p->note, "hidden layer")) {
        (void)snprintf(s->choice, sizeof s->choice, "%s", p->note);
        if (!s->first[0])
            (void)snprintf(s->first, sizeof s->first, "%s", p->note);
    }
    if (strcmp(p->stage, "choose") == 0) {
        s->n_choose++;
        ck_assert_ptr_nonnull(p->contender);
        s->raced[strcmp(p->contender, "core") == 0] = p->epoch;
        s->best[strcmp(p->contender, "core") == 0] = p->best_metric;
    }
    if (here && s->at_once)
        return false;
    if (s->within)
        return !(here && p->epoch == s->epoch);
    return !(here && s->epoch && p->epoch == s->epoch && p->fraction >= 1 && !(p->left_s >= 0));
}

void train_world_run(const struct train_world *w, const struct train_options *o, const char *path,
                     struct train_stop *stop, struct train_report *report)
{
    struct err e = {0};
    struct train_stop none = {0};
    struct train_report ignored;
    enum err_code code =
        train_run(&w->data, o, path, watch, stop ? stop : &none, report ? report : &ignored, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.text);
}

double train_world_figure(const struct train_report *r, const char *name)
{
    const struct train_figure *f = report_find(r, name);
    ck_assert_msg(f != NULL, "%s", name);
    return f->value;
}

enum generator train_world_generator(const struct train_report *r)
{
    enum generator g = GENERATOR_SHARED;
    ck_assert(generator_parse(report_find(r, "generator")->text, &g));
    return g;
}

size_t train_world_n_pairs(const char *path)
{
    struct model *m;
    struct err e = {0};
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    size_t n = m->spec.n_pairs;
    model_unref(m);
    return n;
}

struct train_options train_world_narrow_options(void)
{
    struct train_options o = train_world_options();
    o.dim = 2;
    o.n_epochs = 5;
    return o;
}

int train_world_run_suite(Suite *suite)
{
    char command[64];
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    int failed = suite_run(suite);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return failed || system(command) != 0;
}
