/* Ids of items are tolerated where no answer has them: a caller's list is older than the catalogue now and
 * then, and one stale id must not cost the answer. */
#include "server/api/recommend_body.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "server/api/filter_body.h"
#include "server/api/interaction_body.h"
#include "server/api/json_body.h"
#include "server/http/problem_list.h"

#include <stdlib.h>
#include <string.h>

static void *room(struct request *r, size_t n, size_t size)
{
    void *block = mem_alloc_array(n, size);
    if (!block)
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
    return block;
}

/* ---- items ---- */

/* The ids of a list of the body that are not met yet, each once, to *out; *n of them. They are looked up for
 * each list (recommend_body_resolve): items come and go until then. */
static bool read_ids(struct request *r, const json_t *list, const char *key, json_t *met, struct text **out,
                     size_t *n)
{
    struct json_place at = json_place_root(), place = json_place_key(&at, key);
    bool ok = true;
    *out = room(r, json_array_size(list), sizeof **out);
    for (size_t i = 0; i < json_array_size(list) && !r->status; i++) {
        struct json_place element = json_place_index(&place, i);
        struct text id;
        if (!json_body_id_value(r, json_array_get(list, i), "item", &element, &id))
            ok = false;
        else if (json_object_getn(met, id.data, id.len))
            continue;
        else if (json_object_setn_new(met, id.data, id.len, json_true()))
            problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        else
            (*out)[(*n)++] = id;
    }
    return ok && !r->status;
}

/* The items that the list shall not have come first: none of them is a candidate. */
static bool read_items(struct request *r, const json_t *candidates, const json_t *exclude,
                       struct recommend_body *b, json_t *met)
{
    bool ok = read_ids(r, exclude, "exclude", met, &b->exclude_ids, &b->n_exclude_ids);
    b->rules.among = candidates != NULL;
    b->rules.excluded = b->excluded = room(r, b->n_exclude_ids, sizeof *b->excluded);
    if (!candidates || r->status)
        return ok;
    ok = read_ids(r, candidates, "candidates", met, &b->candidate_ids, &b->n_candidate_ids) && ok;
    b->rules.candidates = b->candidates = room(r, b->n_candidate_ids, sizeof *b->candidates);
    b->more.unknown = b->unknown = room(r, b->n_candidate_ids, sizeof *b->unknown);
    return ok && !r->status;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void recommend_body_resolve(struct recommend_body *b, struct model_handle *handle)
{
    const struct item_snapshot *items = model_handle_items(handle);
    struct list_rules *rules = &b->rules;
    if (b->q.items && b->items_version == handle->items_version)
        return;
    b->q.items = items;
    b->items_version = handle->items_version;
    rules->n_excluded = rules->n_candidates = b->more.n_unknown = 0;
    for (size_t i = 0; i < b->n_exclude_ids; i++) {
        long index = item_snapshot_find(items, b->exclude_ids[i]);
        if (index >= 0)
            b->excluded[rules->n_excluded++] = (uint32_t)index;
    }
    for (size_t i = 0; i < b->n_candidate_ids; i++) {
        long index = item_snapshot_find(items, b->candidate_ids[i]);
        if (index >= 0)
            b->candidates[rules->n_candidates++] = (uint32_t)index;
        else
            b->unknown[b->more.n_unknown++] = b->candidate_ids[i];
    }
    if (rules->n_candidates)
        qsort(b->candidates, rules->n_candidates, sizeof *b->candidates, by_value);
}

/* Each item of a diverse list costs a look at many. */
static bool read_diversity(struct request *r, const json_t *root, struct recommend_body *b)
{
    struct json_place at = json_place_root();
    bool given;
    if (!json_body_number(r, root, "diversity", &at, 0, 1, &b->rules.diversity, &given))
        return false;
    if (b->rules.diversity == 0 || b->q.offset + b->q.limit <= LIMIT_RECOMMENDATIONS)
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, "/offset",
                   "with diversity, offset and limit are at most %d together", LIMIT_RECOMMENDATIONS);
    return false;
}

