/* fold - texts made alike for a search: no letter case, no accents on Latin and Greek letters. "Amélie",
 * "AMÉLIE" and "amelie" are one text, and so is one whose accents are characters of their own. By the simple
 * case folding of Unicode 14: a letter stays one letter, so a sharp s is not two of them, and letters that
 * are no other with an accent (o with a stroke) stay what they are.
 * Cost: one pass; 20 ns a letter beyond ASCII.
 * Layer: base
 * Threads: any.
 * Memory: the caller's. */
#ifndef BASE_FOLD_H
#define BASE_FOLD_H

#include "base/text.h"

#include <stddef.h>

enum { FOLD_MOST = 2 }; /* bytes that a byte may become */

/* Writes the folded text to out, which has room for FOLD_MOST times its bytes. Returns how many there are.
 * What is not UTF-8 stays. */
size_t fold_text(struct text t, char *out);

#endif
