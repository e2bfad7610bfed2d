/* Imports and PATCH alike come through here, so a table of prices and a call that sets a price do the same. A
 * row that says all there is, which is every row of a first import, costs a look-up and no parsing. */
#include "server/fields/partial.h"

#include "base/limits.h"
#include "server/fields/merge_patch.h"

#include <string.h>

enum { MAX_CATEGORIES_BYTES = 1 << 20 }; /* of one item, as JSON; above what any door takes */

void partial_init(struct partial *p)
{
    *p = (struct partial){0};
    buf_init(&p->title, LIMIT_TITLE_BYTES);
    buf_init(&p->categories, MAX_CATEGORIES_BYTES);
    buf_init(&p->object, LIMIT_METADATA_BYTES);
    buf_init(&p->profile_joined, LIMIT_PROFILE_BYTES);
    buf_init(&p->metadata_joined, LIMIT_METADATA_BYTES);
}

void partial_fini(struct partial *p)
{
    buf_fini(&p->title);
    buf_fini(&p->categories);
    buf_fini(&p->object);
    buf_fini(&p->profile_joined);
    buf_fini(&p->metadata_joined);
}

static enum err_code join(struct partial *p, const struct partial_object *given, const char *what,
                          struct buf *joined, struct text *out, struct err *e)
{
    struct text old = {p->object.len ? p->object.data : NULL, given->none ? 0 : p->object.len};
    struct text none = {NULL, 0};
    if (!given->patch.len) {
        *out = old.len ? old : none;
        return ERR_OK;
    }
    *out = given->patch;
    if (!old.len && merge_patch_is_plain(given->patch))
        return ERR_OK;
    enum err_code code = merge_patch(old, given->patch, what, joined, e);
    if (!code)
        *out = joined->len ? (struct text){joined->data, joined->len} : none;
    return code;
}

/* Who is new is no error here. */
static enum err_code take_known(enum err_code code, const struct err *found, bool *known, struct err *e)
{
    *known = code == ERR_OK;
    if (code && code != ERR_NOTFOUND)
        return err_copy(e, found);
    return ERR_OK;
}

enum err_code partial_user(struct partial *p, struct store_conn *c, struct text id,
                           const struct partial_object *given, struct text *profile, bool *known,
                           struct err *e)
{
    struct err found = {0};
    enum err_code code = take_known(store_read_profile(c, id, &p->object, &found), &found, known, e);
    if (!*known)
        buf_reset(&p->object);
    return code ? code : join(p, given, "profile", &p->profile_joined, profile, e);
}

static void keep(struct buf *out, bool *has, struct text text)
{
    *has = text.data != NULL;
    buf_reset(out);
    if (text.len)
        buf_add(out, text.data, text.len);
}

static bool keep_item(void *arg, const struct store_item *item)
{
    struct partial *p = arg;
    bool has_object;
    p->deleted = item->deleted;
    keep(&p->title, &p->has_title, item->title);
    keep(&p->categories, &p->has_categories, item->categories);
    p->object.max_bytes = LIMIT_METADATA_BYTES; /* a profile before may have set its own */
    keep(&p->object, &has_object, item->metadata);
    return true;
}

static struct text join_text(struct text given, bool none, const struct buf *had, bool has)
{
    if (given.data || none || !has)
        return given;
    return (struct text){had->len ? had->data : "", had->len};
}

enum err_code partial_item(struct partial *p, struct store_conn *c, const struct partial_item *given,
                           struct store_item *out, bool *known, struct err *e)
{
    struct err found = {0};
    (void)keep_item(p, &(const struct store_item){0});
    enum err_code code = take_known(store_read_item(c, given->id, keep_item, p, &found), &found, known, e);
    *known = *known && !p->deleted;
    if (!code)
        code = buf_check(&p->title, "a title", e);
    if (!code)
        code = buf_check(&p->categories, "an item's categories", e);
    if (!code)
        code = buf_check(&p->object, "an item's metadata", e);
    *out = (struct store_item){.id = given->id};
    if (!code)
        code = join(p, &given->metadata, "metadata", &p->metadata_joined, &out->metadata, e);
    out->title = join_text(given->title, given->no_title, &p->title, p->has_title);
    out->categories = join_text(given->categories, given->no_categories, &p->categories, p->has_categories);
    return code;
}

static bool is_text(struct text text, const struct buf *had, bool has)
{
    return (text.data != NULL) == has && (!has || text.len == had->len) &&
           (!has || text.len == 0 || memcmp(text.data, had->data, text.len) == 0);
}

bool partial_item_is_same(const struct partial *p, const struct store_item *item)
{
    return is_text(item->title, &p->title, p->has_title) &&
           is_text(item->categories, &p->categories, p->has_categories) &&
           is_text(item->metadata, &p->object, p->object.len > 0);
}
