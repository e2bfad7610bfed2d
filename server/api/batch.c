/* A fault of a part is gathered and reading goes on, so that a refusal names all of them; a fault of the
 * whole is an answer. */
#include "server/api/batch.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/api/ndjson.h"
#include "server/http/problem.h"

void batch_init(struct request *r, struct batch *b, bool skip)
{
    *b = (struct batch){0};
    if (skip)
        problem_list_init_parts(&b->faults);
    else
        problem_list_init(&b->faults, PROBLEM_LIST_MOST);
    r->faults = &b->faults;
}

void batch_forget_faults(struct batch *b)
{
    problem_list_clear(&b->faults);
}

void batch_fini(struct request *r, struct batch *b)
{
    r->faults = NULL;
    problem_list_fini(&b->faults);
    for (size_t i = 0; i < b->n_roots; i++)
        json_decref(b->roots[i]);
    for (size_t i = 0; i < b->n_blocks; i++)
        mem_free(b->blocks[i]);
    mem_free(b->roots);
    mem_free(b->blocks);
}

static void *no_memory(struct request *r)
{
    problem_answer(r, PROBLEM_OVERLOADED, NULL, "no memory for the body");
    return NULL;
}

void *batch_alloc(struct request *r, struct batch *b, size_t count, size_t size)
{
    if (b->n_blocks == b->blocks_capacity) {
        size_t capacity = b->blocks_capacity ? 2 * b->blocks_capacity : 8;
        void **grown = mem_realloc_array(b->blocks, capacity, sizeof *grown);
        if (!grown)
            return no_memory(r);
        b->blocks = grown;
        b->blocks_capacity = capacity;
    }
    void *block = mem_zalloc_array(count, size);
    if (!block)
        return no_memory(r);
    b->blocks[b->n_blocks++] = block;
    return block;
}

enum err_code batch_rehearsed(struct request *r, size_t more_bytes, struct err *e)
{
    (void)buf_reserve(&r->answer, more_bytes + 2); /* with the end of its line */
    r->status = 0;                                 /* nothing is answered yet */
    if (r->answer.failed == ERR_LIMIT)
        return err_set(e, ERR_LIMIT,
                       "the answer would be larger than %d bytes: send fewer in a call; nothing was kept",
                       LIMIT_RESPONSE_BYTES);
    return buf_check(&r->answer, "the answer", e);
}

void batch_add_refused(struct batch *b, struct buf *out)
{
    problem_list_sort(&b->faults);
    buf_adds(out, ",\"refused\":");
    problem_list_write(&b->faults, true, out);
}

static bool reserve(struct request *r, struct batch *b, const struct batch_parts *parts, size_t n_roots,
                    size_t n)
{
    if (!b->roots)
        b->roots = mem_zalloc_array(n_roots, sizeof(json_t *));
    if (!b->roots)
        return no_memory(r) != NULL;
    return parts->reserve(parts->arg, n);
}

/* Reads the next part. False: answered. */
static bool read_part(struct request *r, struct batch *b, const struct batch_parts *parts,
                      const json_t *value)
{
    struct json_place root = json_place_root(), list = json_place_key(&root, parts->name),
                      at = json_place_index(&list, b->n);
    r->faults->part = b->n;
    parts->read(parts->arg, b->n++, value, &at);
    return r->status == 0;
}

static bool read_json(struct request *r, struct batch *b, const struct batch_parts *parts)
{
    const json_t *list;
    r->faults = NULL; /* what is wrong with the whole is an answer */
    json_t *root = json_body_parse(r, r->body.data ? r->body.data : "", r->body.len, 0);
    if (!root)
        return false;
    if (!json_body_parts(r, root, parts->name, parts->mark, parts->most, &list) ||
        !reserve(r, b, parts, 1, json_array_size(list))) {
        json_decref(root);
        return false;
    }
    b->roots[b->n_roots++] = root;
    r->faults = &b->faults;
    while (b->n < json_array_size(list))
        if (!read_part(r, b, parts, json_array_get(list, b->n)))
            return false;
    return true;
}

/* Each line that is not empty is a part; a pointer then begins with the number of the part. */
static bool read_lines(struct request *r, struct batch *b, const struct batch_parts *parts)
{
    const char *text = r->body.data ? r->body.data : "", *end = text + r->body.len, *line;
    size_t n_parts = ndjson_count(text, end), n;
    if (n_parts > parts->most) {
        r->faults = NULL;
        problem_answer(r, PROBLEM_INVALID_VALUE, "", "%zu %s; at most %zu in one call", n_parts, parts->name,
                       parts->most);
        return false;
    }
    if (!reserve(r, b, parts, n_parts, n_parts))
        return false;
    for (int number = 0; ndjson_next(&text, end, &line, &n); number++) {
        if (ndjson_empty(line, n))
            continue;
        r->faults->part = b->n;
        json_t *value = b->roots[b->n_roots++] = json_body_parse(r, line, n, number);
        if (!read_part(r, b, parts, value))
            return false;
    }
    return true;
}

bool batch_read(struct request *r, struct batch *b, const struct batch_parts *parts)
{
    if (!buf_text(&r->body))
        return no_memory(r) != NULL;
    return parts->lines ? read_lines(r, b, parts) : read_json(r, b, parts);
}
