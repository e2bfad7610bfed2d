/* hypernet recommend: the server's answer without a server. */
#include "base/utf8.h"
#include "engine/kernels/blas_memory.h"
#include "server/cli/commands.h"
#include "server/fields/field.h"
#include "server/serving/recommender.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct settings {
    const char *store, *model, *user, *exclude_seen;
    struct option_list categories;
    int64_t limit, offset, explain;
    bool cold_start, foreign_items, json;
};

/* A line a reason, under its item. */
static void print_reasons(const json_t *because)
{
    for (size_t i = 0; i < json_array_size(because); i++) {
        const json_t *reason = json_array_get(because, i);
        const char *item = json_string_value(json_object_get(reason, "item"));
        const char *title = json_string_value(json_object_get(reason, "title"));
        (void)printf("%-5s %+-23.4f  ", "", json_number_value(json_object_get(reason, "effect")));
        if (item)
            (void)printf("because of %s%s%s\n", item, title ? " " : "", title ? title : "");
        else
            (void)printf("because %s is %s\n", json_string_value(json_object_get(reason, "field")),
                         json_string_value(json_object_get(reason, "value")));
    }
}

static void print_table(const char *json, size_t n)
{
    json_t *root = json_loadb(json, n, 0, NULL);
    const json_t *items = json_object_get(root, "items");
    (void)printf("%-5s %-12s %10s  %s\n", "rank", "id", "score", "title");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *title = json_string_value(json_object_get(item, "title"));
        (void)printf("%-5zu %-12s %10.4f  %s\n", i + 1, json_string_value(json_object_get(item, "id")),
                     json_number_value(json_object_get(item, "score")), title ? title : "");
        print_reasons(json_object_get(item, "because"));
    }
    const json_t *warnings = json_object_get(root, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const json_t *warning = json_array_get(warnings, i);
        const char *like = json_string_value(json_object_get(warning, "did_you_mean"));
        (void)fprintf(stderr, "hypernet recommend: no item has the category '%s'%s%s%s\n",
                      json_string_value(json_object_get(warning, "category")), like ? "; did you mean '" : "",
                      like ? like : "", like ? "'?" : "");
    }
    json_decref(root);
}

static enum err_code answer(const struct settings *s, struct serving *serving, struct store_conn *c,
                            struct err *e)
{
    struct recommender *p;
    struct weights *w = NULL;
    struct recommend_query q = {.user = {s->user, strlen(s->user)},
                                .limit = (size_t)s->limit,
                                .offset = (size_t)s->offset,
                                .explain = (size_t)s->explain,
                                .include_seen = strcmp(s->exclude_seen, "false") == 0};
    for (size_t i = 0; i < s->categories.n; i++)
        q.categories[q.n_categories++] = text_of(s->categories.values[i]);
    struct buf out;
    bool hit;
    buf_init(&out, LIMIT_RESPONSE_BYTES);
    enum err_code code = recommender_new(serving, c, &p, e);
    if (code)
        return code;
    struct model_handle *handle = recommender_find(p, NULL);
    if (handle)
        code = recommender_acquire(p, handle, WEIGHTS_OF_USER, q.user, &w, &hit, e);
    else
        code = err_set(e, ERR_INVALID,
                       "%s: a model of tasks has no items to recommend; `hypernet serve` answers for "
                       "its tasks",
                       s->model);
    if (code == ERR_NOTFOUND && s->cold_start) {
        err_clear(e);
        q.cold = true;
        code = recommender_acquire(p, handle, WEIGHTS_OF_PRIOR, (struct text){NULL, 0}, &w, &hit, e);
    }
    if (!code && q.explain && !q.cold)
        code = recommender_reread(p, handle, q.user, &w, e);
    if (!code)
        code = recommender_recommend(p, handle, w, &q, &out, e);
    if (!code && s->json)
        (void)puts(buf_text(&out));
    else if (!code)
        print_table(out.data, out.len);
    weights_unref(w);
    buf_fini(&out);
    recommender_free(p);
    return code;
}

