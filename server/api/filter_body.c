#include "server/api/filter_body.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/api/json_body.h"
#include "server/http/problem.h"
#include "server/http/problem_list.h"

#include <stdio.h>

struct telling {
    struct request *r;
    bool param; /* the filter is a parameter: a pointer into it is part of the text */
};

static void tell(void *arg, const char *pointer, const char *why)
{
    const struct telling *t = arg;
    char at[JSON_POINTER_BYTES];
    if (t->param) {
        if (!t->r->status)
            problem_answer(t->r, PROBLEM_INVALID_VALUE, NULL, "filter%s%s: %s", *pointer ? ", at " : "",
                           pointer, why);
        return;
    }
    (void)snprintf(at, sizeof at, "/filter%s", pointer);
    problem_answer(t->r, PROBLEM_INVALID_VALUE, at, "%s", why);
}

static bool read_filter(struct telling *t, struct model_handle *handle, json_t *tree, bool of_user,
                        struct item_filter **out)
{
    struct err e = {0};
    enum err_code code =
        item_filter_read(tree, item_snapshot_columns(model_handle_items(handle)), of_user, tell, t, out, &e);
    if (code)
        problem_answer_err(t->r, &e);
    return *out != NULL;
}

bool filter_body_read(struct request *r, struct model_handle *handle, const json_t *root,
                      struct item_filter **out)
{
    struct telling t = {r, false};
    json_t *tree = json_object_get(root, "filter");
    *out = NULL;
    return !tree || read_filter(&t, handle, tree, true, out);
}

bool filter_param_read(struct request *r, struct model_handle *handle, bool of_user, struct item_filter **out)
{
    struct telling t = {r, true};
    struct text value = request_param_of(r, "filter");
    *out = NULL;
    if (!value.data)
        return true;
    json_t *tree = json_body_parse(r, value.data, value.len, 0);
    bool ok = tree && read_filter(&t, handle, tree, of_user, out);
    json_decref(tree);
    return ok;
}

bool filter_takes_long(struct model_handle *handle, const struct item_filter *filter)
{
    if (filter && filter->n_own)
        return true;
    struct filter_bits *made = filter ? item_snapshot_filter_made(model_handle_items(handle), filter) : NULL;
    filter_bits_unref(made);
    return filter && !made;
}

static enum err_code find_kinds(struct telling *t, struct store_conn *conn, struct item_filter *filter,
                                bool *all, struct err *e)
{
    for (size_t i = 0; i < filter->n_own; i++) {
        struct filter_own *own = &filter->own[i], *before = i ? own - 1 : NULL;
        struct err why = {0};
        if (before && text_compare(before->kind, own->kind) == 0) {
            own->number = before->number;
            continue;
        }
        enum err_code code = store_find_kind(conn, own->kind, &own->number, &why);
        if (code && code != ERR_NOTFOUND)
            return err_copy(e, &why);
        if (code)
            tell(t, own->pointer, why.text);
        *all = *all && !code;
    }
    return ERR_OK;
}

bool filter_kinds_find(struct request *r, struct store_conn *conn, struct item_filter *filter)
{
    struct telling t = {r, request_param_of(r, "filter").data != NULL};
    struct problem_list faults;
    struct err e = {0};
    bool all = true;
    problem_list_init(&faults, PROBLEM_LIST_MOST);
    r->faults = t.param ? NULL : &faults;
    enum err_code code = find_kinds(&t, conn, filter, &all, &e);
    r->faults = NULL;
    if (code)
        problem_answer_err(r, &e);
    else if (faults.n && !r->status)
        problem_answer_list(r, &faults, NULL);
    problem_list_fini(&faults);
    return !code && all;
}

enum err_code filter_history_add(struct session *s, const struct item_filter *filter, struct text user,
                                 struct err *e)
{
    struct store_user *record = recommender_user_record(s->recommender);
    struct err why = {0};
    enum err_code code = store_read_user(s->conn, user, NULL, record, &why);
    if (code == ERR_NOTFOUND)
        return ERR_OK;
    if (code)
        return err_copy(e, &why);
    return own_history_add(&s->own, filter, record->interactions, record->n_interactions, clock_unix_s(), e);
}
