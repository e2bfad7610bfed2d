#include "server/serving/item_clock.h"

#include "base/lock.h"

void item_clock_note(struct serving *s)
{
    const struct model_set *set = atomic_load(&s->models); /* nobody replaces it meanwhile */
    int64_t next = INT64_MAX;
    ASSERT_HELD(&s->following);
    for (size_t i = 0; i < set->n; i++) {
        int64_t at = item_snapshot_changes_at(set->models[i]->items);
        next = at < next ? at : next;
    }
    atomic_store(&s->items_change_at, next);
}

enum err_code item_clock_tick(struct serving *s, struct err *e)
{
    int64_t now = s->now();
    enum err_code code = ERR_OK;
    if (now < atomic_load(&s->items_change_at))
        return ERR_OK;
    pthread_mutex_lock(&s->following);
    const struct model_set *set = atomic_load(&s->models);
    for (size_t i = 0; i < set->n && !code; i++) {
        struct item_snapshot *next = NULL;
        if (now < item_snapshot_changes_at(set->models[i]->items))
            continue;
        code = item_snapshot_at(set->models[i]->items, now, &next, e);
        if (!code)
            served_model_publish_items(set->models[i], next);
    }
    item_clock_note(s);
    pthread_mutex_unlock(&s->following);
    return code;
}
