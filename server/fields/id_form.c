/* Two programs that read the same ids do not always write the same ones: a data frame with a gap makes 1.0 of
 * 1, a spreadsheet 1 of 001, a person SKU-1 of sku-1, a web page adds a space that does not break. Ids are
 * compared byte by byte all the same, since who is who must not be guessed; forms serve to say what
 * happened. */
#include "server/fields/id_form.h"

#include "base/limits.h"

#include <string.h>

/* The length of a space at p, or 0: those that are seen, the no-break space, the zero-width ones and the byte
 * order mark. */
static size_t space_at(const char *p, size_t left)
{
    static const char *const spaces[] = {" ", "\xc2\xa0", "\xe2\x80\x8b", "\xe2\x80\xaf", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        size_t n = strlen(spaces[i]);
        if (left >= n && memcmp(p, spaces[i], n) == 0)
            return n;
    }
    return 0;
}

/* The length without a fraction of zeros behind digits alone. */
static size_t without_fraction(struct text id)
{
    size_t n = 0, zeros;
    while (n < id.len && text_is_digit(id.data[n]))
        n++;
    if (!n || n + 1 >= id.len || id.data[n] != '.')
        return id.len;
    for (zeros = n + 1; zeros < id.len && id.data[zeros] == '0';)
        zeros++;
    return zeros == id.len ? n : id.len;
}

bool id_form_has_fraction(struct text id)
{
    return without_fraction(id) < id.len;
}

static void add_without_spaces(struct text id, struct buf *out)
{
    for (size_t i = 0; i < id.len;) {
        size_t space = space_at(id.data + i, id.len - i);
        if (!space)
            buf_addc(out, id.data[i]);
        i += space ? space : 1;
    }
}

/* Takes the zeros off the front of every run of digits, in place. */
static void take_zeros(struct buf *b)
{
    size_t to = 0;
    for (size_t i = 0; i < b->len; i++) {
        bool leads = b->data[i] == '0' && (to == 0 || !text_is_digit(b->data[to - 1]));
        if (!(leads && i + 1 < b->len && text_is_digit(b->data[i + 1])))
            b->data[to++] = b->data[i];
    }
    b->len = to;
}

void id_form(struct text id, unsigned lose, struct buf *out)
{
    buf_reset(out);
    if (lose & ID_FORM_SPACES)
        add_without_spaces(id, out);
    else
        buf_add(out, id.data, id.len);
    if (out->failed || !out->len)
        return;
    if (lose & ID_FORM_FRACTION)
        out->len = without_fraction((struct text){out->data, out->len});
    if (lose & ID_FORM_ZEROS)
        take_zeros(out);
    for (size_t i = 0; (lose & ID_FORM_CASE) && i < out->len; i++)
        if (out->data[i] >= 'A' && out->data[i] <= 'Z')
            out->data[i] = (char)(out->data[i] | 0x20);
}

struct id_form_difference id_form_compare(struct text a, struct text b)
{
    static const struct id_form_difference by_bit[] = {
        {"spaces (some may be unseen)", "take them out"},
        {"a fraction of zeros",
         "pandas writes whole numbers so where a column has gaps: astype('Int64') before to_csv"},
        {"leading zeros", "a program read the ids as numbers: read them as text (pandas: dtype=str)"},
        {"letter case", "write them one way"},
    };
    struct id_form_difference found = {"the way they are written", "write them one way"};
    struct buf forms[2];
    buf_init(&forms[0], LIMIT_ID_BYTES);
    buf_init(&forms[1], LIMIT_ID_BYTES);
    for (unsigned i = 0; i < sizeof by_bit / sizeof *by_bit; i++) {
        id_form(a, 1u << i, &forms[0]);
        id_form(b, 1u << i, &forms[1]);
        size_t n = forms[0].len;
        if (!forms[0].failed && !forms[1].failed && n && n == forms[1].len &&
            memcmp(forms[0].data, forms[1].data, n) == 0) {
            found = by_bit[i];
            break;
        }
    }
    buf_fini(&forms[0]);
    buf_fini(&forms[1]);
    return found;
}
