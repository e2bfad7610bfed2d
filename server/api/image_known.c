#include "server/api/image_known.h"

#include "base/limits.h"

#include <string.h>

struct json_place image_known_place(const struct json_place *at, const char *key, size_t i,
                                    const struct image_place *where)
{
    struct json_place place = json_place_key(at, key);
    place = json_place_index(&place, i);
    for (size_t depth = 0; depth < 3 && where && where->at[depth] >= 0; depth++)
        place = json_place_index(&place, (size_t)where->at[depth]);
    return place;
}

/* It is the answer, whatever else there is. */
static bool refuse_number(struct request *r, const struct json_place *at, size_t n, int most)
{
    struct problem_list *faults = r->faults;
    r->faults = NULL;
    problem_answer(r, PROBLEM_TOO_LARGE, at->text, "%zu images; at most %d in one call", n, most);
    r->faults = faults;
    return false;
}

bool image_known_too_many(struct request *r, const struct json_place *at, size_t n)
{
    struct json_place place = json_place_key(at, "images");
    return refuse_number(r, &place, n, LIMIT_TASK_ROWS_PER_CALL);
}

bool image_known_images(struct request *r, const json_t *value, const struct json_place *at,
                        const json_t **out)
{
    struct json_place place = json_place_key(at, "images");
    if (json_array_size(json_object_get(value, "images")) > LIMIT_TASK_IMAGES) {
        return refuse_number(r, &place, json_array_size(json_object_get(value, "images")), LIMIT_TASK_IMAGES);
    }
    if (!json_body_array(r, value, "images", at, LIMIT_TASK_IMAGES, true, out))
        return false;
    if (json_array_size(*out))
        return true;
    problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "expected one image or more");
    return false;
}

bool image_known_features(struct request *r, struct image_room *room, const json_t *image,
                          const struct json_place *at, size_t i)
{
    struct image_place where;
    struct err e = {0};
    enum err_code code = image_room_features(room, image, &where, &e);
    if (code == ERR_INVALID) {
        struct json_place place = image_known_place(at, "images", i, &where);
        problem_answer(r, PROBLEM_INVALID_VALUE, place.text, "%s", e.text);
    } else if (code) {
        problem_answer_err(r, &e);
    }
    return code == ERR_OK;
}

/* ---- known images ---- */

static bool read_class(struct image_known *k, const struct json_place *at, size_t i)
{
    const json_t *value = json_array_get(k->classes, i);
    struct json_place place = image_known_place(at, "classes", i, NULL);
    return json_body_id_value(k->r, value, "class", &place, &k->list[i].class);
}

/* {"class", "image"} as text, for the store. */
static bool make_row(struct image_known *k, const struct json_place *at, size_t i)
{
    json_t *row = json_object();
    bool ok = row && json_object_set(row, "class", json_array_get(k->classes, i)) == 0 &&
              json_object_set(row, "image", json_array_get(k->images, i)) == 0;
    size_t n = ok ? json_dumpb(row, NULL, 0, JSON_COMPACT) : 0;
    struct json_place place = image_known_place(at, "images", i, NULL);
    char *text = NULL;
    if (n > LIMIT_TASK_ROW_BYTES)
        problem_answer(k->r, PROBLEM_INVALID_VALUE, place.text,
                       "%zu bytes of JSON; at most %d: send it as a PNG", n, LIMIT_TASK_ROW_BYTES);
    else
        text = batch_alloc(k->r, k->b, n + 1, 1);
    ok = text && n && json_dumpb(row, text, n, JSON_COMPACT) == n;
    if (text && !ok)
        problem_answer(k->r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
    k->list[i].row = (struct text){text, n};
    json_decref(row);
    return ok;
}

static bool take_image(struct image_known *k, const struct json_place *at, size_t i)
{
    struct known_image *one = &k->list[i];
    size_t f = k->room->context.d_features;
    bool ok = read_class(k, at, i);
    if (!k->parts_are_tasks)
        k->b->faults.part = i;
    one->image = json_array_get(k->images, i);
    if (!image_known_features(k->r, k->room, one->image, at, i) || !make_row(k, at, i))
        return false;
    real *features = batch_alloc(k->r, k->b, f, sizeof *features);
    if (features)
        memcpy(features, k->room->features, f * sizeof *features);
    one->features = features;
    return features && ok;
}

static bool check_lengths(struct image_known *k, const struct json_place *at)
{
    struct json_place place = json_place_key(at, "classes");
    size_t n = json_array_size(k->images), n_classes = json_array_size(k->classes);
    if (n == n_classes)
        return true;
    problem_answer(k->r, PROBLEM_INVALID_VALUE, place.text, "%zu classes of %zu images; expected one of each",
                   n_classes, n);
    return false;
}

bool image_known_read(struct image_known *k, const json_t *value, const struct json_place *at)
{
    static const char *const keys[] = {"images", "classes", NULL};
    bool ok = json_body_object(k->r, value, at, keys);
    if (!json_is_object(value))
        return false;
    ok = image_known_images(k->r, value, at, &k->images) && ok;
    if (k->r->status)
        return false;
    ok = json_body_array(k->r, value, "classes", at, LIMIT_TASK_IMAGES, true, &k->classes) && ok;
    if (!ok || !check_lengths(k, at))
        return false;
    size_t n = json_array_size(k->images);
    k->n_all += n;
    if (k->n_all > LIMIT_TASK_ROWS_PER_CALL)
        return image_known_too_many(k->r, at, k->n_all);
    k->list = batch_alloc(k->r, k->b, n, sizeof *k->list);
    for (size_t i = 0; i < n && k->list && !k->r->status; i++)
        ok = take_image(k, at, i) && ok;
    k->n = n;
    return ok && k->list && !k->r->status;
}

/* One has nothing to be told from. */
bool image_known_two_classes(struct image_known *k, const struct json_place *at)
{
    struct json_place place = json_place_key(at, "classes");
    for (size_t i = 1; i < k->n; i++)
        if (text_compare(k->list[0].class, k->list[i].class) != 0)
            return true;
    problem_answer(k->r, PROBLEM_INVALID_VALUE, place.text,
                   "all images are of one class; expected two classes or more, each with an image");
    return false;
}