/* {"field": ..., "n": ...} */
static bool read_max_per(struct request *r, struct model_handle *handle, const json_t *root,
                         struct recommend_body *b)
{
    static const char *const keys[] = {"field", "n", NULL};
    struct json_place at = json_place_root(), place = json_place_key(&at, "max_per");
    struct json_place field_at = json_place_key(&place, "field");
    const json_t *value = json_object_get(root, "max_per"), *field = json_object_get(value, "field");
    const struct item_columns *columns = item_snapshot_columns(model_handle_items(handle));
    const struct item_column *column;
    struct text name = {json_string_value(field), json_string_length(field)};
    enum filter_field kind;
    char why[FIELDS_SAID_BYTES];
    if (!value)
        return true;
    if (!json_body_object(r, value, &place, keys) || !json_is_object(value))
        return false;
    b->rules.max_per.n = 1;
    bool ok = json_body_count(r, value, "n", &place, 1, LIMIT_RECOMMENDATIONS, &b->rules.max_per.n);
    if (!name.data || !item_field_find(columns, name, &kind, &column)) {
        item_field_unknown(columns, name.data ? name : text_of(""), why);
        problem_answer(r, PROBLEM_INVALID_VALUE, field_at.text, "%s", why);
        return false;
    }
    b->rules.max_per.categories = kind == FIELD_CATEGORIES;
    if (column)
        b->rules.max_per.name = item_field_member(name);
    if (kind == FIELD_CATEGORIES || kind == FIELD_METADATA) {
        if (b->q.offset == 0)
            return ok;
        problem_answer(r, PROBLEM_INVALID_VALUE, "/offset",
                       "with max_per, go on by page and leave offset out");
        return false;
    }
    problem_answer(r, PROBLEM_INVALID_VALUE, field_at.text, "groups are categories or a field of metadata");
    return false;
}

static bool read_choice(struct request *r, const json_t *root, struct recommend_body *b)
{
    struct json_place at = json_place_root();
    const json_t *candidates, *exclude;
    bool ok = json_body_array(r, root, "candidates", &at, LIMIT_LISTED_IDS, false, &candidates);
    ok = json_body_array(r, root, "exclude", &at, LIMIT_LISTED_IDS, false, &exclude) && ok;
    ok = json_body_number(r, root, "min_score", &at, -1e30, 1e30, &b->rules.min_score,
                          &b->rules.has_min_score) &&
         ok;
    ok = read_diversity(r, root, b) && ok;
    if (!candidates && !exclude)
        return ok;
    json_t *met = json_object();
    if (!met)
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
    else
        ok = read_items(r, candidates, exclude, b, met) && ok;
    json_decref(met);
    return ok && met;
}

/* ---- texts ---- */

/* A list of at most `most` strings of 1 to LIMIT_ID_BYTES bytes to out; *n of them. */
static bool read_texts(struct request *r, const json_t *root, const char *key, size_t most, struct text *out,
                       size_t *n)
{
    struct json_place at = json_place_root(), list = json_place_key(&at, key);
    const json_t *values;
    if (!json_body_array(r, root, key, &at, most, false, &values))
        return false;
    bool ok = true;
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        struct json_place place = json_place_index(&list, i);
        size_t len = json_string_length(value);
        out[i] = (struct text){json_string_value(value), len};
        if (json_is_string(value) && len >= 1 && len <= LIMIT_ID_BYTES)
            continue;
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected a string of 1 to %d bytes",
                       LIMIT_ID_BYTES);
        ok = false;
    }
    *n = json_array_size(values);
    return ok;
}

/* The first of equal texts stay, in their order; returns how many. */
static size_t each_once(struct text *texts, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < kept &&
               (texts[j].len != texts[i].len || memcmp(texts[j].data, texts[i].data, texts[i].len) != 0))
            j++;
        if (j == kept)
            texts[kept++] = texts[i];
    }
    return kept;
}

/* The metadata of each item is read and parsed, and may be long. */
static bool check_metadata(struct request *r, const struct recommend_body *b)
{
    size_t n_lists = b->users ? json_array_size(b->users) : 1;
    if (n_lists * b->q.limit <= LIMIT_METADATA_ITEMS)
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, "/fields",
                   "lists of %zu users with %zu items each; with fields, a call may have %d items: ask for "
                   "fewer users at a time, or with a smaller limit",
                   n_lists, b->q.limit, LIMIT_METADATA_ITEMS);
    return false;
}

static bool read_fields(struct request *r, const json_t *root, struct recommend_body *b)
{
    if (!json_object_get(root, "fields"))
        return true;
    b->more.fields = b->fields = room(r, LIMIT_METADATA_FIELDS, sizeof *b->fields);
    b->more.with_metadata = true;
    bool ok = b->fields && read_texts(r, root, "fields", LIMIT_METADATA_FIELDS, b->fields, &b->more.n_fields);
    if (ok)
        b->more.n_fields = each_once(b->fields, b->more.n_fields);
    return check_metadata(r, b) && ok;
}

