/* Any bytes as the target of a request, path and query, through the parser and the route match. What was
 * decoded is what was sent and, encoded again, is decoded to the same; a request in the memory of another one
 * is no different; a path has a route for the methods that it says it takes, and for no other. The first byte
 * picks the method, the rest is the target. */
#include "server/api/routes.h"
#include "server/http/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static const char *const methods[] = {"GET",     "POST",  "PUT", "DELETE", "HEAD",
                                      "OPTIONS", "PATCH", "get", "",       "GETT"};
enum { N_METHODS = sizeof methods / sizeof *methods, MAX_TARGET_BYTES = 8192 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the parser ---- */

static bool same_text(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Segments that are kept: of a path that is too deep for any route, the first ones. */
static size_t n_kept(const struct request *r)
{
    return r->n_segments < REQUEST_MAX_SEGMENTS ? r->n_segments : REQUEST_MAX_SEGMENTS;
}

/* Whether what stands between the two is `want` once it is decoded. */
static bool decodes_to(const char *at, const char *end, bool plus_is_space, struct text want)
{
    size_t n = 0;
    for (; at < end && n < want.len; n++) {
        unsigned c = *at == '+' && plus_is_space ? ' ' : (unsigned char)*at;
        if (*at == '%')
            must(sscanf(at, "%%%2x", &c) == 1);
        at += *at == '%' ? 3 : 1;
        if ((unsigned char)want.data[n] != c)
            return false;
    }
    return at == end && n == want.len;
}

/* A text lies where it was decoded: at the place of what was sent, up to a character that ends it. */
static void check_text(const struct request *r, struct text t, const char *ends, bool plus_is_space)
{
    size_t at = (size_t)(t.data - r->target);
    must(t.data >= r->target && at + t.len <= strlen(r->raw_target));
    const char *from = r->raw_target + at;
    must(decodes_to(from, from + strcspn(from, ends), plus_is_space, t));
}

static void check_parsed(const struct request *r, const char *target)
{
    must(strcmp(r->raw_target, target) == 0);
    must(r->n_segments <= REQUEST_MAX_SEGMENTS + 1 && r->n_params <= REQUEST_MAX_PARAMS);
    must(!r->content_type.data && !r->content_type.len); /* which is behind the segments */
    for (size_t i = 0; !r->bad_path && i < n_kept(r); i++)
        check_text(r, r->segments[i], "/?", false);
    for (size_t i = 0; !r->bad_query && i < r->n_params; i++) {
        check_text(r, r->params[i].name, "=&", true);
        check_text(r, r->params[i].value, "&", true);
        must(!text_is(r->params[i].name, "limit") ||
             request_param_of(r, "limit").data <= r->params[i].value.data); /* the first of a name */
    }
}

static void check_same(const struct request *a, const struct request *b)
{
    must(a->bad_path == b->bad_path && a->bad_query == b->bad_query);
    must(a->bad_path || a->n_segments == b->n_segments);
    must(a->bad_query || a->n_params == b->n_params);
    for (size_t i = 0; !a->bad_path && i < n_kept(a); i++)
        must(same_text(a->segments[i], b->segments[i]));
    for (size_t i = 0; !a->bad_query && i < a->n_params; i++)
        must(same_text(a->params[i].name, b->params[i].name) &&
             same_text(a->params[i].value, b->params[i].value));
}

/* Appends every byte as %XX. */
static void encode(struct buf *out, struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        buf_addf(out, "%%%02X", (unsigned char)t.data[i]);
}

/* The target that a decoded request would have, written without any character that stands for itself. */
static void encode_target(struct buf *out, const struct request *r)
{
    for (size_t i = 0; i < r->n_segments; i++) {
        buf_addc(out, '/');
        encode(out, r->segments[i]);
    }
    if (r->n_segments == 0 || r->segments[r->n_segments - 1].len == 0)
        buf_addc(out, '/'); /* else an empty last segment would be a final slash */
    for (size_t i = 0; i < r->n_params; i++) {
        buf_addc(out, i ? '&' : '?');
        encode(out, r->params[i].name);
        buf_addc(out, '=');
        encode(out, r->params[i].value);
    }
}

static void check_round_trip(const struct request *r)
{
    struct buf target;
    if (r->bad_path || r->bad_query || r->n_segments > REQUEST_MAX_SEGMENTS)
        return;
    buf_init(&target, 1 << 20);
    encode_target(&target, r);
    struct request *again = request_new(buf_text(&target), 0);
    must(again != NULL);
    check_same(r, again);
    request_free(again);
    buf_fini(&target);
}

/* The same request in the memory of those before. */
static void check_renewed(const struct request *fresh, const char *target)
{
    static struct request *kept;
    if (!kept)
        must((kept = request_new("/v1/users/somebody?limit=7&explain=1", 0)) != NULL);
    request_end(kept);
    must(request_renew(kept, target));
    check_parsed(kept, target);
    check_same(fresh, kept);
}

/* ---- the route ---- */

static void check_found(const struct request *r)
{
    size_t n_slashes = 0;
    for (const char *c = r->route->pattern; *c; c++)
        n_slashes += *c == '/';
    must(r->n_segments == (r->route->pattern[1] ? n_slashes : 0)); /* those that a call reads are there */
    must(route_number(&routes, r->route) < routes.n);
    must(!r->bad_path && (!r->bad_query || r->status == 400 || strcmp(r->route->params[0], "*") == 0));
    must(r->status == 0 || r->status == 400);
}

/* What the same path says to another method; the caller frees it. */
static struct request *ask_with(const char *method, const char *target)
{
    struct request *r = request_new(target, 0);
    must(r != NULL);
    r->method = method;
    route_find(&routes, r);
    return r;
}

/* Whether a list of methods has this one. */
static bool lists(const char *allow, const char *method)
{
    size_t n = strlen(method);
    for (const char *at = allow; n && (at = strstr(at, method)); at += n)
        if ((at == allow || at[-1] == ' ') && (at[n] == '\0' || at[n] == ','))
            return true;
    return false;
}

static void check_allow(const char *target, const char *allow)
{
    for (size_t i = 0; i < N_METHODS; i++) {
        struct request *r = ask_with(methods[i], target);
        must((r->route || r->status == 204) == lists(allow, methods[i]));
        request_free(r);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    char target[MAX_TARGET_BYTES];
    if (n < 1 || n > sizeof target || memchr(bytes, 0, n))
        return 0; /* libmicrohttpd gives a terminated target */
    memcpy(target, bytes + 1, n - 1);
    target[n - 1] = '\0';
    struct request *r = request_new(target, 0);
    must(r != NULL);
    check_parsed(r, target);
    check_round_trip(r);
    check_renewed(r, target);
    r->method = methods[bytes[0] % N_METHODS];
    route_find(&routes, r);
    must(r->route || r->status == 400 || r->status == 404 || r->status == 405 || r->status == 204);
    must((r->status == 405 || r->status == 204) == (r->allow[0] != '\0'));
    if (r->route)
        check_found(r);
    else if (r->allow[0])
        check_allow(target, r->allow);
    if (r->status >= 400)
        must(buf_text(&r->answer) && r->answer.len > 0);
    request_free(r);
    return 0;
}
