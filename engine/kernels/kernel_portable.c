/* The loops of kernel_body.h for the CPU the compiler was told of. */
#include "engine/kernels/kernel_body.h"
#include "engine/kernels/kernel_versions.h"

const struct kernels kernel_portable = KERNEL_TABLE("portable");
