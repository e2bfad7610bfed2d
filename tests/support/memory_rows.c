/* Small tables: a row is found by halving, and moves those after it when it comes or goes. */
#include "tests/support/memory_rows.h"

#include <stdlib.h>
#include <string.h>

void *memory_take(size_t n_bytes)
{
    void *p = calloc(1, n_bytes ? n_bytes : 1);
    if (!p)
        abort();
    return p;
}

int memory_compare_texts(struct text a, struct text b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

int memory_compare_numbers(long long a, long long b)
{
    return (a > b) - (a < b);
}

struct memory_rows memory_rows_of(size_t row_bytes, int (*compare)(const void *, const void *))
{
    return (struct memory_rows){.row_bytes = row_bytes, .compare = compare};
}

void *memory_rows_at(const struct memory_rows *t, size_t i)
{
    return t->at + i * t->row_bytes;
}

size_t memory_rows_from(const struct memory_rows *t, const void *like)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->compare(memory_rows_at(t, middle), like) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct memory_rows *t, size_t i, const void *like)
{
    return i < t->n && t->compare(memory_rows_at(t, i), like) == 0;
}

void *memory_rows_find(const struct memory_rows *t, const void *like)
{
    size_t i = memory_rows_from(t, like);
    return is_at(t, i, like) ? memory_rows_at(t, i) : NULL;
}

void *memory_rows_put(struct memory_rows *t, const void *row)
{
    size_t i = memory_rows_from(t, row);
    if (!is_at(t, i, row)) {
        if (t->n == t->capacity) {
            t->capacity = t->capacity ? 2 * t->capacity : 16;
            t->at = realloc(t->at, t->capacity * t->row_bytes);
            if (!t->at)
                abort();
        }
        memmove(t->at + (i + 1) * t->row_bytes, t->at + i * t->row_bytes, (t->n - i) * t->row_bytes);
        t->n++;
    }
    return memcpy(memory_rows_at(t, i), row, t->row_bytes);
}

void memory_rows_remove(struct memory_rows *t, size_t i, size_t n)
{
    if (n == 0)
        return;
    memmove(t->at + i * t->row_bytes, t->at + (i + n) * t->row_bytes, (t->n - i - n) * t->row_bytes);
    t->n -= n;
}

struct memory_rows memory_rows_copy(const struct memory_rows *t)
{
    struct memory_rows copy = *t;
    copy.capacity = t->n;
    copy.at = memory_take(t->n * t->row_bytes);
    if (t->n)
        memcpy(copy.at, t->at, t->n * t->row_bytes);
    return copy;
}

void memory_rows_free(struct memory_rows *t)
{
    free(t->at);
    t->at = NULL;
    t->n = t->capacity = 0;
}
