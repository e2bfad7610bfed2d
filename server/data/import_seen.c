#include "server/data/import_seen.h"

#include "base/limits.h"

void import_seen_init(struct import_seen *s)
{
    s->users = (struct id_table){0};
    buf_init(&s->profile, LIMIT_PROFILE_BYTES);
}

void import_seen_fini(struct import_seen *s)
{
    id_table_fini(&s->users);
    buf_fini(&s->profile);
}

enum err_code import_seen_note(struct import_seen *s, struct store_conn *conn, struct store_load *load,
                               struct text user, struct err *e)
{
    struct err why = {0};
    uint32_t number;
    enum err_code code = store_read_profile(conn, user, &s->profile, &why);
    if (code == ERR_NOTFOUND)
        return ERR_OK;
    if (code)
        return err_copy(e, &why);
    code = store_load_seen_user(load, user, e);
    return code ? code : id_table_add(&s->users, user, &number, e);
}

bool import_seen_has(const struct import_seen *s, struct text user)
{
    return id_table_find(&s->users, user) != ID_TABLE_NONE;
}
