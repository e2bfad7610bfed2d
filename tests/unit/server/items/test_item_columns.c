/* server/items/item_column.c and item_columns.c: columns that followed changes are those made anew. Risks:
 * counts of types that drift, a value that stays, a shared column that is written to, values that pile up,
 * memory. */
#include "server/items/item_columns.h"

#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <stdio.h>

STORE_FIXTURE(f)

static void put(const char *id, const char *metadata)
{
    const struct store_item item = {.id = text_of(id), .metadata = text_of(metadata)};
    bool created;
    STORE_WRITE(f.conn, store_put_item(f.conn, &item, &created, &e));
}

static struct item_columns *made(struct item_columns *old, const char *ids, size_t n)
{
    struct item_changes changes = {.all = ids == NULL};
    struct item_columns *out;
    buf_init(&changes.ids, 1 << 20);
    if (ids)
        buf_add(&changes.ids, ids, n);
    STORE_OK(item_columns_next(f.conn, old, &changes, &out, &e));
    buf_fini(&changes.ids);
    item_columns_unref(old);
    return out;
}

/* A column's value of an item as text. */
static void show(const struct item_column *c, int64_t key, char *out, size_t size)
{
    const struct column_value *v = &c->values[item_column_code(c, key)];
    struct text text = v->type == METADATA_TEXT ? item_column_text(c, v) : (struct text){"", 0};
    if (v->type == METADATA_TEXT)
        (void)snprintf(out, size, "'%.*s'", (int)text.len, text.data);
    else if (v->type == METADATA_LIST)
        (void)snprintf(out, size, "list of %u", v->len);
    else
        (void)snprintf(out, size, "%d %g", v->type, v->type == METADATA_NONE ? 0 : v->number);
}

static void assert_same(const struct item_columns *a, const struct item_columns *b, int64_t last_key)
{
    char x[64], y[64];
    ck_assert_uint_eq(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const struct item_column *one = a->columns[i], *other = item_columns_find(b, text_of(one->name));
        ck_assert_ptr_nonnull(other);
        ck_assert_uint_eq(one->n_times, other->n_times);
        for (size_t t = METADATA_NUMBER; t < METADATA_TYPES; t++)
            ck_assert_uint_eq(one->n_of[t], other->n_of[t]);
        for (int64_t key = 0; key <= last_key; key++) {
            show(one, key, x, sizeof x);
            show(other, key, y, sizeof y);
            ck_assert_str_eq(x, y);
        }
    }
}

static const char *const states[] = {
    "{\"a\":1,\"b\":\"x\",\"c\":[\"x\",\"y\"]}",
    "{\"a\":2,\"b\":\"2026-11-30\",\"d\":true}",
    "{\"c\":[\"y\"],\"b\":\"x\"}",
    "{}",
    "{\"a\":\"one\",\"e\":{\"f\":1},\"c\":[]}",
    "{\"a\":-0.0,\"b\":\"2026-11-30T10:00:00Z\",\"c\":[\"x\",\"y\"],\"g\":null}",
};
enum { N_STATES = sizeof states / sizeof *states, N_ITEMS = 7, N_STEPS = 200 };

START_TEST(columns_that_followed_are_those_made_anew)
{
    char id[16];
    for (int i = 0; i < N_ITEMS; i++) {
        (void)snprintf(id, sizeof id, "i%d", i);
        put(id, states[i % N_STATES]);
    }
    struct item_columns *followed = made(NULL, NULL, 0);
    for (unsigned step = 0, random = 1; step < N_STEPS; step++) {
        random = random * 1103515245u + 12345u;
        (void)snprintf(id, sizeof id, "i%u", (random >> 8) % N_ITEMS);
        if (step % 17 == 16)
            STORE_WRITE(f.conn, store_delete_item(f.conn, text_of(id), &e));
        else
            put(id, states[(random >> 16) % N_STATES]);
        followed = made(followed, id, strlen(id) + 1);
        struct item_columns *anew = made(NULL, NULL, 0);
        assert_same(followed, anew, N_ITEMS);
        assert_same(anew, followed, N_ITEMS);
        item_columns_unref(anew);
    }
    item_columns_unref(followed);
}
END_TEST

