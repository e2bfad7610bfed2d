/* Texts are kept as the JSON they will be, one behind the other; a fault remembers where its own are. */
#include "server/http/problem_list.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 64 << 20 };

void problem_list_init(struct problem_list *l, size_t most)
{
    *l = (struct problem_list){.most = most};
    buf_init(&l->texts, MAX_TEXT_BYTES);
}

void problem_list_fini(struct problem_list *l)
{
    mem_free(l->faults);
    buf_fini(&l->texts);
}

bool problem_list_has_room(const struct problem_list *l)
{
    return l->n_listed < l->most;
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

void problem_list_add(struct problem_list *l, enum problem p, const char *pointer, const char *detail,
                      int line, int column)
{
    l->n++;
    if (!problem_list_has_room(l))
        return;
    if (!grow(l)) {
        l->failed = true;
        return;
    }
    struct problem_fault f = {.problem = p,
                              .part = l->part,
                              .order = l->n,
                              .pointer_at = l->texts.len,
                              .line = line,
                              .column = column};
    if (pointer)
        buf_add_json_string(&l->texts, pointer, strlen(pointer));
    f.pointer_len = l->texts.len - f.pointer_at;
    f.detail_at = l->texts.len;
    buf_add_json_string(&l->texts, detail, strlen(detail));
    f.detail_len = l->texts.len - f.detail_at;
    l->failed = l->failed || l->texts.failed;
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
    buf_addc(out, '}');
}

void problem_list_write(const struct problem_list *l, bool with_index, struct buf *out)
{
    if (l->failed)
        out->failed = ERR_NOMEM; /* half a list would say that the rest is well */
    buf_addc(out, '[');
    for (size_t i = 0; i < l->n_listed; i++) {
        if (i)
            buf_addc(out, ',');
        write_one(l, &l->faults[i], with_index, out);
    }
    buf_addc(out, ']');
}
