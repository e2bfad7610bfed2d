/* model_set - the models that a process serves at one moment: immutable and reference-counted, replaced as a
 * whole.
 * Layer: server/serving
 * Threads: any. A set never changes once it is published (served_models.h). Of a model in it only the item
 *   table does, which is replaced as a whole too; a thread notices by a version that it reads without a lock.
 * Memory: a set holds references to its models; a model holds its mapped file, batcher and newest item table.
 *   What a process stops to serve is freed when the last thread that saw it takes up the next set. */
#ifndef SERVER_SERVING_MODEL_SET_H
#define SERVER_SERVING_MODEL_SET_H

#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "engine/cache/batcher.h"
#include "engine/model.h"
#include "server/items/item_snapshot.h"
#include "server/serving/inline_budget.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* Every model that a process has loaded: those that are being measured, those that are served, and those that
 * are not any more and that a thread holds still. What becomes of a model's file concerns each of them. */
struct loaded_models {
    pthread_mutex_t lock; /* guards the list, and is held while files are let go: one at a time */
    struct served_model *first;
};

/* A model that was loaded once. */
struct served_model {
    atomic_size_t n_refs;
    uint64_t uid; /* of this loading: no other one of this process ever has it */
    struct model *model;
    char *path;                  /* it was opened by */
    struct stat file;            /* what was there before it was opened */
    struct loaded_models *among; /* the list that it is in, and its neighbours there */
    struct served_model *before, *after;
    struct batcher *batcher;            /* NULL: each thread generates by itself; of tasks there is none */
    struct inline_budget inline_budget; /* nobody's weights until it was measured */
    pthread_mutex_t lock;               /* guards items */
    struct item_snapshot *items;        /* the newest; NULL until the first was published, and of tasks */
    atomic_uint items_version;          /* rises with each new table */
    atomic_size_t n_unranked;           /* items of the newest that it has no room for */
};

/* New: with one reference, and one of its own to m, of the file that was at path; among all until it is
 * freed. */
enum err_code served_model_new(struct loaded_models *all, struct model *m, uint64_t uid, const char *path,
                               const struct stat *file, struct served_model **out,
                               struct err *e) ERR_MUST_CHECK;

/* Whether another file is at a model's path by now, or the same one was written to. */
bool served_model_is_outdated(const struct served_model *m, const struct stat *now);

/* Lets the model's file go where somebody waits to write to it, and says so (model_settle); of one model, and
 * of all: then the others' files too where one fails. */
enum err_code served_model_settle(struct served_model *m, struct err *e) ERR_MUST_CHECK;
enum err_code loaded_models_settle(struct loaded_models *all, struct err *e) ERR_MUST_CHECK;
void served_model_unref(struct served_model *m); /* NULL is allowed */

/* Replaces the item table; it gets the caller's reference. */
void served_model_publish_items(struct served_model *m, struct item_snapshot *items);

/* A reference to the newest item table, and its version. */
struct item_snapshot *served_model_items(struct served_model *m, unsigned *version);

struct model_set {
    atomic_size_t n_refs;
    size_t n;         /* models that answer for users */
    size_t n_tasks;   /* models of tasks that read rows */
    size_t n_images;  /* models of tasks of images */
    size_t n_trained; /* models of trained tasks, which know no others */
    /* (model_set_size) those for users, then those of tasks, of images, of trained tasks, each in the
     * order in which they were added; names are distinct */
    struct served_model *models[];
};

/* New, with one reference: the models of `old` (NULL: none) but `gone` (NULL: all), in whose place `added`
 * is, or without one at the end (NULL: none). Both are of one kind. */
enum err_code model_set_new(const struct model_set *old, const struct served_model *gone,
                            struct served_model *added, struct model_set **out, struct err *e) ERR_MUST_CHECK;
struct model_set *model_set_ref(struct model_set *set);
void model_set_unref(struct model_set *set); /* NULL is allowed */

/* The model for users of a name, the first one for NULL; or NULL. And the same among those of tasks. */
struct served_model *model_set_find(const struct model_set *set, const char *name);
struct served_model *model_set_find_task(const struct model_set *set, const char *name);
struct served_model *model_set_find_images(const struct model_set *set, const char *name);
struct served_model *model_set_find_trained(const struct model_set *set, const char *name);
struct served_model *model_set_find_any(const struct model_set *set, const char *name);

static inline size_t model_set_size(const struct model_set *set)
{
    return set->n + set->n_tasks + set->n_images + set->n_trained;
}

enum model_kind { MODEL_FOR_USERS, MODEL_OF_TASKS, MODEL_OF_IMAGES, MODEL_OF_TRAINED, MODEL_KINDS };

static inline enum model_kind model_kind_of(const struct model_spec *spec)
{
    return spec->trained.present  ? MODEL_OF_TRAINED
           : spec->images.present ? MODEL_OF_IMAGES
           : spec->task.present   ? MODEL_OF_TASKS
                                  : MODEL_FOR_USERS;
}

static inline enum model_kind served_model_kind(const struct served_model *m)
{
    return model_kind_of(&m->model->spec);
}

/* Whether a model is one of tasks, of rows, of images or trained: it has neither items nor users. */
static inline bool served_model_of_tasks(const struct served_model *m)
{
    return served_model_kind(m) != MODEL_FOR_USERS;
}

/* ---- keys of the weight cache: uid, kind, id ---- */

enum { MODEL_KEY_BYTES = sizeof(uint64_t) + 1 + LIMIT_ID_BYTES };
enum weights_kind { WEIGHTS_OF_USER = 'u', WEIGHTS_OF_TASK = 't', WEIGHTS_OF_PRIOR = 'p' };

/* Writes the key of a user or task (of the prior: no id) under a model; returns its length. */
size_t model_key(uint64_t uid, enum weights_kind kind, struct text id, char key[MODEL_KEY_BYTES]);

/* Takes such a key apart; id is borrowed from it. False: it is of the prior, and names nobody. */
bool model_key_read(const char *key, size_t len, uint64_t *uid, struct text *id);

#endif
