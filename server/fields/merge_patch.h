/* merge_patch - JSON merge patch (RFC 7396) of profiles and metadata: what a partial update says of an object
 * joins what is there.
 * Layer: server/fields
 * Threads: any.
 * Memory: both documents while it runs. */
#ifndef SERVER_FIELDS_MERGE_PATCH_H
#define SERVER_FIELDS_MERGE_PATCH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

/* Whether patch stands for its own result on an object that has nothing: no null in it, which would leave a
 * member out. A text that has the word inside a string is not taken for one; it is merged, and the same. */
bool merge_patch_is_plain(struct text patch);

/* Puts into *out, emptied before, the object `old` with the object `patch` merged into it: members of the
 * patch replace, null takes a member away, objects are merged, anything else is replaced whole. NULL data of
 * old: an object without members; of patch: it says nothing. An object without members is empty text. what
 * names it in errors: ERR_INVALID (larger than out may be, or the patch is no object), ERR_CORRUPT (old is
 * none), ERR_NOMEM. */
enum err_code merge_patch(struct text old, struct text patch, const char *what, struct buf *out,
                          struct err *e) ERR_MUST_CHECK;

#endif
