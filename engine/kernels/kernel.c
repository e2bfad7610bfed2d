/* A table of functions chosen by CPU features, not the compiler's ifunc resolvers: those run before the
 * sanitizers are ready. */
#include "engine/kernels/kernel.h"

#include "engine/kernels/kernel_versions.h"

#include <stdbool.h>

size_t kernel_all(const struct kernels *out[3])
{
    size_t n = 0;
#if defined(__x86_64__) && !defined(__clang__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        out[n++] = &kernel_avx512;
    if (avx2)
        out[n++] = &kernel_avx2;
#endif
    out[n++] = &kernel_portable;
    return n;
}

const struct kernels *kernel_best(void)
{
    const struct kernels *all[3];
    kernel_all(all);
    return all[0];
}
