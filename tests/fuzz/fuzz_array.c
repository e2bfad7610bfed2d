/* Any bytes as an array file, plain or gzip: an error has a text with the file's name, and values are finite
 * and as many as the header says. */
#include "base/limits.h"
#include "server/tables/array.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static void check_error(enum err_code code, const struct err *e, const char *path)
{
    if (e->code != code || !strstr(e->text, path))
        abort();
}

static void read_values(struct array *a, const char *path, size_t step)
{
    static double values[1000];
    size_t sum = 0, n = 1;
    struct err e = {0};
    while (n) {
        enum err_code code = array_read(a, values, step, &n, &e);
        if (code) {
            check_error(code, &e, path);
            return;
        }
        for (size_t i = 0; i < n; i++)
            if (!isfinite(values[i]))
                abort();
        sum += n;
    }
    if (sum != array_about(a)->n_values)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    struct array *a = NULL;
    struct err e = {0};
    char path[64];
    int fd = memfd_create("array", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum err_code code = array_open(path, &a, &e);
    if (code) {
        check_error(code, &e, path);
    } else {
        const struct array_header *h = array_about(a);
        size_t product = 1;
        for (size_t i = 0; i < h->n_dims; i++)
            product *= h->dims[i];
        if (h->n_dims > LIMIT_TENSOR_DIMS || product != h->n_values)
            abort();
        read_values(a, path, 1 + n % 1000);
    }
    array_close(a);
    (void)close(fd);
    return 0;
}
