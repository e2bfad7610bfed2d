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

static bool look(void *arg, struct text id, int64_t revision, struct text embedding)
{
    struct pass *p = arg;
    struct similar_users *u = p->out;
    float row[64]; /* a piece of the context, whose bytes need not be aligned */
    double dot = 0, square = 0;
    (void)revision;
    if (++u->n_looked_at % LOOKS == 0 && u->stop && u->stop(u->arg))
        return false;
    if (embedding.len != p->d * sizeof *row || text_compare(id, p->user) == 0)
        return true;
    for (size_t at = 0; at < p->d; at += 64) {
        size_t n = p->d - at < 64 ? p->d - at : 64;
        memcpy(row, embedding.data + at * sizeof *row, n * sizeof *row);
        dot += product(row, p->c + at, n);
        square += product(row, row, n);
    }
    best_users_keep(&u->best, dot / (sqrt(square) * p->length), id);
    return true;
}

enum err_code similar_users_find(struct session *s, struct model_handle *handle, struct text user,
                                 struct similar_users *out, struct err *e)
{
    const struct model_spec *spec = &handle->model->spec;
    struct store_context_key key = {spec->name, spec->version, "user"};
    struct pass p = {.out = out, .user = user, .d = spec->d_context};
    out->n_looked_at = 0;
    enum err_code code = best_users_init(&out->best, out->most, e);
    float *c = mem_alloc_array(p.d, sizeof *c); /* (d) */
    if (!code && !c)
        code = err_set(e, ERR_NOMEM, "no memory for a context");
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
    best_users_fini(&u->best);
}
