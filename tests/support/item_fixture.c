/* Contexts are one letter, which the list of an item's users shows. */
#include "tests/support/item_fixture.h"

#include "tests/support/store_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool see(void *arg, const struct store_item *item)
{
    struct item_seen *s = arg;
    s->item = *item;
    (void)snprintf(s->title, sizeof s->title, "%.*s", (int)item->title.len,
                   item->title.data ? item->title.data : "");
    return true;
}

struct item_seen item_fixture_read(struct store_conn *c, const char *id)
{
    struct item_seen s = {0};
    STORE_OK(store_read_item(c, text_of(id), see, &s, &e));
    return s;
}

void item_fixture_context(struct store_conn *c, const char *user, const char *model, char embedding)
{
    struct store_context_key key = {model, "1", "user"};
    STORE_WRITE(c, store_put_context(c, &key, text_of(user), 1000, false, &embedding, 1, &e));
}

void item_fixture_import(struct store_conn *c)
{
    struct store_bulk *bulk;
    STORE_OK(store_begin(c, &e));
    STORE_OK(store_bulk_begin(c, &bulk, &e));
    STORE_OK(store_bulk_item(bulk, &(struct store_item){.id = text_of("a")}, &e));
    STORE_OK(store_bulk_interaction(bulk, text_of("ann"), text_of("a"), 1, (double)NAN, 9, &e));
    STORE_OK(store_bulk_interaction(bulk, text_of("ann"), text_of("b"), 5, (double)NAN, 9, &e));
    STORE_OK(store_bulk_end(bulk, NULL, &e));
    STORE_OK(store_commit(c, &e));
    store_fixture_user(c, "bob", NULL);
    store_fixture_event(c, "bob", "a", 2, 8);
    item_fixture_context(c, "ann", "m", 'A');
    item_fixture_context(c, "bob", "m", 'B');
}

struct takers {
    char line[64];
};

static bool take(void *arg, const void *embedding, size_t n_bytes, double weight)
{
    struct takers *t = arg;
    ck_assert_uint_eq(n_bytes, 1);
    size_t n = strlen(t->line);
    (void)snprintf(t->line + n, sizeof t->line - n, "%c*%g,", *(const char *)embedding, weight);
    return true;
}

void item_fixture_assert_takers(struct store_conn *c, int64_t item_key, const struct store_context_key *key,
                                size_t most, const char *expected)
{
    struct takers t = {0};
    STORE_OK(store_each_taker(c, item_key, key, most, take, &t, &e));
    ck_assert_str_eq(t.line, expected);
}
