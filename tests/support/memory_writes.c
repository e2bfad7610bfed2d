/* Transactions and single writes of the store in memory. */
#include "tests/support/memory_store.h"

#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_S = 10, TRIM_EVERY = 1000 };

/* ---- transactions ---- */

static struct memory_state *copy_state(const struct memory_state *from)
{
    struct memory_state *s = memory_take(sizeof *s);
    *s = *from;
    s->n_references = 1;
    s->forgotten = memory_rows_copy(&from->forgotten);
    s->users = memory_rows_copy(&from->users);
    s->items = memory_rows_copy(&from->items);
    s->events = memory_rows_copy(&from->events);
    s->kinds = memory_rows_copy(&from->kinds);
    s->event_ids = memory_rows_copy(&from->event_ids);
    s->tasks = memory_rows_copy(&from->tasks);
    s->task_rows = memory_rows_copy(&from->task_rows);
    s->contexts = memory_rows_copy(&from->contexts);
    s->changes = memory_rows_copy(&from->changes);
    s->unfinished = memory_rows_copy(&from->unfinished);
    return s;
}

/* Waits until nobody writes; false: it took too long. With the lock. */
static bool wait_for_writer(struct memory_file *f)
{
    const struct timespec until = clock_monotonic_in((int64_t)BUSY_S * 1000000000);
    while (f->writer)
        if (pthread_cond_timedwait(&f->left, &f->lock, &until) == ETIMEDOUT)
            return !f->writer;
    return true;
}

enum err_code memory_begin(struct store_conn *conn, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_file *f = c->store->file;
    if (c->store->read_only)
        return err_set(e, ERR_INTERNAL, "a write to a store that is opened for reading");
    if (c->own || c->snapshot)
        return err_set(e, ERR_INTERNAL, "a transaction inside of another one or of a snapshot");
    pthread_mutex_lock(&f->lock);
    bool free_to_write = wait_for_writer(f);
    if (free_to_write) {
        f->writer = c;
        c->own = copy_state(f->state);
    }
    pthread_mutex_unlock(&f->lock);
    return free_to_write ? ERR_OK : err_set(e, ERR_BUSY, "store memory:%s: another one is writing", f->name);
}

enum err_code memory_check_writing(const struct memory_conn *c, struct err *e)
{
    return c->own ? ERR_OK : err_set(e, ERR_INTERNAL, "a write outside of store_begin and store_commit");
}

/* Ends the transaction; with kept, its state is the store's from now on. */
static void end(struct memory_conn *c, bool kept)
{
    struct memory_file *f = c->store->file;
    struct memory_state *over = c->own;
    pthread_mutex_lock(&f->lock);
    if (kept) {
        over = f->state;
        f->state = c->own;
    }
    f->writer = NULL;
    pthread_cond_signal(&f->left);
    pthread_mutex_unlock(&f->lock);
    c->own = NULL;
    memory_read_end(c, over);
}

enum err_code memory_commit(struct store_conn *conn, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_check_writing(c, e);
    if (!code)
        end(c, true);
    return code;
}

void memory_rollback(struct store_conn *conn)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    if (c->own)
        end(c, false);
}

struct text memory_keep(struct memory_conn *c, struct text t)
{
    if (!t.data)
        return t;
    struct memory_file *f = c->store->file;
    struct memory_text *kept = memory_take(sizeof *kept + t.len + 1);
    if (t.len)
        memcpy(kept->bytes, t.data, t.len);
    kept->next = f->texts;
    f->texts = kept;
    return (struct text){kept->bytes, t.len};
}

/* ---- the log of changes ---- */

int64_t memory_new_change(struct memory_state *s, enum store_change_kind kind, int64_t row_key)
{
    struct memory_change change = {++s->last_change, kind, row_key};
    (void)memory_rows_put(&s->changes, &change);
    if (s->changes.n >= LIMIT_CHANGE_LOG + TRIM_EVERY)
        memory_rows_remove(&s->changes, 0, TRIM_EVERY);
    return change.number;
}

/* ---- users ---- */

struct memory_user *memory_new_user(struct memory_conn *c, struct text id)
{
    struct memory_state *s = c->own;
    struct memory_user fresh = {.id = memory_keep(c, id), .key = ++s->last_user_key};
    return memory_rows_put(&s->users, &fresh);
}

/* The user of a transaction that is there. */
static enum err_code user_of(struct memory_conn *c, struct text id, struct memory_user **out, struct err *e)
{
    enum err_code code = memory_check_writing(c, e);
    if (code)
        return code;
    *out = memory_find_user(c->own, id);
    return *out ? ERR_OK : err_set(e, ERR_NOTFOUND, "no user '%.*s'", (int)id.len, id.data);
}

enum err_code memory_put_user(struct store_conn *conn, struct text id, struct text profile, int64_t *revision,
                              bool *created, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_check_writing(c, e);
    if (code)
        return code;
    struct memory_user *u = memory_find_user(c->own, id);
    *created = !u;
    u = u ? u : memory_new_user(c, id);
    u->profile = memory_keep(c, profile);
    *revision = u->revision = memory_new_change(c->own, STORE_CHANGE_USER, u->key);
    return ERR_OK;
}

