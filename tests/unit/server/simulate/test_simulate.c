/* The made-up world holds what it promises: planted tastes show in the data, order and counts are right, and
 * a seed means the same bytes. */
#include "base/mem.h"
#include "server/simulate/simulate.h"
#include "server/tables/table.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct world_options small = {200, 300, 6000, 7};

static struct world *make_world(const struct world_options *o)
{
    struct world *w = NULL;
    struct err e = {0};
    ck_assert_msg(world_new(o, &w, &e) == ERR_OK, "%s", e.text);
    return w;
}

/* Of each user's interactions, how many items have each category. */
static size_t (*count_categories(const struct world *w))[WORLD_CATEGORIES]
{
    size_t(*counts)[WORLD_CATEGORIES] = calloc(w->n_users, sizeof *counts);
    for (size_t i = 0; i < w->n_events; i++) {
        const struct world_item *item = &w->items[w->events[i].item];
        for (size_t c = 0; c < item->n_categories; c++)
            counts[w->events[i].user][item->categories[c]]++;
    }
    return counts;
}

START_TEST(test_the_planted_favourite_is_the_most_frequent_category)
{
    struct world *w = make_world(&(struct world_options){1000, 500, 50000, 1});
    size_t(*counts)[WORLD_CATEGORIES] = count_categories(w);
    size_t n_first = 0, n_among_three = 0;
    for (size_t u = 0; u < w->n_users; u++) {
        uint8_t order[WORLD_CATEGORIES];
        world_favourites(&w->users[u], order);
        size_t above = 0;
        for (size_t c = 0; c < WORLD_CATEGORIES; c++)
            above += counts[u][c] > counts[u][order[0]];
        n_first += above == 0;
        n_among_three += above < 3;
    }
    ck_assert_uint_gt(n_first, 500);       /* chance: 83 */
    ck_assert_uint_gt(n_among_three, 850); /* chance: 250 */
    free(counts);
    world_free(w);
}
END_TEST

/* Users of the same profile share more of their taste than others do. */
START_TEST(test_tastes_depend_on_the_profile)
{
    struct world *w = make_world(&(struct world_options){1000, 500, 50000, 3});
    double same = 0, other = 0;
    size_t n_same = 0, n_other = 0;
    for (size_t a = 0; a < 400; a++)
        for (size_t b = 0; b < a; b++) {
            double shared = 0;
            for (size_t c = 0; c < WORLD_CATEGORIES; c++)
                shared +=
                    w->users[a].first[c] < w->users[b].first[c] ? w->users[a].first[c] : w->users[b].first[c];
            bool equal = memcmp(w->users[a].values, w->users[b].values, WORLD_FIELDS) == 0;
            *(equal ? &same : &other) += shared;
            *(equal ? &n_same : &n_other) += 1;
        }
    ck_assert_uint_gt(n_same, 100);
    ck_assert_double_gt(same / (double)n_same, other / (double)n_other + 0.1);
    world_free(w);
}
END_TEST

/* The next item has the main category of the one before more often than two random items of the user do. */
START_TEST(test_the_order_of_interactions_matters)
{
    struct world *w = make_world(&(struct world_options){500, 500, 25000, 5});
    int *last = calloc(w->n_users, sizeof *last), *third_last = calloc(w->n_users, 3 * sizeof *last);
    size_t n = 0, near = 0, far = 0;
    for (size_t i = 0; i < w->n_events; i++) {
        size_t u = w->events[i].user;
        int c = w->items[w->events[i].item].categories[0] + 1;
        if (third_last[3 * u]) {
            n++;
            near += last[u] == c;
            far += third_last[3 * u] == c;
        }
        memmove(&third_last[3 * u], &third_last[3 * u + 1], 2 * sizeof *last);
        third_last[3 * u + 2] = last[u];
        last[u] = c;
    }
    ck_assert_double_gt((double)near / (double)n, (double)far / (double)n + 0.1);
    free(last);
    free(third_last);
    world_free(w);
}
END_TEST

