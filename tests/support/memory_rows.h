/* memory_rows - rows of one size in their order, as a table of the store in memory has them.
 * Layer: tests/support
 * Threads: confined, or read by many.
 * Memory: one array; without memory the program ends. */
#ifndef TESTS_SUPPORT_MEMORY_ROWS_H
#define TESTS_SUPPORT_MEMORY_ROWS_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct memory_rows {
    char *at; /* (n, row_bytes) rising */
    size_t n, capacity, row_bytes;
    int (*compare)(const void *row, const void *other);
};

/* A table without rows. */
struct memory_rows memory_rows_of(size_t row_bytes, int (*compare)(const void *, const void *));

/* The i-th row; borrowed until a row is added or removed, as all rows are. */
void *memory_rows_at(const struct memory_rows *t, size_t i);

/* The first row that is not below `like`: its number, or t->n. */
size_t memory_rows_from(const struct memory_rows *t, const void *like);

/* The row that is equal to `like`, or NULL. */
void *memory_rows_find(const struct memory_rows *t, const void *like);

/* Adds a row in its place, or puts it over the one that is equal. */
void *memory_rows_put(struct memory_rows *t, const void *row);

/* Removes n rows from the i-th on. */
void memory_rows_remove(struct memory_rows *t, size_t i, size_t n);

struct memory_rows memory_rows_copy(const struct memory_rows *t);
void memory_rows_free(struct memory_rows *t);

/* Memory, or the end of the program. */
void *memory_take(size_t n_bytes);

int memory_compare_texts(struct text a, struct text b);
int memory_compare_numbers(long long a, long long b);

#endif
