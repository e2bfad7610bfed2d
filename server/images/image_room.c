#include "server/images/image_room.h"

#include "base/mem.h"

#include <math.h>

enum err_code image_room_new(const struct model *m, struct image_room **out, struct err *e)
{
    struct image_room *r = mem_zalloc_array(1, sizeof *r);
    if (!r)
        return err_set(e, ERR_NOMEM, "no memory for a thread's workspace");
    r->model = m;
    image_model_view(&m->spec, &m->params, &r->view);
    r->mark = image_context_mark(&m->spec, &m->params);
    r->context.d_features = r->view.head.d_features;
    r->x = mem_alloc_array(m->spec.d_item, sizeof *r->x);
    r->features = mem_alloc_array(r->view.head.d_features, sizeof *r->features);
    r->conv = mem_alloc_array(conv_workspace_len(&r->view.images), sizeof *r->conv);
    if (!r->x || !r->features || !r->conv) {
        image_room_free(r);
        return err_set(e, ERR_NOMEM, "no memory for an image of %zu numbers", m->spec.d_item);
    }
    *out = r;
    return ERR_OK;
}

void image_room_free(struct image_room *r)
{
    if (!r)
        return;
    image_context_fini(&r->context);
    mem_free(r->x);
    mem_free(r->features);
    mem_free(r->conv);
    mem_free(r->workspace);
    mem_free(r->layer);
    mem_free(r);
}

enum err_code image_room_features(struct image_room *r, const json_t *image, struct image_place *where,
                                  struct err *e)
{
    enum err_code code = image_pixels_read(&r->model->spec.images, image, r->x, where, e);
    if (code)
        return code;
    conv_features(&r->view.images, &r->view.conv, r->x, 1, r->conv, r->features);
    for (size_t i = 0; i < r->view.head.d_features; i++)
        if (!isfinite(r->features[i]))
            return err_set(e, ERR_INVALID, "the model's features of the image are not finite");
    return ERR_OK;
}

enum err_code image_room_layer(struct image_room *r, void *bytes, struct err *e)
{
    size_t n = image_model_classes_len(&r->view, 0, r->context.n);
    if (n > r->workspace_len) {
        mem_free(r->workspace);
        r->workspace_len = 0;
        r->workspace = mem_alloc_array(n, sizeof *r->workspace);
        if (!r->workspace)
            return err_set(e, ERR_NOMEM, "no memory for a layer of %zu classes", r->context.n);
        r->workspace_len = n;
    }
    image_layer_write(&r->view, &r->context, r->workspace, bytes);
    return ERR_OK;
}

enum err_code image_room_own_layer(struct image_room *r, struct image_layer *out, struct err *e)
{
    size_t n = image_layer_bytes(&r->context);
    if (n > r->layer_bytes) {
        mem_free(r->layer);
        r->layer_bytes = 0;
        r->layer = mem_alloc_aligned(n, 1);
        if (!r->layer)
            return err_set(e, ERR_NOMEM, "no memory for a layer of %zu classes", r->context.n);
        r->layer_bytes = n;
    }
    enum err_code code = image_room_layer(r, r->layer, e);
    if (!code)
        image_layer_read(&r->view, r->layer, out);
    return code;
}
