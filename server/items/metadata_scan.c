/* A tree of each object of a catalogue would be made to be thrown away. The text was parsed
 * and written by a JSON library before it was stored, so nothing is checked here beyond what keeps the scan
 * inside of it. */
#include "server/items/metadata_scan.h"

#include "base/mem.h"
#include "server/fields/field_value.h"

#include <stdint.h>
#include <string.h>

struct cursor {
    const char *at, *end;
    struct metadata_scan *scan;
    bool failed; /* for want of memory */
};

void metadata_scan_init(struct metadata_scan *s)
{
    *s = (struct metadata_scan){.members = NULL};
    buf_init(&s->decoded, SIZE_MAX / 4);
}

void metadata_scan_fini(struct metadata_scan *s)
{
    buf_fini(&s->decoded);
    mem_free(s->members);
    s->members = NULL;
    s->capacity = 0;
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

/* Whether the next character that is no space is this one, which is passed then. */
static bool take(struct cursor *c, char which)
{
    skip_space(c);
    if (c->at == c->end || *c->at != which)
        return false;
    c->at++;
    return true;
}

/* ---- strings ---- */

/* Four hexadecimal digits. */
static bool take_unit(struct cursor *c, uint32_t *out)
{
    *out = 0;
    if (c->end - c->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char x = *c->at++;
        uint32_t digit = x >= '0' && x <= '9'   ? (uint32_t)(x - '0')
                         : x >= 'a' && x <= 'f' ? (uint32_t)(x - 'a') + 10
                         : x >= 'A' && x <= 'F' ? (uint32_t)(x - 'A') + 10
                                                : 16;
        if (digit == 16)
            return false;
        *out = *out << 4 | digit;
    }
    return true;
}

static void add_utf8(struct buf *b, uint32_t point)
{
    if (point < 0x80) {
        buf_addc(b, (char)point);
        return;
    }
    if (point < 0x800) {
        buf_addc(b, (char)(0xC0 | point >> 6));
    } else {
        if (point < 0x10000) {
            buf_addc(b, (char)(0xE0 | point >> 12));
        } else {
            buf_addc(b, (char)(0xF0 | point >> 18));
            buf_addc(b, (char)(0x80 | (point >> 12 & 63)));
        }
        buf_addc(b, (char)(0x80 | (point >> 6 & 63)));
    }
    buf_addc(b, (char)(0x80 | (point & 63)));
}

/* What stands behind a backslash. */
static bool decode_escape(struct cursor *c, struct buf *b)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint32_t point, low;
    const char *known = c->at < c->end && *c->at ? strchr(names, *c->at) : NULL;
    if (known) {
        buf_addc(b, values[known - names]);
        c->at++;
        return true;
    }
    if (c->at == c->end || *c->at++ != 'u' || !take_unit(c, &point))
        return false;
    if (point >= 0xD800 && point < 0xDC00) {
        if (c->end - c->at < 2 || *c->at++ != '\\' || *c->at++ != 'u' || !take_unit(c, &low) ||
            low < 0xDC00 || low > 0xDFFF)
            return false;
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    }
    add_utf8(b, point);
    return true;
}

/* A string whose quote was passed; one with escapes is decoded, which makes it shorter: the buffer, which has
 * room for the whole text, does not move. */
static bool take_string(struct cursor *c, struct text *out)
{
    const char *from = c->at;
    struct buf *b = &c->scan->decoded;
    while (c->at < c->end && *c->at != '"' && *c->at != '\\')
        c->at++;
    if (c->at < c->end && *c->at == '"') {
        *out = (struct text){from, (size_t)(c->at++ - from)};
        return true;
    }
    size_t start = b->len;
    buf_add(b, from, (size_t)(c->at - from));
    while (c->at < c->end && *c->at != '"') {
        from = c->at;
        if (*c->at == '\\') {
            c->at++;
            if (!decode_escape(c, b))
                return false;
            continue;
        }
        while (c->at < c->end && *c->at != '"' && *c->at != '\\')
            c->at++;
        buf_add(b, from, (size_t)(c->at - from));
    }
    if (c->at == c->end)
        return false;
    c->at++;
    *out = (struct text){b->data + start, b->len - start};
    return true;
}

