#include "tests/support/sample_images.h"

#include "engine/format/model_write.h"
#include "engine/network/image_model.h"

#include <stdio.h>
#include <stdlib.h>

void sample_images_write(const char *path)
{
    const struct image_spec images = {2, 2, 1, 1, {3}};
    struct image_model m;
    struct model_spec spec = {.name = "glyphs", .version = "1"};
    struct model_params params;
    struct err e = {0};
    if (image_model_init(&m, &images, 2, &e)) {
        (void)fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    for (size_t i = 0; i < m.n_block; i++)
        m.block[i] = (real)(i * 7 % 11) / 11 - (real)0.4;
    image_model_describe(&m, 0, 9, &spec, &params);
    if (model_write(path, &spec, &params, NULL, &e)) {
        (void)fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    image_model_fini(&m);
}
