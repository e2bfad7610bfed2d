/* int8_kernel_versions - the compiled versions of engine/kernels/int8_kernel.h, for int8_kernel*.c only.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: static. */
#ifndef ENGINE_KERNELS_INT8_KERNEL_VERSIONS_H
#define ENGINE_KERNELS_INT8_KERNEL_VERSIONS_H

#include "engine/kernels/int8_kernel.h"

/* NULL where this CPU lacks the instructions. */
const struct int8_kernel *int8_kernel_vnni(void);
const struct int8_kernel *int8_kernel_avx2(void);

#endif
