/* hypernet search: rows or images and a budget of time in, the model of the best network within it out. An
 * interrupt ends it; nothing is then written. */
#include "base/clock.h"
#include "base/talk.h"
#include "engine/format/model_write.h"
#include "engine/kernels/blas_memory.h"
#include "server/cli/commands.h"
#include "server/cli/progress_bar.h"
#include "server/cli/task_options.h"
#include "server/cli/versions.h"
#include "server/data/output_file.h"
#include "server/search/search_model.h"
#include "server/search/search_print.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static int cmd_search(int argc, char **argv);

const struct command cmd_search_command = {
    "search",
    "the best network that answers a row within a time",
    NULL,
    "Draws architectures (1 to 3 hidden layers of 4 to 64 units; relu, tanh, sigmoid or identity; all inputs "
    "or\n"
    "the half, quarter or eighth that tells most), keeps those that answer a row within --budget-us on this\n"
    "machine, ranks them by weights that a hypernetwork generates for each, trains the best few and writes "
    "the\n"
    "one that is best on rows that were held out. --report says how far that ranking agrees with training "
    "each\n"
    "of them.",
    cmd_search,
    NULL};

enum { MOST_PRINTED_BYTES = 64 << 20 };

struct settings {
    struct search_source source;
    struct task_options columns;
    struct option_list categorical;
    const char *objective, *out, *name, *version;
    int64_t candidates, finalists, steps, final_steps, generator_steps, report, seed;
    double budget_us;
    bool json;
};

static atomic_bool interrupted; /* lock-free, so a signal handler may */

static void interrupt(int number)
{
    (void)number;
    atomic_store(&interrupted, true);
}

static bool show(void *arg, const struct progress *p)
{
    return progress_bar_show(arg, p) && !atomic_load(&interrupted);
}

static void tell_left_out(void *arg, const char *name, const char *reason)
{
    (void)arg;
    (void)fprintf(stderr, "column '%s' is left out: %s\n", name, reason);
}

static void tell_rows(const struct search_data *d)
{
    (void)fprintf(stderr, "%zu rows to learn from, %zu to choose by, %zu to measure on; %zu inputs, ",
                  d->train.n, d->valid.n, d->test.n, d->about.d_item);
    if (d->about.task.n_classes)
        (void)fprintf(stderr, "%zu classes\n", d->about.task.n_classes);
    else
        (void)fprintf(stderr, "a number from %g to %g\n", d->about.task.target_least,
                      d->about.task.target_most);
}

/* ---- what goes together ---- */

static enum err_code check_source(const struct settings *s, struct err *e)
{
    const struct search_source *from = &s->source;
    if (!from->rows == !from->images)
        return err_set(e, ERR_INVALID, "give --rows with --target, or --images with --classes");
    if (from->rows && !s->columns.target)
        return err_set(e, ERR_INVALID, "--rows needs --target, the column to predict");
    if (!from->images != !from->classes || !from->test_images != !from->test_classes)
        return err_set(e, ERR_INVALID, "images need their classes: %s",
                       !from->images != !from->classes ? "--images with --classes"
                                                       : "--test-images with --test-classes");
    return ERR_OK;
}

static enum err_code check_uses(const struct settings *s, const struct option *options, size_t n_options,
                                int argc, char **argv, struct err *e)
{
    const struct option_use uses[] = {
        {"target task objective categorical test-rows", !s->source.rows, "goes with --rows"},
        {"classes test-images test-classes", !s->source.images, "goes with --images"},
    };
    return options_check_uses(options, n_options, argc, argv, uses, sizeof uses / sizeof *uses, e);
}

static enum err_code read_options(struct settings *s, struct err *e)
{
    struct search_source *from = &s->source;
    enum err_code code = check_source(s, e);
    s->columns.without_task = true;
    if (!code && from->rows)
        code = task_options_read(&s->columns, &from->columns, e);
    if (!code && s->objective) {
        from->objective = objective_find(s->objective);
        if (from->objective != &objective_regression && from->objective != &objective_classification)
            code = err_set(e, ERR_INVALID, "--objective is regression or classification, not '%s'",
                           s->objective);
    }
    if (!code && s->report && s->report < SEARCH_LEAST_REPORTED)
        code = err_set(e, ERR_INVALID, "--report takes %d to %d architectures", SEARCH_LEAST_REPORTED,
                       SEARCH_MOST_REPORTED);
    if (!code && (strlen(s->name) > LIMIT_NAME_BYTES || strlen(s->version) > LIMIT_NAME_BYTES))
        code = err_set(e, ERR_INVALID, "a model's name and version have at most %d bytes", LIMIT_NAME_BYTES);
    from->categorical = s->categorical.values;
    from->n_categorical = s->categorical.n;
    from->tell = tell_left_out;
    return code;
}

