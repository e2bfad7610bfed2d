/* A hash over words: each is xored in, multiplied by an odd number, and its high half folded into the low
 * one, since a product alone never carries a high bit down and two changes of signs could cancel. Not
 * base/hash.h, whose values are not to be stored. Each array goes in with its length, so that no two of them
 * run into each other. */
#include "engine/train/data/train_fingerprint.h"

#include <math.h>
#include <string.h>

static const uint64_t start = 14695981039346656037u;

static uint64_t add(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

uint64_t train_fingerprint_add(uint64_t h, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = add(h, words[i]);
    return h;
}

/* The bits of a number; all NANs are one. */
static uint64_t bits_of(double x)
{
    uint64_t bits;
    if (isnan(x))
        return UINT64_MAX;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint64_t add_text(uint64_t h, const char *text)
{
    if (!text)
        return add(h, UINT64_MAX);
    h = add(h, strlen(text));
    for (; *text; text++)
        h = add(h, (unsigned char)*text);
    return h;
}

static uint64_t add_interactions(uint64_t h, const struct encoder_interaction *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h = add(h, x[i].item);
        h = add(h, (uint64_t)x[i].timestamp);
        h = add(h, bits_of((double)x[i].weight));
        h = add(h, bits_of((double)x[i].rating));
    }
    return h;
}

static uint64_t add_starts(uint64_t h, const size_t *starts, size_t n_rows)
{
    for (size_t i = 0; i <= n_rows; i++)
        h = add(h, starts[i]);
    return h;
}

/* Lists of numbers, one a row. */
static uint64_t add_lists(uint64_t h, const size_t *starts, const uint32_t *lists, size_t n_rows)
{
    h = add(h, starts != NULL);
    if (!starts)
        return h;
    h = add_starts(h, starts, n_rows);
    for (size_t i = 0; i < starts[n_rows]; i++)
        h = add(h, lists[i]);
    return h;
}

static uint64_t add_names(uint64_t h, const struct profile_value *names, size_t n)
{
    h = add(h, n);
    for (size_t i = 0; i < n; i++) {
        h = add_text(h, names[i].field);
        h = add_text(h, names[i].value);
        h = add(h, bits_of(names[i].from));
        h = add(h, bits_of(names[i].below));
    }
    return h;
}

uint64_t train_fingerprint(const struct train_data *d)
{
    uint64_t h = add(add(add(start, d->n_users), d->n_items), d->n_categories);
    h = add_starts(h, d->user_start, d->n_users);
    h = add_interactions(h, d->interactions, d->user_start[d->n_users]);
    h = add_lists(h, d->value_start, d->values, d->n_users);
    h = add_lists(h, d->category_start, d->categories, d->n_items);
    h = add_lists(h, d->feature_start, d->features, d->n_items);
    h = add_names(h, d->vocabulary, d->n_vocabulary);
    h = add_names(h, d->feature_names, d->n_features);
    for (size_t i = 0; i < d->n_items; i++)
        h = add_text(h, d->item_ids[i]);
    return h;
}