START_TEST(test_popularity_is_skewed)
{
    struct world *w = make_world(&small);
    size_t *counts = calloc(w->n_items, sizeof *counts), top = 0;
    for (size_t i = 0; i < w->n_events; i++)
        counts[w->events[i].item]++;
    for (size_t k = 0; k < w->n_items / 10; k++) { /* the tenth of the items that most took */
        size_t best = 0;
        for (size_t i = 1; i < w->n_items; i++)
            best = counts[i] > counts[best] ? i : best;
        top += counts[best];
        counts[best] = 0;
    }
    ck_assert_double_gt((double)top / (double)w->n_events, 0.2);
    free(counts);
    world_free(w);
}
END_TEST

START_TEST(test_counts_times_and_held_out_items_are_as_promised)
{
    struct world *w = make_world(&small);
    ck_assert_uint_eq(w->n_events, small.n_interactions + small.n_users);
    bool *met = calloc(w->n_users * w->n_items, 1);
    size_t *left = calloc(w->n_users, sizeof *left);
    int64_t before = 0;
    for (size_t u = 0; u < w->n_users; u++)
        left[u] = w->users[u].n_interactions;
    for (size_t i = 0; i < w->n_events; i++) {
        const struct world_event *v = &w->events[i];
        ck_assert(v->timestamp >= before);
        before = v->timestamp;
        ck_assert(v->rating >= 1 && v->rating <= 5);
        ck_assert_msg(!met[v->user * w->n_items + v->item], "an item twice");
        met[v->user * w->n_items + v->item] = true;
        ck_assert_uint_gt(left[v->user], 0);
        ck_assert_uint_eq(v->held_out, --left[v->user] == 0); /* the newest, and only that */
    }
    for (size_t u = 0; u < w->n_users; u++) {
        ck_assert_uint_eq(left[u], 0);
        ck_assert_uint_gt(w->users[u].n_interactions, WORLD_LEAST_USER);
        for (size_t i = 0; i < WORLD_CANDIDATES; i++) {
            bool *seen = &met[u * w->n_items + w->candidates[u * WORLD_CANDIDATES + i]];
            ck_assert_msg(!*seen, "a candidate that the user met, or twice");
            *seen = true;
        }
    }
    free(met);
    free(left);
    world_free(w);
}
END_TEST

