/* A binary heap with the worst kept entry on top: once it is full, almost every item of a catalogue is
 * refused by one comparison with entries[0], and the few that enter cost a sift of log k. Selecting in one
 * pass keeps the memory at k entries whatever the catalogue's size, where a sort of all scores would need all
 * of them. The heap lies in the caller's array and becomes the sorted answer in place: taking the worst off
 * the top again and again fills the array from its end, which leaves the best first. */
#include "engine/rank/topk.h"

#include <math.h>

/* Whether a ranks behind b: a lower score, or the same and a larger index. 0.0 and -0.0 are the same score.
 */
static int worse(const struct topk_entry *a, const struct topk_entry *b)
{
    return a->score < b->score || (!(a->score > b->score) && a->index > b->index);
}

/* Moves the entry at `at` of a heap of n towards the top until its parent is worse than it. */
static void sift_up(struct topk_entry *heap, size_t at)
{
    struct topk_entry moving = heap[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!worse(&moving, &heap[parent]))
            break;
        heap[at] = heap[parent];
        at = parent;
    }
    heap[at] = moving;
}

/* Moves the entry on top of a heap of n down until both children are better than it. */
static void sift_down(struct topk_entry *heap, size_t n)
{
    struct topk_entry moving = heap[0];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            break;
        if (child + 1 < n && worse(&heap[child + 1], &heap[child]))
            child++;
        if (!worse(&heap[child], &moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

void topk_init(struct topk *t, struct topk_entry *entries, size_t k)
{
    *t = (struct topk){.entries = entries, .k = k};
}

void topk_push(struct topk *t, real score, uint32_t index)
{
    struct topk_entry entry = {.score = score, .index = index};
    if (isnan(score))
        return;
    if (t->n < t->k) {
        t->entries[t->n] = entry;
        sift_up(t->entries, t->n++);
    } else if (t->k > 0 && worse(&t->entries[0], &entry)) {
        t->entries[0] = entry;
        sift_down(t->entries, t->n);
    }
}

/* With k = 0 there is never room and nothing to beat: no score reaches infinity but infinity, which push
 * refuses. */
real topk_threshold(const struct topk *t)
{
    if (t->n < t->k)
        return -(real)INFINITY;
    return t->k > 0 ? t->entries[0].score : (real)INFINITY;
}

size_t topk_finish(struct topk *t)
{
    for (size_t left = t->n; left > 1; left--) {
        struct topk_entry worst = t->entries[0];
        t->entries[0] = t->entries[left - 1];
        sift_down(t->entries, left - 1);
        t->entries[left - 1] = worst;
    }
    return t->n;
}
