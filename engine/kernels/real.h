/* real - the scalar of the numerics: float as built, double in the tests that check gradients. The whole
 * engine is compiled a second time with -DENGINE_DOUBLE; nothing else may depend on it.
 * Layer: engine/kernels
 * Threads: any.
 * Memory: none. */
#ifndef ENGINE_KERNELS_REAL_H
#define ENGINE_KERNELS_REAL_H

#ifdef ENGINE_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
