/* Any bytes as a body of a call for tasks. Whatever comes, there is an answer, in JSON; what is refused
 * changed nothing, and nothing a caller sends is the server's fault (5xx). What was taken can be asked for
 * at once. The first byte picks the call, the second the media type, the rest is the body. */
#include "tests/support/api_world.h"
#include "tests/support/sample_tasks.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static struct api_world w;
static char model[] = "/tmp/fuzz_tasks_XXXXXX";

static const struct {
    const char *method, *target;
} calls[] = {{"POST", "/v1/tasks/t/predictions?cold_start=true"},
             {"POST", "/v1/tasks/t/predictions?cold_start=true&unknown_category=ignore"},
             {"PUT", "/v1/admin/tasks/t"},
             {"POST", "/v1/tasks/t/examples?create=true"},
             {"POST", "/v1/tasks/t/examples?create=true&unknown_category=ignore"},
             {"POST", "/v1/admin/tasks"},
             {"POST", "/v1/admin/tasks?on_error=skip"},
             {"POST", "/v1/tasks/predictions"},
             {"POST", "/v1/predictions?cold_start=true"}};

static void remove_world(void)
{
    api_world_fini(&w);
    (void)unlink(model);
}

static int64_t last_change(void)
{
    struct err e = {0};
    int64_t change;
    if (store_last_change(w.worker->session.conn, &change, &e))
        abort();
    return change;
}

/* The status; ends the program where the answer is none. */
static int call(const char *method, const char *target, const char *type, const char *body, size_t n)
{
    struct request *r = api_world_call(&w, method, target, type, body, n);
    if (!r || r->status < 200 || r->status > 499 || r->answer.failed)
        abort();
    json_t *document = r->status == 204 ? NULL : json_loadb(r->answer.data, r->answer.len, 0, NULL);
    if (r->status != 204 && !document)
        abort();
    json_decref(document);
    int status = r->status;
    request_free(r);
    return status;
}

static void make_world(void)
{
    static const char known[] =
        "{\"support\":{\"rows\":[{\"price\":2,\"deal\":\"no\",\"units\":30,\"day\":1}]}}";
    int fd = mkstemp(model);
    if (fd < 0)
        abort();
    (void)close(fd);
    sample_tasks_generated_write(model, "shops", false, GENERATOR_CORE);
    api_world_init_model(&w, model);
    (void)atexit(remove_world);
    if (call("PUT", "/v1/admin/tasks/u", "application/json", known, sizeof known - 1) != 201)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    static const char *const types[] = {"application/json", "application/x-ndjson"};
    static const char asked[] = "{\"rows\":[{\"price\":2,\"deal\":\"no\"}],\"clamp\":false}";
    static bool made;
    if (!made)
        make_world();
    made = true;
    if (n < 2)
        return 0;
    size_t which = bytes[0] % (sizeof calls / sizeof *calls);
    int64_t before = last_change();
    int status =
        call(calls[which].method, calls[which].target, types[bytes[1] % 2], (const char *)bytes + 2, n - 2);
    if (status >= 400 && last_change() != before)
        abort();
    if (last_change() != before &&
        call("POST", "/v1/tasks/t/predictions?cold_start=true", types[0], asked, sizeof asked - 1) != 200)
        abort();
    if (last_change() != before)
        (void)call("DELETE", "/v1/admin/tasks/t", NULL, NULL, 0);
    return 0;
}
