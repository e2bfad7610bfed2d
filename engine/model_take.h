/* model_take - the second half of model_open, for who has the file's bytes already: its fuzzer.
 * Layer: engine
 * Threads: any.
 * Memory: as model_open. */
#ifndef ENGINE_MODEL_TAKE_H
#define ENGINE_MODEL_TAKE_H

#include "base/err.h"
#include "engine/model.h"

struct safetensors;

/* Opens a model from a checked file, which it takes over, also on failure. Texts of errors have no path. */
enum err_code model_open_take(struct safetensors *file, struct model **out, struct err *e) ERR_MUST_CHECK;

#endif
