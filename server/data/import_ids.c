/* An id that is written in two ways is two users or items, and nothing fails: what was learned of one is
 * never served to the other. So the ids of the interactions are held, and those of the tables of users and
 * items are looked up among them as they come. */
#include "server/data/import_ids.h"

#include <string.h>

enum { MAX_STORED = 1000000 }; /* read through in well under a second */

void import_ids_init(struct import_ids *ids, const struct import_options *options)
{
    *ids = (struct import_ids){.options = options};
    id_meeting_init(&ids->users.meeting);
    id_meeting_init(&ids->items.meeting);
}

void import_ids_fini(struct import_ids *ids)
{
    id_meeting_fini(&ids->users.meeting);
    id_meeting_fini(&ids->items.meeting);
}

/* The file of this kind; "the interactions" where there are several; NULL where there is none. */
static const char *file_of(const struct import_options *o, enum table_kind kind)
{
    const char *path = NULL;
    size_t n = 0;
    for (size_t i = 0; i < o->n_files; i++)
        if (o->files[i].kind == kind && n++ == 0)
            path = strcmp(o->files[i].path, "-") == 0 ? "standard input" : o->files[i].path;
    return n > 1 ? "the interactions" : path;
}

static enum err_code hold(struct import_id_side *side, struct text id, struct err *e)
{
    bool more;
    return id_meeting_hold(&side->meeting, id, &more, e);
}

enum err_code import_ids_row(struct import_ids *ids, enum table_kind kind, const struct table_row *row,
                             struct err *e)
{
    enum err_code code = ERR_OK;
    if (kind == TABLE_INTERACTIONS) {
        code = hold(&ids->users, row->user, e);
        return code ? code : hold(&ids->items, row->item, e);
    }
    if (kind == TABLE_USERS && ids->users.other)
        return id_meeting_meet(&ids->users.meeting, row->user, e);
    if (kind == TABLE_ITEMS && ids->items.other)
        return id_meeting_meet(&ids->items.meeting, row->item, e);
    return ERR_OK;
}

/* ---- the store ---- */

struct reading {
    struct import_id_side *side;
    enum err_code code;
    struct err *e;
};

/* Either side's turn; whether to read on. */
static bool take(struct reading *r, struct text id)
{
    bool more = true;
    r->code = r->side->by_store ? id_meeting_hold(&r->side->meeting, id, &more, r->e)
                                : id_meeting_meet(&r->side->meeting, id, r->e);
    return !r->code && more;
}

static bool take_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    (void)key;
    (void)profile;
    (void)revision;
    return take(arg, id);
}

static bool take_item(void *arg, const struct store_item *item)
{
    return take(arg, item->id);
}

/* Decides what is compared with what, and reads the store where it is one of the two. */
static enum err_code settle(struct import_ids *ids, struct import_id_side *side, enum table_kind kind,
                            struct store_conn *c, int64_t n_stored, struct err *e)
{
    const char *interactions = file_of(ids->options, TABLE_INTERACTIONS), *own = file_of(ids->options, kind);
    bool stored = n_stored > 0 && n_stored <= MAX_STORED;
    side->by_store = !interactions && stored;
    side->held = interactions ? interactions : stored ? "the store" : NULL;
    side->other = !side->held ? NULL : own ? own : interactions && stored ? "the store" : NULL;
    bool reads = side->held && side->other && (!interactions || !own);
    if (!reads)
        return ERR_OK;
    struct reading r = {.side = side, .e = e};
    enum err_code code =
        kind == TABLE_USERS ? store_each_user(c, take_user, &r, e) : store_each_item(c, 0, take_item, &r, e);
    return r.code ? r.code : code;
}

enum err_code import_ids_store(struct import_ids *ids, struct store_conn *c,
                               const struct store_counts *before, struct err *e)
{
    enum err_code code = settle(ids, &ids->users, TABLE_USERS, c, before->n_users, e);
    return code ? code : settle(ids, &ids->items, TABLE_ITEMS, c, before->n_items, e);
}

/* ---- what is to be said ---- */

static void say(const struct import_id_side *side, const char *what, struct import_report *report)
{
    struct err note = {0};
    if (side->held && side->other)
        id_meeting_say(&side->meeting, what, side->held, side->other, &note);
    import_report_add_note(report, &note);
}

void import_ids_say(const struct import_ids *ids, struct import_report *report)
{
    say(&ids->users, "users", report);
    say(&ids->items, "items", report);
}
