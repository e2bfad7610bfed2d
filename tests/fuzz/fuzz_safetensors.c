/* Any bytes as a safetensors file: they are refused, or every view lies inside them, in order, and is found
 * by name. */
#include "engine/format/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static volatile unsigned read_bytes; /* so that reading every byte is not left out */

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    struct safetensors *s = NULL;
    struct err e = {0};
    if (safetensors_open_bytes(bytes, n, &s, &e) != ERR_OK) {
        if (e.code == ERR_OK || !e.text[0] || s)
            abort();
        return 0;
    }
    const unsigned char *at = NULL;
    unsigned sum = 0;
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const struct tensor_view *t = safetensors_at(s, i);
        const unsigned char *data = t->data;
        if (data < bytes || data + t->n_bytes > bytes + n || (at && data != at) ||
            safetensors_find(s, t->name) != t)
            abort();
        at = data + t->n_bytes;
        for (size_t j = 0; j < t->n_bytes; j++)
            sum += data[j];
    }
    read_bytes = sum;
    (void)safetensors_metadata(s, "hypernet");
    safetensors_close(s);
    return 0;
}
