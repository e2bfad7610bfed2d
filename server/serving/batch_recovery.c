/* A batch's users are those whose revision is one of its changes: who changed again since has a context of
 * that change. Which items they took with it is not known any more, so all that are new and theirs move. */
#include "server/serving/batch_recovery.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/serving/user_contexts.h"

#include <string.h>

enum { MAX_BATCHES = 256, MAX_ID_BYTES = 256 << 20 };

struct batches {
    struct batch {
        int64_t first, last;
    } at[MAX_BATCHES]; /* (n) those beyond them are for the next start */
    size_t n;
};

static bool take_batch(void *arg, int64_t first, int64_t last)
{
    struct batches *b = arg;
    b->at[b->n++] = (struct batch){first, last};
    return b->n < MAX_BATCHES;
}

/* Ids one behind the other. */
struct ids {
    struct buf bytes; /* of each its length (uint16) and its text */
    size_t n;
};

static void add_id(struct ids *ids, struct text id)
{
    uint16_t len = (uint16_t)id.len;
    buf_add(&ids->bytes, &len, sizeof len);
    buf_add(&ids->bytes, id.data, id.len);
    ids->n++;
}

/* New: (n) texts, borrowed from the ids; NULL: no memory. */
static struct text *texts_of(const struct ids *ids)
{
    struct text *out = mem_alloc_array(ids->n + 1, sizeof *out);
    const char *at = ids->bytes.data;
    for (size_t i = 0; i < ids->n && out; i++) {
        uint16_t len;
        memcpy(&len, at, sizeof len);
        out[i] = (struct text){at + sizeof len, len};
        at += sizeof len + len;
    }
    return out;
}

struct finding {
    const struct batch *batch;
    struct ids users, items;
};

static bool take_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct finding *f = arg;
    (void)key;
    (void)profile;
    if (revision >= f->batch->first && revision <= f->batch->last)
        add_id(&f->users, id);
    return true;
}

/* The items beyond a model's own among those of the thread's record. */
static void take_items(struct session *t, struct finding *f)
{
    const struct store_user *user = recommender_user_record(t->recommender);
    for (size_t i = 0; i < recommender_n_models(t->recommender); i++) {
        struct model_handle *handle = recommender_model(t->recommender, i);
        const struct item_snapshot *items = model_handle_items(handle);
        for (size_t k = 0; k < user->n_interactions; k++) {
            struct text id;
            long index = item_index_index(item_snapshot_items(items), user->interactions[k].item_key);
            if (index < (long)handle->model->spec.n_items)
                continue;
            id.data = item_index_id(item_snapshot_items(items), (size_t)index, &id.len);
            add_id(&f->items, id);
        }
    }
}

static enum err_code find(struct session *t, struct finding *f, struct text **users, struct err *e)
{
    enum err_code code = store_each_user(t->conn, take_user, f, e);
    if (!code)
        code = buf_check(&f->users.bytes, "the users of a batch", e);
    if (!code && !(*users = texts_of(&f->users)))
        code = err_set(e, ERR_NOMEM, "no memory for the users of a batch");
    for (size_t i = 0; i < f->users.n && !code; i++) {
        struct err why = {0};
        code = store_read_user(t->conn, (*users)[i], NULL, recommender_user_record(t->recommender), &why);
        if (!code)
            take_items(t, f);
        code = code == ERR_NOTFOUND ? ERR_OK : code ? err_set(e, code, "%s", why.text) : ERR_OK;
    }
    return code ? code : buf_check(&f->items.bytes, "the new items of a batch", e);
}

static enum err_code recover(struct session *t, const struct batch *batch, struct err *e)
{
    struct finding f = {.batch = batch};
    struct text *users = NULL, *items = NULL;
    buf_init(&f.users.bytes, MAX_ID_BYTES);
    buf_init(&f.items.bytes, MAX_ID_BYTES);
    enum err_code code = find(t, &f, &users, e);
    if (!code && !(items = texts_of(&f.items)))
        code = err_set(e, ERR_NOMEM, "no memory for the new items of a batch");
    if (!code) {
        log_line(LOG_INFO, "a batch was stored and not finished: the contexts of %zu users are made now",
                 f.users.n);
        user_contexts_follow(t, &(const struct user_batch){users, f.users.n, items, f.items.n, batch->first});
    }
    mem_free(users);
    mem_free(items);
    buf_fini(&f.users.bytes);
    buf_fini(&f.items.bytes);
    return code;
}

void batch_recovery(struct session *t)
{
    struct batches b = {.n = 0};
    struct err e = {0};
    enum err_code code = store_each_unfinished(t->conn, take_batch, &b, &e);
    for (size_t i = 0; i < b.n && !code; i++)
        code = recover(t, &b.at[i], &e);
    if (code)
        log_line(LOG_WARN, "batches that were not finished are left for the next start: %s", e.text);
}
