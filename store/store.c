/* Sends each call to the backend that the store's name meant (open.c). The checks that hold for every backend
 * stand here, once; its lines are many because each call has a few. */
#include "store/store.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/backend.h"

#include <math.h>
#include <string.h>

/* ---- records ---- */

void store_user_fini(struct store_user *u)
{
    buf_fini(&u->profile);
    buf_fini(&u->embedding);
    mem_free(u->interactions);
    memset(u, 0, sizeof *u);
}

void store_user_context_fini(struct store_user_context *u)
{
    buf_fini(&u->embedding);
    mem_free(u->items);
    memset(u, 0, sizeof *u);
}

void store_task_fini(struct store_task *t)
{
    buf_fini(&t->profile);
    buf_fini(&t->context);
    memset(t, 0, sizeof *t);
}

/* ---- checks ---- */

static bool is_text(struct text text)
{
    return utf8_valid(text.data, text.len) && !memchr(text.data, 0, text.len);
}

static enum err_code check_id(struct text id, const char *what, struct err *e)
{
    if (!id.data || id.len < 1 || id.len > LIMIT_ID_BYTES)
        return err_set(e, ERR_INVALID, "a %s id has 1 to %d bytes, not %zu", what, LIMIT_ID_BYTES,
                       id.data ? id.len : 0);
    if (!is_text(id))
        return err_set(e, ERR_INVALID, "a %s id must be UTF-8 without a zero byte", what);
    return ERR_OK;
}

static enum err_code check_text(struct text text, size_t limit, const char *what, struct err *e)
{
    if (text.data && text.len > limit)
        return err_set(e, ERR_LIMIT, "%s has %zu bytes; at most %zu", what, text.len, limit);
    if (text.data && !is_text(text))
        return err_set(e, ERR_INVALID, "%s must be UTF-8 without a zero byte", what);
    return ERR_OK;
}

/* A user or a task: `what`, and its profile. */
static enum err_code check_record(struct text id, const char *what, struct text profile, struct err *e)
{
    enum err_code code = check_id(id, what, e);
    return code ? code : check_text(profile, LIMIT_PROFILE_BYTES, "a profile", e);
}

static enum err_code check_item(const struct store_item *item, struct err *e)
{
    enum err_code code = check_id(item->id, "item", e);
    if (!code)
        code = check_text(item->title, LIMIT_TITLE_BYTES, "an item's title", e);
    if (!code)
        code = check_text(item->categories, LIMIT_METADATA_BYTES, "an item's categories", e);
    if (!code)
        code = check_text(item->metadata, LIMIT_METADATA_BYTES, "an item's metadata", e);
    return code;
}

static enum err_code check_event(struct text user, struct text item, const struct store_event *x,
                                 struct err *e)
{
    enum err_code code = check_id(user, "user", e);
    if (!code)
        code = check_id(item, "item", e);
    if (!code && !(isfinite(x->weight) && x->weight > 0))
        code = err_set(e, ERR_INVALID, "an interaction's weight must be above zero and finite");
    if (!code && isinf(x->rating))
        code = err_set(e, ERR_INVALID, "an interaction's rating must be finite");
    if (!code && (x->count < 0 || x->count > LIMIT_EVENT_COUNT || (x->first && x->first > x->timestamp)))
        code = err_set(e, ERR_INVALID, "an interaction counts at most %d events, the first before the last",
                       LIMIT_EVENT_COUNT);
    if (!code && x->id.data && (x->id.len == 0 || x->id.len > LIMIT_EVENT_ID_BYTES))
        code = err_set(e, ERR_INVALID, "an event's id has 1 to %d bytes", LIMIT_EVENT_ID_BYTES);
    if (!code && (x->kind < 0 || x->kind >= LIMIT_KINDS))
        code = err_set(e, ERR_INVALID, "no kind of events has the number %d", (int)x->kind);
    return code;
}

/* ---- reading ---- */

enum err_code store_read_user(struct store_conn *c, struct text id, const struct store_context_key *key,
                              struct store_user *out, struct err *e)
{
    enum err_code code = check_id(id, "user", e);
    return code ? code : c->backend->read_user(c, id, key, out, e);
}