/* ---- the list ---- */

/* What is computed for each item has fewer of them. */
static bool check_limit(struct request *r, const struct recommend_query *q)
{
    if ((!q->explain && !q->samples) || q->limit <= LIMIT_EXPLAIN_ITEMS)
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, "/limit", "with %s, it is at most %d, not %zu",
                   q->explain ? "explain" : "samples", LIMIT_EXPLAIN_ITEMS, q->limit);
    return false;
}

static bool read_list(struct request *r, const json_t *root, struct recommend_body *b)
{
    struct recommend_query *q = &b->q;
    struct json_place at = json_place_root();
    bool exclude_seen = true;
    size_t seed = 0;
    bool ok = json_body_count(r, root, "limit", &at, 1, LIMIT_RECOMMENDATIONS, &q->limit);
    ok = json_body_count(r, root, "offset", &at, 0, LIMIT_OFFSET, &q->offset) && ok;
    ok = json_body_bool(r, root, "exclude_seen", &at, &exclude_seen) && ok;
    ok = json_body_bool(r, root, "cold_start", &at, &b->cold_start) && ok;
    ok = json_body_count(r, root, "explain", &at, 1, LIMIT_EXPLAIN_REASONS, &q->explain) && ok;
    ok = json_body_count(r, root, "samples", &at, 2, LIMIT_SCORE_SAMPLES, &q->samples) && ok;
    ok = json_body_count(r, root, "seed", &at, 0, 999999999, &seed) && ok;
    ok = read_texts(r, root, "categories", RECOMMENDER_MAX_CATEGORIES, q->categories, &q->n_categories) && ok;
    q->include_seen = !exclude_seen;
    q->seed = seed;
    return check_limit(r, q) && ok;
}

/* ---- what fills a short list ---- */

/* A list that is filled up is one answer, and has no next page. */
static bool check_fallback(struct request *r, const json_t *root)
{
    static const char *const others[] = {"candidates", "page", "offset", "explain", "samples", "max_per"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!json_object_get(root, others[i]))
            continue;
        problem_answer(r, PROBLEM_INVALID_VALUE, "/fallback", "it does not go together with %s", others[i]);
        return false;
    }
    return true;
}

static bool read_fallback(struct request *r, const json_t *root, struct recommend_body *b)
{
    struct json_place at = json_place_root(), list = json_place_key(&at, "fallback");
    const json_t *values;
    if (!json_body_array(r, root, "fallback", &at, ITEM_SORTS, false, &values))
        return false;
    size_t n = json_array_size(values);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(values, i);
        struct json_place place = json_place_index(&list, i);
        struct text name = {json_string_value(value), json_string_length(value)};
        bool ok = name.data && item_sort_of(name, &b->fallback[i]);
        for (size_t k = 0; k < i; k++)
            ok = ok && b->fallback[k] != b->fallback[i];
        if (ok)
            continue;
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text,
                       "expected trending, popular or latest, each once");
        return false;
    }
    if (n == 0)
        return true;
    b->more.fallback = b->fallback;
    b->more.n_fallback = n;
    b->more.page = NULL;
    return check_fallback(r, root);
}

/* ---- pages ---- */

static int append(const char *text, size_t n, void *out)
{
    buf_add(out, text, n);
    return 0;
}

/* Hashes what decides the list: all but the users, whose are others, and what is said of each item. */
static bool hash_question(struct request *r, const json_t *root, const struct siphash_key *key,
                          struct recommend_body *b)
{
    static const char *const others[] = {"user",   "users",   "page",    "limit", "offset",
                                         "fields", "explain", "samples", "seed",  "mark_shown"};
    json_t *rest = json_copy((json_t *)root);
    struct buf text;
    buf_init(&text, LIMIT_RESPONSE_BYTES);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        (void)json_object_del(rest, others[i]);
    bool ok =
        rest && json_dump_callback(rest, append, &text, JSON_COMPACT | JSON_SORT_KEYS) == 0 && !text.failed;
    b->question = siphash(key, text.data, text.len);
    buf_fini(&text);
    json_decref(rest);
    if (!ok)
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
    return ok;
}

