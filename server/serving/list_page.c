/* Bytes: question, revision, n_unknown, n_shown, the gaps between the items shown, each a whole number of
 * seven bits a byte but the question, which is eight bytes; then eight bytes that authenticate the rest. The
 * text is base64 for URLs (RFC 4648, section 5) without padding. */
#include "server/serving/list_page.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 8, MAX_NUMBER_BYTES = 10 };

void list_page_fini(struct list_page *p)
{
    mem_free(p->shown);
    *p = (struct list_page){.shown = NULL};
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

enum err_code list_page_add(struct list_page *p, const struct topk_entry *entries, size_t n, struct err *e)
{
    uint32_t *grown = mem_realloc_array(p->shown, p->n_shown + n, sizeof *grown);
    if (!grown)
        return err_set(e, ERR_NOMEM, "no memory for %zu items of a page", p->n_shown + n);
    p->shown = grown;
    for (size_t i = 0; i < n; i++)
        p->shown[p->n_shown++] = entries[i].index;
    qsort(p->shown, p->n_shown, sizeof *p->shown, by_value);
    return ERR_OK;
}

/* ---- bytes ---- */

static void add_word(struct buf *b, uint64_t x)
{
    for (int i = 0; i < WORD; i++)
        buf_addc(b, (char)(x >> (8 * i)));
}

static void add_number(struct buf *b, uint64_t x)
{
    for (; x >= 128; x >>= 7)
        buf_addc(b, (char)(x | 128));
    buf_addc(b, (char)x);
}

struct reader {
    const unsigned char *at, *end;
    bool failed;
};

static uint64_t take_word(struct reader *r)
{
    uint64_t x = 0;
    r->failed = r->failed || r->end - r->at < WORD;
    for (int i = 0; i < WORD && !r->failed; i++)
        x |= (uint64_t)*r->at++ << (8 * i);
    return x;
}

static uint64_t take_number(struct reader *r)
{
    uint64_t x = 0;
    for (int i = 0; i < MAX_NUMBER_BYTES && r->at < r->end; i++) {
        unsigned char c = *r->at++;
        x |= (uint64_t)(c & 127) << (7 * i);
        if (c < 128)
            return x;
    }
    r->failed = true;
    return 0;
}

/* ---- text ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void add_text(struct buf *out, const char *bytes, size_t n)
{
    uint32_t bits = 0;
    int n_bits = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | (unsigned char)bytes[i];
        for (n_bits += 8; n_bits >= 6; n_bits -= 6)
            buf_addc(out, alphabet[bits >> (n_bits - 6) & 63]);
    }
    if (n_bits)
        buf_addc(out, alphabet[bits << (6 - n_bits) & 63]);
}

/* The bytes of a text to out, which has room for as many; false: it is no such text. */
static bool read_text(struct text text, unsigned char *out, size_t *n)
{
    uint32_t bits = 0;
    int n_bits = 0;
    *n = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.data[i] ? strchr(alphabet, text.data[i]) : NULL;
        if (!at)
            return false;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        if ((n_bits += 6) >= 8)
            out[(*n)++] = (unsigned char)(bits >> (n_bits -= 8));
    }
    return n_bits < 6 && !(bits & ((1u << n_bits) - 1)); /* one text only is a page's */
}

/* ---- tokens ---- */

void list_page_write(const struct list_page *p, const struct siphash_key *key, struct buf *out)
{
    struct buf bytes;
    buf_init(&bytes, (size_t)LIMIT_PAGED_ITEMS * MAX_NUMBER_BYTES + 64);
    add_word(&bytes, p->question);
    add_word(&bytes, (uint64_t)p->revision);
    add_number(&bytes, p->n_unknown);
    add_number(&bytes, p->n_shown);
    for (size_t i = 0; i < p->n_shown; i++)
        add_number(&bytes, p->shown[i] - (i ? p->shown[i - 1] : 0));
    add_word(&bytes, siphash(key, bytes.data, bytes.len));
    add_text(out, bytes.data, bytes.len);
    if (bytes.failed)
        out->failed = bytes.failed;
    buf_fini(&bytes);
}

static enum err_code read_shown(struct reader *r, struct list_page *out, struct err *e)
{
    uint64_t n = take_number(r), item = 0;
    if (n > LIMIT_PAGED_ITEMS)
        r->failed = true;
    out->shown = r->failed ? NULL : mem_alloc_array((size_t)n, sizeof *out->shown);
    if (!out->shown && !r->failed)
        return err_set(e, ERR_NOMEM, "no memory for %zu items of a page", (size_t)n);
    for (; out->n_shown < n && !r->failed; out->n_shown++) {
        item += take_number(r);
        out->shown[out->n_shown] = (uint32_t)item;
    }
    return ERR_OK;
}

enum err_code list_page_read(struct text token, const struct siphash_key *key, struct list_page *out,
                             struct err *e)
{
    enum err_code code = ERR_OK;
    size_t n;
    *out = (struct list_page){.shown = NULL};
    unsigned char *bytes = mem_alloc_array(token.len, 1);
    if (!bytes)
        return err_set(e, ERR_NOMEM, "no memory for a page's token");
    bool ok = read_text(token, bytes, &n) && n >= WORD;
    struct reader tag = {bytes + (ok ? n - WORD : 0), bytes + (ok ? n : 0), false};
    ok = ok && take_word(&tag) == siphash(key, bytes, n - WORD);
    struct reader r = {bytes, bytes + (ok ? n - WORD : 0), !ok};
    out->question = take_word(&r);
    out->revision = (int64_t)take_word(&r);
    out->n_unknown = (size_t)take_number(&r);
    code = read_shown(&r, out, e);
    if (!code && (r.failed || r.at != r.end))
        code = err_set(e, ERR_INVALID,
                       "it was changed, or is of another server or an earlier start of this one; ask for the "
                       "first page again");
    mem_free(bytes);
    return code;
}
