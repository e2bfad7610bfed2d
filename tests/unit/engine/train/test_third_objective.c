/* engine/train/data/train_objective.h and engine/format/objective.h: what an objective is, said by one that
 * the product does not have. It is defined and listed here alone. Risks: somewhere objectives are told apart
 * by name or number, so that a new one trains but is not read, is read but not served, or answers in the unit
 * of another.
 *
 * popularity: the score of an item is the share of users who have it, for everybody; a prediction is that in
 * percent. */
#include "engine/train/train.h"

#include "base/mem.h"
#include "engine/format/model_write.h"
#include "engine/model.h"
#include "engine/train/gradient/param_block.h"
#include "engine/train/ranking/ranking_objective.h"
#include "engine/train/rating/rating.h"
#include "server/http/http.h"
#include "tests/support/api_world.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the objective, and the lists that this program is linked with ---- */

static double in_percent(const struct model_spec *spec, double score)
{
    (void)spec;
    return 100 * score;
}

static enum err_code without_layers(const struct model_spec *spec, struct err *e)
{
    return spec->n_layers ? err_set(e, ERR_INVALID, "popularity needs no layers") : ERR_OK;
}

static const struct objective objective_popularity = {
    .name = "popularity", .for_users = true, .check = without_layers, .prediction = in_percent};

const struct objective *const objectives[] = {&objective_ranking, &objective_rating, &objective_popularity};
const size_t n_objectives = sizeof objectives / sizeof *objectives;

struct popularity {
    struct run *run;
    double *share; /* (n_items) */
    struct model_spec spec;
    struct param_block block;
};

static enum err_code check_options(const struct train_data *data, const struct train_options *o,
                                   struct err *e)
{
    (void)data;
    return o->checkpoint ? err_set(e, ERR_INVALID, "popularity takes no checkpoints") : ERR_OK;
}

