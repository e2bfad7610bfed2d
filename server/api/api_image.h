/* api_image - the calls for tasks whose model is one of images: the same routes as those of tasks, whose
 * handlers come here once the model of a request is known.
 * Layer: server/api
 * Threads: confined to the thread of the call.
 * Memory: the images of a call, as pixels one at a time, as features all of them. */
#ifndef SERVER_API_API_IMAGE_H
#define SERVER_API_API_IMAGE_H

#include "server/api/api.h"

#include <jansson.h>

static inline bool api_image_model(const struct model_handle *handle)
{
    return handle->model->spec.images.present;
}

/* PUT, PATCH /v1/admin/tasks/{task}; POST /v1/tasks/{task}/examples; GET /v1/tasks/{task}. The id and the
 * model are the request's, checked. */
void api_image_put(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id);
void api_image_examples(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id,
                        bool create);
void api_image_patch(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id);
void api_image_get(struct api_thread *t, struct request *r, struct model_handle *handle, struct text id);

/* POST /v1/tasks/{task}/predictions: reads the body for a plan, of whose document it is; NULL: answered. And
 * the run of such a plan. */
json_t *api_image_read(struct request *r, struct api_plan *plan);
void api_image_predict(struct api_thread *t, struct request *r, const struct api_plan *plan,
                       const json_t *document);

/* POST /v1/admin/tasks and POST /v1/predictions: many tasks in a call. The model is the request's. */
void api_image_post_many(struct api_thread *t, struct request *r, struct model_handle *handle);
void api_image_predict_many(struct api_thread *t, struct request *r, struct model_handle *handle);

/* POST /v1/tasks/predictions: which task may images be of? */
void api_image_guess_post(struct api_thread *t, struct request *r, struct model_handle *handle);

/* Appends what a layer says of an image. */
void api_image_write_answer(const struct image_layer *l, const double *probabilities,
                            const struct image_answer *a, struct buf *out);

#endif
