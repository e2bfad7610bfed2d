/* What a store in memory is: its tables, its life, and what a read sees of it. Reads are in memory_reads.c,
 * writes in memory_writes.c and memory_bulk.c. */
#include "tests/support/memory_store.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* ---- the tables ---- */

static int by_user_id(const void *a, const void *b)
{
    return memory_compare_texts(((const struct memory_user *)a)->id, ((const struct memory_user *)b)->id);
}

static int by_forgotten_id(const void *a, const void *b)
{
    return memory_compare_texts(((const struct memory_forgotten *)a)->id,
                                ((const struct memory_forgotten *)b)->id);
}

static int by_item_id(const void *a, const void *b)
{
    return memory_compare_texts(((const struct store_item *)a)->id, ((const struct store_item *)b)->id);
}

static int by_user_item_and_kind(const void *a, const void *b)
{
    const struct memory_event *x = a, *y = b;
    int order = memory_compare_numbers(x->user_key, y->user_key);
    order = order ? order : memory_compare_numbers(x->is.item_key, y->is.item_key);
    return order ? order : memory_compare_numbers(x->is.kind, y->is.kind);
}

static int by_kind_number(const void *a, const void *b)
{
    return memory_compare_numbers(((const struct store_kind *)a)->number,
                                  ((const struct store_kind *)b)->number);
}

static int by_user_and_event_id(const void *a, const void *b)
{
    const struct memory_event_id *x = a, *y = b;
    int order = memory_compare_numbers(x->user_key, y->user_key);
    return order ? order : memory_compare_texts(x->id, y->id);
}

static int by_task_id(const void *a, const void *b)
{
    return memory_compare_texts(((const struct memory_task *)a)->id, ((const struct memory_task *)b)->id);
}

static int by_task_and_number(const void *a, const void *b)
{
    const struct memory_task_row *x = a, *y = b;
    int order = memory_compare_numbers(x->task_key, y->task_key);
    return order ? order : memory_compare_numbers(x->number, y->number);
}

static int by_context(const void *a, const void *b)
{
    const struct memory_context *x = a, *y = b;
    int order = memory_compare_texts(x->id, y->id);
    order = order ? order : memory_compare_texts(x->kind, y->kind);
    order = order ? order : memory_compare_texts(x->model, y->model);
    return order ? order : memory_compare_texts(x->version, y->version);
}

static int by_number(const void *a, const void *b)
{
    return memory_compare_numbers(((const struct memory_change *)a)->number,
                                  ((const struct memory_change *)b)->number);
}

static int by_first(const void *a, const void *b)
{
    return memory_compare_numbers(((const struct memory_unfinished *)a)->first,
                                  ((const struct memory_unfinished *)b)->first);
}

static struct memory_state *new_state(void)
{
    struct memory_state *s = memory_take(sizeof *s);
    s->n_references = 1;
    s->forgotten = memory_rows_of(sizeof(struct memory_forgotten), by_forgotten_id);
    s->users = memory_rows_of(sizeof(struct memory_user), by_user_id);
    s->items = memory_rows_of(sizeof(struct store_item), by_item_id);
    s->events = memory_rows_of(sizeof(struct memory_event), by_user_item_and_kind);
    s->kinds = memory_rows_of(sizeof(struct store_kind), by_kind_number);
    s->event_ids = memory_rows_of(sizeof(struct memory_event_id), by_user_and_event_id);
    memory_first_kinds(s);
    s->tasks = memory_rows_of(sizeof(struct memory_task), by_task_id);
    s->task_rows = memory_rows_of(sizeof(struct memory_task_row), by_task_and_number);
    s->contexts = memory_rows_of(sizeof(struct memory_context), by_context);
    s->changes = memory_rows_of(sizeof(struct memory_change), by_number);
    s->unfinished = memory_rows_of(sizeof(struct memory_unfinished), by_first);
    return s;
}

static void free_state(struct memory_state *s)
{
    memory_rows_free(&s->forgotten);
    memory_rows_free(&s->users);
    memory_rows_free(&s->items);
    memory_rows_free(&s->events);
    memory_rows_free(&s->kinds);
    memory_rows_free(&s->event_ids);
    memory_rows_free(&s->tasks);
    memory_rows_free(&s->task_rows);
    memory_rows_free(&s->contexts);
    memory_rows_free(&s->changes);
    memory_rows_free(&s->unfinished);
    free(s);
}

