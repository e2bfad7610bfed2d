/* Prices, brands and years repeat: 100,000 items have some thousand values of each, so a comparison is done
 * for these, and an item is a look into a small table. */
#include "server/items/item_column.h"

#include "base/hash.h"
#include "base/mem.h"
#include "server/fields/field_value.h"
#include "server/fields/time_text.h"

#include <string.h>

enum { FIRST_TABLE = 16, TIME_BYTES_LEAST = 8, TIME_BYTES_MOST = 64 };

/* ---- life ---- */

struct item_column *item_column_new(struct text name)
{
    struct item_column *c = mem_zalloc_array(1, sizeof *c);
    if (!c)
        return NULL;
    atomic_init(&c->refs, 1);
    buf_init(&c->arena, SIZE_MAX / 4);
    c->name = mem_alloc(name.len + 1);
    c->table = mem_zalloc_array(FIRST_TABLE, sizeof *c->table);
    c->table_len = FIRST_TABLE;
    if (!c->name || !c->table || !MEM_RESERVE(c->values, c->values_capacity, 1)) {
        item_column_unref(c);
        return NULL;
    }
    memcpy(c->name, name.data, name.len);
    c->name[name.len] = '\0';
    c->values[0] = (struct column_value){.type = METADATA_NONE};
    c->n_values = 1;
    return c;
}

