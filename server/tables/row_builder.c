/* What a value must be is the same for every format, so it is checked here, where text formats and NDJSON
 * meet. JSON is written as the values come, so a row is one pass. */
#include "server/tables/row_builder.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "server/fields/field.h"
#include "server/fields/field_value.h"
#include "server/fields/text_form.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CATEGORIES_BYTES = 64 * 1024 };

void table_row_builder_init(struct table_row_builder *b, enum table_kind kind)
{
    *b = (struct table_row_builder){.kind = kind, .now = clock_unix_s()};
    buf_init(&b->categories, CATEGORIES_BYTES);
    buf_init(&b->object, kind == TABLE_USERS ? LIMIT_PROFILE_BYTES : LIMIT_METADATA_BYTES);
    table_row_start(b);
}

void table_row_builder_fini(struct table_row_builder *b)
{
    buf_fini(&b->categories);
    buf_fini(&b->object);
    mem_free(b->embedding);
    mem_free(b->cells);
    b->cells = NULL;
    b->cell_capacity = 0;
    b->embedding = NULL;
    b->embedding_capacity = 0;
}

void table_row_start(struct table_row_builder *b)
{
    b->row = (struct table_row){.weight = 1, .rating = NAN};
    b->n_categories = 0;
    buf_reset(&b->categories);
    buf_reset(&b->object);
}

enum err_code table_row_check_word(struct text id, bool quoted, const char *what, struct err *e)
{
    if (quoted || !field_is_null_word(id))
        return ERR_OK;
    return err_set(
        e, ERR_INVALID,
        "the id of the %s is %.*s, which programs write for none; if it is meant, quote it: \"%.*s\" in CSV",
        what, (int)id.len, id.data, (int)id.len, id.data);
}

enum err_code table_row_check_id(struct text id, const char *what, struct err *e)
{
    char of[32];
    (void)snprintf(of, sizeof of, "id of the %s", what);
    enum err_code code = field_check_id(id, what, e);
    return code ? code : field_check_plain(id, of, e);
}

static enum err_code check_row_id(const struct table_row_builder *b, struct text id, const char *what,
                                  struct err *e)
{
    return b->any_text ? field_check_id(id, what, e) : table_row_check_id(id, what, e);
}

static enum err_code read_number(struct text text, const char *name, double *out, struct err *e)
{
    char advice[TEXT_FORM_ADVICE_BYTES];
    if (field_value_number(text, out))
        return ERR_OK;
    return err_set(e, ERR_INVALID, "the %s '%.*s' is not a finite number%s", name, text_shown(text),
                   text.data, text_form_advice(text, false, advice));
}

static enum err_code set_weight(struct table_row_builder *b, const char *name, struct text text,
                                struct err *e)
{
    double x;
    enum err_code code = read_number(text, name, &x, e);
    if (!code)
        code = field_check_weight(x, e);
    if (!code)
        b->row.weight = x;
    return code;
}

static enum err_code set_rating(struct table_row_builder *b, const char *name, struct text text,
                                struct err *e)
{
    double x;
    enum err_code code = read_number(text, name, &x, e);
    if (!code)
        code = field_check_rating(&x, e);
    if (!code)
        b->row.rating = x;
    return code;
}

static enum err_code set_time(struct table_row_builder *b, struct text text, struct err *e)
{
    enum field_time_form form;
    enum err_code code = field_time_of_text(text, b->now, &b->row.timestamp, &form, e);
    if (!code) {
        b->row.timed = true;
        b->row.time_form = form;
    }
    return code;
}

static enum err_code set_count(struct table_row_builder *b, struct text text, struct err *e)
{
    double x;
    enum err_code code = read_number(text, "count", &x, e);
    if (!code && !(x >= 1 && x <= LIMIT_EVENT_COUNT && floor(x) == x))
        code = err_set(e, ERR_INVALID, "the count '%.*s' is no whole number from 1 to %d", text_shown(text),
                       text.data, LIMIT_EVENT_COUNT);
    if (!code)
        b->row.count = (int32_t)x;
    return code;
}

static enum err_code set_first(struct table_row_builder *b, struct text text, struct err *e)
{
    enum field_time_form form;
    return field_time_of_text(text, b->now, &b->row.first, &form, e);
}

enum err_code table_row_add_category(struct table_row_builder *b, struct text text, struct err *e)
{
    if (!b->exact)
        text = field_value_trim(text);
    bool none = field_value_is(text, "(no genres listed)"); /* MovieLens says it so */
    b->row.no_categories = b->row.no_categories || none;
    if (!text.len || none)
        return ERR_OK;
    if (b->n_categories == LIMIT_CATEGORIES)
        return err_set(e, ERR_INVALID, "more than %d categories", LIMIT_CATEGORIES);
    buf_addc(&b->categories, b->n_categories++ ? ',' : '[');
    buf_add_json_string(&b->categories, text.data, text.len);
    return ERR_OK;
}

