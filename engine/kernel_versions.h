/* The compiled versions of engine/kernel_body.h; for kernel*.c only. */
#ifndef ENGINE_KERNEL_VERSIONS_H
#define ENGINE_KERNEL_VERSIONS_H

#include "engine/kernel.h"

extern const struct kernels kernel_portable, kernel_avx2, kernel_avx512;

#endif
