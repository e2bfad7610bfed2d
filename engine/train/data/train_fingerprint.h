/* train_fingerprint - a number that tells one training set from another, for files that are to be continued
 * with the same one.
 * Layer: engine/train/data
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_TRAIN_DATA_TRAIN_FINGERPRINT_H
#define ENGINE_TRAIN_DATA_TRAIN_FINGERPRINT_H

#include "engine/train/data/train_data.h"

#include <stddef.h>
#include <stdint.h>

/* Of everything in the training set, in its order; the same in every process on one kind of machine. */
uint64_t train_fingerprint(const struct train_data *data);

/* The fingerprint h with n more words in it. */
uint64_t train_fingerprint_add(uint64_t h, const uint64_t *words, size_t n);

#endif