enum err_code store_read_context(struct store_conn *c, struct text id, const struct store_context_key *key,
                                 struct store_user_context *out, bool *found, struct err *e)
{
    enum err_code code = check_id(id, "user", e);
    return code ? code : c->backend->read_context(c, id, key, out, found, e);
}

bool store_reads_nonblocking(const struct store_conn *c)
{
    return c->backend->reads_nonblocking && c->backend->reads_nonblocking(c);
}

static enum err_code refuse_to_wait(struct err *e)
{
    return err_set(e, ERR_BUSY, "each read of a store of this kind may wait");
}

enum err_code store_read_context_nonblocking(struct store_conn *c, struct text id,
                                             const struct store_context_key *key,
                                             struct store_user_context *out, bool *found, struct err *e)
{
    enum err_code code = check_id(id, "user", e);
    if (!code && !c->backend->read_context_nonblocking)
        code = refuse_to_wait(e);
    return code ? code : c->backend->read_context_nonblocking(c, id, key, out, found, e);
}

enum err_code store_read_user_nonblocking(struct store_conn *c, struct text id,
                                          const struct store_context_key *key, size_t most,
                                          struct store_user *out, struct err *e)
{
    enum err_code code = check_id(id, "user", e);
    if (!code && !c->backend->read_user_nonblocking)
        code = refuse_to_wait(e);
    return code ? code : c->backend->read_user_nonblocking(c, id, key, most, out, e);
}

enum err_code store_read_profile(struct store_conn *c, struct text id, struct buf *profile, struct err *e)
{
    enum err_code code = check_id(id, "user", e);
    return code ? code : c->backend->read_profile(c, id, profile, e);
}

enum err_code store_item_key_of(struct store_conn *c, struct text id, int64_t *key, struct err *e)
{
    enum err_code code = check_id(id, "item", e);
    return code ? code : c->backend->item_key_of(c, id, key, e);
}

enum err_code store_each_item(struct store_conn *c, int64_t since, store_item_fn *fn, void *arg,
                              struct err *e)
{
    return c->backend->each_item(c, since, fn, arg, e);
}

enum err_code store_list_items(struct store_conn *c, struct text from, store_look_fn *look, store_item_fn *fn,
                               void *arg, struct err *e)
{
    return c->backend->list_items(c, from, look, fn, arg, e);
}

enum err_code store_list_users(struct store_conn *c, struct text from, store_look_fn *look, store_user_fn *fn,
                               void *arg, struct err *e)
{
    return c->backend->list_users(c, from, look, fn, arg, e);
}

enum err_code store_read_item(struct store_conn *c, struct text id, store_item_fn *fn, void *arg,
                              struct err *e)
{
    enum err_code code = check_id(id, "item", e);
    return code ? code : c->backend->read_item(c, id, fn, arg, e);
}

enum err_code store_each_taker(struct store_conn *c, int64_t item_key, const struct store_context_key *key,
                               size_t most, store_taker_fn *fn, void *arg, struct err *e)
{
    return c->backend->each_taker(c, item_key, key, most, fn, arg, e);
}

enum err_code store_takers_begin(struct store_conn *c, const int64_t *keys, size_t n, bool *aside,
                                 struct err *e)
{
    if (c->backend->takers_begin)
        return c->backend->takers_begin(c, keys, n, aside, e);
    *aside = false;
    return ERR_OK;
}

void store_takers_end(struct store_conn *c)
{
    if (c->backend->takers_end)
        c->backend->takers_end(c);
}

enum err_code store_follow_items(struct store_conn *c, const int64_t *keys, size_t n, struct err *e)
{
    return c->backend->follow_items ? c->backend->follow_items(c, keys, n, e) : ERR_OK;
}

enum err_code store_taken_above(struct store_conn *c, int64_t item_key, bool *taken, struct err *e)
{
    return c->backend->taken_above(c, item_key, taken, e);
}

enum err_code store_each_user(struct store_conn *c, store_user_fn *fn, void *arg, struct err *e)
{
    return c->backend->each_user(c, fn, arg, e);
}

enum err_code store_each_interaction(struct store_conn *c, store_interaction_fn *fn, void *arg, struct err *e)
{
    return c->backend->each_interaction(c, fn, arg, e);
}

