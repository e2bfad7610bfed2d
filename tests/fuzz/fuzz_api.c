/* Any bytes as a request: method, target, media type, body. Whatever comes, there is an answer; it is JSON
 * where it says so; what is refused changed nothing, and nothing a caller sends is the server's fault (5xx).
 * The first byte picks the method, the second the media type, the target ends at the first newline. */
#include "tests/support/api_world.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static struct api_world w;

static void remove_world(void)
{
    api_world_fini(&w);
}

static int64_t last_change(void)
{
    struct err e = {0};
    int64_t change;
    if (store_last_change(w.worker->session.conn, &change, &e))
        abort();
    return change;
}

static void check_answer(const struct request *r)
{
    if (r->status < 200 || r->status > 499 || r->answer.failed)
        abort();
    if (r->status == 204)
        return;
    if (strncmp(r->answer_type, "application/", 12) == 0) {
        json_t *document =
            json_loadb(r->answer.data, r->answer.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        if (!document)
            abort();
        json_decref(document);
    }
    if (r->status >= 400 && strcmp(r->answer_type, "application/problem+json") != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"};
    static const char *const types[] = {"application/json", "application/x-ndjson", "text/plain", NULL};
    static bool made;
    if (!made) {
        api_world_init(&w);
        (void)atexit(remove_world);
        if (api_world_json(&w, "PUT", "/v1/admin/users/u", "{\"interactions\":[{\"item\":\"1\"}]}", NULL) !=
            201)
            abort();
        made = true;
    }
    const unsigned char *end = n > 2 ? memchr(bytes + 2, '\n', n - 2) : NULL;
    if (!end || memchr(bytes + 2, 0, (size_t)(end - bytes - 2)))
        return 0; /* libmicrohttpd gives a terminated target */
    char target[4096];
    size_t n_target = (size_t)(end - bytes - 2);
    if (n_target >= sizeof target)
        return 0;
    memcpy(target, bytes + 2, n_target);
    target[n_target] = '\0';
    int64_t before = last_change();
    struct request *r = api_world_call(&w, methods[bytes[0] % 7], target, types[bytes[1] % 4],
                                       (const char *)end + 1, n - n_target - 3);
    if (!r)
        abort();
    check_answer(r);
    if (r->status >= 400 && last_change() != before)
        abort();
    request_free(r);
    return 0;
}
