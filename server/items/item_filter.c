/* The tree is checked while it is read, so that what compares items need not: each comparison's value is of
 * a type that its field has. A field that loses its last item before the answer is one that no item has. */
#include "server/items/item_filter.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/fields/time_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reading {
    struct item_filter *f;
    const struct item_columns *columns;
    filter_fault_fn *told;
    void *arg;
    size_t n_leaves;
    bool of_user;        /* somebody's history may be asked */
    struct buf pointer;  /* to where the reading is */
    bool faulty, failed; /* for want of memory */
};

static const char *const compares[FILTER_COMPARES] = {"eq",  "ne", "in",  "has",   "gt",
                                                      "gte", "lt", "lte", "exists"};

static void fault(struct reading *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fault(struct reading *k, const char *format, ...)
{
    char why[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    const char *pointer = buf_text(&k->pointer);
    k->faulty = true;
    k->told(k->arg, pointer ? pointer : "", why);
}

/* Goes to a member or element of where the reading is; back is by the length there was. */
static size_t enter(struct reading *k, const char *member)
{
    size_t had = k->pointer.len;
    buf_addc(&k->pointer, '/');
    buf_adds(&k->pointer, member); /* of our own words: nothing is to be escaped */
    return had;
}

static size_t enter_index(struct reading *k, size_t i)
{
    size_t had = k->pointer.len;
    buf_addf(&k->pointer, "/%zu", i);
    return had;
}

static void leave(struct reading *k, size_t had)
{
    k->pointer.len = had;
}

/* A new node; its number, or SIZE_MAX without memory. */
static size_t add_node(struct reading *k, struct filter_node node)
{
    struct item_filter *f = k->f;
    if (!MEM_RESERVE(f->nodes, f->capacity, f->n_nodes + 1)) {
        k->failed = true;
        return SIZE_MAX;
    }
    f->nodes[f->n_nodes] = node;
    return f->n_nodes++;
}

/* ---- what fields take ---- */

static const char *const type_names[METADATA_TYPES] = {
    "nothing", "numbers", "texts", "true or false", "lists of texts", "objects or lists of something else"};

/* What the items have in a column, in words. */
static void say_types(const struct item_column *c, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = METADATA_NUMBER; i < METADATA_TYPES && n < size; i++)
        if (c->n_of[i])
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", type_names[i]);
}

void item_field_unknown(const struct item_columns *columns, struct text name, char out[FIELDS_SAID_BYTES])
{
    enum { LISTED = 32, MOST = FIELDS_SAID_BYTES - 64 };
    size_t total = columns ? columns->n : 0, i;
    size_t n = (size_t)snprintf(out, FIELDS_SAID_BYTES,
                                "no item has a field '%.*s'; there are id, title, categories, created",
                                text_shown(name), name.data);
    for (i = 0; i < total && i < LISTED; i++) {
        const char *known = columns->columns[i]->name;
        if (n + strlen(known) + 16 > MOST)
            break;
        n += (size_t)snprintf(out + n, FIELDS_SAID_BYTES - n, ", metadata.%s", known);
    }
    if (i < total)
        (void)snprintf(out + n, FIELDS_SAID_BYTES - n, " and %zu more", total - i);
}

static enum metadata_type type_of(const json_t *value)
{
    return json_is_number(value)    ? METADATA_NUMBER
           : json_is_string(value)  ? METADATA_TEXT
           : json_is_boolean(value) ? METADATA_BOOL
                                    : METADATA_OTHER;
}

/* Whether some item could have such a value: one that is compared by eq, ne, or in a list. */
static bool check_value(struct reading *k, const struct filter_node *leaf, const struct item_column *c,
                        const json_t *value)
{
    char types[160];
    enum metadata_type type = type_of(value);
    if (type == METADATA_OTHER) {
        fault(k, "expected a text, a number, true or false");
        return false;
    }
    if (!c && type != METADATA_TEXT) {
        fault(k, "the field has texts");
        return false;
    }
    if (!c || c->n_of[type] || (type == METADATA_NUMBER && c->n_numbers) ||
        (leaf->compare == COMPARE_IN && type == METADATA_TEXT && c->n_of[METADATA_LIST]))
        return true;
    say_types(c, types, sizeof types);
    fault(k, "metadata.%s has %s%s", c->name, types,
          c->n_of[METADATA_LIST] ? ": a list takes has, in and exists" : "");
    return false;
}

static bool check_in(struct reading *k, const struct filter_node *leaf, const struct item_column *c)
{
    size_t n = json_array_size(leaf->value);
    if (!json_is_array(leaf->value) || n > LIMIT_FILTER_VALUES) {
        fault(k, "expected a list of at most %d values", LIMIT_FILTER_VALUES);
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        size_t had = enter_index(k, i);
        ok = check_value(k, leaf, c, json_array_get(leaf->value, i)) && ok;
        leave(k, had);
    }
    return ok;
}

static bool check_has(struct reading *k, const struct filter_node *leaf, const struct item_column *c)
{
    char types[160];
    if (!json_is_string(leaf->value)) {
        fault(k, "expected the text that the list is to have");
        return false;
    }
    if (leaf->field == FIELD_CATEGORIES || (c && c->n_of[METADATA_LIST]))
        return true;
    if (c)
        say_types(c, types, sizeof types);
    fault(k, "the field has %s; has is for lists, and eq for others", c ? types : "texts");
    return false;
}

/* gt and its kin: numbers, or times. */
static bool check_order(struct reading *k, struct filter_node *leaf, const struct item_column *c)
{
    const json_t *value = leaf->value;
    struct text text = {json_string_value(value), json_string_length(value)};
    char types[160];
    if (leaf->field == FIELD_CREATED) {
        leaf->seconds = (int64_t)fmax(-1e15, fmin(1e15, json_number_value(value)));
        if (json_is_number(value) || (text.data && time_text_seconds(text, &leaf->seconds)))
            return true;
        fault(k, "expected seconds since 1970, or a time as text, as 2026-11-30");
        return false;
    }
    if (!c) {
        fault(k, "it has no order: %s compares numbers and times", compares[leaf->compare]);
        return false;
    }
    say_types(c, types, sizeof types);
    if (json_is_number(value) && (c->n_of[METADATA_NUMBER] || c->n_numbers))
        return true;
    if (json_is_number(value)) {
        fault(k, "metadata.%s has no numbers, but %s", c->name, types);
        return false;
    }
    if (!text.data || !time_text_seconds(text, &leaf->seconds)) {
        fault(k, "expected a number, or a time as text, as 2026-11-30 or 2026-11-30T10:00:00Z");
        return false;
    }
    leaf->by_time = true;
    if (c->n_times)
        return true;
    fault(k, "metadata.%s has no times, but %s", c->name, types);
    return false;
}

static bool check_leaf(struct reading *k, struct filter_node *leaf, const struct item_column *c)
{
    bool list = leaf->field == FIELD_CATEGORIES;
    if (leaf->field == FIELD_CREATED && leaf->compare < COMPARE_GT) {
        fault(k, "created takes gt, gte, lt, lte and exists");
        return false;
    }
    if (list && (leaf->compare == COMPARE_EQ || leaf->compare == COMPARE_NE)) {
        fault(k, "categories are a list, which takes has, in and exists");
        return false;
    }
    switch (leaf->compare) {
    case COMPARE_EQ:
    case COMPARE_NE:
        return check_value(k, leaf, c, leaf->value);
    case COMPARE_IN:
        return check_in(k, leaf, c);
    case COMPARE_HAS:
        return check_has(k, leaf, c);
    case COMPARE_EXISTS:
        if (!json_is_boolean(leaf->value))
            fault(k, "expected true or false");
        return json_is_boolean(leaf->value);
    default:
        return check_order(k, leaf, c);
    }
}

/* ---- the tree ---- */

static const char metadata[] = "metadata.";
enum { METADATA_LEN = sizeof metadata - 1 };

struct text item_field_member(struct text name)
{
    return (struct text){name.data + METADATA_LEN, name.len - METADATA_LEN};
}

bool item_field_find(const struct item_columns *columns, struct text name, enum filter_field *field,
                     const struct item_column **column)
{
    static const char *const plain[] = {"id", "title", "categories", "created"};
    *column = NULL;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (text_is(name, plain[i])) {
            *field = (enum filter_field)i;
            return true;
        }
    if (name.len <= METADATA_LEN || memcmp(name.data, metadata, METADATA_LEN) != 0)
        return false;
    *field = FIELD_METADATA;
    *column = item_columns_find(columns, item_field_member(name));
    return *column != NULL;
}

/* False: there is no such field, which was told. */
static bool find_field(struct reading *k, struct text name, struct filter_node *leaf,
                       const struct item_column **c)
{
    char why[FIELDS_SAID_BYTES];
    if (item_field_find(k->columns, name, &leaf->field, c)) {
        leaf->name =
            *c ? item_field_member(name) : (struct text){NULL, 0}; /* the tree's: the column may go */
        return true;
    }
    item_field_unknown(k->columns, name, why);
    fault(k, "%s", why);
    return false;
}

static void read_compare(struct reading *k, struct filter_node leaf, const struct item_column *c)
{
    if (++k->n_leaves > LIMIT_FILTER_LEAVES) {
        if (k->n_leaves == LIMIT_FILTER_LEAVES + 1)
            fault(k, "a filter may have %d comparisons", LIMIT_FILTER_LEAVES);
        return;
    }
    if (!check_leaf(k, &leaf, c))
        return;
    size_t at = add_node(k, leaf);
    if (at != SIZE_MAX)
        k->f->nodes[at].end = at + 1;
}

/* {"field": ..., comparisons}: all of them are to hold. */
static void read_leaf(struct reading *k, json_t *tree)
{
    struct filter_node leaf = {.kind = FILTER_LEAF};
    const struct item_column *c = NULL;
    const json_t *field = json_object_get(tree, "field");
    size_t had = enter(k, "field"), n = 0;
    bool known = json_is_string(field);
    if (!known)
        fault(k, "expected the name of a field");
    known =
        known && find_field(k, (struct text){json_string_value(field), json_string_length(field)}, &leaf, &c);
    leave(k, had);
    size_t parent = add_node(k, (struct filter_node){.kind = FILTER_ALL, .tree = tree});
    for (int i = 0; i < FILTER_COMPARES; i++) {
        leaf.value = json_object_get(tree, compares[i]);
        leaf.compare = (enum filter_compare)i;
        n += leaf.value != NULL;
        if (!leaf.value || !known)
            continue;
        had = enter(k, compares[i]);
        read_compare(k, leaf, c);
        leave(k, had);
    }
    if (n == 0 || n + 1 != json_object_size(tree))
        fault(
            k,
            "expected field and one or more of eq, ne, in, has, gt, gte, lt, lte, exists, and nothing else");
    if (parent != SIZE_MAX)
        k->f->nodes[parent].end = k->f->n_nodes;
}

/* ---- what the user has ---- */

/* Its days to seconds; 0: ever. */
static bool read_within(struct reading *k, const json_t *asked, int64_t *seconds)
{
    static const double most = 36500, day = 86400;
    const json_t *days = json_object_get(asked, "within_days");
    double n = json_number_value(days);
    *seconds = 0;
    if (!days)
        return true;
    size_t had = enter(k, "within_days");
    bool ok = json_is_number(days) && n > 0 && n <= most;
    if (ok)
        *seconds = (int64_t)ceil(n * day);
    else
        fault(k, "expected a number of days above 0, at most %.0f", most);
    leave(k, had);
    return ok;
}

static void add_own(struct reading *k, json_t *tree, struct filter_own own)
{
    struct item_filter *f = k->f;
    const char *pointer = buf_text(&k->pointer);
    if (!pointer || !MEM_RESERVE(f->own, f->own_capacity, f->n_own + 1)) {
        k->failed = true;
        return;
    }
    (void)snprintf(own.pointer, sizeof own.pointer, "%s/kind", pointer);
    size_t at = add_node(k, (struct filter_node){.kind = FILTER_OWN, .own = f->n_own, .tree = tree});
    f->own[f->n_own++] = own;
    if (at != SIZE_MAX)
        f->nodes[at].end = at + 1;
}

/* {"has_kind": {"kind": ..., "within_days": ...}} */
static void read_has_kind(struct reading *k, json_t *tree)
{
    const json_t *asked = json_object_get(tree, "has_kind"), *kind = json_object_get(asked, "kind");
    struct filter_own own = {.kind = {json_string_value(kind), json_string_length(kind)}};
    size_t had, n_known = 1 + (json_object_get(asked, "within_days") != NULL);
    if (json_object_size(tree) != 1)
        fault(k, "beside has_kind there is nothing else");
    had = enter(k, "has_kind");
    if (!k->of_user)
        fault(k, "this list is nobody's: has_kind asks for what the user has whom a list is for");
    else if (!kind || json_object_size(asked) != n_known)
        fault(k, "expected an object with kind, or kind and within_days");
    else if (!own.kind.data || own.kind.len == 0 || own.kind.len > LIMIT_KIND_BYTES)
        fault(k, "expected the name of a kind of events as kind");
    else if (++k->n_leaves > LIMIT_FILTER_LEAVES)
        fault(k, "a filter may have %d comparisons", LIMIT_FILTER_LEAVES);
    else if (k->f->n_own == LIMIT_FILTER_OWN)
        fault(k, "a filter may have %d has_kind", LIMIT_FILTER_OWN);
    else if (read_within(k, asked, &own.within))
        add_own(k, tree, own);
    leave(k, had);
}

/* ---- the tree of trees ---- */

static void read_tree(struct reading *k, json_t *tree, size_t depth);

static void read_children(struct reading *k, json_t *list, const char *name, enum filter_kind kind,
                          json_t *tree, size_t depth)
{
    size_t at = add_node(k, (struct filter_node){.kind = kind, .tree = tree}), had = enter(k, name);
    if (kind == FILTER_NOT)
        read_tree(k, list, depth + 1);
    else if (!json_is_array(list))
        fault(k, "expected a list of filters");
    for (size_t i = 0; kind != FILTER_NOT && i < json_array_size(list) && k->n_leaves <= LIMIT_FILTER_LEAVES;
         i++) {
        size_t before = enter_index(k, i);
        read_tree(k, json_array_get(list, i), depth + 1);
        leave(k, before);
    }
    leave(k, had);
    if (at != SIZE_MAX)
        k->f->nodes[at].end = k->f->n_nodes;
}

static void read_tree(struct reading *k, json_t *tree, size_t depth)
{
    static const char *const names[] = {"all", "any", "not"};
    if (k->failed)
        return;
    if (depth > LIMIT_FILTER_DEPTH || k->f->n_nodes > 4 * LIMIT_FILTER_LEAVES) {
        fault(k, "a filter may be %d deep and have %d parts", LIMIT_FILTER_DEPTH, 4 * LIMIT_FILTER_LEAVES);
        k->n_leaves = LIMIT_FILTER_LEAVES + 2; /* that was said of the rest too */
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *children = json_object_get(tree, names[i]);
        if (!children)
            continue;
        if (json_object_size(tree) != 1)
            fault(k, "beside %s there is nothing else", names[i]);
        read_children(k, children, names[i], (enum filter_kind)i, tree, depth);
        return;
    }
    if (json_object_get(tree, "field"))
        read_leaf(k, tree);
    else if (json_object_get(tree, "has_kind"))
        read_has_kind(k, tree);
    else
        fault(k, "expected an object with all, any, not, field or has_kind");
}

/* ---- the text ---- */

static int append(const char *text, size_t n, void *out)
{
    buf_add(out, text, n);
    return 0;
}

/* The text by which equal filters are found; jansson fails for want of memory. ERR_LIMIT: it is too long. */
static enum err_code write_text(struct item_filter *f)
{
    int rc = json_dump_callback(f->tree, append, &f->text, JSON_COMPACT | JSON_SORT_KEYS);
    return rc ? ERR_NOMEM : f->text.failed;
}

/* ---- what asks nothing of the user ---- */

static bool asks_user(const struct item_filter *f, size_t at)
{
    for (size_t i = at; i < f->nodes[at].end; i++)
        if (f->nodes[i].kind == FILTER_OWN)
            return true;
    return false;
}

/* Makes the node's tree a filter of its own. */
static bool add_part(struct item_filter *f, size_t at)
{
    struct filter_node *node = &f->nodes[at];
    struct item_filter *part;
    if (!MEM_RESERVE(f->parts, f->parts_capacity, f->n_parts + 1) ||
        !(part = mem_zalloc_array(1, sizeof *part)))
        return false;
    f->parts[f->n_parts] = part;
    node->part = ++f->n_parts;
    part->tree = json_incref(node->tree);
    part->n_nodes = part->capacity = node->end - at;
    part->nodes = mem_alloc_array(part->n_nodes, sizeof *part->nodes);
    buf_init(&part->text, LIMIT_FILTER_BYTES);
    for (size_t i = 0; part->nodes && i < part->n_nodes; i++) {
        part->nodes[i] = f->nodes[at + i];
        part->nodes[i].part = 0;
        part->nodes[i].end -= at;
    }
    return part->nodes && write_text(part) == ERR_OK;
}

static bool split(struct item_filter *f, size_t at)
{
    if (f->nodes[at].kind == FILTER_OWN)
        return true;
    if (!asks_user(f, at))
        return add_part(f, at);
    for (size_t child = at + 1; child < f->nodes[at].end; child = f->nodes[child].end)
        if (!split(f, child))
            return false;
    return true;
}

/* ---- life ---- */

static void end_text(struct reading *k)
{
    enum err_code code = write_text(k->f);
    if (code == ERR_LIMIT)
        fault(k, "a filter may have %d bytes", LIMIT_FILTER_BYTES);
    else if (code)
        k->failed = true;
}

enum err_code item_filter_read(json_t *tree, const struct item_columns *columns, bool of_user,
                               filter_fault_fn *told, void *arg, struct item_filter **out, struct err *e)
{
    struct item_filter *f = mem_zalloc_array(1, sizeof *f);
    *out = NULL;
    if (!f)
        return err_set(e, ERR_NOMEM, "no memory for a filter");
    struct reading k = {.f = f, .columns = columns, .told = told, .arg = arg, .of_user = of_user};
    buf_init(&f->text, LIMIT_FILTER_BYTES);
    buf_init(&k.pointer, LIMIT_FILTER_BYTES);
    f->tree = json_incref(tree);
    read_tree(&k, tree, 1);
    if (!k.faulty && !k.failed)
        end_text(&k);
    bool failed = k.failed || k.pointer.failed || (!k.faulty && f->n_own && !split(f, 0));
    buf_fini(&k.pointer);
    if (k.faulty || failed)
        item_filter_free(f);
    else
        *out = f;
    return failed ? err_set(e, ERR_NOMEM, "no memory for a filter") : ERR_OK;
}

void item_filter_free(struct item_filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n_parts; i++)
        item_filter_free(f->parts[i]);
    mem_free(f->parts);
    mem_free(f->own);
    mem_free(f->nodes);
    buf_fini(&f->text);
    json_decref(f->tree);
    mem_free(f);
}
