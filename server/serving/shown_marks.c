/* What is due is found at the front of a list in the order of time. A session is made for each time that
 * something is written: it would hold models that are served no more. */
#include "server/serving/shown_marks.h"

#include "base/limits.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/periodic.h"

#include <pthread.h>

enum { LOOK_NS = 250 * 1000000 };

struct mark {
    struct mark *next; /* due later */
    struct shown_list list;
    int64_t due;
    int32_t kind;
};

struct shown_marks {
    struct serving *serving;
    struct serving_counters *counters;
    pthread_mutex_t lock; /* guards the rest; a leaf */
    struct mark *first, *last;
    size_t n_bytes, n_items;
    struct periodic *thread;
};

static size_t bytes_of(const struct mark *x)
{
    return sizeof *x + x->list.texts.capacity + x->list.capacity * sizeof *x->list.items;
}

/* Behind those that are due as soon: mostly at the end, for most wait equally long. */
static void insert(struct shown_marks *m, struct mark *x)
{
    struct mark **at = &m->first;
    ASSERT_HELD(&m->lock);
    if (m->first && m->last->due <= x->due)
        at = &m->last->next;
    while (*at && (*at)->due <= x->due)
        at = &(*at)->next;
    x->next = *at;
    *at = x;
    if (!x->next)
        m->last = x;
    m->n_bytes += bytes_of(x);
    m->n_items += x->list.n;
}

enum err_code shown_marks_add(struct shown_marks *m, struct shown_list *l, int32_t kind, int64_t due,
                              struct err *e)
{
    struct mark *x = mem_alloc(sizeof *x);
    if (!x)
        return err_set(e, ERR_NOMEM, "no memory for what was shown");
    *x = (struct mark){.list = *l, .due = due, .kind = kind};
    pthread_mutex_lock(&m->lock);
    bool roomy = m->n_bytes + bytes_of(x) <= LIMIT_MARKS_BYTES;
    if (roomy)
        insert(m, x);
    pthread_mutex_unlock(&m->lock);
    if (!roomy) {
        mem_free(x);
        return err_set(e, ERR_LIMIT, "too many items wait to be marked");
    }
    shown_list_init(l);
    return ERR_OK;
}

size_t shown_marks_waiting(struct shown_marks *m)
{
    pthread_mutex_lock(&m->lock);
    size_t n = m->n_items;
    pthread_mutex_unlock(&m->lock);
    return n;
}

/* Takes the first that is due out of the queue; NULL: none is. */
static struct mark *take(struct shown_marks *m, int64_t now)
{
    pthread_mutex_lock(&m->lock);
    struct mark *x = m->first && m->first->due <= now ? m->first : NULL;
    if (x) {
        m->first = x->next;
        m->n_bytes -= bytes_of(x);
        m->n_items -= x->list.n;
    }
    pthread_mutex_unlock(&m->lock);
    return x;
}

static void put_back(struct shown_marks *m, struct mark *x)
{
    pthread_mutex_lock(&m->lock);
    insert(m, x);
    pthread_mutex_unlock(&m->lock);
}

static void free_mark(struct mark *x)
{
    shown_list_fini(&x->list);
    mem_free(x);
}

/* Records those that are due; on failure the one that failed waits on. */
static enum err_code write_due(struct shown_marks *m, struct session *s, struct mark *x, int64_t now,
                               struct err *e)
{
    for (; x; x = take(m, now)) {
        struct err why = {0};
        size_t n;
        int64_t time = x->due < m->serving->now() ? x->due : m->serving->now();
        enum err_code code = shown_list_record(s, &x->list, x->kind, time, &n, &why, e);
        if (code) {
            put_back(m, x);
            return code;
        }
        free_mark(x);
    }
    return ERR_OK;
}

void shown_marks_write(struct shown_marks *m, int64_t now)
{
    struct session s;
    struct err e = {0};
    struct mark *x = take(m, now);
    if (!x)
        return;
    enum err_code code = session_init(&s, m->serving, m->counters, &e);
    if (code)
        put_back(m, x);
    else
        code = write_due(m, &s, x, now, &e);
    session_fini(&s);
    if (code)
        log_line(LOG_ERROR, "items that were shown are not marked yet, and it is tried again: %s", e.text);
}

static void look(void *arg)
{
    struct shown_marks *m = arg;
    shown_marks_write(m, m->serving->now());
}

static void free_marks(struct shown_marks *m)
{
    size_t n = m->n_items;
    while (m->first) {
        struct mark *x = m->first;
        m->first = x->next;
        free_mark(x);
    }
    if (n)
        log_line(LOG_ERROR, "%zu items that were shown could not be marked, and count as not shown", n);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

enum err_code shown_marks_start(struct serving *serving, struct serving_counters *counters, struct err *e)
{
    struct shown_marks *m = mem_zalloc_array(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_NOMEM, "no memory for what is to be marked");
    m->serving = serving;
    m->counters = counters;
    pthread_mutex_init(&m->lock, NULL);
    enum err_code code = periodic_start(LOOK_NS, look, m, "marks what was shown", &m->thread, e);
    if (code)
        free_marks(m);
    else
        serving->marks = m;
    return code;
}

void shown_marks_stop(struct serving *serving)
{
    struct shown_marks *m = serving->marks;
    if (!m)
        return;
    periodic_stop(m->thread);
    shown_marks_write(m, INT64_MAX);
    serving->marks = NULL;
    free_marks(m);
}
