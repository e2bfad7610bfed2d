/* Who is deleted while a load is at work stays deleted, also where he registered while it was: the log of
 * changes has the keys of who went, and names nobody. So a load notes which of its users it saw, or wrote
 * ahead, and looks in its last transaction for those whose rows went: who is not there by his id is left
 * out. */
#include "store/sqlite/load.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum err_code sqlite_load_see(struct sqlite_load *l, struct text id, struct err *e)
{
    uint32_t user = id_table_find(&l->users, id);
    if (user == ID_TABLE_NONE)
        return ERR_OK;
    if (user >= l->n_seen) {
        size_t n = l->users.n > 2 * l->n_seen ? l->users.n : 2 * l->n_seen;
        bool *grown = mem_realloc_array(l->seen, n, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for a load of %zu users", l->users.n);
        memset(grown + l->n_seen, 0, n - l->n_seen);
        l->seen = grown;
        l->n_seen = n;
    }
    l->seen[user] = true;
    return ERR_OK;
}

bool sqlite_load_saw(const struct sqlite_load *l, size_t user)
{
    return user < l->n_seen && l->seen[user];
}

enum err_code sqlite_load_seen_user(struct store_load *load, struct text id, struct err *e)
{
    return sqlite_load_see((struct sqlite_load *)load, id, e);
}

static bool is_left_out(const struct sqlite_load *l, size_t user)
{
    return l->staged ? l->missing[user] : sqlite_load_saw(l, user);
}

bool sqlite_load_left_out(const struct store_load *load, struct text id)
{
    const struct sqlite_load *l = (const struct sqlite_load *)load;
    uint32_t user = id_table_find(&l->users, id);
    return user != ID_TABLE_NONE && is_left_out(l, user);
}

static int by_key(const void *a, const void *b)
{
    int64_t x = ((const struct sqlite_load_key *)a)->key, y = ((const struct sqlite_load_key *)b)->key;
    return (x > y) - (x < y);
}

void sqlite_load_note_gone(struct sqlite_load *l, struct sqlite_load_keys *gone)
{
    if (!gone->n)
        return;
    qsort(gone->at, gone->n, sizeof *gone->at, by_key);
    for (size_t i = 0; i < l->users.n; i++) {
        const struct sqlite_load_key key = {l->user_keys[i], ID_TABLE_NONE};
        l->missing[i] = l->missing[i] || bsearch(&key, gone->at, gone->n, sizeof key, by_key);
    }
}

enum err_code sqlite_load_tell_gone(struct sqlite_load *l, struct store_bulk *bulk, struct err *e)
{
    bool there;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < l->users.n && !code; i++)
        if (is_left_out(l, i))
            code = sqlite_bulk_look(bulk, id_table_text(&l->users, (uint32_t)i), &there, e);
    return code;
}
