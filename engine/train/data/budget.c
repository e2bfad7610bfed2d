#include "engine/train/data/budget.h"

#include "base/clock.h"

#include <math.h>

/* Parts of the deadline by which a phase ends. */
static const double ends[N_PHASES] = {
    [PHASE_SEARCH] = 0.25,     [PHASE_FACTORISE] = 0.45, [PHASE_CHOICE] = 0.6, [PHASE_COURSE] = 0.75,
    [PHASE_NEIGHBOURS] = 0.88, [PHASE_REFIT] = 0.93,     [PHASE_WRITE] = 0.97};

void budget_init(struct budget *b, int64_t start_ns, double deadline_s, const atomic_bool *interrupt)
{
    *b = (struct budget){
        .start_ns = start_ns, .deadline_s = deadline_s, .interrupt = interrupt, .until_s = (double)INFINITY};
}

double budget_elapsed(const struct budget *b)
{
    return (double)(clock_monotonic_ns() - b->start_ns) / 1e9;
}

bool budget_interrupted(const struct budget *b)
{
    return b->refused || (b->interrupt && atomic_load_explicit(b->interrupt, memory_order_relaxed));
}

bool budget_over(const struct budget *b)
{
    return (b->phase != PHASE_WRITE && budget_interrupted(b)) ||
           (b->deadline_s > 0 && budget_elapsed(b) > b->until_s);
}

bool budget_late(const struct budget *b)
{
    return b->deadline_s > 0 && budget_elapsed(b) > b->deadline_s;
}

double budget_left(const struct budget *b)
{
    return b->deadline_s > 0 ? b->deadline_s - budget_elapsed(b) : (double)INFINITY;
}

double budget_left_of_phase(const struct budget *b)
{
    return b->deadline_s > 0 ? b->until_s - budget_elapsed(b) : (double)INFINITY;
}

static bool is_over(void *arg)
{
    return budget_over(arg);
}

void budget_enter(struct budget *b, struct parallel *team, enum budget_phase phase)
{
    b->phase = phase;
    b->until_s = b->deadline_s > 0 ? ends[phase] * b->deadline_s : (double)INFINITY;
    parallel_stop_when(team, is_over, b);
}
