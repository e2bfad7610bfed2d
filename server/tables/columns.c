/* The names of columns. Data sets call the same thing by many names; those in wide use are listed here, and
 * the canonical name wins where a file has several of them. */
#include "server/tables/format.h"

#include "base/mem.h"
#include "server/fields/field.h"
#include "server/fields/field_value.h"
#include "server/tables/row_builder.h"
#include "server/tables/sniff.h"

#include <stdio.h>
#include <string.h>

enum { N_NAMES = 20, N_PLAIN_TIMES = 5, N_PLAIN_ITEMS = 11 };

struct synonyms {
    enum table_role role;
    unsigned kinds;             /* bits of enum table_kind in which the role exists */
    const char *names[N_NAMES]; /* the canonical one first */
};

enum {
    IN_INTERACTIONS = 1u << TABLE_INTERACTIONS,
    IN_USERS = 1u << TABLE_USERS,
    IN_ITEMS = 1u << TABLE_ITEMS,
    IN_CONTEXTS = 1u << TABLE_CONTEXTS
};

static const struct synonyms all_synonyms[] = {
    {ROLE_USER,
     IN_INTERACTIONS | IN_USERS | IN_CONTEXTS,
     {"user", "user_id", "userid", "uid", "customer", "customer_id", "customerid", "visitor_id",
      "visitorid"}},
    {ROLE_ITEM,
     IN_INTERACTIONS | IN_ITEMS,
     {"item", "item_id", "itemid", "movie_id", "movieid", "iid", "product", "product_id", "productid",
      "book_id", "track_id", /* the plain ones: N_PLAIN_ITEMS */
      "sku", "article_id", "article", "asin", "isbn"}},
    {ROLE_RATING, IN_INTERACTIONS, {"rating", "score", "stars"}},
    {ROLE_WEIGHT, IN_INTERACTIONS, {"weight", "count"}},
    {ROLE_TIME,
     IN_INTERACTIONS,
     {"timestamp", "ts", "time", "date", "datetime", /* the plain ones: N_PLAIN_TIMES */
      "unix_timestamp", "unixtime", "event_time", "event_timestamp", "occurred_at", "ordered_at",
      "order_date", "order_time", "purchased_at", "purchase_date", "viewed_at", "rated_at", "created_at"}},
    {ROLE_KIND, IN_INTERACTIONS, {"kind"}},
    {ROLE_TITLE, IN_ITEMS, {"title", "name"}},
    {ROLE_CATEGORIES, IN_ITEMS, {"categories", "category", "genres", "genre", "tags"}},
    {ROLE_HIDDEN, IN_ITEMS, {"hidden"}},
    {ROLE_FROM, IN_ITEMS, {"available_from"}},
    {ROLE_UNTIL, IN_ITEMS, {"available_until"}},
    {ROLE_CREATED, IN_ITEMS, {"created"}},
    {ROLE_EMBEDDING, IN_CONTEXTS, {"embedding", "context", "vector"}},
};
enum { N_SYNONYMS = sizeof all_synonyms / sizeof all_synonyms[0] };

/* Whether a header's name is a listed one: case, and what stands between words (`Customer ID`,
 * `customer-id`), make no difference. */
static bool is_name(struct text name, const char *listed)
{
    size_t i = 0;
    for (; i < name.len && listed[i]; i++) {
        char c = name.data[i];
        c = c == ' ' || c == '-' || c == '.' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        if (c != listed[i])
            return false;
    }
    return i == name.len && !listed[i];
}

enum table_role table_role_of(enum table_kind kind, struct text name, size_t *rank)
{
    for (size_t i = 0; i < N_SYNONYMS; i++) {
        const struct synonyms *s = &all_synonyms[i];
        if (!(s->kinds & 1u << kind))
            continue;
        for (size_t j = 0; j < N_NAMES && s->names[j]; j++)
            if (is_name(name, s->names[j])) {
                if (rank)
                    *rank = j;
                return s->role;
            }
    }
    return ROLE_EXTRA;
}

const char *table_role_name(enum table_role role)
{
    for (size_t i = 0; i < N_SYNONYMS; i++)
        if (all_synonyms[i].role == role)
            return all_synonyms[i].names[0];
    return role == ROLE_DELETED ? "deleted"
           : role == ROLE_COUNT ? "count"
           : role == ROLE_FIRST ? "first"
                                : "";
}

void table_columns_fini(struct table_columns *c)
{
    for (size_t i = 0; i < c->n; i++) {
        mem_free(c->list[i].name);
        mem_free(c->list[i].called);
    }
    mem_free(c->list);
    *c = (struct table_columns){0};
}

bool table_columns_have(const struct table_columns *c, const char *name)
{
    size_t i = 0;
    while (i < c->n && strcmp(c->list[i].name, name) != 0)
        i++;
    return i < c->n;
}

