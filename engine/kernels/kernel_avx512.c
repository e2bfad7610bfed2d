/* The loops of kernel_body.h compiled for AVX-512; run only where kernel.c found the CPU able. Without x86 or
 * with a compiler that has no target pragma the file is empty. */
#if defined(__x86_64__) && !defined(__clang__)
#pragma GCC optimize("O3,fp-contract=fast")
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#ifndef ENGINE_DOUBLE
#include <immintrin.h>
#define KERNEL_STREAM(to, value) _mm256_stream_ps((float *)(to), (__m256)(value))
#define KERNEL_STREAM_END()      _mm_sfence() /* before others are told that the rows are there */
#endif
#define KERNEL_REGISTER_BYTES 64
#include "engine/kernels/kernel_body.h"
#include "engine/kernels/kernel_versions.h"

const struct kernels kernel_avx512 = KERNEL_TABLE("avx512");
#else
typedef int kernel_avx512_is_empty; /* ISO C wants a declaration in each file */
#endif
