#include "server/api/filter_body.h"

#include "base/limits.h"
#include "server/api/json_body.h"
#include "server/http/problem.h"

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

static bool read_filter(struct telling *t, struct model_handle *handle, json_t *tree,
                        struct item_filter **out)
{
    struct err e = {0};
    enum err_code code =
        item_filter_read(tree, item_snapshot_columns(model_handle_items(handle)), tell, t, out, &e);
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
    return !tree || read_filter(&t, handle, tree, out);
}

bool filter_param_read(struct request *r, struct model_handle *handle, struct item_filter **out)
{
    struct telling t = {r, true};
    struct text value = request_param_of(r, "filter");
    *out = NULL;
    if (!value.data)
        return true;
    json_t *tree = json_body_parse(r, value.data, value.len, 0);
    bool ok = tree && read_filter(&t, handle, tree, out);
    json_decref(tree);
    return ok;
}

bool filter_takes_long(struct model_handle *handle, const struct item_filter *filter)
{
    struct filter_bits *made = filter ? item_snapshot_filter_made(model_handle_items(handle), filter) : NULL;
    filter_bits_unref(made);
    return filter && !made;
}