START_TEST(test_counts_that_do_not_fit_are_refused_with_those_that_do)
{
    static const struct {
        struct world_options o;
        const char *text;
    } cases[] = {
        {{0, 500, 100, 1}, "1 to 100000000 users"},
        {{10, 149, 100, 1}, "149 items are too few: a world needs 150"},
        {{10, 500, 19, 1}, "10 users and 500 items go with 20 to 2500 interactions, not 19"},
        {{10, 150, 501, 1}, "10 users and 150 items go with 20 to 500 interactions, not 501"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *w = NULL;
        struct err e = {0};
        ck_assert_int_eq(world_new(&cases[i].o, &w, &e), ERR_INVALID);
        ck_assert_msg(strstr(e.text, cases[i].text) != NULL, "%s", e.text);
        ck_assert_ptr_null(w);
    }
    world_free(make_world(&(struct world_options){10, 150, 500, 1})); /* both ends of the range work */
    world_free(make_world(&(struct world_options){10, 500, 20, 1}));
    world_free(make_world(&(struct world_options){1, 150, 2, 1}));
}
END_TEST

/* ---- files ---- */

static const char *const names[] = {"interactions.tsv", "users.tsv",      "items.tsv",
                                    "test.tsv",         "candidates.tsv", "truth.ndjson"};
enum { N_FILES = sizeof names / sizeof names[0] };

static void make_dir(char *dir)
{
    strcpy(dir, "/tmp/test_server_simulate.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static char *path_of(const char *dir, const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void remove_dir(const char *dir)
{
    for (size_t i = 0; i < N_FILES; i++)
        (void)unlink(path_of(dir, names[i]));
    ck_assert_msg(rmdir(dir) == 0, "files are left in %s", dir);
}

static uint64_t hash_of_files(const struct world_options *o)
{
    char dir[64];
    struct err e = {0};
    make_dir(dir);
    ck_assert_msg(simulate_run(o, dir, &e) == ERR_OK, "%s", e.text);
    uint64_t hash = 0;
    for (size_t i = 0; i < N_FILES; i++) {
        FILE *f = fopen(path_of(dir, names[i]), "rb");
        ck_assert_ptr_nonnull(f);
        unsigned char block[4096];
        for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
            for (size_t k = 0; k < n; k++)
                hash = (hash ^ block[k]) * 0x100000001b3u; /* FNV: the same on every machine */
        (void)fclose(f);
    }
    remove_dir(dir);
    return hash;
}

START_TEST(test_a_seed_means_the_same_bytes)
{
    uint64_t first = hash_of_files(&small);
    ck_assert_uint_eq(hash_of_files(&small), first);
    struct world_options other = small;
    other.seed++;
    ck_assert_uint_ne(hash_of_files(&other), first);
    /* computed once; any machine and any build must find the same */
    ck_assert_uint_eq(first, 16127822206351435301u);
}
END_TEST

static size_t count_rows(const char *dir, const char *name, enum table_kind kind)
{
    struct table *t = NULL;
    struct table_row row;
    struct err e = {0};
    size_t n = 0;
    ck_assert_msg(table_open(path_of(dir, name), kind, TABLE_AUTO, &t, &e) == ERR_OK, "%s", e.text);
    for (bool got = true; got; n += got) {
        ck_assert_msg(table_next(t, &row, &got, &e) == ERR_OK, "%s", e.text);
        ck_assert(!got || kind != TABLE_CANDIDATES || row.n_items == WORLD_CANDIDATES);
        ck_assert(!got || kind != TABLE_ITEMS || (row.title.len && row.categories.len));
        ck_assert(!got || kind != TABLE_USERS || row.object.len);
    }
    table_close(t);
    return n;
}

START_TEST(test_the_files_are_tables)
{
    char dir[64];
    struct err e = {0};
    make_dir(dir);
    ck_assert_msg(simulate_run(&small, dir, &e) == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(count_rows(dir, "interactions.tsv", TABLE_INTERACTIONS), small.n_interactions);
    ck_assert_uint_eq(count_rows(dir, "test.tsv", TABLE_INTERACTIONS), small.n_users);
    ck_assert_uint_eq(count_rows(dir, "users.tsv", TABLE_USERS), small.n_users);
    ck_assert_uint_eq(count_rows(dir, "items.tsv", TABLE_ITEMS), small.n_items);
    ck_assert_uint_eq(count_rows(dir, "candidates.tsv", TABLE_CANDIDATES), small.n_users);
    remove_dir(dir);
}
END_TEST

START_TEST(test_a_place_that_cannot_be_written_is_named)
{
    struct err e = {0};
    ck_assert_int_eq(simulate_run(&small, "/nonexistent/dir", &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent/dir"));
    err_clear(&e);
    ck_assert_int_eq(simulate_run(&small, "/dev/null", &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.text, "/dev/null/interactions.tsv.part"));
}
END_TEST

START_TEST(test_no_memory_is_an_error_at_every_allocation)
{
    char dir[64];
    make_dir(dir);
    bool done = false;
    for (long at = 1; !done; at++) {
        struct err e = {0};
        ck_assert_int_lt(at, 1000);
        mem_fail_at(at, 0);
        enum err_code code = simulate_run(&(struct world_options){2, 150, 10, 1}, dir, &e);
        done = mem_count() < at;
        ck_assert_msg(done ? code == ERR_OK : code == ERR_NOMEM, "allocation %ld: %s", at, e.text);
    }
    mem_fail_at(0, 0);
    remove_dir(dir);
}
END_TEST

SUITE("server simulate", NULL, NULL, {test_the_planted_favourite_is_the_most_frequent_category},
      {test_tastes_depend_on_the_profile}, {test_the_order_of_interactions_matters},
      {test_popularity_is_skewed}, {test_counts_times_and_held_out_items_are_as_promised},
      {test_counts_that_do_not_fit_are_refused_with_those_that_do}, {test_a_seed_means_the_same_bytes},
      {test_the_files_are_tables}, {test_a_place_that_cannot_be_written_is_named},
      {test_no_memory_is_an_error_at_every_allocation})