static enum err_code add_categories(struct table_row_builder *b, struct text text, struct err *e)
{
    const char *p = text.data, *end = p + text.len;
    for (;;) {
        const char *stop = memchr(p, '|', (size_t)(end - p));
        enum err_code code =
            table_row_add_category(b, (struct text){p, (size_t)((stop ? stop : end) - p)}, e);
        if (code || !stop)
            return code;
        p = stop + 1;
    }
}

enum err_code table_row_add_component(struct table_row_builder *b, double x, struct err *e)
{
    struct table_row *row = &b->row;
    enum err_code code = field_check_component(x, e);
    if (code)
        return err_prefix(e, "number %zu of the embedding", row->n_embedding + 1);
    if (row->n_embedding == LIMIT_DIM)
        return err_set(e, ERR_INVALID, "the embedding has more than %d numbers", LIMIT_DIM);
    if (!MEM_RESERVE(b->embedding, b->embedding_capacity, row->n_embedding + 1))
        return err_set(e, ERR_NOMEM, "no memory for an embedding of more than %zu numbers", row->n_embedding);
    b->embedding[row->n_embedding++] = (float)x;
    return ERR_OK;
}

static const char *skip_spaces(const char *p, const char *end)
{
    while (p < end && *p == ' ')
        p++;
    return p;
}

/* `[1, 2.5]` or `1 2.5` */
static enum err_code add_embedding(struct table_row_builder *b, struct text text, struct err *e)
{
    const char *p = text.data, *end = p + text.len;
    bool array = *p == '[';
    if (array && (text.len < 2 || *--end != ']'))
        return err_set(e, ERR_INVALID, "the embedding begins with '[' and does not end with ']'");
    p = skip_spaces(p + array, end);
    while (p < end) {
        const char *from = p;
        while (p < end && *p != ' ' && *p != ',')
            p++;
        struct text number = {from, (size_t)(p - from)};
        double x;
        if (!field_value_number(number, &x))
            return err_set(e, ERR_INVALID, "number %zu of the embedding, '%.*s', is not a finite number",
                           b->row.n_embedding + 1, text_shown(number), number.data);
        enum err_code code = table_row_add_component(b, x, e);
        if (code)
            return code;
        p = skip_spaces(p, end);
        if (array && p < end && (*p != ',' || skip_spaces(p + 1, end) == end))
            return err_set(e, ERR_INVALID, "the embedding is no JSON array: a comma is missing or left over");
        p = array && p < end ? skip_spaces(p + 1, end) : p;
    }
    return ERR_OK;
}

void table_row_add_member(struct table_row_builder *b, const char *name)
{
    buf_addc(&b->object, b->object.len ? ',' : '{');
    buf_add_json_string(&b->object, name, strlen(name));
    buf_addc(&b->object, ':');
}

enum err_code table_row_add_cell(struct table_row_builder *b, const struct table_cell *cell, struct err *e)
{
    if (!MEM_RESERVE(b->cells, b->cell_capacity, b->row.n_cells + 1))
        return err_set(e, ERR_NOMEM, "no memory for a row of %zu cells", b->row.n_cells + 1);
    b->cells[b->row.n_cells++] = *cell;
    return ERR_OK;
}

static enum err_code set_title(struct table_row_builder *b, struct text text, struct err *e)
{
    if (text.len > LIMIT_TITLE_BYTES)
        return err_set(e, ERR_INVALID, "the title has %zu bytes; at most %d are allowed", text.len,
                       LIMIT_TITLE_BYTES);
    b->row.title = text;
    return ERR_OK;
}

/* A cell of TABLE_ROWS. */
static enum err_code set_cell(struct table_row_builder *b, const char *name, struct text text, struct err *e)
{
    struct table_cell cell = {.name = name, .text = text};
    if (field_value_is(text, "true") || field_value_is(text, "false")) {
        cell.is_number = true;
        cell.number = field_value_is(text, "true");
    } else {
        cell.is_number = field_value_quantity(text, &cell.number);
    }
    return table_row_add_cell(b, &cell, e);
}

static enum err_code set_extra(struct table_row_builder *b, const char *name, struct text text, struct err *e)
{
    if (b->kind == TABLE_ROWS)
        return *name ? set_cell(b, name, text, e) : ERR_OK;
    if ((b->kind == TABLE_USERS || b->kind == TABLE_ITEMS) && *name) {
        table_row_add_member(b, name);
        buf_add_json_string(&b->object, text.data, text.len);
    }
    return ERR_OK;
}

static enum err_code set_genre(struct table_row_builder *b, const char *name, struct text flag, struct err *e)
{
    if (field_value_is(flag, "0")) {
        b->row.no_categories = true; /* unless another flag says one */
        return ERR_OK;
    }
    if (!field_value_is(flag, "1"))
        return err_set(e, ERR_INVALID, "the genre flag %s is '%.*s' and not 0 or 1", name, text_shown(flag),
                       flag.data);
    return table_row_add_category(b, text_of(name), e);
}

