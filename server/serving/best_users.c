#include "server/serving/best_users.h"

#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum err_code best_users_init(struct best_users *u, size_t most, struct err *e)
{
    *u = (struct best_users){.most = most,
                             .users = mem_alloc_array(most, sizeof *u->users),
                             .order = mem_alloc_array(most, sizeof *u->order)};
    return u->users && u->order ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for %zu users", most);
}

void best_users_fini(struct best_users *u)
{
    mem_free(u->users);
    mem_free(u->order);
    *u = (struct best_users){.most = 0};
}

/* Whether somebody stands before the i-th. */
static bool is_before(const struct best_users *u, double score, struct text id, size_t i)
{
    const struct best_user *other = best_users_at(u, i);
    if (score != other->score)
        return score > other->score;
    return text_compare(id, (struct text){other->id, other->len}) < 0;
}

void best_users_keep(struct best_users *u, double score, struct text id)
{
    size_t low = 0, high = u->n;
    if (!isfinite(score) || id.len > LIMIT_ID_BYTES ||
        (u->n == u->most && (!u->most || !is_before(u, score, id, u->n - 1))))
        return;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(u, score, id, middle))
            high = middle;
        else
            low = middle + 1;
    }
    size_t slot = u->n == u->most ? u->order[--u->n] : u->n;
    memmove(u->order + low + 1, u->order + low, (u->n - low) * sizeof *u->order);
    u->order[low] = slot;
    u->n++;
    u->users[slot].score = score;
    u->users[slot].len = id.len;
    memcpy(u->users[slot].id, id.data, id.len);
}
