/* kernel_screen_versions - the compiled versions of engine/kernel_screen.h, for kernel_screen*.c only.
 * Layer: engine.       Threads: any.       Memory: static. */
#ifndef ENGINE_KERNEL_SCREEN_VERSIONS_H
#define ENGINE_KERNEL_SCREEN_VERSIONS_H

#include "engine/kernel_screen.h"

/* NULL where this CPU lacks the instructions. */
const struct screen_kernel *screen_kernel_vnni(void);
const struct screen_kernel *screen_kernel_avx2(void);

#endif