void table_row_set_life(struct table_row_builder *b, enum table_role role, int64_t value)
{
    struct table_life *life = &b->row.life;
    if (role == ROLE_HIDDEN)
        life->hidden = value != 0;
    else
        *(role == ROLE_FROM ? &life->from : role == ROLE_UNTIL ? &life->until : &life->created) = value;
    life->given |= role == ROLE_HIDDEN  ? TABLE_HIDDEN
                   : role == ROLE_FROM  ? TABLE_FROM
                   : role == ROLE_UNTIL ? TABLE_UNTIL
                                        : TABLE_CREATED;
}

static enum err_code set_hidden(struct table_row_builder *b, struct text text, struct err *e)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (field_value_is(text, words[i])) {
            table_row_set_life(b, ROLE_HIDDEN, i % 2);
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID, "hidden is '%.*s' and not true or false", text_shown(text), text.data);
}

static enum err_code set_life_time(struct table_row_builder *b, enum table_role role, struct text text,
                                   struct err *e)
{
    int64_t seconds;
    enum err_code code = field_life_of_text(text, role == ROLE_CREATED, table_role_name(role), &seconds, e);
    if (!code)
        table_row_set_life(b, role, seconds);
    return code;
}

enum err_code table_row_set(struct table_row_builder *b, enum table_role role, const char *name,
                            struct text text, bool quoted, struct err *e)
{
    if (!b->exact)
        text = field_value_trim(text);
    if (!text.len)
        return ERR_OK;
    switch (role) {
    case ROLE_USER:
        b->row.user = text;
        return table_row_check_word(text, quoted, "user", e);
    case ROLE_ITEM:
        b->row.item = text;
        return table_row_check_word(text, quoted, "item", e);
    case ROLE_RATING:
        return set_rating(b, name, text, e);
    case ROLE_WEIGHT:
        return set_weight(b, name, text, e);
    case ROLE_TIME:
        return set_time(b, text, e);
    case ROLE_KIND:
        b->row.kind = text;
        return ERR_OK;
    case ROLE_COUNT:
        return set_count(b, text, e);
    case ROLE_FIRST:
        return set_first(b, text, e);
    case ROLE_TITLE:
        return set_title(b, text, e);
    case ROLE_CATEGORIES:
        return add_categories(b, text, e);
    case ROLE_EMBEDDING:
        return add_embedding(b, text, e);
    case ROLE_GENRE:
        return set_genre(b, name, text, e);
    case ROLE_HIDDEN:
        return set_hidden(b, text, e);
    case ROLE_FROM:
    case ROLE_UNTIL:
    case ROLE_CREATED:
        return set_life_time(b, role, text, e);
    case ROLE_EXTRA:
    case ROLE_IGNORED:
    case ROLE_DELETED: /* of NDJSON */
    case N_ROLES:
        break;
    }
    return set_extra(b, name, text, e);
}

static enum err_code close_json(struct buf *json, char end, const char *what, struct text *out, struct err *e)
{
    if (!json->len && !json->failed)
        return ERR_OK;
    buf_addc(json, end);
    if (json->failed == ERR_LIMIT)
        return err_set(e, ERR_INVALID, "the %s is larger than %zu bytes", what, json->max_bytes);
    if (json->failed)
        return buf_check(json, what, e);
    *out = (struct text){json->data, json->len};
    return ERR_OK;
}

enum err_code table_row_finish(struct table_row_builder *b, uint64_t line, struct table_row *out,
                               struct err *e)
{
    struct table_row *row = &b->row;
    enum err_code code = ERR_OK;
    if (b->kind != TABLE_ITEMS && b->kind != TABLE_ROWS)
        code = check_row_id(b, row->user, "user", e);
    if (!code && (b->kind == TABLE_INTERACTIONS || b->kind == TABLE_ITEMS))
        code = check_row_id(b, row->item, "item", e);
    if (!code && row->first > row->timestamp)
        code = err_set(e, ERR_INVALID, "the first event is later than the last");
    if (!code && row->life.from && row->life.until && row->life.from >= row->life.until)
        code = err_set(e, ERR_INVALID, "an item is available until after it is available from");
    if (!code && b->kind == TABLE_CONTEXTS && !row->n_embedding)
        code = err_set(e, ERR_INVALID, "the embedding is empty");
    if (!code)
        code = close_json(&b->categories, ']', "list of categories", &row->categories, e);
    if (!code)
        code = close_json(&b->object, '}', b->kind == TABLE_USERS ? "profile" : "metadata", &row->object, e);
    if (code)
        return code;
    row->line = line;
    row->embedding = row->n_embedding ? b->embedding : NULL;
    row->cells = row->n_cells ? b->cells : NULL;
    *out = *row;
    return ERR_OK;
}
