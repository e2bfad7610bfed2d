#include "server/evaluate/row_kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool take(void *arg, const struct store_kind *kind)
{
    struct row_kinds *k = arg;
    struct row_kind *out = &k->list[k->n++];
    *out = (struct row_kind){.number = (int32_t)kind->number, .unseen = kind->unseen};
    out->effect = kind->negative ? -kind->weight : kind->weight;
    (void)snprintf(out->name, sizeof out->name, "%.*s", (int)kind->name.len, kind->name.data);
    return k->n < LIMIT_KINDS;
}

enum err_code row_kinds_read(struct row_kinds *k, struct store_conn *c, struct err *e)
{
    k->conn = c;
    k->n = 0;
    return store_each_kind(c, take, k, e);
}

enum err_code row_kinds_set(const struct row_kinds *k, struct text word, const char *path, uint64_t line,
                            struct store_interaction *x, struct err *e)
{
    int32_t number;
    struct err unknown = {0};
    x->kind = STORE_KIND_NONE;
    if (!word.data)
        return ERR_OK;
    for (size_t i = 0; i < k->n; i++)
        if (text_is(word, k->list[i].name)) {
            x->kind = k->list[i].number;
            x->effect = k->list[i].effect;
            x->unseen = k->list[i].unseen;
            return ERR_OK;
        }
    enum err_code code = store_find_kind(k->conn, word, &number, &unknown); /* for its words */
    if (code && code != ERR_NOTFOUND)
        return err_copy(e, &unknown);
    return err_set(e, ERR_INVALID, "%s:%" PRIu64 ": %s", strcmp(path, "-") == 0 ? "standard input" : path,
                   line, unknown.text);
}
