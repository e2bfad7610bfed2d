/* Asked each time, not kept: a few tests of bits at a model's opening. */
#include "engine/kernels/int8_kernel.h"

#include "engine/kernels/int8_kernel_versions.h"

size_t int8_kernel_all(const struct int8_kernel *out[2])
{
    size_t n = 0;
    const struct int8_kernel *vnni = int8_kernel_vnni(), *avx2 = int8_kernel_avx2();
    if (vnni)
        out[n++] = vnni;
    if (avx2)
        out[n++] = avx2;
    return n;
}

const struct int8_kernel *int8_kernel_best(void)
{
    const struct int8_kernel *all[2];
    return int8_kernel_all(all) ? all[0] : NULL;
}
