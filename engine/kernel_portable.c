/* The loops of kernel_body.h for the CPU the compiler was told of. */
#include "engine/kernel_body.h"
#include "engine/kernel_versions.h"

const struct kernels kernel_portable = KERNEL_TABLE("portable");
