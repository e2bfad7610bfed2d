/* The file is text, newest first; names of models and ids of users, or tasks where the model is of these, are
 * percent-encoded, so that a line is two words whatever they hold:
 *
 *     hypernet-warm 1
 *     movies u7
 *     movies a%20b
 *     shops s35
 *     end 91a4c07be3d2f655         hash of all before it: a file cut short or changed is not believed
 *
 * It is written beside its place (PATH.new) and renamed into it: a reader, or a kill, finds the old file or
 * the new one. What a kill left there names users too, so it has one name, and goes at the next start. Users
 * are loaded newest first, since the time may run out, and then touched in the opposite order, so that the
 * cache lets go of the oldest first, as before the stop. */
#include "server/serving/cache_warmup.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/percent.h"
#include "base/periodic.h"
#include "base/talk.h"
#include "server/serving/session.h"
#include "server/serving/task_weights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = LIMIT_WARM_USERS * (LIMIT_ID_BYTES + LIMIT_NAME_BYTES + 1) * 3, SEED = 1 };
enum { LOOK_S = 1 }; /* how soon who was forgotten is out of the file */
static const char head[] = "hypernet-warm 1\n";
static const char new_suffix[] = ".new"; /* of the name under which it is written */

/* ---- writing ---- */

/* The model that was loaded under a uid, if it is served still. */
static const struct served_model *model_of(const struct model_set *set, uint64_t uid)
{
    for (size_t i = 0; i < model_set_size(set); i++)
        if (set->models[i]->uid == uid)
            return set->models[i];
    return NULL;
}

/* The text of the file, from the keys of the cache: uint16 length, then as model_key wrote it. */
static void add_names(const struct model_set *set, const struct buf *keys, struct buf *out)
{
    buf_adds(out, head);
    for (size_t at = 0; at + sizeof(uint16_t) <= keys->len;) {
        uint16_t len;
        memcpy(&len, keys->data + at, sizeof len);
        const char *key = keys->data + at + sizeof len;
        at += sizeof len + len;
        uint64_t uid;
        struct text id;
        const struct served_model *m = model_key_read(key, len, &uid, &id) ? model_of(set, uid) : NULL;
        if (!m)
            continue;
        percent_encode(out, m->model->spec.name, strlen(m->model->spec.name));
        buf_addc(out, ' ');
        percent_encode(out, id.data, id.len);
        buf_addc(out, '\n');
    }
    if (!out->failed)
        buf_addf(out, "end %016llx\n", (unsigned long long)hash_bytes(SEED, out->data, out->len));
}

/* Ids of users are nobody else's business: the file is its owner's. */
static enum err_code replace_file(const char *path, const struct buf *text, struct err *e)
{
    struct file_out file;
    enum err_code code = file_out_open(&file, path, new_suffix, FILE_PRIVATE, e);
    if (!code)
        code = file_out_write(&file, text->data, text->len, e);
    if (!code)
        code = file_out_replace(&file, e);
    file_out_fini(&file);
    return code;
}

enum err_code cache_warmup_save(struct serving *serving, const char *path, struct err *e)
{
    struct buf keys, text;
    buf_init(&keys, MAX_FILE_BYTES);
    buf_init(&text, MAX_FILE_BYTES);
    enum err_code code = weights_cache_newest_keys(serving->cache, LIMIT_WARM_USERS, &keys, e);
    if (!code) {
        struct model_set *set = serving_models(serving);
        add_names(set, &keys, &text);
        model_set_unref(set);
        code = buf_check(&text, "the users of a warm start", e);
    }
    if (!code)
        code = replace_file(path, &text, e);
    buf_fini(&keys);
    buf_fini(&text);
    return code;
}

/* ---- reading ---- */

/* Without waiting: a pipe that nobody writes to must not hold a start. NULL with the reason in e. */
static FILE *open_regular(const char *path, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    FILE *f = NULL;
    if (fd < 0)
        (void)err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", path, strerror(errno));
    else if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        (void)err_set(e, ERR_IO, "%s: it is not a regular file", path);
    else if (!(f = fdopen(fd, "r")))
        (void)err_set(e, ERR_NOMEM, "%s: no memory to read it", path);
    if (fd >= 0 && !f)
        (void)close(fd);
    return f;
}

static enum err_code read_file(const char *path, struct buf *text, struct err *e)
{
    char piece[16384];
    size_t n;
    struct err why = {0};
    FILE *f = open_regular(path, &why);
    if (!f)
        return err_copy(e, &why);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0 && !text->failed)
        buf_add(text, piece, n);
    bool failed = ferror(f) != 0;
    (void)fclose(f);
    return failed ? err_set(e, ERR_IO, "%s: cannot be read", path) : buf_check(text, path, e);
}

