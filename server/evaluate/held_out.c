/* Rows are sorted by user once they are all there, so a file may be in any order. */
#include "server/evaluate/held_out.h"

#include "base/mem.h"
#include "server/tables/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *text_at(const struct evaluation_test *t, size_t at)
{
    return t->texts.data + at;
}

struct text evaluation_test_id(const struct evaluation_test *t, size_t user)
{
    return (struct text){text_at(t, t->users[user].id), t->users[user].id_len};
}

static uint32_t index_of(const struct evaluation_test *t, struct text item)
{
    long index = model_item_index(t->model, item.data, item.len);
    return index < 0 ? UINT32_MAX : (uint32_t)index;
}

static enum err_code add_row(void *arg, const struct table_row *row, struct err *e)
{
    struct evaluation_test *t = arg;
    bool more;
    struct store_interaction x = {.kind = STORE_KIND_NONE};
    enum err_code code = row_kinds_set(&t->kinds, row->kind, t->path, row->line, &x, e);
    if (code)
        return code;
    if (!(store_interaction_effect(&x) > 0)) {
        t->n_not_taken++;
        return ERR_OK;
    }
    if (!MEM_RESERVE(t->rows, t->row_capacity, t->n_rows + 1))
        return err_set(e, ERR_NOMEM, "no memory for the rows of a test");
    code = id_meeting_hold(&t->items, row->item, &more, e);
    if (code)
        return code;
    t->rows[t->n_rows++] =
        (struct evaluation_test_row){t->texts.len, row->user.len, index_of(t, row->item), (float)row->rating};
    buf_add(&t->texts, row->user.data, row->user.len);
    return buf_check(&t->texts, "the test rows", e);
}

static struct text id_of(const struct evaluation_test *t, const struct evaluation_test_row *row)
{
    return (struct text){text_at(t, row->id), row->id_len};
}

static bool same_user(const struct evaluation_test *t, const struct evaluation_test_row *row, struct text id)
{
    return text_compare(id_of(t, row), id) == 0;
}

/* By user, then item, then place in the file. */
static int by_id(const void *a, const void *b, void *arg)
{
    const struct evaluation_test_row *x = a, *y = b;
    int order = text_compare(id_of(arg, x), id_of(arg, y));
    if (!order)
        order = (x->item > y->item) - (x->item < y->item);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* An item named twice is one held-out item. Items the model does not have cannot be told apart: each counts.
 */
static void drop_repeated(struct evaluation_test *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct evaluation_test_row *r = &t->rows[i], *last = kept ? &t->rows[kept - 1] : NULL;
        if (!last || r->item == UINT32_MAX || r->item != last->item || !same_user(t, last, id_of(t, r)))
            t->rows[kept++] = *r;
    }
    t->n_rows = kept;
}

/* Sorts the rows and makes one test user of each run. */
static enum err_code group_users(struct evaluation_test *t, struct err *e)
{
    t->users = mem_zalloc_array(t->n_rows, sizeof *t->users);
    if (!t->users)
        return err_set(e, ERR_NOMEM, "no memory for the test users");
    if (t->n_rows)
        qsort_r(t->rows, t->n_rows, sizeof *t->rows, by_id, t);
    drop_repeated(t);
    for (size_t i = 0; i < t->n_rows; i++) {
        struct evaluation_test_user *last = t->n_users ? &t->users[t->n_users - 1] : NULL;
        const struct evaluation_test_row *r = &t->rows[i];
        if (!last || !same_user(t, r, evaluation_test_id(t, t->n_users - 1))) {
            last = &t->users[t->n_users++];
            *last = (struct evaluation_test_user){.id = r->id, .id_len = r->id_len, .first = i};
        }
        last->n++;
    }
    return ERR_OK;
}

size_t evaluation_test_find(const struct evaluation_test *t, struct text id)
{
    size_t low = 0, high = t->n_users;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(evaluation_test_id(t, middle), id);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

static enum err_code add_candidates(void *arg, const struct table_row *row, struct err *e)
{
    struct evaluation_test *t = arg;
    size_t user = evaluation_test_find(t, row->user);
    if (user == SIZE_MAX)
        return ERR_OK; /* candidates of somebody who is not tested */
    if (!MEM_RESERVE(t->candidates, t->candidate_capacity, t->n_candidates + row->n_items))
        return err_set(e, ERR_NOMEM, "no memory for the candidates of a test");
    struct evaluation_test_user *u = &t->users[user];
    u->first_candidate = t->n_candidates;
    for (size_t i = 0; i < row->n_items; i++) {
        uint32_t index = index_of(t, row->items[i]);
        if (index != UINT32_MAX) /* an item the model never heard of is no rival */
            t->candidates[t->n_candidates++] = index;
    }
    u->n_candidates = t->n_candidates - u->first_candidate;
    return ERR_OK;
}

static enum err_code check_candidates(const struct evaluation_test *t, const char *path, struct err *e)
{
    for (size_t i = 0; i < t->n_users; i++)
        if (t->users[i].n_candidates == 0)
            return err_set(e, ERR_INVALID, "%s has no line for user '%.*s' of the test file", path,
                           (int)t->users[i].id_len, text_at(t, t->users[i].id));
    return ERR_OK;
}

static enum err_code check_ratings(const struct evaluation_test *t, const char *path, struct err *e)
{
    for (size_t i = 0; i < t->n_rows; i++)
        if (isnan(t->rows[i].rating))
            return err_set(e, ERR_INVALID, "%s has a row of user '%.*s' without a rating", path,
                           (int)t->rows[i].id_len, text_at(t, t->rows[i].id));
    return ERR_OK;
}

enum err_code evaluation_test_read(struct store_conn *c, const struct model *m, const char *test_path,
                                   const char *candidates_path, bool ratings, struct evaluation_test *out,
                                   struct err *e)
{
    *out = (struct evaluation_test){.model = m, .path = test_path};
    buf_init(&out->texts, SIZE_MAX / 4);
    id_meeting_init(&out->items);
    enum err_code code = row_kinds_read(&out->kinds, c, e);
    if (!code)
        code = table_each(test_path, TABLE_INTERACTIONS, add_row, out, e);
    if (!code)
        code = group_users(out, e);
    if (!code && out->n_users == 0)
        code = err_set(e, ERR_INVALID, "%s has no rows%s", test_path,
                       out->n_not_taken ? " of a kind that says that an item was taken" : "");
    if (!code && ratings)
        code = check_ratings(out, test_path, e);
    if (!code && candidates_path)
        code = table_each(candidates_path, TABLE_CANDIDATES, add_candidates, out, e);
    return code || !candidates_path ? code : check_candidates(out, candidates_path, e);
}

void evaluation_test_fini(struct evaluation_test *t)
{
    buf_fini(&t->texts);
    id_meeting_fini(&t->items);
    mem_free(t->rows);
    mem_free(t->candidates);
    mem_free(t->users);
    *t = (struct evaluation_test){0};
}
