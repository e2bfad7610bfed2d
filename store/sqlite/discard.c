/* What an opening made goes away again when what it was made for failed. It may have become somebody else's
 * meanwhile: who opened it since holds a lock, and who is done with it has left a change or a context. */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <unistd.h>

static bool is_zero(struct sqlite_conn *c, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    bool zero = rc == SQLITE_ROW && sqlite3_column_int64(s, 0) == 0;
    sqlite3_finalize(s);
    return zero;
}

/* Whether nobody wrote to it: it has no tables yet, or nothing in them. What cannot be found out counts as
 * written. */
static bool is_untouched(struct sqlite_store *s)
{
    struct sqlite_conn c = {.store = s};
    bool untouched =
        sqlite_open_db(&c, 0, NULL) == ERR_OK &&
        (is_zero(&c, "SELECT count(*) FROM sqlite_master") ||
         (is_zero(&c, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'") &&
          is_zero(&c, "SELECT EXISTS (SELECT 1 FROM contexts)")));
    sqlite_close_db(&c);
    return untouched;
}

/* All files of a store that nobody has open. */
static void remove_files(const struct sqlite_store *s)
{
    int fd = -1;
    if (sqlite_take_file("remove", s->file, &fd, NULL) || fd < 0)
        return;
    for (size_t i = SQLITE_OWN_FILES;
         i-- > 0;) { /* the database last: a log without it would spoil another */
        char *name = sqlite_beside(s->file, sqlite_own_suffixes[i]);
        if (!name)
            break;
        (void)unlink(name);
        mem_free(name);
    }
    (void)close(fd);
}

void sqlite_discard_new(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    bool known = s->file || (s->made && sqlite_find_file(s, NULL) == ERR_OK);
    if (s->made && known && is_untouched(s))
        remove_files(s);
    sqlite_backend.close(store);
}