uint64_t recommend_body_question(const struct recommend_body *b, const struct siphash_key *key, uint64_t uid,
                                 struct text user)
{
    char text[2 * sizeof(uint64_t) + LIMIT_ID_BYTES];
    memcpy(text, &b->question, sizeof b->question);
    memcpy(text + sizeof b->question, &uid, sizeof uid);
    if (user.len)
        memcpy(text + 2 * sizeof uid, user.data, user.len);
    return siphash(key, text, 2 * sizeof uid + user.len);
}

static bool refuse_page(struct request *r, const char *why)
{
    problem_answer(r, PROBLEM_INVALID_VALUE, "/page", "%s", why);
    return false;
}

static bool read_page(struct request *r, struct model_handle *handle, const json_t *root,
                      const struct siphash_key *key, struct recommend_body *b)
{
    const json_t *value = json_object_get(root, "page");
    struct text token = {json_string_value(value), json_string_length(value)};
    struct err e = {0};
    if (!value)
        return true;
    if (!json_is_string(value) || token.len > LIMIT_PAGE_TOKEN_BYTES)
        return refuse_page(r, "expected the text that an answer had as page");
    if (b->whom == FOR_USERS)
        return refuse_page(r, "the next page is one user's: ask for him as user");
    if (b->q.offset)
        return refuse_page(r, "a page goes on where the last one ended: leave offset out");
    enum err_code code = list_page_read(token, key, &b->page, &e);
    if (code && code != ERR_INVALID)
        problem_answer_err(r, &e);
    if (code)
        return code == ERR_INVALID && refuse_page(r, e.text);
    b->goes_on = true;
    return b->page.question == recommend_body_question(b, key, handle->served->uid, b->q.user) ||
           refuse_page(
               r, "it is of another list: for the next page the user, the model and all that decides the "
                  "list are those of the first");
}

/* ---- for whom ---- */

static bool read_profile(struct request *r, const json_t *profile, struct recommend_body *b)
{
    if (!profile)
        return true;
    if (!json_is_object(profile)) {
        problem_answer(r, PROBLEM_INVALID_VALUE, "/profile", "a profile is an object");
        return false;
    }
    size_t n = json_dumpb(profile, NULL, 0, JSON_COMPACT);
    if (n > LIMIT_PROFILE_BYTES) {
        problem_answer(r, PROBLEM_INVALID_VALUE, "/profile", "a profile may have %d bytes, not %zu",
                       LIMIT_PROFILE_BYTES, n);
        return false;
    }
    b->profile = room(r, n + 1, 1);
    if (!b->profile)
        return false;
    (void)json_dumpb(profile, b->profile, n, JSON_COMPACT);
    b->passing.profile = (struct text){b->profile, n};
    return true;
}

static bool read_passing(struct request *r, const json_t *root, struct recommend_body *b)
{
    struct json_place at = json_place_root(), list = json_place_key(&at, "interactions");
    const json_t *interactions;
    bool ok = read_profile(r, json_object_get(root, "profile"), b);
    if (!json_body_array(r, root, "interactions", &at, LIMIT_SESSION_INTERACTIONS, false, &interactions))
        return false;
    size_t n = json_array_size(interactions);
    int64_t now = clock_unix_s();
    b->interactions = room(r, n, sizeof *b->interactions);
    for (size_t i = 0; i < n && b->interactions; i++) {
        struct json_place place = json_place_index(&list, i);
        ok = interaction_body_read(r, json_array_get(interactions, i), &place, false, now, NULL,
                                   &b->interactions[i]) &&
             ok;
    }
    b->passing.interactions = b->interactions;
    b->passing.n_interactions = n;
    return ok && b->interactions;
}

/* What is explained is of one user's own record. */
static bool one_at_a_time(struct request *r, const struct recommend_body *b)
{
    if (!b->q.explain && !b->q.samples)
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, b->q.explain ? "/explain" : "/samples",
                   "ask for one user at a time with it");
    return false;
}

static bool read_users(struct request *r, const json_t *root, struct recommend_body *b)
{
    struct json_place at = json_place_root(), list = json_place_key(&at, "users");
    bool ok = json_body_array(r, root, "users", &at, LIMIT_LISTED_USERS, true, &b->users);
    for (size_t i = 0; i < json_array_size(b->users); i++) {
        struct json_place place = json_place_index(&list, i);
        struct text id;
        ok = json_body_id_value(r, json_array_get(b->users, i), "user", &place, &id) && ok;
    }
    return one_at_a_time(r, b) && ok;
}

