/* The raw target is split before it is decoded, so that an id with an encoded slash stays one segment. */
#include "server/http/request.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/percent.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

const char request_json[] = "application/json";
const char request_bytes[] = "application/octet-stream";

/* Decodes [from, to) in place. */
static bool decode(char *from, char *to, bool plus_is_space, struct text *out)
{
    for (char *p = from; plus_is_space && p < to; p++)
        if (*p == '+')
            *p = ' ';
    *out = (struct text){from, 0};
    return percent_decode(from, (size_t)(to - from), from, &out->len);
}

static bool split_path(struct request *r, char *path, char *end)
{
    for (char *p = path; p < end;) {
        if (*p != '/')
            return false;
        char *from = ++p;
        while (p < end && *p != '/')
            p++;
        if (p == from && p == end)
            break; /* "/" and a final slash */
        if (r->n_segments >= REQUEST_MAX_SEGMENTS)
            r->n_segments = REQUEST_MAX_SEGMENTS + 1;
        else if (!decode(from, p, false, &r->segments[r->n_segments++]))
            return false;
    }
    return true;
}

static bool split_query(struct request *r, char *query)
{
    while (*query) {
        char *end = query + strcspn(query, "&"), *equals = memchr(query, '=', (size_t)(end - query));
        char *next = *end ? end + 1 : end;
        if (end > query) {
            if (r->n_params == REQUEST_MAX_PARAMS)
                return false;
            struct request_param *param = &r->params[r->n_params++];
            if (!decode(query, equals ? equals : end, true, &param->name) ||
                !decode(equals ? equals + 1 : end, end, true, &param->value))
                return false;
        }
        query = next;
    }
    return true;
}

/* The length of "http://host:port" in front of the path: the absolute form, which a server must take (RFC
 * 9112, 3.2.2). */
static size_t origin_len(const char *target)
{
    static const char scheme[] = "http://";
    size_t n = sizeof scheme - 1;
    return strncasecmp(target, scheme, n) == 0 ? n + strcspn(target + n, "/?") : 0;
}

static void end_buf(struct buf *b)
{
    if (b->capacity > REQUEST_KEPT_BYTES)
        buf_fini(b);
    buf_reset(b);
}

bool request_charge(struct request *r, size_t bytes)
{
    if (!r->memory || bytes <= REQUEST_KEPT_BYTES || bytes <= r->charged_bytes)
        return true;
    size_t more = bytes - r->charged_bytes;
    size_t used = atomic_fetch_add_explicit(&r->memory->used_bytes, more, memory_order_relaxed);
    if (used > r->memory->max_bytes || more > r->memory->max_bytes - used) {
        atomic_fetch_sub_explicit(&r->memory->used_bytes, more, memory_order_relaxed);
        r->lacked_memory = true;
        return false;
    }
    r->charged_bytes = bytes;
    return true;
}

bool request_charge_more(struct request *r, size_t bytes)
{
    size_t free_bytes = r->charged_bytes ? r->charged_bytes : r->body.capacity;
    return request_charge(r, free_bytes + bytes);
}

static void give_back(struct request *r)
{
    if (r->charged_bytes)
        atomic_fetch_sub_explicit(&r->memory->used_bytes, r->charged_bytes, memory_order_relaxed);
    r->charged_bytes = 0;
}

void *request_plan(struct request *r, size_t size, void (*end)(void *plan))
{
    assert(!r->end_plan); /* a request is planned once */
    if (r->plan_capacity < size) {
        void *block = mem_alloc_array(1, size);
        if (!block)
            return NULL;
        mem_free(r->plan);
        r->plan = block;
        r->plan_capacity = size;
    }
    r->end_plan = end;
    return r->plan;
}

void request_end_plan(struct request *r)
{
    if (r->end_plan)
        r->end_plan(r->plan);
    r->end_plan = NULL;
}

void request_end(struct request *r)
{
    request_end_plan(r);
    give_back(r);
    end_buf(&r->body);
    end_buf(&r->answer);
    if (r->target_capacity > REQUEST_KEPT_BYTES) {
        mem_free(r->raw_target);
        r->raw_target = r->target = NULL;
        r->target_capacity = 0;
    }
    if (r->plan_capacity > REQUEST_KEPT_BYTES) {
        mem_free(r->plan);
        r->plan = NULL;
        r->plan_capacity = 0;
    }
}

/* Room for a target twice. */
static bool reserve_target(struct request *r, size_t n)
{
    if (r->target_capacity >= 2 * n)
        return true;
    char *block = mem_alloc_array(2, n);
    if (!block)
        return false;
    mem_free(r->raw_target);
    r->raw_target = block;
    r->target_capacity = 2 * n;
    return true;
}

bool request_renew(struct request *r, const char *raw_target)
{
    size_t n = strlen(raw_target) + 1, first = offsetof(struct request, method);
    if (!reserve_target(r, n))
        return false;
    memset((char *)r + first, 0, offsetof(struct request, params) - first);
    r->target = r->raw_target + n;
    memcpy(r->raw_target, raw_target, n);
    memcpy(r->target, raw_target, n);
    r->start_ns = clock_monotonic_ns();
    char *path = r->target + origin_len(r->target);
    char *path_end = path + strcspn(path, "?"), *query = *path_end ? path_end + 1 : path_end;
    r->bad_path = !split_path(r, path, path_end);
    r->bad_query = !split_query(r, query);
    return true;
}

struct request *request_new(const char *raw_target, size_t max_body_bytes)
{
    struct request *r = mem_zalloc_array(1, sizeof *r);
    if (!r)
        return NULL;
    buf_init(&r->body, max_body_bytes);
    buf_init(&r->answer, LIMIT_RESPONSE_BYTES);
    if (!request_renew(r, raw_target)) {
        request_free(r);
        return NULL;
    }
    return r;
}

void request_free(struct request *r)
{
    if (!r)
        return;
    request_end_plan(r);
    give_back(r);
    mem_free(r->raw_target);
    mem_free(r->plan);
    buf_fini(&r->body);
    buf_fini(&r->answer);
    mem_free(r);
}

bool request_type_is(const struct request *r, const char *type, const char *suffix)
{
    const char *given = r->content_type.data;
    if (!given)
        return false;
    size_t n = 0, n_suffix = suffix ? strlen(suffix) : 0;
    while (n < r->content_type.len && given[n] != ';' && given[n] != ' ' && given[n] != '\t')
        n++;
    if (n == strlen(type) && strncasecmp(given, type, n) == 0)
        return true;
    return suffix && n > n_suffix && strncasecmp(given + n - n_suffix, suffix, n_suffix) == 0;
}

bool request_is_left(struct request *r)
{
    if (!r->is_left && r->client_left)
        r->is_left = r->client_left(r->left_of);
    return r->is_left;
}

struct text request_param_of(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->n_params; i++)
        if (text_is(r->params[i].name, name))
            return r->params[i].value;
    return (struct text){NULL, 0};
}

struct buf *request_answer(struct request *r, int status, const char *content_type)
{
    r->status = status;
    r->answer_type = content_type;
    buf_reset(&r->answer);
    return &r->answer;
}