START_TEST(only_what_changed_is_made_anew)
{
    put("a", "{\"price\":1,\"brand\":\"x\"}");
    put("b", "{\"price\":2,\"brand\":\"y\"}");
    struct item_columns *first = item_columns_ref(made(NULL, NULL, 0)), *next;
    put("a", "{\"price\":3,\"brand\":\"x\"}");
    next = made(first, "a", 2);
    ck_assert_ptr_eq(item_columns_find(next, text_of("brand")), item_columns_find(first, text_of("brand")));
    ck_assert_ptr_ne(item_columns_find(next, text_of("price")), item_columns_find(first, text_of("price")));
    ck_assert_uint_eq(item_column_find_number(item_columns_find(first, text_of("price")), 3), 0);
    struct item_columns *same = made(item_columns_ref(next), "b", 2);
    ck_assert_ptr_eq(same, next);
    item_columns_unref(same);
    item_columns_unref(next);
    item_columns_unref(first);
}
END_TEST

START_TEST(values_that_no_item_has_any_more_do_not_pile_up)
{
    char metadata[64];
    put("a", "{\"n\":-1}");
    struct item_columns *t = made(NULL, NULL, 0);
    for (int i = 0; i < 4000; i++) {
        (void)snprintf(metadata, sizeof metadata, "{\"n\":%d,\"t\":[\"%d\"]}", i, i);
        put("a", metadata);
        t = made(t, "a", 2);
    }
    ck_assert_uint_lt(item_columns_find(t, text_of("n"))->n_values, 1100);
    ck_assert_uint_lt(item_columns_find(t, text_of("t"))->n_values, 2200);
    ck_assert_uint_lt(item_columns_bytes(t), 200000);
    item_columns_unref(t);
}
END_TEST

START_TEST(fields_past_the_limit_are_left_out)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_adds(&b, "{");
    for (int i = 0; i < LIMIT_ITEM_FIELDS + 2; i++)
        buf_addf(&b, "%s\"f%d\":%d", i ? "," : "", i, i);
    buf_adds(&b, "}");
    put("a", buf_text(&b));
    buf_fini(&b);
    struct item_columns *t = made(NULL, NULL, 0);
    ck_assert_uint_eq(t->n, LIMIT_ITEM_FIELDS);
    ck_assert_uint_eq(t->n_left_out, 2);
    item_columns_unref(t);
}
END_TEST

START_TEST(want_of_memory_leaves_the_columns_before)
{
    put("a", "{\"price\":1,\"tags\":[\"x\",\"y\"]}");
    put("b", "{\"price\":2,\"brand\":\"\\u00e4\\n\"}");
    struct item_columns *first = made(NULL, NULL, 0);
    put("a", "{\"price\":9,\"tags\":[\"z\"],\"brand\":\"new\",\"more\":true}");
    struct item_changes changes = {.all = false};
    buf_init(&changes.ids, 100);
    buf_add(&changes.ids, "a", 2);
    bool done = false;
    for (long n = 1; n < 1000 && !done; n++) {
        struct item_columns *next;
        struct err e = {0};
        mem_fail_at(n, _i);
        enum err_code code = item_columns_next(f.conn, first, &changes, &next, &e);
        bool failed_one = mem_count() >= n;
        mem_fail_at(0, 0);
        ck_assert(code == ERR_OK || code == ERR_NOMEM);
        ck_assert_uint_eq(item_column_find_number(item_columns_find(first, text_of("price")), 9), 0);
        done = code == ERR_OK && !failed_one;
        if (code == ERR_OK)
            item_columns_unref(next);
    }
    ck_assert(done);
    buf_fini(&changes.ids);
    item_columns_unref(first);
}
END_TEST

STORE_SUITE("server/items/item_columns", start, stop, {columns_that_followed_are_those_made_anew},
            {only_what_changed_is_made_anew}, {values_that_no_item_has_any_more_do_not_pile_up},
            {fields_past_the_limit_are_left_out}, {want_of_memory_leaves_the_columns_before, 2})
