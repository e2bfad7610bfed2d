/* hypernet train: store in, model file out, contexts of all users back into the store. An interrupt ends
 * training at the best model so far, which is written; before there is one, nothing is. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/talk.h"
#include "engine/kernels/blas_memory.h"
#include "engine/model.h"
#include "engine/train/continual/continual_spec.h"
#include "engine/train/train.h"
#include "server/cli/commands.h"
#include "server/cli/progress_bar.h"
#include "server/cli/train_images.h"
#include "server/cli/train_inputs.h"
#include "server/cli/train_tasks.h"
#include "server/cli/versions.h"
#include "server/data/output_file.h"
#include "server/data/train_dataset.h"
#include "server/serving/model_contexts.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const struct option_apart apart[] = {{"store", "rows images inputs"},
                                            {"rows", "store images inputs"},
                                            {"images", "store rows inputs"},
                                            {"inputs", "store rows images"},
                                            {NULL, NULL}};

struct settings {
    const char *store, *out, *name, *version, *generator, *objective, *checkpoint;
    int64_t keep_versions, seed, threads, epochs, dim, min_profile_users;
    double deadline_s;
    bool ignore_order, no_item_item, no_contexts, json;
    struct train_tasks tasks;   /* with --rows */
    struct train_images images; /* with --images */
    struct train_inputs inputs; /* with --inputs */
};

static atomic_bool interrupted; /* lock-free, so a signal handler may */

static void interrupt(int number)
{
    (void)number;
    atomic_store(&interrupted, true);
}

/* ---- contexts of all users ---- */

/* Until late_ns; who has no context by then gets it at first use. */
struct until {
    struct progress_bar *bar;
    int64_t late_ns;
};

static bool show_until(void *arg, const struct progress *p)
{
    const struct until *u = arg;
    return progress_bar_show(u->bar, p) && clock_monotonic_ns() < u->late_ns;
}

/* Opens the file that was written, as a server will. That is the check that what was trained is what will be
 * loaded (all of it: shapes, numbers, ids), it makes what encoding needs beside the parameters, and it takes
 * as long as the file takes to read. */
static enum err_code open_written(const struct settings *s, struct model **out, struct err *e)
{
    enum err_code code = model_open(s->out, out, e);
    if (code || (strcmp((*out)->spec.name, s->name) == 0 && strcmp((*out)->spec.version, s->version) == 0))
        return code;
    code = err_set(e, ERR_CONFLICT, "%s: somebody else wrote model '%s' version '%s' there meanwhile", s->out,
                   (*out)->spec.name, (*out)->spec.version);
    model_unref(*out);
    return code;
}

/* Contexts of an older training under the same name and version go, and those of all users come when they are
 * wanted; else they are made at first use. */
static enum err_code write_contexts(const struct settings *s, struct store *store, struct store_conn *c,
                                    struct until *until, struct err *e)
{
    struct model *m;
    struct store_conn *writer = NULL;
    enum err_code code = open_written(s, &m, e);
    if (code)
        return code;
    code = store_connect(store, &writer, e);
    if (!code)
        code = model_contexts_drop(writer, m, e);
    if (!code && !s->no_contexts && clock_monotonic_ns() < until->late_ns)
        code = model_contexts_put(c, writer, m, show_until, until, e);
    if (code)
        (void)err_prefix(e, "the model is written, but not all contexts of users");
    store_disconnect(writer);
    model_unref(m);
    return code;
}

/* Contexts of versions that nobody will ask for. Should it fail, the model is written all the same. */
static void trim(struct store_conn *c, const struct settings *s)
{
    int64_t n;
    struct err e = {0};
    if (versions_trim(c, s->name, s->version, s->keep_versions, &n, &e))
        (void)fprintf(stderr, "hypernet train: contexts of old versions stay: %s\n", e.text);
    else if (n)
        (void)fprintf(stderr,
                      "%lld contexts of versions before the last %lld were dropped (--keep-versions)\n",
                      (long long)n, (long long)s->keep_versions);
}

/* ---- results ---- */

