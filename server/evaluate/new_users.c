/* Which of a user's interactions are given is the order of the file, and who writes the file decides; times
 * decide only in which order the encoder sees the given ones, as in the store. */
#include "server/evaluate/new_users.h"

#include "base/buf.h"
#include "base/mem.h"
#include "server/tables/table.h"

#include <stdlib.h>
#include <string.h>

struct known_row {
    size_t user, line;
    struct store_interaction interaction;
};

struct evaluation_known {
    const struct evaluation_test *test;
    struct store_conn *conn; /* while it is read */
    const char *path;        /* of the rows, likewise */
    struct known_row *rows;
    size_t n_rows, capacity;
    struct store_interaction *interactions; /* (n_rows) by user, then line */
    size_t *start;                          /* (n_users + 1) in interactions */
    struct buf profiles;
    size_t *profile, *profile_len; /* (n_users) in profiles */
    size_t n_left_out;
};

static enum err_code add_interaction(void *arg, const struct table_row *row, struct err *e)
{
    struct evaluation_known *k = arg;
    size_t user = evaluation_test_find(k->test, row->user);
    int64_t key;
    struct err missing = {0};
    if (user == SIZE_MAX)
        return ERR_OK;
    enum err_code code = store_item_key_of(k->conn, row->item, &key, &missing);
    if (code == ERR_NOTFOUND) {
        k->n_left_out++;
        return ERR_OK;
    }
    if (code)
        return err_copy(e, &missing);
    if (!MEM_RESERVE(k->rows, k->capacity, k->n_rows + 1))
        return err_set(e, ERR_NOMEM, "no memory for what is known");
    struct known_row *known = &k->rows[k->n_rows++];
    *known = (struct known_row){
        user,
        row->line,
        {.item_key = key, .weight = row->weight, .rating = row->rating, .timestamp = row->timestamp}};
    return row_kinds_set(&k->test->kinds, row->kind, k->path, row->line, &known->interaction, e);
}

static enum err_code add_profile(void *arg, const struct table_row *row, struct err *e)
{
    struct evaluation_known *k = arg;
    size_t user = evaluation_test_find(k->test, row->user);
    if (user == SIZE_MAX)
        return ERR_OK;
    k->profile[user] = k->profiles.len;
    k->profile_len[user] = row->object.len;
    buf_add(&k->profiles, row->object.data, row->object.len);
    return buf_check(&k->profiles, "the profiles", e);
}

