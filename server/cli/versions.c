/* The newest version is the one that a context was last added to; the one just trained counts as newest even
 * when it has none yet. */
#include "server/cli/versions.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Names of versions, terminated, the newest last. */
struct names {
    const char *model, *version; /* of what is asked for, and what is left out */
    struct buf texts;
    size_t n;
};

static bool is(struct text text, const char *s)
{
    return text.len == strlen(s) && memcmp(text.data, s, text.len) == 0;
}

static bool take_name(void *arg, const struct store_version *v)
{
    struct names *names = arg;
    if (!is(v->model, names->model) || is(v->version, names->version) || v->n_contexts == v->n_given)
        return true;
    buf_add(&names->texts, v->version.data, v->version.len);
    buf_addc(&names->texts, '\0');
    names->n++;
    return true;
}

enum err_code versions_trim(struct store_conn *c, const char *model, const char *version, int64_t keep,
                            int64_t *n, struct err *e)
{
    struct names names = {.model = model, .version = version};
    *n = 0;
    if (keep == 0)
        return ERR_OK;
    buf_init(&names.texts, (size_t)1 << 20);
    enum err_code code = store_each_version(c, take_name, &names, e);
    if (!code)
        code = buf_check(&names.texts, "the versions of a model", e);
    const char *at = names.texts.data;
    size_t n_old = names.n > (size_t)keep - 1 ? names.n - ((size_t)keep - 1) : 0;
    for (size_t i = 0; i < n_old && !code; i++, at += strlen(at) + 1) {
        struct store_context_key key = {model, at, "user"};
        int64_t gone;
        code = store_trim_version(c, &key, &gone, e);
        *n += gone;
    }
    buf_fini(&names.texts);
    return code;
}

bool versions_is_store(const char *path)
{
    static const char magic[16] = "SQLite format 3";
    char head[sizeof magic];
    FILE *f = fopen(path, "re");
    bool is_store =
        f && fread(head, 1, sizeof head, f) == sizeof head && memcmp(head, magic, sizeof head) == 0;
    if (f)
        (void)fclose(f);
    return is_store;
}

/* ---- what is in a store ---- */

struct listing {
    struct buf *out;
    bool json, any;
};

static bool list_version(void *arg, const struct store_version *v)
{
    struct listing *l = arg;
    if (l->json) {
        buf_adds(l->out, l->any ? ",{\"model\":" : "{\"model\":");
        buf_add_json_string(l->out, v->model.data, v->model.len);
        buf_adds(l->out, ",\"model_version\":");
        buf_add_json_string(l->out, v->version.data, v->version.len);
        buf_addf(l->out, ",\"contexts\":%" PRId64 ",\"given\":%" PRId64 ",\"bytes\":%" PRId64 "}",
                 v->n_contexts, v->n_given, v->n_bytes);
    } else {
        buf_addf(l->out, "  %.*s %.*s: %" PRId64 " contexts, %" PRId64 " of them given, %" PRId64 " bytes\n",
                 (int)v->model.len, v->model.data, (int)v->version.len, v->version.data, v->n_contexts,
                 v->n_given, v->n_bytes);
    }
    l->any = true;
    return true;
}

static enum err_code describe(struct store_conn *c, const char *path, bool json, struct buf *out,
                              struct err *e)
{
    struct store_counts n;
    struct stat st = {0};
    struct listing l = {out, json, false};
    enum err_code code = store_count(c, &n, e);
    if (code)
        return code;
    (void)stat(path, &st);
    buf_addf(
        out,
        json ? "{\"file_bytes\":%lld,\"schema\":%d,\"users\":%lld,\"items\":%lld,\"interactions\":%lld,"
               "\"tasks\":%lld,\"task_rows\":%lld,\"contexts\":%lld,\"versions\":["
             : "store of %lld bytes, schema %d\nusers         %lld\nitems         %lld\ninteractions  %lld\n"
               "tasks         %lld\ntask rows     %lld\ncontexts      %lld\n",
        (long long)st.st_size, STORE_SCHEMA, (long long)n.n_users, (long long)n.n_items,
        (long long)n.n_interactions, (long long)n.n_tasks, (long long)n.n_task_rows, (long long)n.n_contexts);
    code = store_each_version(c, list_version, &l, e);
    if (json)
        buf_adds(out, "]}\n");
    return code ? code : buf_check(out, "the description", e);
}

enum err_code versions_describe(const char *path, bool json, struct buf *out, struct err *e)
{
    struct store *store = NULL;
    struct store_conn *c = NULL;
    enum err_code code = store_open(path, STORE_READ_ONLY, &store, e);
    if (!code)
        code = store_connect(store, &c, e);
    if (!code)
        code = describe(c, path, json, out, e);
    store_disconnect(c);
    store_close(store);
    return code;
}