enum err_code store_count(struct store_conn *c, struct store_counts *out, struct err *e)
{
    return c->backend->count(c, out, e);
}

enum err_code store_count_served(struct store_conn *c, struct store_counts *out, struct err *e)
{
    return c->backend->count_served(c, out, e);
}

enum err_code store_ping(struct store_conn *c, struct err *e)
{
    return c->backend->ping(c, e);
}

enum err_code store_snapshot_begin(struct store_conn *c, struct err *e)
{
    return c->backend->snapshot_begin(c, e);
}

void store_snapshot_end(struct store_conn *c)
{
    c->backend->snapshot_end(c);
}

/* ---- writing ---- */

enum err_code store_begin(struct store_conn *c, struct err *e)
{
    return c->backend->begin(c, e);
}

enum err_code store_commit(struct store_conn *c, struct err *e)
{
    return c->backend->commit(c, e);
}

void store_rollback(struct store_conn *c)
{
    c->backend->rollback(c);
}

enum err_code store_put_user(struct store_conn *c, struct text id, struct text profile, int64_t *revision,
                             bool *created, struct err *e)
{
    enum err_code code = check_record(id, "user", profile, e);
    return code ? code : c->backend->put_user(c, id, profile, revision, created, e);
}

enum err_code store_clear_user(struct store_conn *c, struct text id, enum store_clear what, struct err *e)
{
    enum err_code code = check_id(id, "user", e);
    return code ? code : c->backend->clear_user(c, id, what, e);
}

enum err_code store_touch_user(struct store_conn *c, struct text id, int64_t *revision, struct err *e)
{
    enum err_code code = check_id(id, "user", e);
    return code ? code : c->backend->touch_user(c, id, revision, e);
}

enum err_code store_read_history(struct store_conn *c, struct text id, struct store_history *out,
                                 struct err *e)
{
    size_t n;
    if (c->backend->read_history) {
        enum err_code code = check_id(id, "user", e);
        return code ? code : c->backend->read_history(c, id, out, e);
    }
    *out = (struct store_history){0};
    return store_count_interactions(c, id, &n, e);
}

enum err_code store_touch_user_read(struct store_conn *c, struct text id, const struct store_history *history,
                                    int64_t *revision, struct err *e)
{
    if (!c->backend->touch_user_read)
        return store_touch_user(c, id, revision, e);
    enum err_code code = check_id(id, "user", e);
    return code ? code : c->backend->touch_user_read(c, id, history, revision, e);
}

enum err_code store_delete_user(struct store_conn *c, struct text id, struct err *e)
{
    enum err_code code = check_id(id, "user", e);
    return code ? code : c->backend->delete_user(c, id, e);
}

enum err_code store_put_interaction(struct store_conn *c, struct text user, struct text item, double weight,
                                    double rating, int64_t timestamp, enum store_put *put, struct err *e)
{
    const struct store_event x = {.weight = weight, .rating = rating, .timestamp = timestamp};
    return store_put_event(c, user, item, &x, put, e);
}

enum err_code store_knows_event(struct store_conn *c, struct text user, struct text id, bool *known,
                                struct err *e)
{
    enum err_code code = check_id(user, "user", e);
    return code ? code : c->backend->knows_event(c, user, id, known, e);
}

enum err_code store_put_event(struct store_conn *c, struct text user, struct text item,
                              const struct store_event *x, enum store_put *put, struct err *e)
{
    enum err_code code = check_event(user, item, x, e);
    return code ? code : c->backend->put_event(c, user, item, x, put, e);
}

enum err_code store_remove_interactions(struct store_conn *c, struct text user, struct text item,
                                        int32_t kind, int64_t *n, struct err *e)
{
    enum err_code code = check_id(user, "user", e);
    if (!code)
        code = check_id(item, "item", e);
    return code ? code : c->backend->remove_interactions(c, user, item, kind, n, e);
}

enum err_code store_add_interactions_of(struct store_conn *c, struct text from, struct text to, struct err *e)
{
    enum err_code code = check_id(from, "user", e);
    if (!code)
        code = check_id(to, "user", e);
    if (!code && text_compare(from, to) == 0)
        code = err_set(e, ERR_INVALID, "a user cannot be added to himself");
    return code ? code : c->backend->add_interactions_of(c, from, to, e);
}