const char *table_columns_other_separator(const struct table_columns *c)
{
    const char *what = NULL;
    for (size_t i = 0; i < c->n && !what; i++)
        what = table_sniff_header(c->list[i].name, strlen(c->list[i].name), c->n);
    return what;
}

static enum err_code add_column(struct table_columns *c, enum table_role role, const char *name, size_t len,
                                struct err *e)
{
    char *copy = mem_alloc(len + 1);
    if (!copy)
        return err_set(e, ERR_NOMEM, "no memory for the names of the columns");
    if (len)
        memcpy(copy, name, len);
    copy[len] = '\0';
    c->list[c->n++] = (struct table_column){.role = role, .name = copy};
    return ERR_OK;
}

static enum err_code start(struct table_columns *c, size_t n, struct err *e)
{
    *c = (struct table_columns){.list = mem_zalloc_array(n, sizeof *c->list), .least = n};
    return c->list ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for the names of the columns");
}

enum err_code table_columns_add(struct table_columns *c, enum table_role role, struct text name,
                                struct err *e)
{
    struct table_column *list = mem_realloc_array(c->list, c->n + 1, sizeof *list);
    if (!list)
        return err_set(e, ERR_NOMEM, "no memory for the names of the columns");
    c->list = list;
    return add_column(c, role, name.data, name.len, e);
}

/* What an item is called and what it is like stands in many columns of a shop's table; nothing is lost, since
 * the rest is metadata. A SKU stands back for an item's own number. Times of several events (ordered_at,
 * created_at) are usual too, but a `date` beside a `time` is one time in two halves. */
bool table_role_by_rank(enum table_role role, size_t rank)
{
    return role == ROLE_TITLE || role == ROLE_CATEGORIES || (role == ROLE_TIME && rank >= N_PLAIN_TIMES) ||
           (role == ROLE_ITEM && rank >= N_PLAIN_ITEMS);
}

/* ---- formats with a header ---- */

/* A column that is called as another one is to be called stands back. */
static enum err_code settle_names(struct table_columns *c, struct err *e)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = 0; c->list[i].called && j < c->n; j++) {
            if (i == j || strcmp(c->list[i].name, c->list[j].name) != 0)
                continue;
            if (c->list[j].called)
                return err_set(e, ERR_INVALID, "two columns are to be called '%s' (--column)",
                               c->list[i].name);
            c->list[j].role = ROLE_IGNORED;
        }
    return ERR_OK;
}

enum table_role table_role_with_kind(enum table_role role, const char *name)
{
    if ((role == ROLE_WEIGHT || role == ROLE_EXTRA) && is_name(text_of(name), "count"))
        return ROLE_COUNT;
    if (role == ROLE_EXTRA && is_name(text_of(name), "last"))
        return ROLE_TIME;
    return role == ROLE_EXTRA && is_name(text_of(name), "first") ? ROLE_FIRST : role;
}

static bool has_role(const struct table_columns *c, enum table_role role)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->list[i].role == role)
            return true;
    return false;
}

/* What columns mean beside a kind; a `last` stands back for every other time. */
static void settle_kind(struct table_columns *c)
{
    for (size_t i = 0; i < c->n; i++) {
        enum table_role role = table_role_with_kind(c->list[i].role, c->list[i].name);
        if (role != ROLE_TIME || !has_role(c, ROLE_TIME))
            c->list[i].role = role;
    }
}

/* Gives every role to one column at most; a column that loses its role is an extra one. */
static enum err_code settle_roles(enum table_kind kind, struct table_columns *c, struct err *e)
{
    if (has_role(c, ROLE_KIND))
        settle_kind(c);
    for (size_t i = 0; i < c->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (c->list[i].role == ROLE_IGNORED || c->list[j].role == ROLE_IGNORED)
                continue;
            if (*c->list[i].name && strcmp(c->list[i].name, c->list[j].name) == 0)
                return err_set(e, ERR_INVALID, "two columns are called '%s'", c->list[i].name);
            if (c->list[i].role != c->list[j].role || c->list[i].role == ROLE_EXTRA)
                continue;
            size_t first = 0, second = 0;
            const char *names[] = {c->list[j].name, c->list[i].name};
            (void)table_role_of(kind, text_of(names[0]), &first);
            (void)table_role_of(kind, text_of(names[1]), &second);
            size_t last = first > second ? first : second;
            if (first == second || (first && second && !table_role_by_rank(c->list[i].role, last)))
                return err_set(e, ERR_INVALID,
                               "the columns '%s' and '%s' mean the same; rename the one that is not meant",
                               names[0], names[1]);
            c->list[first < second ? i : j].role = ROLE_EXTRA;
        }
    }
    return ERR_OK;
}

