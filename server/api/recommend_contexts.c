#include "server/api/recommend_contexts.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/api/json_body.h"
#include "server/http/problem.h"

static bool refuse(struct request *r, const struct json_place *at, const char *why)
{
    problem_answer(r, PROBLEM_INVALID_VALUE, at->text, "%s", why);
    return false;
}

static bool read_embedding(struct request *r, const json_t *value, const struct json_place *at, size_t d,
                           float *out)
{
    const json_t *list;
    struct json_place place = json_place_key(at, "embedding");
    bool ok = json_body_array(r, value, "embedding", at, LIMIT_DIM, true, &list);
    if (ok && json_array_size(list) != d) {
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text,
                       "%zu numbers; the model's context embedding has %zu", json_array_size(list), d);
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct json_place element = json_place_index(&place, i);
        ok = json_body_float(r, json_array_get(list, i), &element, &out[i]) && ok;
    }
    return ok;
}

/* room: for an embedding (d). */
static bool read_one(struct request *r, const json_t *value, const struct json_place *at, size_t d,
                     float *room, struct blended_context *out)
{
    static const char *const keys[] = {"user", "embedding", "weight", NULL};
    bool given;
    *out = (struct blended_context){.weight = 1};
    bool ok = json_body_object(r, value, at, keys);
    if (!json_is_object(value))
        return false;
    ok = json_body_number(r, value, "weight", at, 0, LIMIT_WEIGHT_MOST, &out->weight, &given) && ok;
    bool user = json_object_get(value, "user"), embedding = json_object_get(value, "embedding");
    if (user == embedding)
        return refuse(r, at, "a context is a user or an embedding, one of the two");
    if (user)
        return json_body_id(r, value, "user", "user", at, &out->user) && ok;
    out->embedding = room;
    return read_embedding(r, value, at, d, room) && ok;
}

bool recommend_contexts_read(struct request *r, struct model_handle *handle, const json_t *root,
                             struct recommend_contexts *out)
{
    struct json_place at = json_place_root(), place = json_place_key(&at, "contexts");
    size_t d = handle->model->spec.d_context;
    const json_t *values;
    double sum = 0;
    if (!json_body_array(r, root, "contexts", &at, LIMIT_BLENDED_CONTEXTS, true, &values))
        return false;
    size_t n = json_array_size(values);
    if (n == 0)
        return refuse(r, &place, "at least one context is needed");
    out->list = mem_zalloc_array(n, sizeof *out->list);
    out->embeddings = out->list && d <= SIZE_MAX / n ? mem_alloc_array(n * d, sizeof *out->embeddings) : NULL;
    if (!out->embeddings) {
        problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
        return false;
    }
    bool ok = true;
    for (; out->n < n; out->n++) {
        struct json_place element = json_place_index(&place, out->n);
        ok = read_one(r, json_array_get(values, out->n), &element, d, out->embeddings + out->n * d,
                      &out->list[out->n]) &&
             ok;
        sum += out->list[out->n].weight;
    }
    return ok && (sum > 0 || refuse(r, &place, "the sum of the weights is 0: there is nothing to blend"));
}

void recommend_contexts_fini(struct recommend_contexts *c)
{
    mem_free(c->list);
    mem_free(c->embeddings);
    *c = (struct recommend_contexts){.list = NULL};
}

int64_t recommend_contexts_revision(const struct recommend_contexts *c, const struct siphash_key *key)
{
    int64_t revisions[LIMIT_BLENDED_CONTEXTS];
    for (size_t i = 0; i < c->n; i++)
        revisions[i] = c->list[i].revision;
    int64_t hash = (int64_t)(siphash(key, revisions, c->n * sizeof *revisions) >> 1);
    return hash ? hash : 1;
}
