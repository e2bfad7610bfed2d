/* RFC 7396, section 2, over jansson's values. Both texts have passed a parser with a limit on nesting, or
 * come from this program's own files, so the recursion is as deep as jansson lets a document be. */
#include "server/fields/merge_patch.h"

#include <jansson.h>
#include <string.h>

bool merge_patch_is_plain(struct text patch)
{
    for (size_t i = 0; i + 4 <= patch.len; i++)
        if (patch.data[i] == 'n' && memcmp(patch.data + i, "null", 4) == 0)
            return false;
    return true;
}

static bool merge_into(json_t *target, const json_t *patch);

/* Sets one member of target to what the patch says of it; false: no memory. */
static bool merge_member(json_t *target, const char *key, json_t *value)
{
    if (json_is_null(value)) {
        (void)json_object_del(target, key); /* it may not be there */
        return true;
    }
    if (!json_is_object(value))
        return json_object_set(target, key, value) == 0;
    json_t *member = json_object_get(target, key);
    if (json_is_object(member))
        return merge_into(member, value);
    member = json_object(); /* a patch of what was no object leaves its nulls out, too */
    bool done = member && merge_into(member, value) && json_object_set(target, key, member) == 0;
    json_decref(member);
    return done;
}

static bool merge_into(json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)patch, key, value)
    {
        if (!merge_member(target, key, value))
            return false;
    }
    return true;
}

/* The object of a text; NULL and a filled e when it is none. */
static json_t *object_of(struct text text, const char *what, enum err_code none, struct err *e)
{
    json_error_t where;
    json_t *root = text.len ? json_loadb(text.data, text.len, 0, &where) : json_object();
    if (json_is_object(root))
        return root;
    bool no_memory = !root && (!text.len || json_error_code(&where) == json_error_out_of_memory);
    if (no_memory)
        (void)err_set(e, ERR_NOMEM, "no memory for the %s", what);
    else
        (void)err_set(e, none, "the %s is no JSON object", what);
    json_decref(root);
    return NULL;
}

static enum err_code write_object(const json_t *object, const char *what, struct buf *out, struct err *e)
{
    if (!json_object_size(object))
        return ERR_OK;
    size_t n = json_dumpb(object, NULL, 0, JSON_COMPACT);
    if (n > out->max_bytes)
        return err_set(e, ERR_INVALID,
                       "with what was there the %s would have %zu bytes; at most %zu are kept", what, n,
                       out->max_bytes);
    char *room = n ? buf_reserve(out, n) : NULL;
    if (!room || json_dumpb(object, room, n, JSON_COMPACT) != n)
        return err_set(e, ERR_NOMEM, "no memory for the %s", what);
    out->len += n;
    return ERR_OK;
}

enum err_code merge_patch(struct text old, struct text patch, const char *what, struct buf *out,
                          struct err *e)
{
    buf_reset(out);
    json_t *target = object_of(old, what, ERR_CORRUPT, e);
    json_t *change = target ? object_of(patch, what, ERR_INVALID, e) : NULL;
    enum err_code code = ERR_OK;
    if (!change)
        code = e ? e->code : ERR_INVALID;
    else if (!merge_into(target, change))
        code = err_set(e, ERR_NOMEM, "no memory for the %s", what);
    else
        code = write_object(target, what, out, e);
    json_decref(target);
    json_decref(change);
    return code;
}
