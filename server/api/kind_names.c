#include "server/api/kind_names.h"

#include "server/http/problem.h"

#include <stdio.h>
#include <string.h>

void kind_names_init(struct kind_names *k, struct store_conn *conn)
{
    k->conn = conn;
    k->read = false;
    k->n = 0;
}

static bool take(void *arg, const struct store_kind *kind)
{
    struct kind_names *k = arg;
    if (k->n == LIMIT_KINDS)
        return false;
    k->numbers[k->n] = (int32_t)kind->number;
    (void)snprintf(k->names[k->n++], sizeof *k->names, "%.*s", (int)kind->name.len, kind->name.data);
    return true;
}

static enum err_code read_once(struct kind_names *k, struct err *e)
{
    enum err_code code = k->read ? ERR_OK : store_each_kind(k->conn, take, k, e);
    k->read = k->read || !code;
    return code;
}

/* All names, for a message. */
static void refuse(const struct kind_names *k, struct request *r, const struct json_place *at,
                   struct text wanted)
{
    char known[1024];
    size_t len = 0;
    known[0] = 0;
    for (size_t i = 0; i < k->n && len < sizeof known; i++)
        len += (size_t)snprintf(known + len, sizeof known - len, "%s%s", i ? ", " : "", k->names[i]);
    struct json_place place = json_place_key(at, "kind");
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "no kind of events '%.*s'; known: %s",
                   text_shown(wanted), wanted.data, known);
}

bool kind_names_find(struct kind_names *k, struct request *r, const struct json_place *at,
                     struct update_interaction *x)
{
    struct err e = {0};
    if (!x->kind_name.data)
        return true;
    if (read_once(k, &e)) {
        problem_answer(r, PROBLEM_STORE, NULL, "%s", e.text);
        return false;
    }
    for (size_t i = 0; i < k->n; i++)
        if (text_is(x->kind_name, k->names[i])) {
            x->kind = k->numbers[i];
            return true;
        }
    refuse(k, r, at, x->kind_name);
    return false;
}

enum err_code kind_names_of(struct kind_names *k, int32_t number, const char **out, struct err *e)
{
    enum err_code code = read_once(k, e);
    for (size_t i = 0; i < k->n && !code; i++)
        if (k->numbers[i] == number) {
            *out = k->names[i];
            return ERR_OK;
        }
    return code ? code : err_set(e, ERR_INTERNAL, "no kind of events has the number %d", (int)number);
}