int64_t store_first_of(int64_t a, int64_t b)
{
    return a == 0 ? b : b == 0 || a < b ? a : b;
}

int32_t store_count_of(int32_t a, int32_t b)
{
    int64_t sum = (int64_t)(a ? a : 1) + (b ? b : 1);
    return (int32_t)(sum < LIMIT_EVENT_COUNT ? sum : LIMIT_EVENT_COUNT);
}

/* ---- kinds of events ---- */

static enum err_code check_kind(const struct store_kind *kind, struct err *e)
{
    bool good = kind->name.len >= 1 && kind->name.len <= LIMIT_KIND_BYTES;
    for (size_t i = 0; good && i < kind->name.len; i++) {
        char c = kind->name.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    }
    if (!good)
        return err_set(e, ERR_INVALID, "a kind's name has 1 to %d bytes of a-z, 0-9, '-' and '_'",
                       LIMIT_KIND_BYTES);
    if (!isfinite(kind->weight) || kind->weight < 0 || kind->weight > LIMIT_WEIGHT_MOST)
        return err_set(e, ERR_INVALID, "a kind's weight is a number from 0 to %g", LIMIT_WEIGHT_MOST);
    if (kind->ttl < 0)
        return err_set(e, ERR_INVALID, "a kind is kept for a number of seconds above 0, or always");
    return ERR_OK;
}

enum err_code store_put_kind(struct store_conn *c, const struct store_kind *kind, bool *changed,
                             struct err *e)
{
    enum err_code code = check_kind(kind, e);
    return code ? code : c->backend->put_kind(c, kind, changed, e);
}

enum err_code store_expire(struct store_conn *c, const struct store_expiry *x, int64_t *at, int64_t *n,
                           struct err *e)
{
    return c->backend->expire(c, x, at, n, e);
}

enum err_code store_each_kind(struct store_conn *c, store_kind_fn *fn, void *arg, struct err *e)
{
    return c->backend->each_kind(c, fn, arg, e);
}

struct kind_wanted {
    struct text name;
    struct buf known; /* names, for a message */
    int32_t number;   /* -1: not yet */
};

static bool look_at_kind(void *arg, const struct store_kind *kind)
{
    struct kind_wanted *w = arg;
    buf_addf(&w->known, "%s%.*s", w->known.len ? ", " : "", (int)kind->name.len, kind->name.data);
    if (text_compare(kind->name, w->name) == 0)
        w->number = (int32_t)kind->number;
    return w->number < 0;
}

enum err_code store_find_kind(struct store_conn *c, struct text name, int32_t *number, struct err *e)
{
    enum { SHOWN = 300 };
    struct kind_wanted w = {.name = name, .number = -1};
    buf_init(&w.known, SHOWN);
    enum err_code code = store_each_kind(c, look_at_kind, &w, e);
    if (!code && w.number < 0)
        code = err_set(e, ERR_NOTFOUND, "no kind of events '%.*s'; known: %s",
                       (int)(name.len < LIMIT_KIND_BYTES ? name.len : LIMIT_KIND_BYTES), name.data,
                       w.known.failed ? "more than can be named" : buf_text(&w.known));
    if (!code)
        *number = w.number;
    buf_fini(&w.known);
    return code;
}

enum err_code store_count_interactions(struct store_conn *c, struct text user, size_t *n, struct err *e)
{
    enum err_code code = check_id(user, "user", e);
    return code ? code : c->backend->count_interactions(c, user, n, e);
}

enum err_code store_newest_time(struct store_conn *c, struct text user, int64_t *timestamp, struct err *e)
{
    enum err_code code = check_id(user, "user", e);
    return code ? code : c->backend->newest_time(c, user, timestamp, e);
}

enum err_code store_put_item(struct store_conn *c, const struct store_item *item, bool *created,
                             struct err *e)
{
    enum err_code code = check_item(item, e);
    return code ? code : c->backend->put_item(c, item, created, e);
}

