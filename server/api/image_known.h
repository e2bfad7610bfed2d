/* image_known - images in bodies, and the classes of those that are known of a task: checked for the model
 * that was asked, with their features, and made what the store keeps.
 * Layer: server/api
 * Threads: confined to its thread.
 * Memory: the batch's. */
#ifndef SERVER_API_IMAGE_KNOWN_H
#define SERVER_API_IMAGE_KNOWN_H

#include "server/api/batch.h"
#include "server/serving/image_tasks.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Those of a body, or of one task of it. */
struct image_known {
    struct request *r;
    struct batch *b;
    struct image_room *room;
    bool parts_are_tasks; /* of the body, as faults count them; else images are */
    size_t n_all;         /* images that were read so far, of all tasks */
    const json_t *images, *classes;
    struct known_image *list; /* (n) */
    size_t n;
};

/* The place of an image of an array of that name, or of what is wrong in it (where may be NULL). */
struct json_place image_known_place(const struct json_place *at, const char *key, size_t i,
                                    const struct image_place *where);

/* The array of images at a place, not empty, at most LIMIT_TASK_IMAGES, past which the answer is 413; false:
 * refused. */
bool image_known_images(struct request *r, const json_t *value, const struct json_place *at,
                        const json_t **out);

/* Answers that there are too many images in all tasks of a call; false. */
bool image_known_too_many(struct request *r, const struct json_place *at, size_t n);

/* The features of an image to the room's; false: refused at its place. */
bool image_known_features(struct request *r, struct image_room *room, const json_t *image,
                          const struct json_place *at, size_t i);

/* Reads {"images", "classes"} at a place. False: refused. */
bool image_known_read(struct image_known *k, const json_t *value, const struct json_place *at);

/* A task tells classes apart. False: refused. */
bool image_known_two_classes(struct image_known *k, const struct json_place *at);

#endif
