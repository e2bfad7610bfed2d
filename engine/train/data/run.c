#include "engine/train/data/run.h"

#include "base/clock.h"

enum err_code run_init(struct run *r, const struct train_data *data, const struct train_options *options,
                       const char *path, progress_fn *progress, void *arg, struct err *e)
{
    *r = (struct run){.data = data, .options = *options, .path = path, .progress = progress, .arg = arg};
    budget_init(&r->budget, options->started_ns ? options->started_ns : clock_monotonic_ns(),
                options->deadline_s, options->interrupt);
    return parallel_new(options->n_threads, &r->team, e);
}

void run_fini(struct run *r)
{
    parallel_free(r->team);
    r->team = NULL;
}

void run_tell(struct run *r, struct progress p)
{
    p.elapsed_s = budget_elapsed(&r->budget);
    if (r->progress && !r->progress(r->arg, &p))
        r->budget.refused = true;
}