/* Cuts the text to its lines of users, *at being the first; ERR_CORRUPT when head, end or hash are not
 * right. */
static enum err_code check_text(const char *path, struct buf *text, size_t *at, struct err *e)
{
    enum { END_BYTES = sizeof "end 0123456789abcdef\n" - 1 };
    char end[END_BYTES + 1];
    *at = sizeof head - 1;
    if (text->len < *at + END_BYTES || memcmp(text->data, head, *at) != 0)
        return err_set(e, ERR_CORRUPT, "%s: not a list of users for a warm start", path);
    size_t n = text->len - END_BYTES;
    (void)snprintf(end, sizeof end, "end %016llx\n", (unsigned long long)hash_bytes(SEED, text->data, n));
    if (memcmp(text->data + n, end, END_BYTES) != 0)
        return err_set(e, ERR_CORRUPT, "%s: damaged or cut short", path);
    text->len = n;
    return ERR_OK;
}

/* Decodes the word up to the character `end` into out (size); returns where that stood, or NULL. */
static const char *take_word(const char *p, const char *last, char end, char *out, size_t size, size_t *len)
{
    const char *stop = memchr(p, end, (size_t)(last - p));
    char word[3 * LIMIT_ID_BYTES];
    size_t n = stop ? (size_t)(stop - p) : 0;
    if (n == 0 || n > sizeof word || !percent_decode(p, n, word, len) || *len > size)
        return NULL;
    memcpy(out, word, *len);
    return stop;
}

/* Whose weights a line names: a user's, or a task's where the model is one of tasks. */
struct named {
    struct model_handle *handle;
    char id[LIMIT_ID_BYTES]; /* (id_len) */
    size_t id_len;
};

/* The next line; *p moves behind it. False: no such model is served, or there is no such line. */
static bool take_line(struct recommender *r, const char **p, const char *last, struct named *out)
{
    char name[LIMIT_NAME_BYTES + 1];
    size_t name_len;
    const char *line = *p, *end = memchr(line, '\n', (size_t)(last - line));
    *p = end ? end + 1 : last;
    const char *space = take_word(line, *p, ' ', name, LIMIT_NAME_BYTES, &name_len);
    if (!space || !take_word(space + 1, *p, '\n', out->id, sizeof out->id, &out->id_len))
        return false;
    name[name_len] = '\0';
    out->handle = recommender_find(r, name);
    if (!out->handle)
        out->handle = recommender_find_task(r, name);
    if (!out->handle)
        out->handle = recommender_find_images(r, name);
    if (!out->handle)
        out->handle = recommender_find_trained(r, name);
    return out->handle != NULL;
}

static enum weights_kind kind_of(const struct named *n)
{
    return served_model_of_tasks(n->handle->served) ? WEIGHTS_OF_TASK : WEIGHTS_OF_USER;
}

static uint64_t evictions(const struct serving *s)
{
    struct weights_cache_stats stats;
    weights_cache_read_stats(s->cache, &stats);
    return stats.evicted + stats.not_kept;
}

struct loading {
    struct serving *serving;
    struct session session;
    int64_t end_ns;
    bool (*stop)(void *arg);
    void *arg;
    size_t n_made, n_gone;
};

/* Generates the weights of a line; false when no more are wanted. */
static bool load_one(struct loading *l, const struct named *named)
{
    struct weights *w = NULL;
    struct err e = {0};
    bool hit;
    const struct text id = {named->id, named->id_len};
    uint64_t before = evictions(l->serving);
    if (clock_monotonic_ns() >= l->end_ns || l->stop(l->arg))
        return false;
    enum err_code code =
        kind_of(named) == WEIGHTS_OF_TASK
            ? task_weights_acquire(&l->session, named->handle, WEIGHTS_OF_TASK, id, &w, &hit, &e)
            : recommender_acquire(l->session.recommender, named->handle, WEIGHTS_OF_USER, id, &w, &hit, &e);
    l->n_made += code == ERR_OK;
    l->n_gone += code == ERR_NOTFOUND;
    if (!code)
        weights_unref(w);
    return code != ERR_NOMEM && code != ERR_IO && evictions(l->serving) == before;
}