/* "user, user_id or userid" of a role, to out (n). */
static void list_names(enum table_role role, char *out, size_t n)
{
    out[0] = '\0';
    for (size_t i = 0; i < N_SYNONYMS; i++)
        for (size_t j = 1; all_synonyms[i].role == role && j < N_NAMES && all_synonyms[i].names[j]; j++)
            (void)snprintf(out + strlen(out), n - strlen(out), "%s%s", j > 1 ? ", " : "",
                           all_synonyms[i].names[j]);
}

static enum err_code refuse_header(const struct table_columns *c, enum table_role role, const char *name,
                                   struct err *e)
{
    char others[320];
    const char *what = table_columns_other_separator(c);
    if (what)
        return err_set(e, ERR_INVALID, "the header has no column '%s'; %s", name, what);
    list_names(role, others, sizeof others);
    return err_set(e, ERR_INVALID,
                   "the header has no column '%s' (or %s; it begins with '%.40s'); the first line must name "
                   "the columns; "
                   "import --column %s=NAME says which it is, --no-header that there are no names",
                   name, others, c->n ? c->list[0].name : "", name);
}

static const struct {
    enum table_kind kind;
    enum table_role role;
    const char *name;
} needed[] = {
    {TABLE_INTERACTIONS, ROLE_USER, "user"}, {TABLE_INTERACTIONS, ROLE_ITEM, "item"},
    {TABLE_USERS, ROLE_USER, "user"},        {TABLE_ITEMS, ROLE_ITEM, "item"},
    {TABLE_CONTEXTS, ROLE_USER, "user"},     {TABLE_CONTEXTS, ROLE_EMBEDDING, "embedding"},
};
enum { N_NEEDED = sizeof needed / sizeof needed[0] };

bool table_role_needed(enum table_kind kind, enum table_role role)
{
    for (size_t i = 0; i < N_NEEDED; i++)
        if (needed[i].kind == kind && needed[i].role == role)
            return true;
    return false;
}

static enum err_code check_needed(enum table_kind kind, const struct table_columns *c, struct err *e)
{
    for (size_t i = 0; i < N_NEEDED; i++)
        if (needed[i].kind == kind && !has_role(c, needed[i].role))
            return refuse_header(c, needed[i].role, needed[i].name, e);
    return ERR_OK;
}

/* A column, by the name that it was given where it was given one. */
static enum err_code add_named(enum table_kind kind, struct text name, const struct table_naming *naming,
                               struct table_columns *c, struct err *e)
{
    const struct table_name *given = table_naming_of(naming, name);
    if (given)
        name = text_of(given->as);
    enum table_role role = table_role_of(kind, name, NULL);
    if (!given && naming && naming->no_header)
        role = ROLE_IGNORED;
    enum err_code code = add_column(c, role, name.data, name.len, e);
    if (code || !given)
        return code;
    c->list[c->n - 1].called = mem_strdup(given->called);
    return c->list[c->n - 1].called ? ERR_OK
                                    : err_set(e, ERR_NOMEM, "no memory for the names of the columns");
}

