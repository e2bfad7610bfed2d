/* engine/train/data/train_fingerprint.c and ranking/checkpoint.c, by whole runs: a checkpoint goes on where
 * data and options are those it was written with, and is refused, and stays, where any of them is not. Risk:
 * something that the result depends on and the fingerprint does not. */
#include "base/mem.h"
#include "tests/support/train_world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_USERS = TRAIN_WORLD_USERS, N_ITEMS = TRAIN_WORLD_ITEMS };

/* A world with everything that a training set may have. */
struct full_world {
    struct train_world w;
    size_t value_start[N_USERS + 1], category_start[N_ITEMS + 1], feature_start[N_ITEMS + 1];
    uint32_t values[N_USERS], categories[N_ITEMS], features[N_ITEMS];
    struct profile_value vocabulary[2], feature_names[2];
};

static char age[] = "age", size[] = "size", category[] = "category", a[] = "a", b[] = "b", c[] = "c";

static void make_full_world(struct full_world *f)
{
    train_world_make(&f->w, true);
    for (size_t u = 0; u <= N_USERS; u++)
        f->value_start[u] = u;
    for (uint32_t u = 0; u < N_USERS; u++)
        f->values[u] = u % 2;
    for (size_t i = 0; i <= N_ITEMS; i++)
        f->category_start[i] = f->feature_start[i] = i;
    for (uint32_t i = 0; i < N_ITEMS; i++)
        f->categories[i] = f->features[i] = i % 2;
    f->vocabulary[0] = (struct profile_value){.field = age, .from = -INFINITY, .below = 30};
    f->vocabulary[1] = (struct profile_value){.field = age, .from = 30, .below = INFINITY};
    f->feature_names[0] = (struct profile_value){.field = category, .value = a};
    f->feature_names[1] = (struct profile_value){.field = category, .value = b};
    struct train_data *d = &f->w.data;
    d->value_start = f->value_start;
    d->values = f->values;
    d->vocabulary = f->vocabulary;
    d->category_start = f->category_start;
    d->categories = f->categories;
    d->feature_start = f->feature_start;
    d->features = f->features;
    d->feature_names = f->feature_names;
    d->n_vocabulary = d->n_categories = d->n_features = 2;
}

static void change(struct full_world *f, int which)
{
    switch (which) {
    case 0:
        f->w.interactions[3].item = f->w.interactions[3].item ^ 1;
        break;
    case 1:
        f->w.interactions[3].timestamp++;
        break;
    case 2:
        f->w.interactions[3].weight = 2;
        break;
    case 3:
        f->w.interactions[3].rating = -1;
        break;
    case 4:
        f->w.start[1]++;
        break; /* the second user's first is the first user's last */
    case 5:
        f->values[7] ^= 1;
        break;
    case 6:
        f->value_start[7]++;
        break;
    case 7:
        f->vocabulary[0].below = f->vocabulary[1].from = 40;
        break;
    case 8:
        f->vocabulary[0].field = f->vocabulary[1].field = size;
        break;
    case 9:
        f->categories[7] ^= 1;
        break;
    case 10:
        f->category_start[7]++;
        break;
    case 11:
        f->w.data.n_categories++;
        break;
    case 12:
        f->features[7] ^= 1;
        break;
    case 13:
        f->feature_start[7]++;
        break;
    case 14:
        f->feature_names[1].value = c;
        break;
    case 15:
        f->w.ids[5] = "another";
        break;
    case 16:
        f->w.data.value_start = NULL;
        break;
    case 17:
        f->w.data.category_start = NULL;
        break;
    case 18:
        f->w.data.feature_start = NULL;
        break;
    }
}
enum { N_CHANGES = 19 };

static enum err_code resume(const struct full_world *f, const struct train_options *o, const char *path)
{
    struct err e = {0};
    struct train_report report;
    enum err_code code = train_run(&f->w.data, o, path, NULL, NULL, &report, &e);
    if (code)
        ck_assert_msg(strstr(e.text, "other data or options") != NULL, "%s", e.text);
    return code;
}

