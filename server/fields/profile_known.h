/* profile_known - what of a profile a model knows.
 * Layer: server/fields
 * Threads: any.
 * Memory: none of its own. */
#ifndef SERVER_FIELDS_PROFILE_KNOWN_H
#define SERVER_FIELDS_PROFILE_KNOWN_H

#include "base/buf.h"
#include "base/text.h"
#include "engine/format/model_spec.h"

#include <stdbool.h>

/* Whether the model knows any value of the profile (NULL data: none), so that a context can be made of it. */
bool profile_known(const struct model_spec *spec, struct text profile);

/* Appends an array of the pairs that the model does not know: {"field": f, "value": v}, without the value
 * where it is an object; values in the form of base/value_text.h. */
void profile_add_unknown(const struct model_spec *spec, struct text profile, struct buf *out);

#endif