enum err_code table_columns_by_number(enum table_kind kind, size_t n_fields,
                                      const struct table_naming *naming, struct table_columns *out,
                                      struct err *e)
{
    struct table_columns c;
    char number[24];
    enum err_code code = start(&c, n_fields, e);
    for (size_t i = 0; !code && i < n_fields; i++) {
        (void)snprintf(number, sizeof number, "%zu", i + 1);
        code = add_named(kind, text_of(number), naming, &c, e);
    }
    if (!code)
        code = settle_names(&c, e);
    if (!code)
        code = settle_roles(kind, &c, e);
    for (size_t i = 0; !code && i < N_NEEDED; i++)
        if (needed[i].kind == kind && !has_role(&c, needed[i].role))
            code = err_set(e, ERR_INVALID,
                           "which of its %zu columns is the %s? Without a header --column %s=N says so",
                           n_fields, needed[i].name, needed[i].name);
    if (code) {
        table_columns_fini(&c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

enum err_code table_columns_by_header(enum table_kind kind, const struct table_fields *header,
                                      const struct table_naming *naming, struct table_columns *out,
                                      struct err *e)
{
    struct table_columns c;
    enum err_code code = start(&c, header->n, e);
    if (!code && header->n == 1 && memchr(header->list[0].data, '\t', header->list[0].len))
        code = err_set(e, ERR_INVALID, "the header is one column; %s",
                       table_sniff_header(header->list[0].data, header->list[0].len, 1));
    for (size_t i = 0; !code && i < header->n; i++) {
        struct text name = field_value_trim(header->list[i]);
        code = field_check_plain(name, "name of a column", e);
        if (!code)
            code = add_named(kind, name, naming, &c, e);
    }
    if (!code)
        code = settle_names(&c, e);
    if (!code)
        code = settle_roles(kind, &c, e);
    if (!code)
        code = check_needed(kind, &c, e);
    if (code) {
        table_columns_fini(&c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

/* ---- formats without ---- */

struct fixed_column {
    enum table_role role;
    const char *name;
};

struct fixed_layout {
    enum table_kind kind;
    enum table_format format;
    size_t least, most; /* fields of a line */
    struct fixed_column columns[TABLE_U_ITEM_COLUMNS];
};

static const struct fixed_layout layouts[] = {
    {TABLE_INTERACTIONS,
     TABLE_DAT,
     2,
     4,
     {{ROLE_USER, "user"}, {ROLE_ITEM, "item"}, {ROLE_RATING, "rating"}, {ROLE_TIME, "timestamp"}}},
    {TABLE_INTERACTIONS,
     TABLE_U_DATA,
     2,
     4,
     {{ROLE_USER, "user"}, {ROLE_ITEM, "item"}, {ROLE_RATING, "rating"}, {ROLE_TIME, "timestamp"}}},
    {TABLE_USERS,
     TABLE_DAT,
     5,
     5,
     {{ROLE_USER, "user"},
      {ROLE_EXTRA, "gender"},
      {ROLE_EXTRA, "age"},
      {ROLE_EXTRA, "occupation"},
      {ROLE_EXTRA, "zip"}}},
    {TABLE_USERS, TABLE_DAT, 1, 2, {{ROLE_USER, "user"}, {ROLE_EXTRA, "account"}}}, /* MovieTweetings */
    {TABLE_ITEMS,
     TABLE_DAT,
     2,
     3,
     {{ROLE_ITEM, "item"}, {ROLE_TITLE, "title"}, {ROLE_CATEGORIES, "categories"}}},
    {TABLE_USERS,
     TABLE_U_USER,
     5,
     5,
     {{ROLE_USER, "user"},
      {ROLE_EXTRA, "age"},
      {ROLE_EXTRA, "gender"},
      {ROLE_EXTRA, "occupation"},
      {ROLE_EXTRA, "zip"}}},
    {TABLE_ITEMS,
     TABLE_U_ITEM,
     TABLE_U_ITEM_COLUMNS,
     TABLE_U_ITEM_COLUMNS,
     {{ROLE_ITEM, "item"},         {ROLE_TITLE, "title"},     {ROLE_EXTRA, "release_date"},
      {ROLE_EXTRA, "video_date"},  {ROLE_EXTRA, "url"},       {ROLE_GENRE, "unknown"},
      {ROLE_GENRE, "Action"},      {ROLE_GENRE, "Adventure"}, {ROLE_GENRE, "Animation"},
      {ROLE_GENRE, "Children's"},  {ROLE_GENRE, "Comedy"},    {ROLE_GENRE, "Crime"},
      {ROLE_GENRE, "Documentary"}, {ROLE_GENRE, "Drama"},     {ROLE_GENRE, "Fantasy"},
      {ROLE_GENRE, "Film-Noir"},   {ROLE_GENRE, "Horror"},    {ROLE_GENRE, "Musical"},
      {ROLE_GENRE, "Mystery"},     {ROLE_GENRE, "Romance"},   {ROLE_GENRE, "Sci-Fi"},
      {ROLE_GENRE, "Thriller"},    {ROLE_GENRE, "War"},       {ROLE_GENRE, "Western"}}},
};
enum { N_LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* The layout that fits the first line, or else the last one for the kind, whose counts the line then breaks.
 */
static const struct fixed_layout *layout_of(enum table_kind kind, enum table_format format, size_t n_fields)
{
    const struct fixed_layout *found = NULL;
    for (size_t i = 0; i < N_LAYOUTS; i++) {
        if (layouts[i].kind != kind || layouts[i].format != format)
            continue;
        if (n_fields >= layouts[i].least && n_fields <= layouts[i].most)
            return &layouts[i];
        found = found ? found : &layouts[i];
    }
    return found;
}

enum err_code table_columns_fixed(enum table_kind kind, enum table_format format, size_t n_fields,
                                  struct table_columns *out, struct err *e)
{
    static const char *const kinds[] = {"interactions", "users", "items", "contexts", "candidates", "rows"};
    const struct fixed_layout *layout = layout_of(kind, format, n_fields);
    if (!layout)
        return err_set(e, ERR_INVALID, "a table of %s cannot have the format %s", kinds[kind],
                       table_format_name(format));
    struct table_columns c;
    enum err_code code = start(&c, layout->most, e);
    for (size_t i = 0; !code && i < layout->most; i++)
        code = add_column(&c, layout->columns[i].role, layout->columns[i].name,
                          strlen(layout->columns[i].name), e);
    if (code) {
        table_columns_fini(&c);
        return code;
    }
    c.least = layout->least;
    *out = c;
    return ERR_OK;
}