enum err_code store_set_item_life(struct store_conn *c, struct text id, const struct store_item_life *life,
                                  struct err *e)
{
    enum err_code code = check_id(id, "item", e);
    return code ? code : c->backend->set_item_life(c, id, life, e);
}

enum err_code store_delete_item(struct store_conn *c, struct text id, struct err *e)
{
    enum err_code code = check_id(id, "item", e);
    return code ? code : c->backend->delete_item(c, id, e);
}

enum err_code store_touch_item(struct store_conn *c, struct text id, struct err *e)
{
    enum err_code code = check_id(id, "item", e);
    return code ? code : c->backend->touch_item(c, id, e);
}

/* What a backend's own constraints would refuse as a defect. */
static enum err_code check_context(const struct store_context_key *key, const char *kind, struct text id,
                                   size_t n_bytes, struct err *e)
{
    if (strcmp(key->kind, kind) != 0)
        return err_set(e, ERR_INVALID, "a context of a %s, not of a '%s'", kind, key->kind);
    if (n_bytes == 0)
        return err_set(e, ERR_INVALID, "a context has at least one byte");
    if (n_bytes > LIMIT_CONTEXT_BYTES)
        return err_set(e, ERR_LIMIT, "a context has %zu bytes; at most %d", n_bytes, LIMIT_CONTEXT_BYTES);
    return check_id(id, kind, e);
}

enum err_code store_put_context(struct store_conn *c, const struct store_context_key *key, struct text id,
                                int64_t revision, bool given, const void *embedding, size_t n_bytes,
                                struct err *e)
{
    enum err_code code = check_context(key, "user", id, n_bytes, e);
    struct store_context context = {
        .revision = revision, .given = given, .embedding = embedding, .n_bytes = n_bytes};
    return code ? code : c->backend->put_context(c, key, id, &context, e);
}

/* Whether the items that count as seen are those that the user took: whoever has others is read whole. */
static bool lists_all(const struct store_interaction *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double effect = store_interaction_effect(&x[i]);
        if (x[i].unseen ? effect > 0 || effect < 0 : !(effect > 0))
            return false;
    }
    return true;
}

enum err_code store_put_encoded(struct store_conn *c, const struct store_context_key *key, struct text id,
                                const struct store_user *user, const void *embedding, size_t n_bytes,
                                struct err *e)
{
    enum err_code code = check_context(key, "user", id, n_bytes, e);
    struct store_context context = {.revision = user->revision,
                                    .embedding = embedding,
                                    .n_bytes = n_bytes,
                                    .is_of_now = true,
                                    .lists = lists_all(user->interactions, user->n_interactions),
                                    .interactions = user->interactions,
                                    .n_interactions = user->n_interactions};
    return code ? code : c->backend->put_context(c, key, id, &context, e);
}

enum err_code store_note_unfinished(struct store_conn *c, int64_t first, int64_t last, struct err *e)
{
    return c->backend->note_unfinished(c, first, last, e);
}

enum err_code store_end_unfinished(struct store_conn *c, int64_t first, struct err *e)
{
    return c->backend->end_unfinished(c, first, e);
}

enum err_code store_each_unfinished(struct store_conn *c, store_unfinished_fn *fn, void *arg, struct err *e)
{
    return c->backend->each_unfinished(c, fn, arg, e);
}

enum err_code store_drop_contexts(struct store_conn *c, const struct store_context_key *key, struct err *e)
{
    return c->backend->drop_contexts(c, key, e);
}

enum err_code store_each_version(struct store_conn *c, store_version_fn *fn, void *arg, struct err *e)
{
    return c->backend->each_version(c, fn, arg, e);
}

enum err_code store_trim_version(struct store_conn *c, const struct store_context_key *key, int64_t *n,
                                 struct err *e)
{
    return c->backend->trim_version(c, key, n, e);
}

/* ---- tasks ---- */

enum err_code store_read_task(struct store_conn *c, struct text id, const struct store_context_key *key,
                              struct store_task *out, struct err *e)
{
    enum err_code code = check_id(id, "task", e);
    return code ? code : c->backend->read_task(c, id, key, out, e);
}

