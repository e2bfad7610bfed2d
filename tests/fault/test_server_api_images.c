/* The calls for tasks of images without memory: each allocation of a call fails in turn, once and from
 * then on. The answer is then whole or a refusal that says so, what was refused changed nothing, and the
 * same call works right after. Memory of JSON that is parsed is jansson's, and not counted. Leaks are the
 * sanitizer's to find. */
#include "base/mem.h"
#include "tests/support/api_world.h"
#include "tests/support/sample_images.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ONE     SAMPLE_IMAGE_ONE
#define TWO     SAMPLE_IMAGE_TWO
#define SUPPORT SAMPLE_SUPPORT

static struct api_world w;
static char model[] = "/tmp/test_api_images_XXXXXX";

static void setup(void)
{
    int fd = mkstemp(model);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    sample_images_write(model);
    api_world_init_model(&w, model);
    ck_assert_int_eq(api_world_json(&w, "PUT", "/v1/admin/tasks/ann", "{\"support\":" SUPPORT "}", NULL),
                     201);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    api_world_fini(&w);
    (void)unlink(model);
    memcpy(model + strlen(model) - 6, "XXXXXX", 6);
}

static const struct {
    const char *method, *target, *body;
    int status;
    bool reads;
} calls[] = {
    {"POST", "/v1/tasks/ann/predictions", "{\"images\":[" ONE "," TWO "]}", 200, true},
    {"POST", "/v1/tasks/new/predictions", "{\"images\":[" ONE "],\"support\":" SUPPORT "}", 200, true},
    {"POST", "/v1/tasks/ann/predictions", "{\"images\":[" ONE ",[],\"x\"]}", 422, true},
    {"POST", "/v1/tasks/predictions", "{\"images\":[" ONE "," TWO "]}", 200, true},
    {"POST", "/v1/tasks/predictions", "{\"images\":[" ONE "],\"candidates\":[\"ann\",\"ann\"]}", 200, true},
    {"GET", "/v1/tasks/ann", NULL, 200, true},
    {"GET", "/v1/models", NULL, 200, true},
    {"POST", "/v1/predictions", "{\"tasks\":[{\"id\":\"ann\",\"images\":[" ONE "," TWO "]}]}", 200, true},
    {"POST", "/v1/admin/tasks", "{\"tasks\":[{\"id\":\"bob\",\"support\":" SUPPORT "}]}", 200, false},
    {"PATCH", "/v1/admin/tasks/ann", "{\"keep_rows\":false}", 200, false},
    {"PUT", "/v1/admin/tasks/bob", "{\"support\":" SUPPORT "}", 201, false},
    {"PUT", "/v1/admin/tasks/ann", "{\"support\":" SUPPORT ",\"keep_rows\":false}", 200, false},
    {"POST", "/v1/tasks/ann/examples", "{\"images\":[" ONE "," TWO "],\"classes\":[\"c\",\"b\"]}", 200,
     false},
    {"POST", "/v1/tasks/new/examples?create=true", SUPPORT, 201, false},
    {"DELETE", "/v1/admin/tasks/ann/classes/b", NULL, 204, false},
    {"DELETE", "/v1/admin/tasks/ann", NULL, 204, false},
};
enum { N_CALLS = sizeof calls / sizeof *calls };

/* What a change would change. */
static void state_of(char *out, size_t size)
{
    struct store_counts n = api_world_counts(&w);
    struct err e = {0};
    int64_t change;
    ck_assert_int_eq(store_last_change(w.worker->session.conn, &change, &e), ERR_OK);
    (void)snprintf(out, size, "%lld tasks %lld rows %lld contexts, change %lld", (long long)n.n_tasks,
                   (long long)n.n_task_rows, (long long)n.n_contexts, (long long)change);
}

/* The status; 0: the connection is dropped. *torn: the answer could not grow, and goes out as 500. */
static int call(int which, bool *torn)
{
    const char *body = calls[which].body ? calls[which].body : "";
    struct request *r = api_world_call(&w, calls[which].method, calls[which].target,
                                       calls[which].body ? "application/json" : NULL, body, strlen(body));
    int status = r ? r->status : 0;
    *torn = r && r->answer.failed != ERR_OK;
    request_free(r);
    return status;
}

START_TEST(a_call_without_memory_answers_whole_or_changes_nothing)
{
    int which = _i / 2, persistent = _i % 2, n_refused = 0;
    bool whole = false;
    for (long n = 1; n < 1000 && !whole; n++) {
        char before[128], after[128];
        bool torn;
        state_of(before, sizeof before);
        weights_cache_clear(w.serving.cache);
        mem_fail_at(n, persistent);
        int status = call(which, &torn);
        bool failed_one = mem_count() >= n;
        mem_fail_at(0, 0);
        state_of(after, sizeof after);
        if (status == calls[which].status && !torn) {
            whole = !failed_one || !calls[which].reads; /* a write that was done cannot be done again */
        } else if (!torn) {
            n_refused++;
            ck_assert_msg(status == 0 || status == 503, "allocation %ld: status %d", n, status);
            ck_assert_msg(strcmp(before, after) == 0, "allocation %ld: %s; before: %s", n, after, before);
        } else if (strcmp(before, after) != 0) {
            return; /* written, and the answer was lost with the memory: as when a connection breaks */
        }
    }
    ck_assert_int_gt(n_refused, 0);
    ck_assert(whole);
}
END_TEST

SUITE("server/api for tasks of images, without memory", setup, teardown,
      {a_call_without_memory_answers_whole_or_changes_nothing, 2 * N_CALLS})
