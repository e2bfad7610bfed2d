/* image_classes - a class of a task of images is forgotten.
 *
 * Where images are kept, those of the class go, whoever can read them, and with them the contexts of all
 * models, which are made anew of the others. Where they are not, it goes from the contexts of all models that
 * the store has, served or not: a context says itself how it is read.
 * Layer: server/serving
 * Threads: uses the session's connection and workspaces.
 * Memory: the rows that stay, or the task's contexts. */
#ifndef SERVER_SERVING_IMAGE_CLASSES_H
#define SERVER_SERVING_IMAGE_CLASSES_H

#include "base/err.h"
#include "base/text.h"
#include "server/serving/session.h"

/* ERR_NOTFOUND: there is no such task or class. ERR_CONFLICT: a context of a served model is damaged, and its
 * images are not kept. ERR_BUSY: others change the task again and again. */
enum err_code image_classes_forget(struct session *t, struct text id, struct text class,
                                   struct err *e) ERR_MUST_CHECK;

#endif