static enum err_code build(struct run *run, void **state, struct err *e)
{
    struct popularity *p = *state = mem_zalloc_array(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory");
    p->run = run;
    p->share = mem_zalloc_array(run->data->n_items, sizeof *p->share);
    return p->share ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

static enum err_code choose(void *state, struct err *e)
{
    struct popularity *p = state;
    p->spec = (struct model_spec){.name = "popular",
                                  .version = "1",
                                  .objective = &objective_popularity,
                                  .n_items = p->run->data->n_items,
                                  .d_item = 1,
                                  .d_context = 1,
                                  .d_output = 1,
                                  .has_linear = true,
                                  .encoder = {.present = true, .d_history = 1}};
    enum err_code code = model_spec_check(&p->spec, e);
    return code ? code : param_block_init(&p->block, &p->spec, e);
}

static enum err_code count_and_write(void *state, struct err *e)
{
    struct popularity *p = state;
    const struct train_data *data = p->run->data;
    for (size_t i = 0; i < data->user_start[data->n_users]; i++)
        p->share[data->interactions[i].item] += 1.0 / (double)data->n_users;
    for (size_t i = 0; i < data->n_items; i++)
        p->block.params.catalogue_bias[i] = (real)p->share[i];
    run_tell(p->run, progress_at("train", 1));
    struct model_ids ids = {data->item_ids};
    enum err_code code = model_write(p->run->path, &p->spec, &p->block.params, &ids, e);
    p->run->written = !code;
    return code;
}

static void tell(const void *state, struct train_report *r)
{
    const struct popularity *p = state;
    report_text(r, "ended", train_end_name(r->end));
    report_measure(r, "largest_share", 2, p->share[0]);
}

static void forget(void *state)
{
    struct popularity *p = state;
    param_block_fini(&p->block);
    mem_free(p->share);
    mem_free(p);
}

static const struct train_objective train_popularity = {.objective = &objective_popularity,
                                                        .about = "what most have",
                                                        .check = check_options,
                                                        .build = build,
                                                        .choose = choose,
                                                        .train = count_and_write,
                                                        .report = tell,
                                                        .fini = forget};

const struct train_objective *const train_objectives[] = {&train_ranking, &train_rating, &train_popularity};
const size_t n_train_objectives = sizeof train_objectives / sizeof *train_objectives;

/* ---- a training of it ---- */

static char folder[] = "/tmp/hypernet-third-XXXXXX", path[64];

static bool count_told(void *arg, const struct progress *p)
{
    (void)p;
    ++*(int *)arg;
    return true;
}

/* Of 4 users all have "first", 3 "second", 1 "third", none "fourth". */
static enum err_code train_it(const struct train_options *options, struct train_report *report, int *n_told,
                              struct err *e)
{
    static const size_t start[] = {0, 1, 3, 5, 8};
    static const uint32_t items[] = {0, 0, 1, 1, 0, 2, 1, 0};
    static const char *const ids[] = {"first", "second", "third", "fourth"};
    struct encoder_interaction interactions[8] = {{0}};
    for (size_t i = 0; i < 8; i++)
        interactions[i].item = items[i];
    struct train_data data = {
        .n_users = 4, .n_items = 4, .user_start = start, .interactions = interactions, .item_ids = ids};
    return train_run(&data, options, path, count_told, n_told, report, e);
}

static struct train_options options_of(const struct objective *objective)
{
    struct train_options o;
    train_options_default(&o);
    o.objective = objective;
    return o;
}

static void must_train(void)
{
    struct train_report report;
    struct err e = {0};
    int n_told = 0;
    struct train_options o = options_of(&objective_popularity);
    ck_assert_msg(train_it(&o, &report, &n_told, &e) == ERR_OK, "%s", e.text);
    ck_assert(report.written && report.end == TRAIN_COMPLETE);
    ck_assert_double_eq(report_find(&report, "largest_share")->value, 1);
    ck_assert_int_eq(n_told, 1);
}

START_TEST(the_file_of_a_new_objective_names_it_and_is_read)
{
    struct model *m;
    struct err e = {0};
    must_train();
    ck_assert_msg(model_open(path, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_ptr_eq(m->spec.objective, &objective_popularity);
    ck_assert_double_eq(model_prediction(m, 0.75), 75);
    model_unref(m);
}
END_TEST

START_TEST(options_that_a_new_objective_does_not_take_are_refused_in_its_words)
{
    struct train_report report;
    struct err e = {0};
    int n_told = 0;
    struct train_options o = options_of(&objective_popularity);
    o.checkpoint = "checkpoint";
    ck_assert_int_eq(train_it(&o, &report, &n_told, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "popularity takes no checkpoints");
}
END_TEST

START_TEST(an_objective_that_nobody_trains_is_refused_and_the_trained_ones_are_named)
{
    struct train_report report;
    struct err e = {0};
    int n_told = 0;
    struct train_options o = options_of(&objective_regression);
    ck_assert_int_eq(train_it(&o, &report, &n_told, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "regression"));
    ck_assert_ptr_nonnull(strstr(e.text, "ranking, rating and popularity"));
}
END_TEST

/* ---- answered over HTTP ---- */

static struct api_world world;
static struct http_server *server;

static void start_server(void)
{
    must_train();
    api_world_init_model(&world, path);
    server = api_world_serve(&world);
}

static void stop_server(void)
{
    http_stop(server, 5);
    api_world_fini(&world);
}

/* One request on a connection of its own; the whole answer as text. */
static void ask(const char *head, const char *body, char *answer, size_t size)
{
    char request[1024];
    int fd = api_world_connect(server);
    int n = snprintf(request, sizeof request,
                     "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                     "Authorization: Bearer " API_WORLD_TOKEN "\r\nContent-Length: %zu\r\n\r\n%s",
                     head, strlen(body), body);
    ck_assert_int_eq(send(fd, request, (size_t)n, 0), n);
    size_t have = 0;
    for (ssize_t got; (got = recv(fd, answer + have, size - 1 - have, 0)) > 0;)
        have += (size_t)got;
    answer[have] = '\0';
    (void)close(fd);
}

/* "ann" has the most popular item, so that the next one is recommended first. */
START_TEST(a_model_of_a_new_objective_is_answered_over_http_in_its_own_unit)
{
    char answer[1 << 14];
    ask("PUT /v1/admin/users/ann", "{\"interactions\":[{\"item\":\"first\"}]}", answer, sizeof answer);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 201", 12) == 0, "%s", answer);
    ask("GET /v1/users/ann/recommendations?limit=2", "", answer, sizeof answer);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200", 12) == 0, "%s", answer);
    ck_assert_msg(strstr(answer, "\"model\":\"popular\"") &&
                      strstr(answer, "\"items\":[{\"id\":\"second\",\"score\":0.75") &&
                      strstr(answer, "{\"id\":\"third\",\"score\":0.25"),
                  "%s", answer);
    ask("POST /v1/users/ann/predictions", "{\"items\":[\"second\",\"fourth\"]}", answer, sizeof answer);
    ck_assert_msg(strstr(answer, "\"second\",\"score\":75") && strstr(answer, "\"fourth\",\"score\":0"), "%s",
                  answer);
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/popular.hn", folder);
    Suite *s = suite_create("engine/train: a third objective");
    TCase *t = tcase_create("trained"), *h = tcase_create("served");
    tcase_add_test(t, the_file_of_a_new_objective_names_it_and_is_read);
    tcase_add_test(t, options_that_a_new_objective_does_not_take_are_refused_in_its_words);
    tcase_add_test(t, an_objective_that_nobody_trains_is_refused_and_the_trained_ones_are_named);
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(h, start_server, stop_server);
    tcase_add_test(h, a_model_of_a_new_objective_is_answered_over_http_in_its_own_unit);
    suite_add_tcase(s, h);
    int failed = suite_run(s);
    (void)unlink(path);
    (void)rmdir(folder);
    return failed != 0;
}
