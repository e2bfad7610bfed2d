/* server/serving/image_drafts.c, image_tasks.c and image_classes.c by the calls: what there is to compute of
 * images is computed while nobody is held up. Risks: convolutions while the store is locked, of a task whose
 * contexts are to be made anew, of a model that was not asked; a context of a task that changed since its
 * draft; a call that never ends because others write. */
#include "base/mem.h"
#include "server/images/image_room.h"
#include "tests/support/api_world.h"
#include "tests/support/sample_images.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADMIN "/v1/admin/tasks/"

static struct api_world w;
static char model[] = "/tmp/test_api_images_XXXXXX";
static struct err e;
static int n_computed, n_changes; /* features; changes by somebody else that are to come meanwhile */
static const char *row;           /* which comes with such a change; NULL: none */

static void setup(void)
{
    int fd = mkstemp(model);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    sample_images_write(model);
    api_world_init_model(&w, model);
    err_clear(&e);
    n_changes = 0;
    row = NULL;
    ck_assert_int_eq(api_world_json(&w, "PUT", ADMIN "ann", "{\"support\":" SAMPLE_SUPPORT "}", NULL), 201);
}

static void teardown(void)
{
    api_world_fini(&w);
    (void)unlink(model);
    memcpy(model + strlen(model) - 6, "XXXXXX", 6);
}

/* As another process leaves it, which serves another model: without a context of use. */
static void touch_elsewhere(void)
{
    struct store_conn *c;
    int64_t revision;
    ck_assert_int_eq(store_connect(w.store, &c, &e), ERR_OK);
    ck_assert_int_eq(store_begin(c, &e), ERR_OK);
    ck_assert_int_eq(store_touch_task(c, text_of("ann"), &revision, &e), ERR_OK);
    if (row)
        ck_assert_int_eq(store_add_task_row(c, text_of("ann"), text_of(row), &e), ERR_OK);
    ck_assert_int_eq(store_commit(c, &e), ERR_OK);
    store_disconnect(c);
}

enum err_code __real_image_room_features(struct image_room *r, const json_t *image, struct image_place *where,
                                         struct err *why);
enum err_code __wrap_image_room_features(struct image_room *r, const json_t *image, struct image_place *where,
                                         struct err *why);

enum err_code __wrap_image_room_features(struct image_room *r, const json_t *image, struct image_place *where,
                                         struct err *why)
{
    ck_assert_msg(!w.worker->session.writer, "features are computed while the store is locked");
    n_computed++;
    if (n_changes > 0) {
        n_changes--;
        touch_elsewhere();
    }
    return __real_image_room_features(r, image, where, why);
}

/* The task's classes with the numbers of their images. */
static void assert_classes(const char *expected)
{
    char *answer;
    ck_assert_int_eq(api_world_json(&w, "GET", "/v1/tasks/ann", NULL, &answer), 200);
    const char *found = strstr(answer, "\"classes\":");
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found + strlen("\"classes\":"), expected);
    mem_free(answer);
}

static const struct {
    const char *method, *target, *body;
    int status;
    const char *classes, *beside; /* then; and where an image of c came in between */
} changes[] = {
    {"POST", "/v1/tasks/ann/examples", "{\"images\":[" SAMPLE_IMAGE_ONE "],\"classes\":[\"b\"]}", 200,
     "{\"a\":2,\"b\":2}}", "{\"a\":2,\"b\":2,\"c\":1}}"},
    {"DELETE", ADMIN "ann/classes/a", NULL, 204, "{\"b\":1}}", "{\"b\":1,\"c\":1}}"},
};
enum { N_CHANGES = sizeof changes / sizeof *changes };

static int change(int which)
{
    n_computed = 0;
    return api_world_json(&w, changes[which].method, changes[which].target, changes[which].body, NULL);
}

START_TEST(features_are_computed_before_the_store_is_locked)
{
    touch_elsewhere();
    ck_assert_int_eq(change(_i), changes[_i].status);
    ck_assert_int_ge(n_computed, 3); /* of the rows */
    assert_classes(changes[_i].classes);
}
END_TEST

START_TEST(a_task_that_changes_meanwhile_is_made_anew_outside_of_the_lock)
{
    touch_elsewhere();
    n_changes = 1;
    row = "{\"class\":\"c\",\"image\":" SAMPLE_IMAGE_TWO "}";
    ck_assert_int_eq(change(_i), changes[_i].status);
    assert_classes(changes[_i].beside);
}
END_TEST

START_TEST(a_task_that_changes_again_and_again_is_busy_and_stays)
{
    touch_elsewhere();
    n_changes = 1000;
    ck_assert_int_eq(change(_i), 503);
    ck_assert_int_lt(n_changes, 1000);
    n_changes = 0;
    assert_classes("{\"a\":2,\"b\":1}}");
}
END_TEST

/* What is stored is taken as it is then, whoever wrote it since the draft. */
START_TEST(a_context_that_is_stored_costs_nothing_and_is_taken_as_it_is)
{
    n_computed = 0;
    ck_assert_int_eq(change(0), 200);
    ck_assert_int_eq(n_computed, 1); /* of the image that came */
    assert_classes(changes[0].classes);
}
END_TEST

SUITE("server/api for tasks of images, beside others who write", setup, teardown,
      {features_are_computed_before_the_store_is_locked, N_CHANGES},
      {a_task_that_changes_meanwhile_is_made_anew_outside_of_the_lock, N_CHANGES},
      {a_task_that_changes_again_and_again_is_busy_and_stays, N_CHANGES},
      {a_context_that_is_stored_costs_nothing_and_is_taken_as_it_is})
