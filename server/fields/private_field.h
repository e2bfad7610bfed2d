/* private_field - which profile fields say by their name that they tell who somebody is.
 * What many people share may still be somebody's own: of a thousand names some occur five times.
 * Layer: server/fields
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_FIELDS_PRIVATE_FIELD_H
#define SERVER_FIELDS_PRIVATE_FIELD_H

#include <stdbool.h>

/* Whether a field is called a name, an e-mail address, a telephone number, an address or an account: `name`,
 * `e-mail`, `FirstName`, also behind other words (`customer_name`, `contact.phone`). Case, digits, and what
 * stands between words, make no difference. */
bool private_field_is(const char *name);

#endif
