/* Texts are kept as the JSON they will be, one behind the other; a fault remembers where its own are. */
#include "server/http/problem_list.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char unsaid[] = "what is wrong is not said, for the list is long: send this part by itself";

void problem_list_init(struct problem_list *l, size_t most)
{
    *l = (struct problem_list){.most = most};
    buf_init(&l->texts, 2 * (size_t)PROBLEM_LIST_TEXT_BYTES); /* the last text passes the limit by a little */
}

void problem_list_init_parts(struct problem_list *l)
{
    problem_list_init(l, PROBLEM_LIST_MOST_OF_PART);
    l->by_parts = true;
}

void problem_list_clear(struct problem_list *l)
{
    buf_reset(&l->texts);
    l->n = l->n_listed = l->part = l->n_of_last = l->unsaid_len = 0;
    l->failed = false;
}

void problem_list_fini(struct problem_list *l)
{
    mem_free(l->faults);
    buf_fini(&l->texts);
}

static bool is_of_last(const struct problem_list *l)
{
    return l->n_listed && l->faults[l->n_listed - 1].part == l->part;
}

static bool has_room_for_text(const struct problem_list *l)
{
    return l->texts.len < PROBLEM_LIST_TEXT_BYTES;
}

bool problem_list_has_room(const struct problem_list *l)
{
    if (l->failed)
        return false;
    if (!l->by_parts)
        return l->n_listed < l->most;
    return !is_of_last(l) || (l->n_of_last < l->most && has_room_for_text(l));
}

static bool grow(struct problem_list *l)
{
    if (l->n_listed < l->capacity)
        return true;
    size_t capacity = l->capacity ? 2 * l->capacity : 16;
    struct problem_fault *bigger = mem_realloc_array(l->faults, capacity, sizeof *bigger);
    if (!bigger)
        return false;
    l->faults = bigger;
    l->capacity = capacity;
    return true;
}

static void add_texts(struct problem_list *l, struct problem_fault *f, const char *pointer,
                      const char *detail)
{
    f->pointer_at = l->texts.len;
    if (pointer)
        buf_add_json_string(&l->texts, pointer, strlen(pointer));
    f->pointer_len = l->texts.len - f->pointer_at;
    f->detail_at = l->texts.len;
    buf_add_json_string(&l->texts, detail, strlen(detail));
    f->detail_len = l->texts.len - f->detail_at;
}

/* One text serves all faults past the limit. */
static void add_unsaid(struct problem_list *l, struct problem_fault *f)
{
    if (!l->unsaid_len) {
        l->unsaid_at = l->texts.len;
        buf_add_json_string(&l->texts, unsaid, strlen(unsaid));
        l->unsaid_len = l->texts.len - l->unsaid_at;
    }
    f->detail_at = l->unsaid_at;
    f->detail_len = l->unsaid_len;
}

void problem_list_add(struct problem_list *l, enum problem p, const char *pointer, const char *detail,
                      int line, int column)
{
    l->n++;
    if (!problem_list_has_room(l)) {
        if (l->by_parts && is_of_last(l))
            l->faults[l->n_listed - 1].n_more++;
        return;
    }
    if (!grow(l)) {
        l->failed = true;
        return;
    }
    struct problem_fault f = {.problem = p, .part = l->part, .order = l->n, .line = line, .column = column};
    if (!l->by_parts || has_room_for_text(l))
        add_texts(l, &f, pointer, detail);
    else
        add_unsaid(l, &f);
    l->failed = l->texts.failed != ERR_OK;
    l->n_of_last = is_of_last(l) ? l->n_of_last + 1 : 1;
    l->faults[l->n_listed++] = f;
}

static int by_part(const void *a, const void *b)
{
    const struct problem_fault *p = a, *q = b;
    if (p->part != q->part)
        return p->part < q->part ? -1 : 1;
    return (p->order > q->order) - (p->order < q->order);
}

void problem_list_sort(struct problem_list *l)
{
    if (l->n_listed > 1)
        qsort(l->faults, l->n_listed, sizeof *l->faults, by_part);
}

static void write_one(const struct problem_list *l, const struct problem_fault *f, bool with_index,
                      struct buf *out)
{
    buf_adds(out, "{\"type\":\"");
    buf_adds(out, PROBLEM_TYPE_PREFIX);
    buf_adds(out, problem_type(f->problem));
    buf_adds(out, "\",\"detail\":");
    buf_add(out, l->texts.data + f->detail_at, f->detail_len);
    if (f->pointer_len) {
        buf_adds(out, ",\"pointer\":");
        buf_add(out, l->texts.data + f->pointer_at, f->pointer_len);
    }
    if (f->line)
        buf_addf(out, ",\"line\":%d,\"column\":%d", f->line, f->column);
    if (with_index)
        buf_addf(out, ",\"index\":%zu", f->part);
    if (with_index && f->n_more)
        buf_addf(out, ",\"more\":%zu", f->n_more);
    buf_addc(out, '}');
}

void problem_list_write(const struct problem_list *l, bool with_index, struct buf *out)
{
    if (l->failed)
        out->failed = ERR_NOMEM; /* half a list would say that the rest is well */
    buf_addc(out, '[');
    for (size_t i = 0; i < l->n_listed && (with_index || i < PROBLEM_LIST_MOST); i++) {
        if (i)
            buf_addc(out, ',');
        write_one(l, &l->faults[i], with_index, out);
    }
    buf_addc(out, ']');
}