/* Exactly one of the ways to say it. */
static bool read_whom(struct request *r, struct model_handle *handle, const json_t *root,
                      struct recommend_body *b)
{
    static const char *const pointers[] = {"/user", "/users", "/profile", "/interactions", "/contexts"};
    static const enum recommend_for ways[] = {FOR_USER, FOR_USERS, FOR_PASSING, FOR_PASSING, FOR_CONTEXTS};
    struct json_place at = json_place_root();
    size_t first = SIZE_MAX;
    bool ok = true;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!json_object_get(root, pointers[i] + 1))
            continue;
        if (first == SIZE_MAX)
            first = i;
        if (ways[i] == ways[first])
            continue;
        problem_answer(r, PROBLEM_INVALID_VALUE, pointers[i],
                       "there is %s already; a list is for one of them", pointers[first] + 1);
        ok = false;
    }
    if (first == SIZE_MAX) {
        problem_answer(r, PROBLEM_INVALID_VALUE, "/user",
                       "say for whom: user, users, contexts, or profile and interactions");
        return false;
    }
    b->whom = ways[first];
    if (b->whom == FOR_USER)
        return json_body_id(r, root, "user", "user", &at, &b->q.user) && ok;
    if (b->whom == FOR_CONTEXTS)
        return recommend_contexts_read(r, handle, root, &b->contexts) && one_at_a_time(r, b) && ok;
    return (b->whom == FOR_USERS ? read_users(r, root, b) : read_passing(r, root, b)) && ok;
}

static bool read_mark(struct request *r, const json_t *root, struct recommend_body *b)
{
    size_t n_users = b->whom == FOR_USERS ? json_array_size(b->users) : 1;
    b->more.shown = json_object_get(root, "mark_shown") ? &b->mark.shown : NULL;
    return mark_body_read(r, root, b->whom == FOR_USERS || b->whom == FOR_USER, n_users * b->q.limit,
                          &b->mark);
}

static bool read_root(struct request *r, struct model_handle *handle, const json_t *root,
                      const struct siphash_key *key, struct recommend_body *b)
{
    static const char *const keys[] = {
        "user",         "users",      "profile",    "interactions", "limit",      "offset",
        "exclude_seen", "categories", "candidates", "exclude",      "min_score",  "fields",
        "explain",      "samples",    "seed",       "cold_start",   "page",       "diversity",
        "filter",       "contexts",   "max_per",    "fallback",     "mark_shown", NULL};
    struct json_place at = json_place_root();
    bool ok = json_body_object(r, root, &at, keys);
    if (!json_is_object(root))
        return false;
    ok = read_list(r, root, b) && ok;
    ok = read_whom(r, handle, root, b) && ok;
    ok = read_fields(r, root, b) && ok;
    ok = !r->status && read_choice(r, root, b) && ok;
    ok = !r->status && filter_body_read(r, handle, root, &b->filter) && ok;
    b->q.filter = b->filter;
    ok = !r->status && read_fallback(r, root, b) && ok;
    ok = !r->status && read_max_per(r, handle, root, b) && ok;
    ok = !r->status && read_mark(r, root, b) && ok;
    return !r->status && hash_question(r, root, key, b) && read_page(r, handle, root, key, b) && ok;
}

bool recommend_body_read(struct request *r, struct model_handle *handle, const struct siphash_key *key,
                         struct recommend_body *b)
{
    struct problem_list faults;
    *b = (struct recommend_body){.q = {.limit = 10, .rules = &b->rules, .more = &b->more},
                                 .more = {.page = &b->page}};
    b->document = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!b->document)
        return false;
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = &faults;
    (void)read_root(r, handle, b->document, key, b);
    r->faults = NULL;
    if (faults.n && !r->status)
        problem_answer_list(r, &faults, NULL);
    problem_list_fini(&faults);
    return r->status == 0;
}

void recommend_body_fini(struct recommend_body *b)
{
    mem_free(b->candidate_ids);
    mem_free(b->exclude_ids);
    mem_free(b->candidates);
    mem_free(b->excluded);
    mem_free(b->unknown);
    mem_free(b->fields);
    mem_free(b->interactions);
    recommend_contexts_fini(&b->contexts);
    mem_free(b->profile);
    item_filter_free(b->filter);
    mark_body_fini(&b->mark);
    list_page_fini(&b->page);
    json_decref(b->document);
}
