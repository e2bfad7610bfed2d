/* image_tensors - what model_spec asks of a model of images: its checks, and its part of the table of
 * tensors.
 * Layer: engine/format
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_FORMAT_IMAGE_TENSORS_H
#define ENGINE_FORMAT_IMAGE_TENSORS_H

#include "engine/format/model_spec.h"

/* Of a spec with images; ERR_INVALID names the first fault. */
enum err_code image_tensors_check(const struct model_spec *spec, struct err *e) ERR_MUST_CHECK;

/* Writes the tensors of a checked spec with images; returns how many. */
size_t image_tensors_list(const struct model_spec *spec, struct tensor_spec *out);

#endif