enum err_code memory_touch_user(struct store_conn *conn, struct text id, int64_t *revision, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_user *u;
    enum err_code code = user_of(c, id, &u, e);
    if (!code)
        *revision = u->revision = memory_new_change(c->own, STORE_CHANGE_USER, u->key);
    return code;
}

static bool is_word(struct text t, const char *word)
{
    return t.len == strlen(word) && memcmp(t.data, word, t.len) == 0;
}

void memory_clear_contexts(struct memory_state *s, struct text id, const char *kind)
{
    for (size_t i = s->contexts.n; i-- > 0;) {
        const struct memory_context *x = memory_rows_at(&s->contexts, i);
        if (memory_compare_texts(x->id, id) == 0 && is_word(x->kind, kind))
            memory_rows_remove(&s->contexts, i, 1);
    }
}

static void clear(struct memory_state *s, const struct memory_user *u, enum store_clear what)
{
    for (size_t i = s->events.n; i-- > 0 && what & STORE_CLEAR_INTERACTIONS;)
        if (((const struct memory_event *)memory_rows_at(&s->events, i))->user_key == u->key)
            memory_rows_remove(&s->events, i, 1);
    for (size_t i = s->event_ids.n; i-- > 0 && what & STORE_CLEAR_INTERACTIONS;)
        if (((const struct memory_event_id *)memory_rows_at(&s->event_ids, i))->user_key == u->key)
            memory_rows_remove(&s->event_ids, i, 1);
    if (what & STORE_CLEAR_CONTEXTS)
        memory_clear_contexts(s, u->id, "user");
}

enum err_code memory_clear_user(struct store_conn *conn, struct text id, enum store_clear what, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_user *u;
    enum err_code code = user_of(c, id, &u, e);
    if (!code)
        clear(c->own, u, what);
    return code;
}

enum err_code memory_delete_user(struct store_conn *conn, struct text id, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_user *u;
    enum err_code code = user_of(c, id, &u, e);
    if (code)
        return code;
    clear(c->own, u, STORE_CLEAR_ALL);
    struct memory_forgotten gone = {u->id, memory_new_change(c->own, STORE_CHANGE_GONE, u->key)};
    (void)memory_rows_put(&c->own->forgotten, &gone);
    memory_rows_remove(&c->own->users, memory_rows_from(&c->own->users, u), 1);
    return ERR_OK;
}

/* ---- items ---- */

struct store_item *memory_new_item(struct memory_conn *c, struct text id)
{
    struct memory_state *s = c->own;
    struct store_item fresh = {
        .id = memory_keep(c, id),
        .key = ++s->last_item_key,
        .life = {.from = STORE_ALWAYS_FROM, .until = STORE_ALWAYS_UNTIL, .created = clock_unix_s()}};
    return memory_rows_put(&s->items, &fresh);
}

enum err_code memory_put_item(struct store_conn *conn, const struct store_item *item, bool *created,
                              struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_check_writing(c, e);
    if (code)
        return code;
    struct store_item *x = memory_find_item(c->own, item->id);
    *created = !x || x->deleted;
    x = x ? x : memory_new_item(c, item->id);
    x->title = memory_keep(c, item->title);
    x->categories = memory_keep(c, item->categories);
    x->metadata = memory_keep(c, item->metadata);
    x->deleted = false;
    x->revision = memory_new_change(c->own, STORE_CHANGE_ITEM, x->key);
    return ERR_OK;
}

static enum err_code item_of(struct memory_conn *c, struct text id, struct store_item **out, struct err *e)
{
    enum err_code code = memory_check_writing(c, e);
    if (code)
        return code;
    *out = memory_find_item(c->own, id);
    return *out ? ERR_OK : err_set(e, ERR_NOTFOUND, "no item '%.*s'", (int)id.len, id.data);
}

enum err_code memory_set_item_life(struct store_conn *conn, struct text id,
                                   const struct store_item_life *life, struct err *e)
{
    struct store_item *x;
    enum err_code code = item_of((struct memory_conn *)conn, id, &x, e);
    if (!code)
        x->life = *life;
    return code;
}

enum err_code memory_delete_item(struct store_conn *conn, struct text id, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct store_item *x;
    enum err_code code = item_of(c, id, &x, e);
    if (!code && x->deleted)
        code = err_set(e, ERR_NOTFOUND, "no item '%.*s'", (int)id.len, id.data);
    if (code)
        return code;
    x->deleted = true;
    x->revision = memory_new_change(c->own, STORE_CHANGE_ITEM, x->key);
    return ERR_OK;
}

enum err_code memory_touch_item(struct store_conn *conn, struct text id, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct store_item *x;
    enum err_code code = item_of(c, id, &x, e);
    if (!code)
        x->revision = memory_new_change(c->own, STORE_CHANGE_ITEM, x->key);
    return code;
}

