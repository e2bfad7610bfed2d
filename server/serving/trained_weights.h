/* trained_weights - a task that a model learned, as the weights of its network.
 * Layer: server/serving
 * Threads: the handle's.
 * Memory: the weights, new. */
#ifndef SERVER_SERVING_TRAINED_WEIGHTS_H
#define SERVER_SERVING_TRAINED_WEIGHTS_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/model_handle.h"

/* New weights; NULL on an error. ERR_NOTFOUND: the model has not learned such a task; ERR_NOMEM;
 * ERR_INVALID: what is generated is not finite. */
enum err_code trained_weights_make(struct model_handle *handle, struct text task, struct weights **out,
                                   struct err *e) ERR_MUST_CHECK;

#endif
