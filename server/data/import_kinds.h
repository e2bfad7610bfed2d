/* import_kinds - kinds of events of an import: those that it makes (--kind), what a file's words for kinds
 * mean (--kind-map), and the numbers of those that the store has.
 * Layer: server/data
 * Threads: confined to its thread.
 * Memory: none; the options' texts are borrowed. */
#ifndef SERVER_DATA_IMPORT_KINDS_H
#define SERVER_DATA_IMPORT_KINDS_H

#include "base/err.h"
#include "base/limits.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

enum { IMPORT_MAX_KINDS = LIMIT_KINDS + 16, IMPORT_MAX_WORDS = 64 };

struct import_word {
    struct text word, kind; /* returned, return; an empty kind: rows of the word are left out */
};

struct import_kinds {
    struct store_kind made[IMPORT_MAX_KINDS];          /* (n_made) */
    char read[IMPORT_MAX_KINDS][LIMIT_KIND_BYTES + 1]; /* names of those out of a file */
    size_t n_made;
    struct import_word words[IMPORT_MAX_WORDS]; /* (n_words) */
    size_t n_words;
    size_t n, n_there; /* once they are read: with those to be made, which are the last; those of the store */
    int32_t numbers[LIMIT_KINDS];                  /* (n) rising */
    char names[LIMIT_KINDS][LIMIT_KIND_BYTES + 1]; /* (n) */
};

/* Reads NAME:WEIGHT[:negative][:unseen][:ttl=30d]; ERR_INVALID says how it is written. */
enum err_code import_kinds_add(struct import_kinds *k, const char *text, struct err *e) ERR_MUST_CHECK;

/* Adds one, whose name is copied: k must stay where it is. ERR_INVALID: they are too many. */
enum err_code import_kinds_put(struct import_kinds *k, const struct store_kind *kind,
                               struct err *e) ERR_MUST_CHECK;

/* Reads WORD=KIND[,WORD=KIND...], or WORD= for rows that are left out. ERR_INVALID: not that, or a word with
 * two meanings. */
enum err_code import_kinds_map(struct import_kinds *k, const char *text, struct err *e) ERR_MUST_CHECK;

/* Reads the kinds that there are and checks those of the options, which get their numbers and are not in the
 * store yet. Outside of a transaction. ERR_INVALID: a word means a kind that there is not; errors of
 * store_put_kind. */
enum err_code import_kinds_begin(struct import_kinds *k, struct store_conn *c, struct err *e) ERR_MUST_CHECK;

/* The number that follows the last one (store_load_expect_kinds). */
int32_t import_kinds_end(const struct import_kinds *k);

/* In the load's transaction, before its rows: makes the kinds that there were not. ERR_CONFLICT: another one
 * has a number of theirs by now. */
enum err_code import_kinds_make(const struct import_kinds *k, struct store_conn *c,
                                struct err *e) ERR_MUST_CHECK;

/* In the same, behind its rows: changes the kinds that there were. */
enum err_code import_kinds_change(const struct import_kinds *k, struct store_conn *c,
                                  struct err *e) ERR_MUST_CHECK;

/* Whether rows with this word for their kind are left out. */
bool import_kinds_leaves_out(const struct import_kinds *k, struct text word);

/* The number of a file's word for a kind; NULL data: none. ERR_INVALID names the kinds that there are. */
enum err_code import_kinds_find(const struct import_kinds *k, struct text word, int32_t *number,
                                struct err *e) ERR_MUST_CHECK;

#endif
