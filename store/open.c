/* Names of stores, and the backends that they mean. */
#include "store/backends.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

/* What names of stores look like, for a message. */
static const char *forms(char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; store_backends[i] && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", store_backends[i]->form);
    return out;
}

/* The backend that a store's name means, and what the name says to it. */
static enum err_code find_backend(const char *url, const struct store_backend **backend, const char **name,
                                  struct err *e)
{
    char known[128];
    *backend = NULL;
    for (size_t i = 0; store_backends[i] && !*backend; i++) {
        size_t n = strlen(store_backends[i]->scheme);
        if (strncmp(url, store_backends[i]->scheme, n) == 0 && url[n] == ':') {
            *backend = store_backends[i];
            *name = url + n + 1;
        }
    }
    if (!*backend && strstr(url, "://"))
        return err_set(e, ERR_INVALID, "store '%s': this build knows %s or a bare path only", url,
                       forms(known, sizeof known));
    if (!*backend) {
        *backend = store_backends[0];
        *name = url;
    }
    if (!**name)
        return err_set(e, ERR_INVALID, "the store's path is empty; give %s or a bare path",
                       forms(known, sizeof known));
    return ERR_OK;
}

static enum err_code refuse_backup(struct err *e)
{
    return err_set(e, ERR_INVALID, "a store of this kind is backed up and restored by its database's tools");
}

/* ---- life cycle ---- */

enum err_code store_open(const char *url, enum store_mode mode, struct store **out, struct err *e)
{
    const struct store_backend *backend;
    const char *name = NULL;
    enum err_code code = find_backend(url, &backend, &name, e);
    return code ? code : backend->open(name, mode, out, e);
}

enum err_code store_backup_file(const char *url, const char *path, bool force, struct err *e)
{
    const struct store_backend *backend;
    const char *name = NULL;
    enum err_code code = find_backend(url, &backend, &name, e);
    if (code)
        return code;
    return backend->backup_file ? backend->backup_file(name, path, force, e) : refuse_backup(e);
}

enum err_code store_backup(struct store_conn *c, const char *path, const struct store_patience *patience,
                           struct err *e)
{
    return c->backend->backup ? c->backend->backup(c, path, patience, e) : refuse_backup(e);
}

enum err_code store_restore_file(const char *url, const char *from, struct err *e)
{
    const struct store_backend *backend;
    const char *name = NULL;
    enum err_code code = find_backend(url, &backend, &name, e);
    if (code)
        return code;
    return backend->restore_file ? backend->restore_file(name, from, e) : refuse_backup(e);
}

void store_close(struct store *s)
{
    if (s)
        s->backend->close(s);
}

void store_discard_new(struct store *s)
{
    if (s && s->backend->discard_new)
        s->backend->discard_new(s);
    else
        store_close(s);
}

const char *store_path(const char *url)
{
    const struct store_backend *backend;
    const char *name = NULL;
    return find_backend(url, &backend, &name, NULL) == ERR_OK && backend->owns_file ? name : NULL;
}

bool store_owns_file(const char *url, const char *path)
{
    const struct store_backend *backend;
    const char *name = NULL;
    return find_backend(url, &backend, &name, NULL) == ERR_OK && backend->owns_file &&
           backend->owns_file(name, path);
}

enum err_code store_connect(struct store *s, struct store_conn **out, struct err *e)
{
    enum err_code code = s->backend->connect(s, out, e);
    if (!code)
        store_waiting_init(&(*out)->waiting);
    return code;
}

void store_disconnect(struct store_conn *c)
{
    if (!c)
        return;
    store_waiting_fini(&c->waiting);
    c->backend->disconnect(c);
}

enum err_code store_write_often(struct store_conn *c, struct err *e)
{
    return c->backend->write_often ? c->backend->write_often(c, e) : ERR_OK;
}
