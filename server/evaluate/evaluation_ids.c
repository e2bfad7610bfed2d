/* A test whose ids are written in another way than the model's scores zero, which looks like a bad model. */
#include "server/evaluate/evaluation_ids.h"

static const char *name_of(const char *path)
{
    return path[0] == '-' && !path[1] ? "standard input" : path;
}

enum err_code evaluation_ids_items(struct evaluation_test *t, const char *test_path, struct err *note,
                                   struct err *e)
{
    bool all_known = true;
    for (size_t i = 0; i < t->n_rows && all_known; i++)
        all_known = t->rows[i].item != UINT32_MAX;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < t->model->spec.n_items && !all_known && !code; i++) {
        size_t len;
        const char *id = model_item_id(t->model, i, &len);
        code = id_meeting_meet(&t->items, (struct text){id, len}, e);
    }
    if (!code && !all_known)
        id_meeting_say(&t->items, "items", name_of(test_path), "the model", note);
    return code;
}

struct reading {
    struct id_meeting users;
    enum err_code code;
    struct err *e;
};

static bool meet_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct reading *r = arg;
    (void)key;
    (void)profile;
    (void)revision;
    r->code = id_meeting_meet(&r->users, id, r->e);
    return r->code == ERR_OK;
}

enum err_code evaluation_ids_users(struct store_conn *c, const struct evaluation_test *t,
                                   const char *test_path, struct err *note, struct err *e)
{
    struct reading r = {.e = e};
    bool more = true;
    enum err_code code = ERR_OK;
    id_meeting_init(&r.users);
    for (size_t i = 0; i < t->n_users && !code && more; i++)
        code = id_meeting_hold(&r.users, evaluation_test_id(t, i), &more, e);
    if (!code)
        code = store_each_user(c, meet_user, &r, e);
    if (!code)
        code = r.code;
    if (!code)
        id_meeting_say(&r.users, "users", name_of(test_path), "the store", note);
    id_meeting_fini(&r.users);
    return code;
}