static int compare_sizes(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int by_item(const void *a, const void *b)
{
    const struct known_row *x = a, *y = b;
    int64_t p = x->interaction.item_key, q = y->interaction.item_key;
    int order = compare_sizes(x->user, y->user);
    if (!order)
        order = (p > q) - (p < q);
    if (!order)
        order = (x->interaction.kind > y->interaction.kind) - (x->interaction.kind < y->interaction.kind);
    return order ? order : compare_sizes(x->line, y->line);
}

static int by_line(const void *a, const void *b)
{
    const struct known_row *x = a, *y = b;
    int order = compare_sizes(x->user, y->user);
    return order ? order : compare_sizes(x->line, y->line);
}

/* Each (user, item, kind) once, then the rows of each user in the order of the file. */
static enum err_code arrange(struct evaluation_known *k, struct err *e)
{
    size_t kept = 0, at = 0;
    if (k->n_rows)
        qsort(k->rows, k->n_rows, sizeof *k->rows, by_item);
    for (size_t i = 0; i < k->n_rows; i++)
        if (kept == 0 || k->rows[i].user != k->rows[kept - 1].user ||
            k->rows[i].interaction.item_key != k->rows[kept - 1].interaction.item_key ||
            k->rows[i].interaction.kind != k->rows[kept - 1].interaction.kind)
            k->rows[kept++] = k->rows[i];
    k->n_rows = kept;
    if (k->n_rows)
        qsort(k->rows, k->n_rows, sizeof *k->rows, by_line);
    k->interactions = mem_alloc_array(kept, sizeof *k->interactions);
    if (!k->interactions)
        return err_set(e, ERR_NOMEM, "no memory for %zu known interactions", kept);
    for (size_t u = 0; u < k->test->n_users; u++) {
        k->start[u] = at;
        for (; at < kept && k->rows[at].user == u; at++)
            k->interactions[at] = k->rows[at].interaction;
    }
    k->start[k->test->n_users] = at;
    return ERR_OK;
}

/* A user of the store would be in what the baselines are fitted to, and no new user at all. */
static enum err_code check_new(const struct evaluation_known *k, struct store_conn *c, struct err *e)
{
    struct store_user user = {0};
    enum err_code code = ERR_OK;
    for (size_t u = 0; u < k->test->n_users && !code; u++) {
        struct text id = evaluation_test_id(k->test, u);
        struct err there = {0};
        code = store_read_user(c, id, NULL, &user, &there);
        if (code == ERR_NOTFOUND)
            code = ERR_OK;
        else if (code)
            (void)err_copy(e, &there);
        else
            code = err_set(e, ERR_INVALID, "user '%.*s' is in the store and so is no new user", (int)id.len,
                           id.data);
    }
    store_user_fini(&user);
    return code;
}

enum err_code evaluation_known_read(struct store_conn *c, const struct evaluation_test *test,
                                    const char *known_path, const char *users_path,
                                    struct evaluation_known **out, struct err *e)
{
    struct evaluation_known *k = mem_zalloc_array(1, sizeof *k);
    enum err_code code = ERR_OK;
    if (!k)
        return err_set(e, ERR_NOMEM, "no memory for what is known");
    k->test = test;
    k->conn = c;
    k->path = known_path;
    buf_init(&k->profiles, SIZE_MAX / 4);
    k->start = mem_zalloc_array(test->n_users + 1, sizeof *k->start);
    k->profile = mem_zalloc_array(test->n_users, sizeof *k->profile);
    k->profile_len = mem_zalloc_array(test->n_users, sizeof *k->profile_len);
    if (!k->start || !k->profile || !k->profile_len)
        code = err_set(e, ERR_NOMEM, "no memory for what is known");
    if (!code)
        code = check_new(k, c, e);
    if (!code)
        code = table_each(known_path, TABLE_INTERACTIONS, add_interaction, k, e);
    if (!code)
        code = arrange(k, e);
    if (!code && users_path)
        code = table_each(users_path, TABLE_USERS, add_profile, k, e);
    if (code)
        evaluation_known_free(k);
    else
        *out = k;
    return code;
}

void evaluation_known_free(struct evaluation_known *k)
{
    if (!k)
        return;
    mem_free(k->rows);
    mem_free(k->interactions);
    mem_free(k->start);
    mem_free(k->profile);
    mem_free(k->profile_len);
    buf_fini(&k->profiles);
    mem_free(k);
}

size_t evaluation_known_left_out(const struct evaluation_known *k)
{
    return k->n_left_out;
}

const struct store_interaction *evaluation_known_rows(const struct evaluation_known *k, size_t user,
                                                      size_t *n)
{
    *n = k->start[user + 1] - k->start[user];
    return k->interactions + k->start[user];
}

/* Oldest first; rows of one time stay in their order. The runs are short and mostly in order. */
static void sort_by_time(struct store_interaction *x, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct store_interaction moved = x[i];
        size_t at = i;
        for (; at > 0 && x[at - 1].timestamp > moved.timestamp; at--)
            x[at] = x[at - 1];
        x[at] = moved;
    }
}

enum err_code evaluation_known_user(const struct evaluation_known *k, size_t user, size_t count,
                                    struct store_user *out, struct err *e)
{
    size_t n;
    const struct store_interaction *rows = evaluation_known_rows(k, user, &n);
    n = count < n ? count : n;
    if (!MEM_RESERVE(out->interactions, out->capacity, n))
        return err_set(e, ERR_NOMEM, "no memory for %zu interactions", n);
    if (n)
        memcpy(out->interactions, rows, n * sizeof *rows);
    sort_by_time(out->interactions, n);
    out->n_interactions = n;
    out->revision = 0;
    out->embedding_given = false;
    buf_reset(&out->embedding);
    if (out->profile.max_bytes == 0)
        buf_init(&out->profile, SIZE_MAX / 4);
    buf_reset(&out->profile);
    buf_add(&out->profile, k->profiles.data + k->profile[user], k->profile_len[user]);
    return buf_check(&out->profile, "a profile", e);
}