static enum err_code check_output(const struct settings *s, struct err *e)
{
    const struct search_source *f = &s->source;
    const struct output_input inputs[] = {
        {"--rows", f->rows},       {"--test-rows", f->test_rows},     {"--images", f->images},
        {"--classes", f->classes}, {"--test-images", f->test_images}, {"--test-classes", f->test_classes}};
    enum err_code code = output_file_check_folder("--out", s->out, e);
    return code ? code
                : output_file_check("--out", s->out, OUTPUT_OVER_MODEL, inputs,
                                    sizeof inputs / sizeof *inputs, e);
}

/* ---- the search ---- */

static enum err_code write_model(const struct settings *s, const struct search_data *data,
                                 const struct candidate *kept, const struct search_result *result,
                                 struct err *e)
{
    struct search_model m;
    double score = result->kept;
    search_model_of(kept, &data->about, score * score, &m);
    (void)snprintf(m.spec.name, sizeof m.spec.name, "%s", s->name);
    (void)snprintf(m.spec.version, sizeof m.spec.version, "%s", s->version);
    return model_write(s->out, &m.spec, &m.params, NULL, e);
}

static enum err_code print(const struct settings *s, const struct search_outcome *o, struct err *e)
{
    struct buf text;
    buf_init(&text, MOST_PRINTED_BYTES);
    if (s->json)
        search_print_json(o, &text);
    else
        search_print_text(o, &text);
    enum err_code code = buf_check(&text, "the result", e);
    if (!code)
        (void)fputs(buf_text(&text), stdout);
    buf_fini(&text);
    return code ? code : command_end("the result cannot be written", e);
}

static enum err_code finish(const struct settings *s, const struct search_data *data,
                            const struct candidate *kept, const struct candidate *tried,
                            const struct search_result *result, struct err *e)
{
    struct search_measure measure;
    struct search_beside beside;
    const struct search_outcome o = {.name = s->name,
                                     .version = s->version,
                                     .file = s->out,
                                     .about = &data->about,
                                     .inputs = &data->inputs,
                                     .budget_us = s->budget_us,
                                     .result = result,
                                     .measure = &measure,
                                     .beside = &beside};
    enum err_code code = write_model(s, data, kept, result, e);
    if (!code)
        code = search_measure_file(s->out, data, result->n_reported ? tried : NULL, (uint64_t)s->seed,
                                   &measure, &beside, e);
    return code ? code : print(s, &o, e);
}

static enum err_code search(const struct settings *s, struct err *e)
{
    struct search_data data = {0};
    struct candidate kept = {0}, tried = {0};
    struct search_result result = {0};
    struct progress_bar bar;
    progress_bar_init(&bar);
    const struct search_options o = {.seed = (uint64_t)s->seed,
                                     .budget_us = s->budget_us,
                                     .n_candidates = (size_t)s->candidates,
                                     .n_finalists = (size_t)s->finalists,
                                     .n_reported = (size_t)s->report,
                                     .n_generator_steps = (long)s->generator_steps,
                                     .n_steps = (long)s->steps,
                                     .n_final_steps = (long)s->final_steps,
                                     .progress = show,
                                     .arg = &bar};
    enum err_code code = search_data_read(&s->source, o.seed, &data, e);
    if (!code) {
        tell_rows(&data);
        code = search_run(&data, &o, &kept, &tried, &result, e);
    }
    progress_bar_end(&bar);
    if (!code)
        code = finish(s, &data, &kept, &tried, &result, e);
    search_result_fini(&result);
    candidate_fini(&kept);
    candidate_fini(&tried);
    search_data_fini(&data);
    return code;
}

