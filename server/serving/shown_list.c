/* Ids are copied: the write may bring newer items, and the snapshot that had the ids goes. */
#include "server/serving/shown_list.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/serving/user_updates.h"

#include <math.h>

void shown_list_init(struct shown_list *l)
{
    *l = (struct shown_list){.n = 0};
    buf_init(&l->texts, (size_t)2 * LIMIT_EVENTS_PER_CALL * LIMIT_ID_BYTES);
}

void shown_list_fini(struct shown_list *l)
{
    buf_fini(&l->texts);
    mem_free(l->items);
    l->items = NULL;
    l->n = l->capacity = 0;
}

static size_t add_text(struct buf *texts, struct text text)
{
    size_t at = texts->len;
    buf_add(texts, text.data, text.len);
    return at;
}

enum err_code shown_list_add(struct shown_list *l, struct text user, struct text item, struct err *e)
{
    const struct shown_item *last = l->n ? &l->items[l->n - 1] : NULL;
    if (l->n == LIMIT_EVENTS_PER_CALL)
        return err_set(e, ERR_LIMIT, "a call marks at most %d items", LIMIT_EVENTS_PER_CALL);
    bool same = last && text_compare((struct text){l->texts.data + last->user, last->user_len}, user) == 0;
    struct shown_item x = {.user_len = user.len, .item_len = item.len};
    x.user = same ? last->user : add_text(&l->texts, user);
    x.item = add_text(&l->texts, item);
    if (l->texts.failed || !MEM_RESERVE(l->items, l->capacity, l->n + 1))
        return err_set(e, ERR_NOMEM, "no memory for what was shown");
    l->items[l->n++] = x;
    return ERR_OK;
}

void shown_list_cut(struct shown_list *l, size_t n)
{
    l->n = n; /* their texts stay until the end */
}

/* Of a struct update_rules: the first reason is told. */
static void refuse(void *arg, const struct update_fault *fault, const char *text)
{
    struct err *why = arg;
    (void)fault;
    if (!why->code)
        (void)err_set(why, ERR_NOTFOUND, "%s", text);
}

enum err_code shown_list_record(struct session *s, const struct shown_list *l, int32_t kind, int64_t time,
                                size_t *n, struct err *why, struct err *e)
{
    struct update_rules rules = {.skip = true, .refuse = refuse, .arg = why};
    struct update_made made;
    size_t n_touched;
    *n = 0;
    if (l->n == 0)
        return ERR_OK;
    struct update_interaction *events = mem_zalloc_array(l->n, sizeof *events);
    struct update_touched *touched = mem_alloc_array(l->n, sizeof *touched);
    enum err_code code = events && touched ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu events", l->n);
    for (size_t i = 0; i < l->n && !code; i++) {
        const struct shown_item *x = &l->items[i];
        events[i] = (struct update_interaction){.user = {l->texts.data + x->user, x->user_len},
                                                .item = {l->texts.data + x->item, x->item_len},
                                                .kind = kind,
                                                .weight = 1,
                                                .rating = (double)NAN,
                                                .timestamp = time,
                                                .timed = true};
    }
    if (!code)
        code = update_events(s, events, l->n, &rules, touched, &n_touched, &made, e);
    for (size_t i = 0; i < l->n && !code; i++)
        *n += !events[i].refused;
    mem_free(events);
    mem_free(touched);
    return code;
}
