/* A name is compared without what separates its words, from each place where a word begins to the end. */
#include "server/fields/private_field.h"

#include <ctype.h>
#include <stddef.h>

static const char *const words[] = {
    "name",        "firstname", "lastname",     "fullname", "surname", "email",       "mail",   "phone",
    "phonenumber", "telephone", "mobilenumber", "mobile",   "address", "addressline", "street", "iban",
};

/* A digit separates too: `phone2`. isalpha and its like are asked in the C locale, which no part of the
 * program leaves. */
static bool in_word(char c)
{
    return (unsigned char)c >= 0x80 || isalpha((unsigned char)c);
}

/* Whether text, without what separates its words, is the word. */
static bool is_word(const char *text, const char *word)
{
    for (; *text; text++) {
        if (!in_word(*text))
            continue;
        if (!*word || tolower((unsigned char)*text) != *word)
            return false;
        word++;
    }
    return !*word;
}

static bool begins_word(const char *name, size_t i)
{
    if (i == 0 || !in_word(name[i - 1]))
        return true;
    return isupper((unsigned char)name[i]) && !isupper((unsigned char)name[i - 1]);
}

bool private_field_is(const char *name)
{
    for (size_t i = 0; name[i]; i++)
        for (size_t k = 0; begins_word(name, i) && k < sizeof words / sizeof *words; k++)
            if (is_word(name + i, words[k]))
                return true;
    return false;
}