/* ---- contexts ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The items of a user as a list, which stays; NULL data: a key has more than 32 bits. */
static struct text list_of(struct memory_conn *c, const struct store_context *context)
{
    size_t n = context->n_interactions;
    uint32_t *keys = memory_take((n + 1) * sizeof *keys);
    bool fits = true;
    size_t n_seen = 0, kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (context->interactions[i].unseen)
            continue;
        keys[n_seen] = (uint32_t)context->interactions[i].item_key;
        fits = fits && keys[n_seen++] == context->interactions[i].item_key;
    }
    qsort(keys, n_seen, sizeof *keys, by_value);
    for (size_t i = 0; i < n_seen; i++)
        if (kept == 0 || keys[i] != keys[kept - 1])
            keys[kept++] = keys[i];
    n = kept;
    struct text list = {NULL, 0};
    if (fits)
        list = memory_keep(c, (struct text){(const char *)keys, n * sizeof *keys});
    free(keys);
    return list;
}

static struct text keep_word(struct memory_conn *c, const char *word)
{
    return memory_keep(c, text_of(word));
}

/* Drops the contexts of a task by old versions of a model. */
static void trim_task(struct memory_state *s, struct text id, const char *model)
{
    for (;;) {
        size_t n = 0, oldest = 0;
        for (size_t i = 0; i < s->contexts.n; i++) {
            const struct memory_context *x = memory_rows_at(&s->contexts, i),
                                        *o = memory_rows_at(&s->contexts, oldest);
            if (x->given || memory_compare_texts(x->id, id) != 0 || !is_word(x->kind, "task") ||
                !is_word(x->model, model) || memory_is_without_rows(s, x))
                continue;
            if (n++ == 0 || x->revision < o->revision ||
                (x->revision == o->revision && x->number < o->number))
                oldest = i;
        }
        if (n <= STORE_TASK_VERSIONS)
            return;
        memory_rows_remove(&s->contexts, oldest, 1);
    }
}

enum err_code memory_put_context(struct store_conn *conn, const struct store_context_key *key, struct text id,
                                 const struct store_context *context, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_user *u = NULL;
    enum err_code code = memory_check_writing(c, e);
    if (!code && strcmp(key->kind, "user") == 0)
        code = user_of(c, id, &u, e);
    else if (!code && !memory_find_task(c->own, id))
        code = err_set(e, ERR_NOTFOUND, "no task '%.*s'", (int)id.len, id.data);
    if (code || (u && context->is_of_now && u->revision != context->revision))
        return code;
    struct memory_context fresh = {.id = memory_keep(c, id),
                                   .kind = keep_word(c, key->kind),
                                   .model = keep_word(c, key->model),
                                   .version = keep_word(c, key->model_version),
                                   .revision = context->revision,
                                   .given = context->given,
                                   .bytes =
                                       memory_keep(c, (struct text){context->embedding, context->n_bytes})};
    if (context->lists)
        fresh.list = list_of(c, context);
    const struct memory_context *there = memory_rows_find(&c->own->contexts, &fresh);
    if (there && (context->revision < there->revision || (there->given && !context->given)))
        return ERR_OK;
    fresh.number = there ? there->number : ++c->own->last_context;
    (void)memory_rows_put(&c->own->contexts, &fresh);
    if (!u)
        trim_task(c->own, id, key->model);
    return ERR_OK;
}

enum err_code memory_note_unfinished(struct store_conn *conn, int64_t first, int64_t last, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_check_writing(c, e);
    if (!code)
        (void)memory_rows_put(&c->own->unfinished, &(struct memory_unfinished){first, last});
    return code;
}

enum err_code memory_end_unfinished(struct store_conn *conn, int64_t first, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    const struct memory_unfinished like = {.first = first};
    enum err_code code = memory_check_writing(c, e);
    if (!code && memory_rows_find(&c->own->unfinished, &like))
        memory_rows_remove(&c->own->unfinished, memory_rows_from(&c->own->unfinished, &like), 1);
    return code;
}

/* Drops what was made for a model and version; kind NULL: of every kind, where it could be made again. How
 * many. */
static int64_t drop(struct memory_state *s, const char *kind, const struct store_context_key *key)
{
    int64_t n = 0;
    for (size_t i = s->contexts.n; i-- > 0;) {
        const struct memory_context *x = memory_rows_at(&s->contexts, i);
        if (x->given || !is_word(x->model, key->model) || !is_word(x->version, key->model_version) ||
            (kind ? !is_word(x->kind, kind) : memory_is_without_rows(s, x)))
            continue;
        memory_rows_remove(&s->contexts, i, 1);
        n++;
    }
    return n;
}

enum err_code memory_drop_contexts(struct store_conn *conn, const struct store_context_key *key,
                                   struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_check_writing(c, e);
    if (!code)
        (void)drop(c->own, key->kind, key);
    return code;
}

enum err_code memory_trim_version(struct store_conn *conn, const struct store_context_key *key, int64_t *n,
                                  struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    enum err_code code = memory_begin(conn, e);
    if (code)
        return code;
    *n = drop(c->own, NULL, key);
    return memory_commit(conn, e);
}
