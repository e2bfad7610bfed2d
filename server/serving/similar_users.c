#include "server/serving/similar_users.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { LOOKS = 1024 }; /* contexts between two looks whether somebody waits */

struct pass {
    struct similar_users *out;
    struct text user;
    const float *c; /* (d) */
    size_t d;
    double length;
};

static double product(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static int compare_ids(struct text a, struct text b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Whether somebody stands before the i-th of the order. */
static bool is_before(const struct similar_users *u, double cosine, struct text id, size_t i)
{
    const struct similar_user *other = &u->users[u->order[i]];
    if (cosine != other->cosine)
        return cosine > other->cosine;
    return compare_ids(id, (struct text){other->id, other->len}) < 0;
}

static void keep(struct similar_users *u, double cosine, struct text id)
{
    size_t low = 0, high = u->n;
    if (u->n == u->most && !is_before(u, cosine, id, u->n - 1))
        return;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(u, cosine, id, middle))
            high = middle;
        else
            low = middle + 1;
    }
    size_t slot = u->n == u->most ? u->order[--u->n] : u->n;
    memmove(u->order + low + 1, u->order + low, (u->n - low) * sizeof *u->order);
    u->order[low] = slot;
    u->n++;
    u->users[slot].cosine = cosine;
    u->users[slot].len = id.len;
    memcpy(u->users[slot].id, id.data, id.len);
}

static bool look(void *arg, struct text id, int64_t revision, struct text embedding)
{
    struct pass *p = arg;
    struct similar_users *u = p->out;
    float row[64]; /* a piece of the context, whose bytes need not be aligned */
    double dot = 0, square = 0;
    (void)revision;
    if (++u->n_looked_at % LOOKS == 0 && u->stop && u->stop(u->arg))
        return false;
    if (embedding.len != p->d * sizeof *row || compare_ids(id, p->user) == 0)
        return true;
    for (size_t at = 0; at < p->d; at += 64) {
        size_t n = p->d - at < 64 ? p->d - at : 64;
        memcpy(row, embedding.data + at * sizeof *row, n * sizeof *row);
        dot += product(row, p->c + at, n);
        square += product(row, row, n);
    }
    double cosine = dot / (sqrt(square) * p->length);
    if (isfinite(cosine))
        keep(u, cosine, id);
    return true;
}

enum err_code similar_users_find(struct session *s, struct model_handle *handle, struct text user,
                                 struct similar_users *out, struct err *e)
{
    const struct model_spec *spec = &handle->model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    struct pass p = {.out = out, .user = user, .d = spec->d_context};
    out->n = 0;
    out->n_looked_at = 0;
    out->users = mem_alloc_array(out->most, sizeof *out->users);
    out->order = mem_alloc_array(out->most, sizeof *out->order);
    float *c = mem_alloc_array(p.d, sizeof *c); /* (d) */
    enum err_code code = ERR_OK;
    if (!out->users || !out->order || !c)
        code = err_set(e, ERR_NOMEM, "no memory for %zu users", out->most);
    if (!code)
        code = recommender_context(s->recommender, handle, user, c, e);
    if (!code) {
        p.c = c;
        p.length = sqrt(product(c, c, p.d));
        code = store_each_context(s->conn, &key, look, &p, e);
    }
    mem_free(c);
    return code;
}

void similar_users_fini(struct similar_users *u)
{
    mem_free(u->users);
    mem_free(u->order);
    u->users = NULL;
    u->order = NULL;
}