/* A number that was not measured is null. */
static void add_figure(struct buf *b, const struct train_figure *f)
{
    buf_addf(b, ",\"%s\":", f->name);
    switch (f->kind) {
    case FIGURE_TEXT:
        buf_addf(b, "\"%s\"", f->text);
        break;
    case FIGURE_FLAG:
        buf_adds(b, f->value != 0 ? "true" : "false");
        break;
    case FIGURE_COUNT:
        buf_addf(b, "%.0f", f->value);
        break;
    case FIGURE_SETTING:
        buf_addf(b, "%g", f->value);
        break;
    case FIGURE_MEASURE:
        if (isnan(f->value))
            buf_adds(b, "null");
        else
            buf_addf(b, "%.*f", f->digits, f->value);
        break;
    }
}

static void print_json(const struct settings *s, const struct train_report *r)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"model\":");
    buf_add_json_string(&b, s->name, strlen(s->name));
    buf_adds(&b, ",\"model_version\":");
    buf_add_json_string(&b, s->version, strlen(s->version));
    buf_adds(&b, ",\"file\":");
    buf_add_json_string(&b, s->out, strlen(s->out));
    for (size_t i = 0; i < r->n_figures; i++)
        add_figure(&b, &r->figures[i]);
    buf_addc(&b, '}');
    const char *text = buf_text(&b);
    (void)puts(text ? text : "{}");
    buf_fini(&b);
}

static void print_report(const struct settings *s, const struct train_report *r)
{
    if (s->json)
        print_json(s, r);
    else
        (void)printf("model '%s' version '%s' written to %s\n%s", s->name, s->version, s->out, r->summary);
}

/* ---- the next commands ---- */

static bool take_first_id(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    (void)key;
    (void)profile;
    (void)revision;
    buf_add(arg, id.data, id.len);
    return false; /* one is enough */
}

/* For somebody in the store, as they would be typed. */
static void show_next(struct store_conn *c, const struct settings *s)
{
    struct buf id;
    buf_init(&id, LIMIT_ID_BYTES + 1);
    enum err_code code = store_each_user(c, take_first_id, &id, NULL);
    const char *user = code ? NULL : buf_text(&id);
    (void)fflush(stdout); /* the result first, where both are one terminal */
    if (user && *user)
        talk_command("next: ", (const char *const[]){"recommend", "--store", s->store, "--model", s->out,
                                                     "--user", user, NULL});
    talk_command("next: ", (const char *const[]){"serve", "--store", s->store, "--model", s->out, NULL});
    buf_fini(&id);
}

/* So that nobody wonders why a field changes nothing, or fears that names are learned. */
static void tell_unknown_fields(const struct settings *s, const struct dataset *data)
{
    if (!data->unknown_fields || *data->unknown_fields)
        (void)fprintf(stderr,
                      "profile fields that the model does not learn, being personal by name or without a "
                      "value that %lld users share: %s\n",
                      (long long)s->min_profile_users,
                      data->unknown_fields ? data->unknown_fields : "too many to name");
}

static void warn(const char *text)
{
    (void)fprintf(stderr, "hypernet train: warning: %s\n", text);
}

/* Of the deadline; INT64_MAX: none. */
static int64_t late_ns(const struct train_options *o)
{
    return o->deadline_s > 0 ? o->started_ns + (int64_t)(o->deadline_s * 1e9) : INT64_MAX;
}

/* *written: a model; false after an interrupt before there was one. */
static enum err_code train(const struct settings *s, const struct train_options *options, bool *written,
                           struct err *e)
{
    struct store *store = NULL;
    struct store_conn *c = NULL;
    struct dataset data = {0};
    struct train_report report;
    struct progress_bar bar;
    progress_bar_init(&bar);
    enum err_code code = store_open(s->store, STORE_READ_WRITE, &store, e);
    if (!code)
        code = store_connect(store, &c, e);
    if (!code)
        code = dataset_load(c, (size_t)s->min_profile_users, &data, e);
    if (!code)
        tell_unknown_fields(s, &data);
    if (!code)
        code = dataset_check_say(&data.check, c, warn, e);
    if (!code)
        code = train_run(&data.data, options, s->out, progress_bar_show, &bar, &report, e);
    *written = !code && report.written;
    if (*written)
        code = write_contexts(s, store, c, &(struct until){&bar, late_ns(options)}, e);
    progress_bar_end(&bar);
    if (*written && !code)
        trim(c, s);
    if (*written && !code)
        print_report(s, &report);
    if (*written && !code && !s->json)
        show_next(c, s);
    dataset_free(&data);
    store_disconnect(c);
    store_close(store);
    return code;
}