/* ---- values ---- */

/* Passes the rest of an object or list whose bracket was passed. */
static bool pass_container(struct cursor *c)
{
    struct text ignored;
    for (size_t depth = 1; depth > 0;) {
        if (c->at == c->end)
            return false;
        char x = *c->at++;
        if (x == '"') {
            size_t had = c->scan->decoded.len;
            if (!take_string(c, &ignored))
                return false;
            c->scan->decoded.len = had;
        }
        depth += x == '{' || x == '[';
        depth -= x == '}' || x == ']';
    }
    return true;
}

/* A list whose bracket was passed: of texts, or of anything. */
static bool take_list(struct cursor *c, struct metadata_value *out)
{
    struct metadata_scan *s = c->scan;
    out->type = METADATA_LIST;
    if (take(c, ']'))
        return true;
    do {
        if (!take(c, '"')) {
            out->type = METADATA_OTHER;
            return pass_container(c);
        }
        if (!MEM_RESERVE(s->members, s->capacity, out->n_members + 1)) {
            c->failed = true;
            return false;
        }
        if (!take_string(c, &s->members[out->n_members++]))
            return false;
    } while (take(c, ','));
    out->members = s->members;
    return take(c, ']');
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* Digits with a point among them, of which the nearest double is one exact division; else the rules of
 * field_value_number. */
static bool read_number(struct text text, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
    uint64_t digits = 0;
    size_t n = 0, n_behind = 0;
    bool point = false;
    for (size_t i = 0; i < text.len && text.len <= 15; i++) {
        if (text_is_digit(text.data[i])) {
            digits = digits * 10 + (uint64_t)(text.data[i] - '0');
            n++;
            n_behind += point;
        } else if (text.data[i] == '.' && !point) {
            point = true;
        } else {
            return field_value_number(text, out);
        }
    }
    if (!n)
        return field_value_number(text, out);
    *out = (double)digits / powers[n_behind];
    return true;
}

static bool take_number(struct cursor *c, struct metadata_value *out)
{
    const char *from = c->at;
    while (c->at < c->end && *c->at && strchr("+-.0123456789eE", *c->at))
        c->at++;
    struct text text = {from, (size_t)(c->at - from)};
    bool negative = text.len && *text.data == '-';
    struct text size = {text.data + negative, text.len - negative};
    out->type = METADATA_NUMBER;
    if (!text.len || !read_number(size, &out->number))
        return false;
    out->number = negative ? -out->number : out->number;
    return true;
}

static bool take_value(struct cursor *c, struct metadata_value *out)
{
    *out = (struct metadata_value){.type = METADATA_NONE};
    if (take(c, '"')) {
        out->type = METADATA_TEXT;
        return take_string(c, &out->text);
    }
    if (take(c, '['))
        return take_list(c, out);
    if (take(c, '{')) {
        out->type = METADATA_OTHER;
        return pass_container(c);
    }
    if (take_word(c, "null"))
        return true;
    bool yes = take_word(c, "true");
    if (!yes && !take_word(c, "false"))
        return take_number(c, out);
    out->type = METADATA_BOOL;
    out->number = yes;
    return true;
}

bool metadata_scan_each(struct metadata_scan *s, struct text json, metadata_fn *fn, void *arg)
{
    struct cursor c = {json.data, json.data ? json.data + json.len : json.data, s, false};
    struct metadata_value value;
    struct text name;
    buf_reset(&s->decoded);
    if (json.len && memchr(json.data, '\\', json.len) && !buf_reserve(&s->decoded, json.len))
        return false;
    if (!take(&c, '{') || take(&c, '}'))
        return true;
    do {
        if (!take(&c, '"') || !take_string(&c, &name) || !take(&c, ':') || !take_value(&c, &value))
            break;
        if (!fn(arg, name, &value))
            return false;
    } while (take(&c, ','));
    return !c.failed && !s->decoded.failed;
}