enum err_code store_each_task_row(struct store_conn *c, struct text id, store_task_row_fn *fn, void *arg,
                                  struct err *e)
{
    enum err_code code = check_id(id, "task", e);
    return code ? code : c->backend->each_task_row(c, id, fn, arg, e);
}

enum err_code store_each_context(struct store_conn *c, const struct store_context_key *key,
                                 store_context_fn *fn, void *arg, struct err *e)
{
    return c->backend->each_context(c, key, fn, arg, e);
}

enum err_code store_each_task_context(struct store_conn *c, struct text id, store_task_context_fn *fn,
                                      void *arg, struct err *e)
{
    enum err_code code = check_id(id, "task", e);
    return code ? code : c->backend->each_task_context(c, id, fn, arg, e);
}

enum err_code store_each_task(struct store_conn *c, store_task_fn *fn, void *arg, struct err *e)
{
    return c->backend->each_task(c, fn, arg, e);
}

enum err_code store_put_task(struct store_conn *c, struct text id, struct text profile, bool keeps_rows,
                             int64_t *revision, bool *created, struct err *e)
{
    enum err_code code = check_record(id, "task", profile, e);
    return code ? code : c->backend->put_task(c, id, profile, keeps_rows, revision, created, e);
}

enum err_code store_clear_task(struct store_conn *c, struct text id, enum store_clear what, struct err *e)
{
    enum err_code code = check_id(id, "task", e);
    return code ? code : c->backend->clear_task(c, id, what, e);
}

enum err_code store_add_task_row(struct store_conn *c, struct text id, struct text row, struct err *e)
{
    enum err_code code = check_id(id, "task", e);
    if (!code && (!row.data || row.len == 0))
        code = err_set(e, ERR_INVALID, "a task's row has at least one byte");
    if (!code)
        code = check_text(row, LIMIT_TASK_ROW_BYTES, "a task's row", e);
    return code ? code : c->backend->add_task_row(c, id, row, e);
}

enum err_code store_touch_task(struct store_conn *c, struct text id, int64_t *revision, struct err *e)
{
    enum err_code code = check_id(id, "task", e);
    return code ? code : c->backend->touch_task(c, id, revision, e);
}

enum err_code store_put_task_context(struct store_conn *c, const struct store_context_key *key,
                                     struct text id, int64_t revision, bool given, const void *bytes,
                                     size_t n_bytes, struct err *e)
{
    enum err_code code = check_context(key, "task", id, n_bytes, e);
    struct store_context context = {
        .revision = revision, .given = given, .embedding = bytes, .n_bytes = n_bytes};
    return code ? code : c->backend->put_context(c, key, id, &context, e);
}

enum err_code store_delete_task(struct store_conn *c, struct text id, struct err *e)
{
    enum err_code code = check_id(id, "task", e);
    return code ? code : c->backend->delete_task(c, id, e);
}

/* ---- bulk ---- */

enum err_code store_bulk_begin(struct store_conn *c, struct store_bulk **out, struct err *e)
{
    return c->backend->bulk_begin(c, out, e);
}

enum err_code store_bulk_user(struct store_bulk *b, struct text id, struct text profile, struct err *e)
{
    enum err_code code = check_record(id, "user", profile, e);
    return code ? code : b->backend->bulk_user(b, id, profile, e);
}

enum err_code store_bulk_seen_user(struct store_bulk *b, struct text id, struct text profile, struct err *e)
{
    enum err_code code = check_record(id, "user", profile, e);
    return code ? code : b->backend->bulk_seen_user(b, id, profile, e);
}

enum err_code store_bulk_item(struct store_bulk *b, const struct store_item *item, struct err *e)
{
    enum err_code code = check_item(item, e);
    return code ? code : b->backend->bulk_item(b, item, e);
}

enum err_code store_bulk_interaction(struct store_bulk *b, struct text user, struct text item, double weight,
                                     double rating, int64_t timestamp, struct err *e)
{
    const struct store_event x = {.weight = weight, .rating = rating, .timestamp = timestamp};
    return store_bulk_event(b, user, item, &x, e);
}

enum err_code store_bulk_event(struct store_bulk *b, struct text user, struct text item,
                               const struct store_event *x, struct err *e)
{
    enum err_code code = check_event(user, item, x, e);
    return code ? code : b->backend->bulk_event(b, user, item, x, e);
}