static enum err_code recommend(const struct settings *s, struct err *e)
{
    struct store *store = NULL;
    struct store_conn *c = NULL;
    struct serving serving = {0};
    struct serving_options options = {.models = &s->model,
                                      .n_models = 1,
                                      .cache_bytes = (size_t)64 << 20,
                                      .foreign_items = s->foreign_items};
    enum err_code code = store_open(s->store, STORE_READ_ONLY, &store, e);
    if (!code)
        code = serving_open(&serving, store, &options, e);
    if (!code) {
        code = store_connect(store, &c, e);
        if (!code)
            code = answer(s, &serving, c, e);
        store_disconnect(c);
        serving_close(&serving);
    }
    store_close(store);
    return code;
}

/* What the types of the options do not say. */
static enum err_code check(const struct settings *s, struct err *e)
{
    if (strcmp(s->exclude_seen, "true") != 0 && strcmp(s->exclude_seen, "false") != 0)
        return err_set(e, ERR_INVALID, "--exclude-seen is true or false, not '%s'", s->exclude_seen);
    if (s->explain && s->limit > LIMIT_EXPLAIN_ITEMS)
        return err_set(e, ERR_INVALID, "with --explain, --limit is at most %d", LIMIT_EXPLAIN_ITEMS);
    for (size_t i = 0; i < s->categories.n; i++)
        if (!utf8_valid(s->categories.values[i], strlen(s->categories.values[i])))
            return err_set(e, ERR_INVALID, "a --category is not UTF-8");
    return field_check_id(text_of(s->user), "user", e);
}

static int cmd_recommend(int argc, char **argv)
{
    struct settings s = {.limit = 10, .exclude_seen = "true"};
    const struct option options[] = {
        {"store", OPTION_STRING, &s.store, "STORE", "where the user is", 0, 0, true},
        {"model", OPTION_STRING, &s.model, "FILE", "model file", 0, 0, true},
        {"user", OPTION_STRING, &s.user, "USER", "whose recommendations", 0, 0, true},
        {"limit", OPTION_INT, &s.limit, "K", "how many", 1, LIMIT_RECOMMENDATIONS, false},
        {"offset", OPTION_INT, &s.offset, "N", "leave out the first N", 0, LIMIT_OFFSET, false},
        {"exclude-seen", OPTION_STRING, &s.exclude_seen, "true|false", "leave out the user's own items", 0, 0,
         false},
        {"category", OPTION_LIST, &s.categories, "NAME", "only items in one of these categories", 0, 0,
         false},
        {"explain", OPTION_INT, &s.explain, "N", "up to N reasons an item: what raised its score most", 0,
         LIMIT_EXPLAIN_REASONS, false},
        {"cold-start", OPTION_FLAG, &s.cold_start, NULL, "answer from the prior when the user is not known",
         0, 0, false},
        {"allow-foreign-items", OPTION_FLAG, &s.foreign_items, NULL,
         "also items of the model that the store does not have", 0, 0, false},
        {"json", OPTION_FLAG, &s.json, NULL, "the same JSON as over HTTP", 0, 0, false},
    };
    int status;
    struct err e = {0};
    if (!command_begin(&cmd_recommend_command, options, sizeof options / sizeof *options, argc, argv, NULL,
                       &status))
        return status;
    if (s.explain && s.limit > LIMIT_EXPLAIN_ITEMS &&
        !options_typed(options, sizeof options / sizeof *options, argc, argv, "limit"))
        s.limit = LIMIT_EXPLAIN_ITEMS; /* a variable is for lists without reasons */
    if (check(&s, &e))
        return command_fail(&cmd_recommend_command, &e, true);
    return !blas_reserve(1, &e) && !recommend(&s, &e) ? EXIT_DONE
                                                      : command_fail(&cmd_recommend_command, &e, false);
}

const struct command cmd_recommend_command = {
    "recommend", "the best items for a user, as the server answers", NULL, NULL, cmd_recommend, NULL};