/* The same from a table of tasks. */
static enum err_code train_rows(struct settings *s, struct train_options *options, bool *written,
                                struct err *e)
{
    struct train_report report;
    struct progress_bar bar;
    progress_bar_init(&bar);
    s->tasks.out = s->out;
    enum err_code code = train_tasks_run(&s->tasks, options, progress_bar_show, &bar, &report, e);
    progress_bar_end(&bar);
    *written = !code && report.written;
    if (*written)
        print_report(s, &report);
    return code;
}

/* The same from images. */
static enum err_code train_images(struct settings *s, bool *written, struct err *e)
{
    struct progress_bar bar;
    struct train_images *t = &s->images;
    t->out = s->out;
    t->name = s->name;
    t->version = s->version;
    t->seed = s->seed;
    t->threads = s->threads;
    t->deadline_s = s->deadline_s;
    t->json = s->json;
    t->interrupt = &interrupted;
    progress_bar_init(&bar);
    enum err_code code = train_images_run(t, progress_bar_show, &bar, written, e);
    progress_bar_end(&bar);
    if (!code && *written && !t->json) {
        (void)fflush(stdout);
        talk_command("next: ", (const char *const[]){"serve", "--store", "STORE", "--model", s->out, NULL});
    }
    return code;
}

/* The same one task after the other. */
static enum err_code train_inputs(struct settings *s, bool *written, struct err *e)
{
    struct progress_bar bar;
    struct train_inputs *t = &s->inputs;
    t->classes = s->images.classes;
    t->task = s->tasks.columns.task;
    t->name = s->name;
    t->version = s->version;
    t->out = s->out;
    t->seed = s->seed;
    t->json = s->json;
    t->interrupt = &interrupted;
    progress_bar_init(&bar);
    enum err_code code = train_inputs_run(t, progress_bar_show, &bar, written, e);
    progress_bar_end(&bar);
    return code;
}

/* Neither the model nor a checkpoint takes the place of what is read, or of a file that is no model. */
static enum err_code check_outputs(const struct settings *s, struct err *e)
{
    const struct output_input inputs[] = {{"--store", s->store},
                                          {"--checkpoint", s->checkpoint},
                                          {"--inputs", s->inputs.inputs},
                                          {"--images", s->images.images},
                                          {"--classes", s->images.classes}};
    enum err_code code = output_file_check_folder("--out", s->out, e);
    if (!code)
        code = output_file_check("--out", s->out, OUTPUT_OVER_MODEL, inputs, 5, e);
    if (!code && s->checkpoint)
        code = output_file_check("--checkpoint", s->checkpoint, OUTPUT_OVER_MODEL, inputs, 1, e);
    return code;
}

/* What can be trained and what each is for, as the help says it. */
static void list_objectives(char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < n_train_objectives && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s: %s", i ? "; " : "",
                              train_objectives[i]->objective->name, train_objectives[i]->about);
}

/* Whether models of it are trained from a store, as objective_list takes it. */
static bool is_of_users(const struct objective *o)
{
    return objective_is_for_users(o) && train_is_trained(o);
}

static enum err_code find_objective(const char *name, const struct objective **out, struct err *e)
{
    char names[OBJECTIVE_LIST_BYTES];
    *out = objective_find(name);
    if (*out && is_of_users(*out))
        return ERR_OK;
    return err_set(e, ERR_INVALID, "--objective is %s, not '%s'", objective_list(is_of_users, " or ", names),
                   name);
}

