/* The compiled versions of engine/kernels/kernel_body.h; for kernel*.c only.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_KERNELS_KERNEL_VERSIONS_H
#define ENGINE_KERNELS_KERNEL_VERSIONS_H

#include "engine/kernels/kernel.h"

extern const struct kernels kernel_portable, kernel_avx2, kernel_avx512;

#endif
