#include "engine/train/train.h"

void train_options_default(struct train_options *o)
{
    *o = (struct train_options){.name = "default",
                                .version = "1",
                                .objective = &objective_ranking,
                                .seed = 1,
                                .choose_generator = true,
                                .choose_scale = true,
                                .generator = GENERATOR_CORE};
}

const struct train_objective *train_objective_find(const struct objective *objective)
{
    for (size_t i = 0; i < n_train_objectives; i++)
        if (train_objectives[i]->objective == objective)
            return train_objectives[i];
    return NULL;
}

bool train_is_trained(const struct objective *objective)
{
    return train_objective_find(objective) != NULL;
}

static enum err_code check(const struct train_objective *o, const struct train_data *data,
                           const struct train_options *options, struct err *e)
{
    char names[OBJECTIVE_LIST_BYTES];
    if (!o)
        return err_set(e, ERR_INVALID, "models of the objective %s are not trained here; of %s they are",
                       options->objective ? options->objective->name : "that is not given",
                       objective_list(train_is_trained, " and ", names));
    if (o->objective->for_users != !data->tasks)
        return err_set(e, ERR_INVALID, "models of the objective %s are trained from %s", o->objective->name,
                       o->objective->for_users ? "users and items" : "rows of tasks");
    if (data->tasks)
        return o->check(data, options, e);
    if (data->n_users < 2 || data->n_items < 2)
        return err_set(e, ERR_INVALID,
                       "training needs at least two users and two items; the store has %zu and %zu",
                       data->n_users, data->n_items);
    return o->check(data, options, e);
}

static void tell_outcome(const struct train_objective *o, const struct run *run, const void *state,
                         struct train_report *report)
{
    *report = (struct train_report){.end = budget_interrupted(&run->budget) ? TRAIN_INTERRUPTED
                                           : run->cut                       ? TRAIN_DEADLINE
                                                                            : TRAIN_COMPLETE,
                                    .written = run->written,
                                    .seconds = budget_elapsed(&run->budget)};
    o->report(state, report);
}

enum err_code train_run(const struct train_data *data, const struct train_options *options, const char *path,
                        progress_fn *progress, void *arg, struct train_report *report, struct err *e)
{
    const struct train_objective *o = train_objective_find(options->objective);
    void *state = NULL;
    struct run run;
    enum err_code code = check(o, data, options, e);
    if (code)
        return code;
    code = run_init(&run, data, options, path, progress, arg, e);
    if (!code)
        code = o->build(&run, &state, e);
    if (!code)
        code = o->choose(state, e);
    if (!code)
        code = o->train(state, e);
    if (!code)
        tell_outcome(o, &run, state, report);
    if (state)
        o->fini(state);
    run_fini(&run);
    return code;
}