struct item_column *item_column_ref(struct item_column *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void item_column_unref(struct item_column *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(c->name);
    mem_free(c->codes);
    mem_free(c->values);
    mem_free(c->members);
    mem_free(c->table);
    buf_fini(&c->arena);
    mem_free(c);
}

/* An array without the room behind its n elements, where that can be had. */
#define TRIM(array, capacity, n)                                                                             \
    do {                                                                                                     \
        void *trimmed = (capacity) > (n) && (n) ? mem_realloc_array((array), (n), sizeof *(array)) : NULL;   \
        if (trimmed) {                                                                                       \
            (array) = trimmed;                                                                               \
            (capacity) = (n);                                                                                \
        }                                                                                                    \
    } while (0)

void item_column_trim(struct item_column *c)
{
    if (!c->n_kept)
        c->n_kept = c->n_values;
    TRIM(c->codes, c->codes_capacity, c->n_codes);
    TRIM(c->values, c->values_capacity, c->n_values);
    TRIM(c->members, c->members_capacity, c->n_members);
}

/* ---- values ---- */

static uint64_t hash_value(uint8_t type, const void *bytes, size_t n)
{
    return hash_bytes(hash_seed() + type, bytes, n);
}

/* Of a value that is no list: what is equal has equal bytes. */
static const void *value_bytes(const struct item_column *c, const struct column_value *v, size_t *n)
{
    if (v->type == METADATA_TEXT) {
        *n = v->len;
        return v->len ? c->arena.data + v->at : "";
    }
    if (v->type == METADATA_LIST) {
        *n = v->len * sizeof *c->members;
        return v->len ? (const void *)(c->members + v->at) : "";
    }
    *n = sizeof v->number;
    return &v->number;
}

/* Where a value is or would be in the table. */
static size_t place_of(const struct item_column *c, uint8_t type, const void *bytes, size_t n)
{
    size_t at = hash_value(type, bytes, n) & (c->table_len - 1), len;
    for (; c->table[at]; at = (at + 1) & (c->table_len - 1)) {
        const struct column_value *v = &c->values[c->table[at]];
        const void *other = value_bytes(c, v, &len);
        if (v->type == type && len == n && memcmp(other, bytes, n) == 0)
            break;
    }
    return at;
}

static uint32_t find(const struct item_column *c, uint8_t type, const void *bytes, size_t n)
{
    return c->table[place_of(c, type, bytes, n)];
}

uint32_t item_column_find_number(const struct item_column *c, double number)
{
    number += 0.0; /* of -0 it makes 0 */
    return find(c, METADATA_NUMBER, &number, sizeof number);
}

uint32_t item_column_find_bool(const struct item_column *c, bool yes)
{
    double number = yes;
    return find(c, METADATA_BOOL, &number, sizeof number);
}

uint32_t item_column_find_text(const struct item_column *c, struct text text)
{
    return find(c, METADATA_TEXT, text.len ? text.data : "", text.len);
}

static bool grow_table(struct item_column *c)
{
    if (2 * (c->n_values + 1) <= c->table_len)
        return true;
    uint32_t *old = c->table, *grown = mem_zalloc_array(2 * c->table_len, sizeof *grown);
    if (!grown)
        return false;
    c->table = grown;
    c->table_len *= 2;
    for (uint32_t code = 1; code < c->n_values; code++) {
        size_t n;
        const void *bytes = value_bytes(c, &c->values[code], &n);
        c->table[place_of(c, c->values[code].type, bytes, n)] = code;
    }
    mem_free(old);
    return true;
}

/* The number of a value, which is added where it is new; 0: no memory. bytes: as value_bytes has them, not in
 * what may move. */
static uint32_t add(struct item_column *c, struct column_value value, const void *bytes, size_t n)
{
    size_t at = place_of(c, value.type, bytes, n);
    if (c->table[at])
        return c->table[at];
    if (c->n_values >= UINT32_MAX || n > UINT32_MAX || !grow_table(c) ||
        !MEM_RESERVE(c->values, c->values_capacity, c->n_values + 1))
        return 0;
    if (value.type == METADATA_TEXT) {
        value.at = c->arena.len;
        buf_add(&c->arena, bytes, n);
        if (c->arena.failed) {
            c->arena.failed = ERR_OK;
            return 0;
        }
    }
    uint32_t code = (uint32_t)c->n_values;
    c->table[place_of(c, value.type, bytes, n)] = code;
    c->values[c->n_values++] = value;
    return code;
}

static uint32_t add_text(struct item_column *c, struct text text)
{
    int64_t seconds;
    double number;
    struct column_value value = {.at = 0, .len = (uint32_t)text.len, .type = METADATA_TEXT};
    uint32_t known = item_column_find_text(c, text);
    if (known)
        return known;
    value.is_time =
        text.len >= TIME_BYTES_LEAST && text.len <= TIME_BYTES_MOST && time_text_seconds(text, &seconds);
    value.is_number = field_value_quantity(text, &number);
    return add(c, value, text.len ? text.data : "", text.len);
}

static uint32_t add_list(struct item_column *c, const struct metadata_value *list)
{
    size_t first = c->n_members;
    if (!MEM_RESERVE(c->members, c->members_capacity, first + list->n_members))
        return 0;
    for (size_t i = 0; i < list->n_members; i++) {
        uint32_t code = add_text(c, list->members[i]);
        if (!code)
            return 0;
        c->members[first + i] = code;
    }
    struct column_value value = {.at = first, .len = (uint32_t)list->n_members, .type = METADATA_LIST};
    size_t had = c->n_values;
    uint32_t code = add(c, value, list->n_members ? (const void *)(c->members + first) : "",
                        list->n_members * sizeof *c->members);
    if (c->n_values > had)
        c->n_members = first + list->n_members;
    return code;
}

static uint32_t add_value(struct item_column *c, const struct metadata_value *value)
{
    if (value->type == METADATA_TEXT)
        return add_text(c, value->text);
    if (value->type == METADATA_LIST)
        return add_list(c, value);
    double number = value->type == METADATA_OTHER ? 0 : value->number + 0.0;
    struct column_value plain = {.number = number, .type = (uint8_t)value->type};
    return add(c, plain, &number, sizeof number);
}

/* ---- items ---- */

static bool same(const struct item_column *c, const struct column_value *v,
                 const struct metadata_value *value)
{
    if (v->type != value->type)
        return false;
    if (v->type == METADATA_NUMBER || v->type == METADATA_BOOL)
        return v->number == value->number;
    if (v->type == METADATA_TEXT)
        return text_compare(item_column_text(c, v), value->text) == 0;
    if (v->type == METADATA_LIST && v->len != value->n_members)
        return false;
    for (size_t i = 0; v->type == METADATA_LIST && i < v->len; i++)
        if (text_compare(item_column_text(c, &c->values[c->members[v->at + i]]), value->members[i]) != 0)
            return false;
    return true;
}

bool item_column_has(const struct item_column *c, int64_t key, const struct metadata_value *value)
{
    return same(c, &c->values[item_column_code(c, key)], value);
}

static void count(struct item_column *c, uint32_t code, size_t one)
{
    c->n_of[c->values[code].type] += one;
    c->n_times += c->values[code].is_time ? one : 0;
    c->n_numbers += c->values[code].is_number ? one : 0;
}

bool item_column_set(struct item_column *c, int64_t key, const struct metadata_value *value)
{
    uint32_t code = value->type == METADATA_NONE ? 0 : add_value(c, value);
    size_t had = c->n_codes;
    if (value->type != METADATA_NONE && !code)
        return false;
    if ((size_t)key >= had && !code)
        return true;
    if ((size_t)key >= had) {
        if (!MEM_RESERVE(c->codes, c->codes_capacity, (size_t)key + 1))
            return false;
        memset(c->codes + had, 0, ((size_t)key + 1 - had) * sizeof *c->codes);
        c->n_codes = (size_t)key + 1;
    }
    if (c->codes[key])
        count(c, c->codes[key], (size_t)-1);
    c->codes[key] = code;
    if (code)
        count(c, code, 1);
    return true;
}

/* A value of another column, as it was given; members: room for a list's texts. */
static struct metadata_value given(const struct item_column *c, const struct column_value *v,
                                   struct text *members)
{
    struct metadata_value value = {.type = v->type, .number = 0};
    if (v->type == METADATA_NUMBER || v->type == METADATA_BOOL)
        value.number = v->number;
    else if (v->type == METADATA_TEXT)
        value.text = item_column_text(c, v);
    for (size_t i = 0; v->type == METADATA_LIST && i < v->len; i++)
        members[i] = item_column_text(c, &c->values[c->members[v->at + i]]);
    if (v->type == METADATA_LIST) {
        value.members = members;
        value.n_members = v->len;
    }
    return value;
}

static size_t longest_list(const struct item_column *c)
{
    size_t most = 0;
    for (size_t i = 0; i < c->n_values; i++)
        if (c->values[i].type == METADATA_LIST && c->values[i].len > most)
            most = c->values[i].len;
    return most;
}

/* The numbers of values in the copy; those that no item has any more are left behind. */
static bool copy_items(const struct item_column *c, struct item_column *copy, uint32_t *moved,
                       struct text *members)
{
    if (c->n_codes && !MEM_RESERVE(copy->codes, copy->codes_capacity, c->n_codes))
        return false;
    for (size_t key = 0; key < c->n_codes; key++) {
        uint32_t code = c->codes[key];
        if (code && !moved[code]) {
            struct metadata_value value = given(c, &c->values[code], members);
            moved[code] = add_value(copy, &value);
            if (!moved[code])
                return false;
        }
        copy->codes[key] = moved[code];
    }
    copy->n_codes = c->n_codes;
    memcpy(copy->n_of, c->n_of, sizeof copy->n_of);
    copy->n_times = c->n_times;
    copy->n_numbers = c->n_numbers;
    return true;
}

/* Values as they are, whether items have them or not. */
static bool clone(const struct item_column *c, struct item_column *copy)
{
    uint32_t *table = mem_alloc_array(c->table_len, sizeof *table);
    if (!table)
        return false;
    mem_free(copy->table);
    copy->table = memcpy(table, c->table, c->table_len * sizeof *table);
    copy->table_len = c->table_len;
    if (!MEM_RESERVE(copy->codes, copy->codes_capacity, c->n_codes) ||
        !MEM_RESERVE(copy->values, copy->values_capacity, c->n_values) ||
        !MEM_RESERVE(copy->members, copy->members_capacity, c->n_members))
        return false;
    buf_add(&copy->arena, c->arena.len ? c->arena.data : "", c->arena.len);
    if (c->n_codes)
        memcpy(copy->codes, c->codes, c->n_codes * sizeof *c->codes);
    memcpy(copy->values, c->values, c->n_values * sizeof *c->values);
    if (c->n_members)
        memcpy(copy->members, c->members, c->n_members * sizeof *c->members);
    copy->n_codes = c->n_codes;
    copy->n_values = c->n_values;
    copy->n_members = c->n_members;
    copy->n_kept = c->n_kept;
    memcpy(copy->n_of, c->n_of, sizeof copy->n_of);
    copy->n_times = c->n_times;
    copy->n_numbers = c->n_numbers;
    return !copy->arena.failed;
}

static bool compact(const struct item_column *c, struct item_column *copy)
{
    uint32_t *moved = mem_zalloc_array(c->n_values, sizeof *moved);
    struct text *members = mem_alloc_array(longest_list(c), sizeof *members);
    bool ok = moved && members && copy_items(c, copy, moved, members);
    copy->n_kept = copy->n_values;
    mem_free(moved);
    mem_free(members);
    return ok;
}

struct item_column *item_column_copy(const struct item_column *c)
{
    enum { MOST_LEFT = 1024 };
    bool many = c->n_values > 2 * c->n_kept + MOST_LEFT;
    struct item_column *copy = item_column_new(text_of(c->name));
    if (copy && (many ? compact(c, copy) : clone(c, copy)))
        return copy;
    item_column_unref(copy);
    return NULL;
}
