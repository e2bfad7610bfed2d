/* categories - the names of an item's categories, as a store has them: a JSON array of strings.
 * Layer: server/fields
 * Threads: any.
 * Memory: that of the array, during the call. */
#ifndef SERVER_FIELDS_CATEGORIES_H
#define SERVER_FIELDS_CATEGORIES_H

#include "base/text.h"

#include <stdbool.h>

/* Calls fn with each name, which is terminated, until it returns false; returns what the last call did, true
 * without any. A text that is no such array cannot have been stored; were it so, it would be no
 * categories. */
bool categories_each(struct text json, bool (*fn)(void *arg, struct text name), void *arg);

#endif
