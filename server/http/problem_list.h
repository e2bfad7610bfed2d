/* problem_list - what is wrong with the parts of one request, gathered so that an answer names all of it and
 * not the first fault alone; or of the parts that an answer leaves out, each with its first faults.
 * What is past the limits is counted only.
 * Layer: server/http
 * Threads: confined to its thread.
 * Memory: the listed faults, a few hundred bytes each, their texts at most PROBLEM_LIST_TEXT_BYTES and one
 *   fault's more; problem_list_fini frees. */
#ifndef SERVER_HTTP_PROBLEM_LIST_H
#define SERVER_HTTP_PROBLEM_LIST_H

#include "base/buf.h"
#include "server/http/problem.h"

#include <stdbool.h>
#include <stddef.h>

/* One fault; its texts stand in the list's buffer, as JSON strings. */
struct problem_fault {
    enum problem problem;
    size_t part, order; /* which element of the request; and the how manieth fault */
    size_t pointer_at, pointer_len, detail_at, detail_len;
    int line, column; /* of JSON that does not parse; 0: it does */
    size_t n_more;    /* of a list by parts, the last fault listed of a part: how many more the part has */
};

struct problem_list {
    struct problem_fault *faults; /* (n_listed) of capacity */
    size_t n_listed, capacity;
    size_t n;         /* all of them */
    size_t most;      /* that are listed: of all, or by_parts of each part */
    bool by_parts;    /* the faults of a part come one behind the other */
    size_t part;      /* of the faults to come; the caller sets it */
    size_t n_of_last; /* listed of the part of the last one */
    struct buf texts;
    size_t unsaid_at, unsaid_len; /* in texts: what stands for a detail past their limit; length 0: not yet */
    bool failed;                  /* for want of memory; then nothing is added any more */
};

enum {
    PROBLEM_LIST_MOST = 100,       /* faults that a refusal lists */
    PROBLEM_LIST_MOST_OF_PART = 4, /* and of each part that an answer leaves out */
    PROBLEM_LIST_TEXT_BYTES =
        4 << 20, /* of such parts: behind it each has its first fault, without a detail */
};

void problem_list_init(struct problem_list *l, size_t most);
void problem_list_init_parts(struct problem_list *l);
void problem_list_fini(struct problem_list *l);

/* Takes all faults off; the limits stay. */
void problem_list_clear(struct problem_list *l);

/* Adds a fault. problem_answer and problem_answer_json do so by themselves while r->faults is the list. */
void problem_list_add(struct problem_list *l, enum problem p, const char *pointer, const char *detail,
                      int line, int column);

/* Whether another one would be listed; where not, its text need not be made. */
bool problem_list_has_room(const struct problem_list *l);

/* Puts them in the order of the request's parts. */
void problem_list_sort(struct problem_list *l);

/* Appends the first PROBLEM_LIST_MOST faults as a JSON array; of a list by parts in an answer (with_index)
 * all that are listed, each with the number of its part. */
void problem_list_write(const struct problem_list *l, bool with_index, struct buf *out);

#endif