/* What would do nothing: models of users are trained from a store, those of tasks from rows. */
static enum err_code check_uses(const struct settings *s, const struct option *options, size_t n_options,
                                int argc, char **argv, struct err *e)
{
    const struct option_use uses[] = {
        {"gap horizon", !s->tasks.columns.time, "goes with --time"},
        {"task", !s->tasks.rows && !s->inputs.inputs, "goes with --rows or --inputs"},
        {"classes", !s->images.images && !s->inputs.inputs, "goes with --images or --inputs"},
        {"episodes held-out-classes", !s->images.images, "goes with --images"},
        {"continue", !s->inputs.inputs && (s->tasks.rows || s->images.images),
         "goes with --inputs; a task of a table or of images that comes later is registered (PUT "
         "/v1/admin/tasks/{task}), which disturbs no other"},
        {"continue hidden chunks steps beta keep-rows", !s->inputs.inputs, "goes with --inputs"},
        {"hidden chunks", s->inputs.from, "is of a first task, not of one that goes on with --continue"},
        {"task-profiles target time loss target-scale categorical", !s->tasks.rows, "goes with --rows"},
        {"dim no-item-item ignore-order min-profile-users no-contexts keep-versions", s->tasks.rows,
         "goes with --store, not with --rows"},
        {"dim generator no-item-item ignore-order min-profile-users no-contexts keep-versions epochs "
         "checkpoint objective",
         s->images.images, "does not go with --images"},
        {"dim generator no-item-item ignore-order min-profile-users no-contexts keep-versions epochs "
         "checkpoint objective deadline-seconds threads",
         s->inputs.inputs, "does not go with --inputs"},
    };
    return options_check_uses(options, n_options, argc, argv, uses, sizeof uses / sizeof *uses, e);
}

/* One thing to train from, and what it needs. */
static enum err_code check_source(const struct settings *s, struct err *e)
{
    const struct train_inputs *t = &s->inputs;
    if (!s->store + !s->tasks.rows + !s->images.images + !t->inputs != 3)
        return err_set(e, ERR_INVALID,
                       "give --store, or --rows with --task and --target, or --images with --classes, or "
                       "--inputs with --classes and --task");
    if (s->images.images && !s->images.classes)
        return err_set(e, ERR_INVALID, "--images needs --classes, the class of each image");
    if (t->inputs && (!s->images.classes || !s->tasks.columns.task))
        return err_set(e, ERR_INVALID,
                       "--inputs needs --classes, the class of each, and --task, what the task is called");
    return ERR_OK;
}

/* The objective of rows: as it is typed, or as a variable says where that is one of rows; else by the
 * target. */
static const char *rows_objective(const char *name, bool typed)
{
    const struct objective *o = objective_find(name);
    return typed || (o && !o->for_users) ? name : NULL;
}

/* What only a variable gives and the objective does not take is left away. */
static void leave_variables(struct settings *s, bool solved, const struct option *options, size_t n_options,
                            int argc, char **argv)
{
    if (solved && !options_typed(options, n_options, argc, argv, "generator"))
        s->generator = "auto";
    if (solved && !options_typed(options, n_options, argc, argv, "checkpoint"))
        s->checkpoint = NULL;
}