/* What the model depends on. */
static void change_option(struct train_options *o, int which)
{
    switch (which) {
    case 0:
        o->seed++;
        break;
    case 1:
        o->dim++;
        break;
    case 2:
        o->n_epochs++;
        break;
    case 3:
        o->n_epochs--;
        break;
    case 4:
        o->choose_generator = !o->choose_generator;
        break;
    case 5:
        o->choose_generator = false;
        o->generator = GENERATOR_FULL;
        break;
    case 6:
        o->no_pairs = !o->no_pairs;
        break;
    case 7:
        o->ignore_order = !o->ignore_order;
        break;
    }
}
enum { N_OPTIONS = 8 };

START_TEST(a_checkpoint_of_data_that_differ_in_one_field_is_refused)
{
    struct full_world *f = mem_zalloc_array(1, sizeof *f);
    struct train_options o = train_world_options();
    char *path = train_world_path("model"), *checkpoint = train_world_path("checkpoint");
    (void)unlink(checkpoint);
    o.checkpoint = checkpoint;
    make_full_world(f);
    train_world_run(&f->w, &o, path, NULL, NULL);
    for (int i = 0; i < N_CHANGES; i++) {
        make_full_world(f);
        change(f, i);
        ck_assert_msg(resume(f, &o, path) == ERR_CONFLICT, "change %d is accepted", i);
    }
    make_full_world(f);
    ck_assert_int_eq(resume(f, &o, path), ERR_OK);
    mem_free(f);
}
END_TEST

START_TEST(a_checkpoint_of_a_run_with_other_options_is_refused_and_stays)
{
    struct full_world *f = mem_zalloc_array(1, sizeof *f);
    struct train_options o = train_world_options();
    char *path = train_world_path("model"), *checkpoint = train_world_path("checkpoint");
    size_t n_before, n_after;
    (void)unlink(checkpoint);
    o.checkpoint = checkpoint;
    make_full_world(f);
    train_world_run(&f->w, &o, path, NULL, NULL);
    char *before = train_world_bytes(checkpoint, &n_before);
    for (int i = 0; i < N_OPTIONS; i++) {
        struct train_options other = o;
        change_option(&other, i);
        ck_assert_msg(resume(f, &other, path) == ERR_CONFLICT, "option %d may change", i);
    }
    char *after = train_world_bytes(checkpoint, &n_after);
    ck_assert(n_before == n_after && memcmp(before, after, n_before) == 0);
    free(before);
    free(after);
    mem_free(f);
}
END_TEST

START_TEST(a_checkpoint_goes_on_under_another_name_with_other_threads_and_a_deadline)
{
    struct full_world *f = mem_zalloc_array(1, sizeof *f);
    struct train_options o = train_world_options();
    char *path = train_world_path("model"), *checkpoint = train_world_path("checkpoint");
    (void)unlink(checkpoint);
    o.checkpoint = checkpoint;
    make_full_world(f);
    train_world_run(&f->w, &o, path, NULL, NULL);
    o.name = "another";
    o.version = "2";
    o.n_threads = 2;
    o.deadline_s = 1000;
    ck_assert_int_eq(resume(f, &o, path), ERR_OK);
    mem_free(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine/train: checkpoints");
    TCase *t = tcase_create("train");
    tcase_set_tags(t, "one_thread"); /* ../one_thread */
    tcase_add_test(t, a_checkpoint_of_data_that_differ_in_one_field_is_refused);
    tcase_add_test(t, a_checkpoint_of_a_run_with_other_options_is_refused_and_stays);
    suite_add_tcase(s, t);
    t = tcase_create("threads");
    tcase_add_test(t, a_checkpoint_goes_on_under_another_name_with_other_threads_and_a_deadline);
    suite_add_tcase(s, t);
    return train_world_run_suite(s);
}