void store_bulk_replace_items(struct store_bulk *b)
{
    b->backend->bulk_replace_items(b);
}

enum err_code store_bulk_keep_item(struct store_bulk *b, struct text id, struct err *e)
{
    enum err_code code = check_id(id, "item", e);
    return code ? code : b->backend->bulk_keep_item(b, id, e);
}

void store_bulk_count(const struct store_bulk *b, struct store_bulk_counts *out)
{
    b->backend->bulk_count(b, out);
}

enum err_code store_bulk_delete_other_items(struct store_bulk *b, int64_t *n, struct err *e)
{
    return b->backend->bulk_delete_other_items(b, n, e);
}

enum err_code store_bulk_end(struct store_bulk *b, int64_t *n_older, struct err *e)
{
    return b->backend->bulk_end(b, n_older, e);
}

void store_bulk_abandon(struct store_bulk *b)
{
    if (b)
        b->backend->bulk_abandon(b);
}

/* ---- loads ---- */

enum err_code store_load_new(struct store_conn *c, size_t stage_from, struct store_load **out, struct err *e)
{
    return c->backend->load_new(c, stage_from, out, e);
}

enum err_code store_load_interaction(struct store_load *l, struct text user, struct text item, double weight,
                                     double rating, int64_t timestamp, struct err *e)
{
    const struct store_event x = {.weight = weight, .rating = rating, .timestamp = timestamp};
    return store_load_event(l, user, item, &x, e);
}

enum err_code store_load_event(struct store_load *l, struct text user, struct text item,
                               const struct store_event *x, struct err *e)
{
    enum err_code code = check_event(user, item, x, e);
    return code ? code : l->backend->load_event(l, user, item, x, e);
}

void store_load_expect_kinds(struct store_load *l, int32_t end)
{
    l->kinds_end = end;
}

enum err_code store_load_new_user(struct store_load *l, struct text id, struct text profile, struct err *e)
{
    enum err_code code = check_record(id, "user", profile, e);
    return code ? code : l->backend->load_new_user(l, id, profile, e);
}

enum err_code store_load_seen_user(struct store_load *l, struct text id, struct err *e)
{
    return l->backend->load_seen_user(l, id, e);
}

enum err_code store_load_new_item(struct store_load *l, const struct store_item *item, struct err *e)
{
    enum err_code code = check_item(item, e);
    return code ? code : l->backend->load_new_item(l, item, e);
}

enum err_code store_load_stage(struct store_load *l, struct err *e)
{
    return l->backend->load_stage(l, e);
}

bool store_load_is_staged(const struct store_load *l)
{
    return l->backend->load_is_staged(l);
}

bool store_load_left_out(const struct store_load *l, struct text id)
{
    return l->backend->load_left_out(l, id);
}

int64_t store_load_repeated(const struct store_load *l)
{
    return l->backend->load_repeated(l);
}

enum err_code store_load_apply(struct store_load *l, struct store_bulk *b, int64_t *n_older, struct err *e)
{
    return l->backend->load_apply(l, b, n_older, e);
}

void store_load_free(struct store_load *l)
{
    if (l)
        l->backend->load_free(l);
}

/* ---- changes, upkeep ---- */

enum err_code store_last_change(struct store_conn *c, int64_t *change, struct err *e)
{
    return c->backend->last_change(c, change, e);
}

enum err_code store_changes(struct store_conn *c, int64_t since, store_change_fn *fn, void *arg,
                            struct err *e)
{
    return c->backend->changes(c, since, fn, arg, e);
}

enum err_code store_guard(struct store_conn *c, struct err *e)
{
    return c->backend->guard ? c->backend->guard(c, e) : ERR_OK;
}

enum err_code store_check_place(struct store *s, struct err *e)
{
    return s->backend->check_place ? s->backend->check_place(s, e) : ERR_OK;
}

bool store_let_go(struct store_conn *c)
{
    return c->backend->let_go ? c->backend->let_go(c) : true;
}

enum err_code store_settle(struct store_conn *c, struct err *e)
{
    return c->backend->settle ? c->backend->settle(c, e) : ERR_OK;
}
