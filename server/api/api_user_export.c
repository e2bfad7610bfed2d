/* GET /v1/users/{user}/export: all that is held of somebody, as one object. The ids of his items are found by
 * one pass over the items, which are in the order of their keys. */
#include "server/api/api.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/api/kind_names.h"
#include "server/http/problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The items of a user, by key. */
struct item_names {
    int64_t *keys; /* (n) rising */
    size_t
        *ends; /* (n) of the ids in `ids`, one after the other; of an item without a row as the one before */
    size_t n, at; /* at: the first that was not passed */
    struct buf ids;
};

static int by_key(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool take_name(void *arg, const struct store_item *item)
{
    struct item_names *names = arg;
    while (names->at < names->n && names->keys[names->at] < item->key)
        names->ends[names->at++] = names->ids.len;
    if (names->at < names->n && names->keys[names->at] == item->key) {
        buf_add(&names->ids, item->id.data, item->id.len);
        names->ends[names->at++] = names->ids.len;
    }
    return names->at < names->n && !names->ids.failed;
}

static enum err_code find_names(struct store_conn *c, const struct store_user *u, struct item_names *names,
                                struct err *e)
{
    names->keys = mem_alloc_array(u->n_interactions, sizeof *names->keys);
    names->ends = mem_alloc_array(u->n_interactions, sizeof *names->ends);
    if (!names->keys || !names->ends)
        return err_set(e, ERR_NOMEM, "no memory for the items of a user");
    for (size_t i = 0; i < u->n_interactions; i++)
        names->keys[i] = u->interactions[i].item_key;
    if (u->n_interactions)
        qsort(names->keys, u->n_interactions, sizeof *names->keys, by_key);
    for (size_t i = 0; i < u->n_interactions; i++)
        if (names->n == 0 || names->keys[i] != names->keys[names->n - 1])
            names->keys[names->n++] = names->keys[i];
    enum err_code code = names->n ? store_each_item(c, 0, take_name, names, e) : ERR_OK;
    while (names->at < names->n)
        names->ends[names->at++] = names->ids.len;
    return code ? code : buf_check(&names->ids, "the ids of a user's items", e);
}

static struct text name_of(const struct item_names *names, int64_t key)
{
    const int64_t *at = bsearch(&key, names->keys, names->n, sizeof key, by_key);
    size_t i = (size_t)(at - names->keys), from = i ? names->ends[i - 1] : 0;
    return (struct text){names->ids.data + from, names->ends[i] - from};
}

static enum err_code add_interactions(const struct store_user *u, const struct item_names *names,
                                      struct kind_names *kinds, struct buf *out, struct err *e)
{
    const char *kind = NULL;
    buf_adds(out, ",\"interactions\":[");
    for (size_t i = 0; i < u->n_interactions; i++) {
        const struct store_interaction *x = &u->interactions[i];
        struct text item = name_of(names, x->item_key);
        if (kind_names_of(kinds, x->kind, &kind, e))
            return e->code;
        buf_adds(out, i ? ",{\"item\":" : "{\"item\":");
        buf_add_json_string(out, item.data, item.len);
        buf_addf(out,
                 ",\"kind\":\"%s\",\"count\":%d,\"first\":%lld,\"last\":%lld,\"weight\":%.17g,\"rating\":",
                 kind, x->count ? (int)x->count : 1, (long long)(x->first ? x->first : x->timestamp),
                 (long long)x->timestamp, x->weight);
        if (isnan(x->rating))
            buf_adds(out, "null}");
        else
            buf_addf(out, "%.17g}", x->rating);
    }
    buf_addc(out, ']');
    return ERR_OK;
}

/* What is stored for the models that are served. */
static enum err_code add_contexts(struct api_thread *t, struct text id, struct buf *out, struct err *e)
{
    struct recommender *p = t->session.recommender;
    struct store_user *u = recommender_user_record(p);
    bool any = false;
    buf_adds(out, ",\"contexts\":[");
    for (size_t i = 0; i < recommender_n_models(p); i++) {
        const struct model_spec *spec = &recommender_model(p, i)->model->spec;
        struct store_context_key key = {spec->name, spec->version, "user"};
        if (store_read_user(t->session.conn, id, &key, u, e))
            return e->code;
        if (!u->embedding.len)
            continue;
        buf_adds(out, any ? ",{\"model\":" : "{\"model\":");
        any = true;
        buf_add_json_string(out, spec->name, strlen(spec->name));
        buf_adds(out, ",\"model_version\":");
        buf_add_json_string(out, spec->version, strlen(spec->version));
        buf_addf(out, ",\"revision\":%lld,\"given\":%s,\"numbers\":%zu}", (long long)u->embedding_revision,
                 u->embedding_given ? "true" : "false", u->embedding.len / sizeof(float));
    }
    buf_adds(out, "]}");
    return ERR_OK;
}

static enum err_code write_all(struct api_thread *t, struct text id, struct buf *out, struct err *e)
{
    struct store_user *u = recommender_user_record(t->session.recommender);
    struct item_names names = {.n = 0};
    buf_init(&names.ids, (size_t)LIMIT_USER_INTERACTIONS * LIMIT_ID_BYTES);
    struct kind_names kinds;
    kind_names_init(&kinds, t->session.conn);
    enum err_code code = store_read_user(t->session.conn, id, NULL, u, e);
    if (!code)
        code = find_names(t->session.conn, u, &names, e);
    if (!code) {
        buf_adds(out, "{\"id\":");
        buf_add_json_string(out, id.data, id.len);
        buf_addf(out, ",\"revision\":%lld,\"profile\":", (long long)u->revision);
        if (u->profile.len)
            buf_add(out, u->profile.data, u->profile.len);
        else
            buf_adds(out, "null");
        code = add_interactions(u, &names, &kinds, out, e);
    }
    mem_free(names.keys);
    mem_free(names.ends);
    buf_fini(&names.ids);
    return code ? code : add_contexts(t, id, out, e);
}

void api_user_export_get(struct api_thread *t, struct request *r)
{
    struct text id;
    struct err e = {0};
    if (!api_user_id(r, 2, &id))
        return;
    struct buf *out = request_answer(r, 200, request_json);
    enum err_code code = store_snapshot_begin(t->session.conn, &e);
    if (!code) {
        code = write_all(t, id, out, &e);
        store_snapshot_end(t->session.conn);
    }
    if (!code && !(code = buf_check(out, "the answer", &e)) && request_charge(r, out->capacity))
        return;
    buf_fini(out);
    if (!code)
        problem_answer(r, PROBLEM_OVERLOADED, NULL,
                       "long answers take all the memory there is for them (--max-body-memory); try again "
                       "in a second");
    else if (code == ERR_NOTFOUND)
        problem_answer(r, PROBLEM_UNKNOWN_USER, NULL, "%s", e.text);
    else
        api_fail(t, r, &e);
}