/* Loads line by line, then touches what was loaded from the last line back to the first. */
static void load_lines(struct loading *l, const char *first, const char *last)
{
    char key[MODEL_KEY_BYTES];
    const char *p = first;
    struct named named;
    while (p < last && l->n_made < LIMIT_WARM_USERS)
        if (take_line(l->session.recommender, &p, last, &named) && !load_one(l, &named))
            break;
    while (p > first) {
        const char *line = p - 1;
        while (line > first && line[-1] != '\n')
            line--;
        p = line;
        if (take_line(l->session.recommender, &line, last, &named))
            weights_cache_touch(l->serving->cache, key,
                                model_key(named.handle->served->uid, kind_of(&named),
                                          (struct text){named.id, named.id_len}, key));
    }
}

static enum err_code load(struct loading *l, const char *path, struct err *e)
{
    struct buf text;
    size_t at = 0;
    buf_init(&text, MAX_FILE_BYTES);
    enum err_code code = read_file(path, &text, e);
    if (!code)
        code = check_text(path, &text, &at, e);
    if (!code)
        code = session_init(&l->session, l->serving, NULL, e);
    if (!code)
        load_lines(l, text.data + at, text.data + text.len);
    session_fini(&l->session);
    buf_fini(&text);
    return code;
}

void cache_warmup_load(struct serving *serving, const char *path, int64_t max_s, bool (*stop)(void *arg),
                       void *arg)
{
    int64_t start_ns = clock_monotonic_ns();
    struct loading l = {
        .serving = serving, .end_ns = start_ns + max_s * 1000000000, .stop = stop, .arg = arg};
    struct err e = {0};
    if (load(&l, path, &e))
        log_line(e.code == ERR_NOTFOUND ? LOG_INFO : LOG_WARN, "no warm start: %s", e.text);
    else
        log_line(LOG_INFO,
                 "warm start: weights of %zu user%s or task%s in %.3f s; not in the store any more: %zu",
                 l.n_made, talk_s((int64_t)l.n_made), talk_s((int64_t)l.n_made),
                 (double)(clock_monotonic_ns() - start_ns) / 1e9, l.n_gone);
    if (l.n_gone)
        atomic_fetch_add(&serving->n_forgotten, 1);
}

/* ---- saving now and then ---- */

struct cache_warmup {
    struct serving *serving;
    const char *path;
    int64_t period_s;
    unsigned n_forgotten; /* of serving, at the last save */
    int64_t next_ns;      /* when it is saved again, though nobody was forgotten */
    struct periodic *thread;
};

/* A list that cannot be written must not keep the names of those who were forgotten: then it goes. */
static void save(struct cache_warmup *w)
{
    struct err e = {0};
    unsigned n_forgotten = atomic_load(&w->serving->n_forgotten); /* before the cache is read */
    w->next_ns = clock_monotonic_ns() + w->period_s * 1000000000;
    if (cache_warmup_save(w->serving, w->path, &e)) {
        bool goes = n_forgotten != w->n_forgotten && unlink(w->path) == 0;
        log_line(LOG_WARN, "the users of a warm start were not saved: %s%s", e.text,
                 goes ? "; the old list named users who were forgotten, and was removed" : "");
    }
    w->n_forgotten = n_forgotten;
}

static bool is_due(const struct cache_warmup *w)
{
    return clock_monotonic_ns() >= w->next_ns || atomic_load(&w->serving->n_forgotten) != w->n_forgotten;
}

static void save_if_due(void *arg)
{
    if (is_due(arg))
        save(arg);
}

enum err_code cache_warmup_start(struct serving *serving, const char *path, int64_t period_s,
                                 struct cache_warmup **out, struct err *e)
{
    struct cache_warmup *w = mem_zalloc_array(1, sizeof *w);
    char *left = file_beside(path, new_suffix);
    enum err_code code = ERR_OK;
    if (!w || !left)
        code = err_set(e, ERR_NOMEM, "no memory to save users for a warm start");
    if (!code) {
        (void)unlink(left); /* by a process that was killed */
        *w = (struct cache_warmup){.serving = serving, .path = path, .period_s = period_s};
        w->next_ns = clock_monotonic_ns() + period_s * 1000000000;
        code = periodic_start((int64_t)LOOK_S * 1000000000, save_if_due, w, "saves users for a warm start",
                              &w->thread, e);
    }
    mem_free(left);
    if (code)
        mem_free(w);
    else
        *out = w;
    return code;
}

void cache_warmup_stop(struct cache_warmup *w)
{
    if (!w)
        return;
    periodic_stop(w->thread);
    save(w);
    mem_free(w);
}
