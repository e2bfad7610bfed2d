/* Lists of items and users by their ids. Risks: a row that two pages have or none, an order that is not that
 * of the bytes, a row that is deleted or not there yet, a list that goes on after it was told to end. */
#include "tests/support/item_fixture.h"
#include "tests/support/store_fixture.h"

#include <math.h>
#include <string.h>

STORE_FIXTURE(f)

/* What a list told: ids, each with a space behind it. */
struct told {
    char looked[512], taken[512];
    size_t most_looks, n_looks, most, n;
    const char *skip; /* an id that is left out */
    int64_t key;      /* of the last look */
};

static void add(char *list, struct text id)
{
    size_t len = strlen(list);
    ck_assert_uint_lt(len + id.len + 2, sizeof((struct told *)NULL)->taken);
    memcpy(list + len, id.data, id.len);
    strcpy(list + len + id.len, " ");
}

static enum store_look look(void *arg, int64_t key, struct text id)
{
    struct told *t = arg;
    if (t->n_looks == t->most_looks)
        return STORE_END;
    t->n_looks++;
    t->key = key;
    add(t->looked, id);
    return t->skip && text_is(id, t->skip) ? STORE_SKIP : STORE_TAKE;
}

static bool take_item(void *arg, const struct store_item *item)
{
    struct told *t = arg;
    ck_assert_int_eq(item->key, t->key);
    ck_assert(item->title.data && text_is(item->title, "T") && !item->deleted && item->revision > 0);
    add(t->taken, item->id);
    return ++t->n < t->most;
}

static bool take_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct told *t = arg;
    ck_assert_int_eq(key, t->key);
    ck_assert(profile.data && text_is(profile, "{\"a\":1}") && revision > 0);
    add(t->taken, id);
    return ++t->n < t->most;
}

static struct told of(void)
{
    return (struct told){.most_looks = 100, .most = 100};
}

static void put_rows(void)
{
    static const char *const ids[] = {"b", "a", "B", "ab", "\xc3\xa9", "a b", "10", "9"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        store_fixture_item(f.conn, ids[i], "T");
        store_fixture_user(f.conn, ids[i], "{\"a\":1}");
    }
}

#define ALL "10 9 B a a b ab b \xc3\xa9 "

START_TEST(rows_come_in_the_order_of_their_bytes)
{
    struct told items = of(), users = of();
    put_rows();
    STORE_OK(store_list_items(f.conn, (struct text){NULL, 0}, look, take_item, &items, &e));
    STORE_OK(store_list_users(f.conn, (struct text){NULL, 0}, look, take_user, &users, &e));
    ck_assert_str_eq(items.taken, ALL);
    ck_assert_str_eq(users.taken, ALL);
    ck_assert_str_eq(items.looked, ALL);
}
END_TEST

START_TEST(a_list_begins_at_an_id_that_need_not_be_there)
{
    static const struct {
        const char *from, *taken;
    } cases[] = {{"a", "a a b ab b \xc3\xa9 "},
                 {"a ", "a b ab b \xc3\xa9 "},
                 {"aa", "ab b \xc3\xa9 "},
                 {"z", "\xc3\xa9 "},
                 {"\xc3\xaa", ""},
                 {"", ALL}};
    put_rows();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct told items = of(), users = of();
        STORE_OK(store_list_items(f.conn, text_of(cases[i].from), look, take_item, &items, &e));
        STORE_OK(store_list_users(f.conn, text_of(cases[i].from), look, take_user, &users, &e));
        ck_assert_str_eq(items.taken, cases[i].taken);
        ck_assert_str_eq(users.taken, cases[i].taken);
    }
}
END_TEST

START_TEST(it_ends_where_it_is_told_to_and_leaves_out_what_is_skipped)
{
    struct told t = of(), u = of();
    put_rows();
    t.skip = "B";
    t.most_looks = 4;
    STORE_OK(store_list_items(f.conn, (struct text){NULL, 0}, look, take_item, &t, &e));
    ck_assert_str_eq(t.looked, "10 9 B a ");
    ck_assert_str_eq(t.taken, "10 9 a ");
    u.most = 2;
    STORE_OK(store_list_users(f.conn, (struct text){NULL, 0}, look, take_user, &u, &e));
    ck_assert_str_eq(u.taken, "10 9 ");
}
END_TEST

START_TEST(what_is_deleted_is_not_in_it)
{
    struct told items = of(), users = of();
    put_rows();
    STORE_WRITE(f.conn, store_delete_item(f.conn, text_of("ab"), &e));
    STORE_WRITE(f.conn, store_delete_user(f.conn, text_of("ab"), &e));
    STORE_OK(store_list_items(f.conn, text_of("a"), look, take_item, &items, &e));
    STORE_OK(store_list_users(f.conn, text_of("a"), look, take_user, &users, &e));
    ck_assert_str_eq(items.taken, "a a b b \xc3\xa9 ");
    ck_assert_str_eq(users.taken, "a a b b \xc3\xa9 ");
}
END_TEST

/* The rows of a load are in the store's tables from the start. */
START_TEST(what_a_load_brings_is_in_it_once_the_load_is_over)
{
    struct told before = of(), after = of();
    put_rows();
    struct store_load *load;
    struct store_bulk *bulk;
    int64_t n_older;
    struct store_item item = {.id = text_of("aa"), .title = text_of("T")};
    STORE_OK(store_load_new(f.conn, 1, &load, &e));
    STORE_OK(store_load_new_item(load, &item, &e));
    STORE_OK(store_load_new_user(load, text_of("aa"), text_of("{\"a\":1}"), &e));
    STORE_OK(store_load_interaction(load, text_of("aa"), text_of("aa"), 1, NAN, 5, &e));
    STORE_OK(store_load_stage(load, &e));
    STORE_OK(store_list_items(f.conn, text_of("a"), look, take_item, &before, &e));
    ck_assert_str_eq(before.taken, "a a b ab b \xc3\xa9 ");
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_bulk_begin(f.conn, &bulk, &e));
    STORE_OK(store_load_apply(load, bulk, &n_older, &e));
    STORE_OK(store_bulk_end(bulk, &n_older, &e));
    STORE_OK(store_commit(f.conn, &e));
    store_load_free(load);
    STORE_OK(store_list_users(f.conn, text_of("a"), look, take_user, &after, &e));
    ck_assert_str_eq(after.taken, "a a b aa ab b \xc3\xa9 ");
}
END_TEST

STORE_SUITE("store lists", start, stop, {rows_come_in_the_order_of_their_bytes},
            {a_list_begins_at_an_id_that_need_not_be_there},
            {it_ends_where_it_is_told_to_and_leaves_out_what_is_skipped}, {what_is_deleted_is_not_in_it},
            {what_a_load_brings_is_in_it_once_the_load_is_over})