static int cmd_search(int argc, char **argv)
{
    char version[CLOCK_STAMP_BYTES];
    clock_stamp(version);
    struct settings s = {.name = "default",
                         .version = version,
                         .candidates = 300,
                         .finalists = 25,
                         .steps = 4000,
                         .final_steps = 16000,
                         .generator_steps = 20000,
                         .seed = 1};
    const struct option options[] = {
        {"rows", OPTION_STRING, &s.source.rows, "FILE", "a table to learn from", 0, 0, false},
        {"target", OPTION_STRING, &s.columns.target, "COLUMN", "of --rows: what is predicted", 0, 0, false},
        {"task", OPTION_STRING, &s.columns.task, "COLUMNS",
         "of --rows: which columns say the task; whole tasks are then held out, in place of rows", 0, 0,
         false},
        {"objective", OPTION_STRING, &s.objective, "NAME",
         "of --rows: regression or classification; by default what the target is", 0, 0, false},
        {"categorical", OPTION_LIST, &s.categorical, "COLUMN",
         "of --rows: a column whose numbers are categories", 0, 0, false},
        {"test-rows", OPTION_STRING, &s.source.test_rows, "FILE",
         "a table to measure on at the end, in place of a part of --rows", 0, 0, false},
        {"images", OPTION_STRING, &s.source.images, "FILE", "images to learn from, as .npy or IDX", 0, 0,
         false},
        {"classes", OPTION_STRING, &s.source.classes, "FILE",
         "the class of each image, a whole number, as .npy or IDX", 0, 0, false},
        {"test-images", OPTION_STRING, &s.source.test_images, "FILE",
         "images to measure on at the end, in place of a part of --images", 0, 0, false},
        {"test-classes", OPTION_STRING, &s.source.test_classes, "FILE", "their classes", 0, 0, false},
        {"budget-us", OPTION_REAL, &s.budget_us, "U",
         "microseconds that the network may take for one row, as measured here", 1e-6, 1e9, true},
        {"out", OPTION_STRING, &s.out, "FILE", "the model file to write, whole or not at all", 0, 0, true},
        {"name", OPTION_STRING, &s.name, "NAME", "name of the model", 0, 0, false},
        {"model-version", OPTION_STRING, &s.version, "VERSION", "version of the model; by default the time",
         0, 0, false},
        {"candidates", OPTION_INT, &s.candidates, "N", "architectures within the budget to compare", 1,
         SEARCH_MOST_CANDIDATES, false},
        {"finalists", OPTION_INT, &s.finalists, "N", "how many of them are trained from scratch", 1, 100,
         false},
        {"steps", OPTION_INT, &s.steps, "N", "of a training from scratch", 1, 1e8, false},
        {"final-steps", OPTION_INT, &s.final_steps, "N",
         "of one more training, of the network that is kept; 0: none", 0, 4e8, false},
        {"hypernetwork-steps", OPTION_INT, &s.generator_steps, "N", "of the hypernetwork's training", 1, 1e8,
         false},
        {"report", OPTION_INT, &s.report, "N",
         "train so many architectures from scratch, each twice, and tell how far generated weights rank them "
         "alike, and what the best of them is worth",
         0, SEARCH_MOST_REPORTED, false},
        {"seed", OPTION_INT, &s.seed, "N", "what is drawn and learned depends on it; latencies are measured",
         0, 9e15, false},
        {"all-inputs", OPTION_FLAG, &s.source.all_inputs, NULL,
         "only networks that read all columns, not the half, quarter or eighth that tells most", 0, 0, false},
        {"json", OPTION_FLAG, &s.json, NULL, "the result as JSON", 0, 0, false},
    };
    const size_t n_options = sizeof options / sizeof *options;
    int status;
    struct err e = {0};
    if (!command_begin(&cmd_search_command, options, n_options, argc, argv, NULL, &status))
        return status;
    if (check_uses(&s, options, n_options, argc, argv, &e) || read_options(&s, &e))
        return command_fail(&cmd_search_command, &e, true);
    if (check_output(&s, &e) || blas_reserve(1, &e))
        return command_fail(&cmd_search_command, &e, false);
    struct sigaction act = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &act, NULL);
    if (search(&s, &e) == ERR_OK)
        return EXIT_DONE;
    status = command_fail(&cmd_search_command, &e, false);
    return atomic_load(&interrupted) ? EXIT_INTERRUPTED : status;
}