struct memory_user *memory_find_user(const struct memory_state *s, struct text id)
{
    return memory_rows_find(&s->users, &(struct memory_user){.id = id});
}

struct store_item *memory_find_item(const struct memory_state *s, struct text id)
{
    return memory_rows_find(&s->items, &(struct store_item){.id = id});
}

struct memory_task *memory_find_task(const struct memory_state *s, struct text id)
{
    return memory_rows_find(&s->tasks, &(struct memory_task){.id = id});
}

/* ---- life ---- */

static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memory_file *files; /* guarded by files_lock */

static struct memory_file **find_file(const char *name)
{
    struct memory_file **at = &files;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static struct memory_file *new_file(const char *name)
{
    struct memory_file *f = memory_take(sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    clock_cond_init(&f->left);
    f->name = strcpy(memory_take(strlen(name) + 1), name);
    f->state = new_state();
    return f;
}

static void forget(struct memory_file **at)
{
    struct memory_file *f = *at;
    *at = f->next;
    for (struct memory_text *t = f->texts, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    free_state(f->state);
    pthread_cond_destroy(&f->left);
    pthread_mutex_destroy(&f->lock);
    free(f->name);
    free(f);
}

void memory_store_forget(const char *name)
{
    pthread_mutex_lock(&files_lock);
    struct memory_file **at = find_file(name);
    if (*at && (*at)->n_open == 0)
        forget(at);
    pthread_mutex_unlock(&files_lock);
}

static enum err_code open_store(const char *name, enum store_mode mode, struct store **out, struct err *e)
{
    pthread_mutex_lock(&files_lock);
    struct memory_file **at = find_file(name);
    bool made = !*at && mode == STORE_CREATE;
    if (made)
        *at = new_file(name);
    struct memory_file *f = *at;
    if (f)
        f->n_open++;
    pthread_mutex_unlock(&files_lock);
    if (!f)
        return err_set(e, ERR_NOTFOUND, "store memory:%s: there is none", name);
    struct memory_store *s = memory_take(sizeof *s);
    *s = (struct memory_store){
        .base.backend = &memory_backend, .file = f, .read_only = mode == STORE_READ_ONLY, .made = made};
    *out = &s->base;
    return ERR_OK;
}

/* What was made in vain goes with the last who has it open. */
static void close_as(struct store *store, bool in_vain)
{
    struct memory_store *s = (struct memory_store *)store;
    pthread_mutex_lock(&files_lock);
    struct memory_file *f = s->file;
    if (--f->n_open == 0 && in_vain && s->made && f->state->last_change == 0 && f->state->contexts.n == 0)
        forget(find_file(f->name));
    pthread_mutex_unlock(&files_lock);
    free(s);
}

static void close_store(struct store *store)
{
    close_as(store, false);
}

static void discard_new(struct store *store)
{
    close_as(store, true);
}

static enum err_code connect_to(struct store *store, struct store_conn **out, struct err *e)
{
    (void)e;
    struct memory_conn *c = memory_take(sizeof *c);
    c->base.backend = store->backend;
    c->store = (struct memory_store *)store;
    *out = &c->base;
    return ERR_OK;
}

static void snapshot_end(struct store_conn *conn)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    struct memory_state *s = c->snapshot;
    c->snapshot = NULL;
    if (s)
        memory_read_end(c, s);
}

static void disconnect_from(struct store_conn *conn)
{
    memory_rollback(conn);
    snapshot_end(conn);
    free(conn);
}

/* ---- what a read sees ---- */

struct memory_state *memory_read_begin(struct memory_conn *c)
{
    struct memory_file *f = c->store->file;
    struct memory_state *s = c->own ? c->own : c->snapshot;
    if (s)
        return s;
    pthread_mutex_lock(&f->lock);
    s = f->state;
    s->n_references++;
    pthread_mutex_unlock(&f->lock);
    return s;
}

void memory_read_end(struct memory_conn *c, struct memory_state *s)
{
    struct memory_file *f = c->store->file;
    if (s == c->own || s == c->snapshot)
        return;
    pthread_mutex_lock(&f->lock);
    bool last = --s->n_references == 0;
    pthread_mutex_unlock(&f->lock);
    if (last)
        free_state(s);
}

static enum err_code snapshot_begin(struct store_conn *conn, struct err *e)
{
    struct memory_conn *c = (struct memory_conn *)conn;
    if (c->own || c->snapshot)
        return err_set(e, ERR_INTERNAL, "a snapshot inside of a transaction or of another one");
    struct memory_state *s = memory_read_begin(c);
    c->snapshot = s;
    return ERR_OK;
}

const struct store_backend memory_backend = {
    .scheme = "memory",
    .form = "memory:NAME",
    .open = open_store,
    .close = close_store,
    .discard_new = discard_new,
    .connect = connect_to,
    .disconnect = disconnect_from,
    .read_user = memory_read_user,
    .read_context = memory_read_context,
    .read_profile = memory_read_profile,
    .item_key_of = memory_item_key_of,
    .each_item = memory_each_item,
    .read_item = memory_read_item,
    .each_taker = memory_each_taker,
    .taken_above = memory_taken_above,
    .each_user = memory_each_user,
    .list_items = memory_list_items,
    .list_users = memory_list_users,
    .each_interaction = memory_each_interaction,
    .count = memory_count,
    .count_served = memory_count_served,
    .ping = memory_ping,
    .snapshot_begin = snapshot_begin,
    .snapshot_end = snapshot_end,
    .begin = memory_begin,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .put_user = memory_put_user,
    .clear_user = memory_clear_user,
    .touch_user = memory_touch_user,
    .delete_user = memory_delete_user,
    .knows_event = memory_knows_event,
    .put_event = memory_put_event,
    .remove_interactions = memory_remove_interactions,
    .add_interactions_of = memory_add_interactions_of,
    .expire = memory_expire,
    .put_kind = memory_put_kind,
    .each_kind = memory_each_kind,
    .count_interactions = memory_count_interactions,
    .newest_time = memory_newest_time,
    .put_item = memory_put_item,
    .set_item_life = memory_set_item_life,
    .delete_item = memory_delete_item,
    .touch_item = memory_touch_item,
    .put_context = memory_put_context,
    .read_task = memory_read_task,
    .each_task = memory_each_task,
    .each_task_row = memory_each_task_row,
    .each_context = memory_each_context,
    .each_task_context = memory_each_task_context,
    .put_task = memory_put_task,
    .clear_task = memory_clear_task,
    .touch_task = memory_touch_task,
    .add_task_row = memory_add_task_row,
    .delete_task = memory_delete_task,
    .note_unfinished = memory_note_unfinished,
    .end_unfinished = memory_end_unfinished,
    .each_unfinished = memory_each_unfinished,
    .drop_contexts = memory_drop_contexts,
    .each_version = memory_each_version,
    .trim_version = memory_trim_version,
    .bulk_begin = memory_bulk_begin,
    .bulk_user = memory_bulk_user,
    .bulk_seen_user = memory_bulk_seen_user,
    .bulk_item = memory_bulk_item,
    .bulk_event = memory_bulk_event,
    .bulk_keep_item = memory_bulk_keep_item,
    .bulk_replace_items = memory_bulk_replace_items,
    .bulk_count = memory_bulk_count,
    .bulk_delete_other_items = memory_bulk_delete_other_items,
    .bulk_end = memory_bulk_end,
    .bulk_abandon = memory_bulk_abandon,
    .load_new = memory_load_new,
    .load_event = memory_load_event,
    .load_new_user = memory_load_new_user,
    .load_seen_user = memory_load_seen_user,
    .load_new_item = memory_load_new_item,
    .load_stage = memory_load_stage,
    .load_is_staged = memory_load_is_staged,
    .load_left_out = memory_load_left_out,
    .load_repeated = memory_load_repeated,
    .load_apply = memory_load_apply,
    .load_free = memory_load_free,
    .last_change = memory_last_change,
    .has_changes = memory_has_changes,
    .changes = memory_changes,
};