static int cmd_train(int argc, char **argv)
{
    char version[CLOCK_STAMP_BYTES];
    clock_stamp(version);
    struct settings s = {
        .name = "default",
        .version = version,
        .generator = "auto",
        .objective = "ranking",
        .keep_versions = 2,
        .seed = 1,
        .min_profile_users = DATASET_LEAST_USERS,
        .inputs = {.hidden = "100,100", .n_chunks = CONTINUAL_CHUNKS, .steps = 1200, .beta = 0.02}};
    char about[512];
    list_objectives(about, sizeof about);
    const struct option options[] = {
        {"store", OPTION_STRING, &s.store, "STORE",
         "where users, items and interactions are; not with --rows or --inputs", 0, 0, false},
        {"rows", OPTION_STRING, &s.tasks.rows, "FILE", "a table of tasks to train from: a model for each", 0,
         0, false},
        {"task", OPTION_STRING, &s.tasks.columns.task, "COLUMNS",
         "of --rows: which columns say the task: store,brand; of --inputs: what the task is called", 0, 0,
         false},
        {"task-profiles", OPTION_STRING, &s.tasks.columns.profiles, "FILE",
         "of --rows: a table of what is known of tasks: columns of each of their rows", 0, 0, false},
        {"target", OPTION_STRING, &s.tasks.columns.target, "COLUMN", "of --rows: what is predicted", 0, 0,
         false},
        {"time", OPTION_STRING, &s.tasks.columns.time, "COLUMN",
         "of --rows: when a row was; what is predicted is then newer than what is known", 0, 0, false},
        {"gap", OPTION_REAL, &s.tasks.gap, "T",
         "of --time: how long before what is predicted nothing is known", 0, 1e18, false},
        {"horizon", OPTION_REAL, &s.tasks.horizon, "T",
         "of --time: how far ahead is predicted; 0: one period", 0, 1e18, false},
        {"loss", OPTION_STRING, &s.tasks.loss, "NAME",
         "of --rows: the error that counts: squared, absolute, relative (to the target, which is above 0), "
         "or "
         "poisson for counts",
         0, 0, false},
        {"target-scale", OPTION_STRING, &s.tasks.scale, "NAME",
         "of --rows: on which the target is learned: identity, log, asinh, count, or auto: by validation", 0,
         0, false},
        {"categorical", OPTION_LIST, &s.tasks.categorical, "COLUMN",
         "of --rows: a column whose numbers are categories", 0, 0, false},
        {"images", OPTION_STRING, &s.images.images, "FILE",
         "images to train from, .npy or IDX: a model that learns classes from a few images of each", 0, 0,
         false},
        {"classes", OPTION_STRING, &s.images.classes, "FILE",
         "of --images and --inputs: the class of each, whole numbers, .npy or IDX", 0, 0, false},
        {"held-out-classes", OPTION_INT, &s.images.held_out, "N",
         "of --images: the last N classes are not trained on, and the model is measured on them", 0, 1e6,
         false},
        {"episodes", OPTION_INT, &s.images.episodes, "N",
         "of --images: how many are drawn in training; 0: as many as --deadline-seconds allows, or 4000", 0,
         1e9, false},
        {"inputs", OPTION_STRING, &s.inputs.inputs, "FILE",
         "rows of one task, .npy or IDX, to learn its classes from: a model that learns task after task", 0,
         0, false},
        {"continue", OPTION_STRING, &s.inputs.from, "MODEL",
         "of --inputs: the model that learned the tasks before, which it goes on to answer as it did", 0, 0,
         false},
        {"hidden", OPTION_STRING, &s.inputs.hidden, "WIDTHS",
         "of --inputs: hidden layers of each task's network, as the first task says it", 0, 0, false},
        {"chunks", OPTION_INT, &s.inputs.n_chunks, "N",
         "of --inputs: in how many parts weights are generated, as the first task says it; fewer take more "
         "memory, and hold more tasks that have little in common",
         1, 1000, false},
        {"steps", OPTION_INT, &s.inputs.steps, "N", "of --inputs: steps of 128 rows", 1, 1e9, false},
        {"beta", OPTION_REAL, &s.inputs.beta, "B",
         "of --inputs: how much tasks before are held to what they were; 0: they are forgotten", 0, 1e9,
         false},
        {"keep-rows", OPTION_INT, &s.inputs.n_keep, "N",
         "of --inputs: rows of the task that stay in the file, to tell whose rows are that come without a "
         "task",
         0, LIMIT_STORED_ROWS, false},
        {"out", OPTION_STRING, &s.out, "FILE", "the model file to write, whole or not at all", 0, 0, true},
        {"name", OPTION_STRING, &s.name, "NAME", "name of the model", 0, 0, false},
        {"model-version", OPTION_STRING, &s.version, "VERSION", "version of the model; by default the time",
         0, 0, false},
        {"objective", OPTION_STRING, &s.objective, "NAME", about, 0, 0, false},
        {"seed", OPTION_INT, &s.seed, "N", "the same seed gives the same model", 0, 9e15, false},
        {"threads", OPTION_INT, &s.threads, "N", "threads; 0: as many as processors. The result is the same",
         0, 256, false},
        {"epochs", OPTION_INT, &s.epochs, "N",
         "the most; 0: the default. Training stops when it gains no more", 0, 1000, false},
        {"dim", OPTION_INT, &s.dim, "N", "width of item embeddings; 0: chosen from the data", 0, 1024, false},
        {"generator", OPTION_STRING, &s.generator, "NAME",
         "weights of the target's hidden layer: core, low_rank, full, shared (nothing is generated), or "
         "auto: shared or core, of tasks shared or full, by validation",
         0, 0, false},
        {"no-item-item", OPTION_FLAG, &s.no_item_item, NULL,
         "no item-item weights, also where they would help", 0, 0, false},
        {"ignore-order", OPTION_FLAG, &s.ignore_order, NULL,
         "contexts do not say what came last or when, even where times are known", 0, 0, false},
        {"checkpoint", OPTION_STRING, &s.checkpoint, "FILE",
         "written after each epoch, and resumed from when it is there", 0, 0, false},
        {"deadline-seconds", OPTION_REAL, &s.deadline_s, "S",
         "be done after this long, with the best there is; 0: no limit", 0, 1e9, false},
        {"min-profile-users", OPTION_INT, &s.min_profile_users, "N",
         "a profile value of fewer users is not learned: it may say who somebody is", 1, 1e9, false},
        {"no-contexts", OPTION_FLAG, &s.no_contexts, NULL, "do not write the users' contexts into the store",
         0, 0, false},
        {"keep-versions", OPTION_INT, &s.keep_versions, "N",
         "contexts of the newest N versions of the model stay in the store; 0: of all", 0, 1e6, false},
        {"json", OPTION_FLAG, &s.json, NULL, "the result as JSON", 0, 0, false},
    };
    const size_t n_options = sizeof options / sizeof *options;
    int status;
    struct err e = {0};
    struct train_options o;
    train_options_default(&o);
    if (!command_begin(&cmd_train_command, options, n_options, argc, argv, NULL, &status))
        return status;
    if ((s.tasks.rows || s.images.images || s.inputs.inputs) &&
        !options_typed(options, n_options, argc, argv, "store"))
        s.store = NULL; /* a variable is for all commands */
    if (check_source(&s, &e) || check_uses(&s, options, n_options, argc, argv, &e) ||
        (s.store && find_objective(s.objective, &o.objective, &e)))
        return command_fail(&cmd_train_command, &e, true);
    s.tasks.objective =
        rows_objective(s.objective, options_typed(options, n_options, argc, argv, "objective"));
    leave_variables(&s, !s.store || o.objective->rates, options, n_options, argc, argv);
    if (s.inputs.from && !options_typed(options, n_options, argc, argv, "name"))
        s.name = NULL; /* the model's own */
    o.choose_generator = strcmp(s.generator, "auto") == 0;
    if (!o.choose_generator &&
        (!generator_parse(s.generator, &o.generator) || o.generator == GENERATOR_CHUNKED)) {
        (void)err_set(&e, ERR_INVALID, "--generator is auto, core, low_rank, full or shared, not '%s'",
                      s.generator);
        return command_fail(&cmd_train_command, &e, true);
    }
    if ((s.name && strlen(s.name) > LIMIT_NAME_BYTES) || strlen(s.version) > LIMIT_NAME_BYTES) {
        (void)err_set(&e, ERR_INVALID, "a model's name and version have at most %d bytes", LIMIT_NAME_BYTES);
        return command_fail(&cmd_train_command, &e, true);
    }
    if (check_outputs(&s, &e) || blas_reserve((size_t)s.threads, &e))
        return command_fail(&cmd_train_command, &e, false);
    o.name = s.name;
    o.version = s.version;
    o.seed = (uint64_t)s.seed;
    o.n_threads = (int)s.threads;
    o.n_epochs = (int)s.epochs;
    o.dim = (int)s.dim;
    o.ignore_order = s.ignore_order;
    o.no_pairs = s.no_item_item;
    o.checkpoint = s.checkpoint;
    o.deadline_s = s.deadline_s;
    o.started_ns = clock_monotonic_ns();
    o.interrupt = &interrupted;
    struct sigaction act = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &act, NULL);
    bool written;
    if (s.images.images   ? train_images(&s, &written, &e)
        : s.inputs.inputs ? train_inputs(&s, &written, &e)
        : s.tasks.rows    ? train_rows(&s, &o, &written, &e)
                          : train(&s, &o, &written, &e))
        return command_fail(&cmd_train_command, &e, false);
    if (!written && (s.images.images || s.inputs.inputs || s.tasks.rows)) /* of a store it was said */
        (void)fputs("hypernet train: ended before there was a model; nothing is written\n", stderr);
    return written ? EXIT_DONE : EXIT_INTERRUPTED;
}

const struct command cmd_train_command = {
    "train",
    "train a model from the store",
    NULL,
    "Chooses hyperparameters by validation on each user's last item, factorises (iALS), then trains encoder, "
    "hypernetwork and\n"
    "target network jointly. An interrupt (Ctrl-C) stops at the best model so far and writes it; before the "
    "first epoch has\n"
    "ended it writes nothing, and the exit status is 130.",
    cmd_train,
    apart};
