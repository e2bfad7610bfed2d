/* blas_memory - the memory that OpenBLAS takes for products, made sure of before it is needed.
 * Layer: engine/kernels
 * Threads: blas_reserve before there are others; the rest any.
 * Memory: OpenBLAS's own, see blas_reserve. */
#ifndef ENGINE_KERNELS_BLAS_MEMORY_H
#define ENGINE_KERNELS_BLAS_MEMORY_H

#include "base/err.h"

#include <stddef.h>

/* Call before the first product, with the number of threads that will make some (0: one a processor). Where
 * address space is limited, OpenBLAS gets now what it would ask for later, for as many products at once as
 * there is room for, and more of them wait. ERR_NOMEM, with the figures and what to do, when there is no room
 * for one. Without a limit it does nothing. */
enum err_code blas_reserve(size_t n_threads, struct err *e) ERR_MUST_CHECK;

/* Around each product: waits for one of the places, where they are limited. */
void blas_memory_enter(void);
void blas_memory_leave(void);

#endif
