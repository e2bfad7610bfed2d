/* Asked each time, not kept: a few tests of bits at a model's opening. */
#include "engine/kernels/int8_kernel.h"

#include "engine/kernels/int8_kernel_versions.h"

size_t screen_kernel_all(const struct screen_kernel *out[2])
{
    size_t n = 0;
    const struct screen_kernel *vnni = screen_kernel_vnni(), *avx2 = screen_kernel_avx2();
    if (vnni)
        out[n++] = vnni;
    if (avx2)
        out[n++] = avx2;
    return n;
}

const struct screen_kernel *screen_kernel_best(void)
{
    const struct screen_kernel *all[2];
    return screen_kernel_all(all) ? all[0] : NULL;
}
