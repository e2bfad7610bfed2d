/* hypernet evaluate: how good the rankings or predicted ratings of models are, beside baselines. */
#include "base/limits.h"
#include "engine/kernels/blas_memory.h"
#include "server/cli/commands.h"
#include "server/cli/evaluate_images.h"
#include "server/cli/evaluate_inputs.h"
#include "server/cli/evaluate_tasks.h"
#include "server/data/output_file.h"
#include "server/evaluate/evaluation.h"
#include "server/evaluate/evaluation_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_apart apart[] = {{"store test", "rows images inputs"},
                                            {"rows", "store test images inputs"},
                                            {"images", "store test rows inputs"},
                                            {"inputs", "store test rows images"},
                                            {"baseline", "baselines"},
                                            {"known-counts", "groups"},
                                            {"groups", "known-counts"},
                                            {NULL, NULL}};

struct settings {
    const char *store, *test, *candidates, *metrics, *known, *users, *counts, *per_user;
    struct option_list models, chosen;
    int64_t threads, seed;
    bool baselines, groups, foreign_items, json;
    struct evaluate_tasks tasks;   /* with --rows */
    struct evaluate_images images; /* with --images */
    struct evaluate_inputs inputs; /* with --inputs */
    bool candidates_typed, baseline_typed;
};

/* Copies the next word of a comma-separated list into word. False at the end of the list. A word too long for
 * the room is cut; the caller then refuses it, because no name is that long. */
static bool next_word(const char **text, char *word, size_t size)
{
    *text += strspn(*text, ",");
    size_t len = strcspn(*text, ",");
    (void)snprintf(word, size, "%.*s", (int)(len < size ? len : size - 1), *text);
    *text += len;
    return len > 0;
}

static enum err_code parse_metrics(const char *text, struct metric *out, size_t *n, struct err *e)
{
    char word[64];
    for (*n = 0; next_word(&text, word, sizeof word); (*n)++) {
        if (*n == EVALUATION_MAX_METRICS)
            return err_set(e, ERR_INVALID, "--metrics takes at most %d", EVALUATION_MAX_METRICS);
        if (!metric_parse(word, &out[*n]))
            return err_set(e, ERR_INVALID,
                           "'%s' is no metric; hr@K ndcg@K recall@K recall_capped@K mrr[@K] map[@K] "
                           "coverage@K, or rmse mae",
                           word);
        if (metric_of_ratings(&out[*n]) != metric_of_ratings(&out[0]))
            return err_set(e, ERR_INVALID, "--metrics: rmse and mae are not measured beside rankings");
    }
    return *n ? ERR_OK : err_set(e, ERR_INVALID, "--metrics is empty");
}

static enum err_code parse_baselines(const struct settings *s, unsigned *out, struct err *e)
{
    *out = s->baselines ? EVALUATION_ALL_BASELINES : 0;
    for (size_t i = 0; i < s->chosen.n; i++) {
        unsigned bit = evaluation_baselines_bit(s->chosen.values[i]);
        if (!bit)
            return err_set(e, ERR_INVALID,
                           "--baseline: '%s' is none of popularity fold-in ials ease mean bias",
                           s->chosen.values[i]);
        *out |= bit;
    }
    return ERR_OK;
}

static enum err_code parse_counts(const char *text, size_t *out, size_t *n, struct err *e)
{
    char word[32], *end;
    for (*n = 0; next_word(&text, word, sizeof word); (*n)++) {
        if (*n == EVALUATION_MAX_COUNTS)
            return err_set(e, ERR_INVALID, "--known-counts takes at most %d", EVALUATION_MAX_COUNTS);
        unsigned long count = strcmp(word, "profile") == 0 ? 0 : strtoul(word, &end, 10);
        bool number = word[0] >= '0' && word[0] <= '9' && !*end;
        if (strcmp(word, "profile") != 0 && (!number || count > 1000000))
            return err_set(e, ERR_INVALID, "--known-counts: '%s' is neither a count nor profile", word);
        out[*n] = count;
    }
    return ERR_OK;
}

/* One that is named and cannot be measured is not left out in silence. */
static enum err_code check_baselines(const struct settings *s, bool ratings, struct err *e)
{
    for (size_t i = 0; i < s->chosen.n; i++)
        if (evaluation_baselines_rates(s->chosen.values[i]) != ratings)
            return err_set(e, ERR_INVALID, "--baseline %s is of %s, and --metrics of %s", s->chosen.values[i],
                           ratings ? "rankings" : "ratings", ratings ? "ratings" : "rankings");
    return ERR_OK;
}

/* What does not go together. */
static enum err_code check(const struct settings *s, const struct evaluation_options *o, struct err *e)
{
    if (!s->known && (s->users || s->counts))
        return err_set(e, ERR_INVALID, "--users and --known-counts go with --known");
    if (s->counts && o->n_counts == 0)
        return err_set(e, ERR_INVALID, "--known-counts is empty");
    if (s->counts && s->groups)
        return err_set(e, ERR_INVALID, "--known-counts and --groups: the counts are the groups");
    if (s->candidates && metric_of_ratings(&o->metrics[0]))
        return err_set(e, ERR_INVALID, "--candidates are for rankings, not for rmse and mae");
    return check_baselines(s, metric_of_ratings(&o->metrics[0]), e);
}

static enum err_code open_model(const char *path, bool ratings, struct model **out, struct err *e)
{
    enum err_code code = model_open(path, out, e);
    if (code)
        return code;
    const struct model_spec *spec = &(*out)->spec;
    if (!model_spec_for_users(spec))
        return err_set(e, ERR_INVALID, "%s: only models for users can be evaluated here", path);
    if (ratings && !spec->objective->rates)
        return err_set(e, ERR_INVALID, "%s: a %s model predicts no ratings", path, spec->objective->name);
    return ERR_OK;
}

static enum err_code evaluate(const struct settings *s, const struct evaluation_options *o, struct err *e)
{
    static struct evaluation_result result; /* large, and there is one */
    struct model *models[LIMIT_MODELS] = {NULL};
    struct store *store = NULL;
    enum err_code code = store_open(s->store, STORE_READ_ONLY, &store, e);
    for (size_t i = 0; i < s->models.n && !code; i++)
        code = open_model(s->models.values[i], metric_of_ratings(&o->metrics[0]), &models[i], e);
    if (!code)
        code = evaluation_run(store, models, s->models.n, o, &result, e);
    if (!code)
        (s->json ? evaluation_print_json : evaluation_print_table)(o, &result);
    evaluation_fini(&result);
    for (size_t i = 0; i < s->models.n; i++)
        model_unref(models[i]);
    store_close(store);
    return code;
}

static enum err_code check_per_user(const struct settings *s, struct err *e)
{
    struct output_input inputs[5 + OPTION_LIST_MAX] = {{"--store", s->store},
                                                       {"--test", s->test},
                                                       {"--candidates", s->candidates},
                                                       {"--known", s->known},
                                                       {"--users", s->users}};
    for (size_t i = 0; i < s->models.n; i++)
        inputs[5 + i] = (struct output_input){"--model", s->models.values[i]};
    return s->per_user
               ? output_file_check("--per-user", s->per_user, OUTPUT_OVER_TEXT, inputs, 5 + s->models.n, e)
               : ERR_OK;
}

static bool talk(void *arg, const struct progress *p)
{
    (void)arg;
    if (p->note)
        (void)fprintf(stderr, "hypernet evaluate: %s\n", p->note);
    return true;
}

/* Whether a baseline that only a variable gives is meant here; a name of none is, to be refused. */
static bool is_baseline_of(const struct settings *s, const char *name, bool ratings)
{
    bool of_tasks = evaluate_tasks_baseline(name) != 0, of_users = evaluation_baselines_bit(name) != 0;
    if (s->tasks.rows)
        return of_tasks || !of_users;
    return of_users ? evaluation_baselines_rates(name) == ratings : !of_tasks;
}

/* Metrics of ratings have no candidates, and each kind has baselines of its own: what only a variable
 * gives of the others is left away. */
static void leave_of_others(struct settings *s, bool ratings)
{
    size_t n = 0;
    if (ratings && !s->candidates_typed)
        s->candidates = NULL;
    for (size_t i = 0; i < s->chosen.n; i++)
        if (s->baseline_typed || is_baseline_of(s, s->chosen.values[i], ratings))
            s->chosen.values[n++] = s->chosen.values[i];
    s->chosen.n = n;
}

static int run(struct settings *s)
{
    struct metric metrics[EVALUATION_MAX_METRICS];
    size_t counts[EVALUATION_MAX_COUNTS];
    struct err e = {0};
    struct evaluation_options o = {.test_path = s->test,
                                   .known_path = s->known,
                                   .users_path = s->users,
                                   .counts = counts,
                                   .per_user_path = s->per_user,
                                   .metrics = metrics,
                                   .groups = s->groups,
                                   .foreign_items = s->foreign_items,
                                   .n_threads = (int)s->threads,
                                   .seed = (uint64_t)s->seed,
                                   .progress = talk};
    if (parse_metrics(s->metrics, metrics, &o.n_metrics, &e))
        return command_fail(&cmd_evaluate_command, &e, true);
    leave_of_others(s, metric_of_ratings(&metrics[0]));
    o.candidates_path = s->candidates;
    if (parse_baselines(s, &o.baselines, &e) ||
        (s->counts && parse_counts(s->counts, counts, &o.n_counts, &e)) || check(s, &o, &e))
        return command_fail(&cmd_evaluate_command, &e, true);
    if (check_per_user(s, &e))
        return command_fail(&cmd_evaluate_command, &e, false);
    return evaluate(s, &o, &e) == ERR_OK ? EXIT_DONE : command_fail(&cmd_evaluate_command, &e, false);
}

static enum err_code parse_task_baselines(const struct settings *s, unsigned *out, struct err *e)
{
    *out = s->baselines ? evaluate_tasks_baselines() : 0;
    for (size_t i = 0; i < s->chosen.n; i++) {
        unsigned bit = evaluate_tasks_baseline(s->chosen.values[i]);
        if (!bit)
            return err_set(e, ERR_INVALID,
                           "--baseline: '%s' is none of linear-for-all linear-with-ids linear-for-each "
                           "network-for-all network-with-ids fine-tuned, which --rows has",
                           s->chosen.values[i]);
        *out |= bit;
    }
    return ERR_OK;
}

/* What does not go together, of --rows. */
static enum err_code check_tasks(const struct settings *s, struct err *e)
{
    if (!s->known && s->counts)
        return err_set(e, ERR_INVALID, "--known-counts goes with --known");
    if (!s->known && !s->tasks.trained && s->tasks.baselines)
        return err_set(e, ERR_INVALID, "%s goes with --known or --train, from whose rows they learn",
                       s->baselines ? "--baselines" : "--baseline");
    if (s->tasks.trained && !s->tasks.baselines)
        return err_set(e, ERR_INVALID, "--train goes with --baselines or --baseline, which learn from it");
    return ERR_OK;
}

/* A model of tasks on a table of rows. */
static int run_tasks(struct settings *s)
{
    size_t counts[EVALUATION_MAX_COUNTS];
    struct err e = {0};
    if (s->counts && parse_counts(s->counts, counts, &s->tasks.n_counts, &e))
        return command_fail(&cmd_evaluate_command, &e, true);
    if (parse_task_baselines(s, &s->tasks.baselines, &e) || check_tasks(s, &e))
        return command_fail(&cmd_evaluate_command, &e, true);
    for (size_t i = 0; i < s->tasks.n_counts; i++)
        for (size_t k = 0; k < i; k++)
            if (counts[i] == counts[k]) {
                (void)err_set(&e, ERR_INVALID, "--known-counts has %zu twice", counts[i]);
                return command_fail(&cmd_evaluate_command, &e, true);
            }
    s->tasks.counts = counts;
    s->tasks.model = s->models.values[0];
    s->tasks.known = s->known;
    s->tasks.json = s->json;
    s->tasks.seed = (uint64_t)s->seed;
    return evaluate_tasks_run(&s->tasks, &e) ? command_fail(&cmd_evaluate_command, &e, false) : EXIT_DONE;
}

/* A model of images on classes that it was not trained on. */
static int run_images(struct settings *s)
{
    struct err e = {0};
    s->images.model = s->models.values[0];
    s->images.outside = s->tasks.outside;
    s->images.seed = s->seed;
    s->images.threads = s->threads;
    s->images.json = s->json;
    return evaluate_images_run(&s->images, &e) ? command_fail(&cmd_evaluate_command, &e, false) : EXIT_DONE;
}

/* Models that learned one task after the other, in their order. */
static int run_inputs(struct settings *s)
{
    struct err e = {0};
    s->inputs.models = s->models;
    s->inputs.seed = s->seed;
    s->inputs.json = s->json;
    return evaluate_inputs_run(&s->inputs, &e) ? command_fail(&cmd_evaluate_command, &e, false) : EXIT_DONE;
}

/* What only a variable gives and does not go with what is asked for is left away. */
static void leave_variables(struct settings *s, const struct option *options, size_t n_options, int argc,
                            char **argv)
{
    enum { USERS, COUNTS, BASELINES, GROUPS, CANDIDATES, BASELINE, TRAIN, N_WORDS };
    static const char *const words[N_WORDS] = {"users",      "known-counts", "baselines", "groups",
                                               "candidates", "baseline",     "train"};
    bool typed[N_WORDS], learns = s->known || s->tasks.trained || !s->tasks.rows;
    for (size_t i = 0; i < N_WORDS; i++)
        typed[i] = options_typed(options, n_options, argc, argv, words[i]);
    s->candidates_typed = typed[CANDIDATES];
    s->baseline_typed = typed[BASELINE];
    if (!s->known && !typed[USERS])
        s->users = NULL;
    if (!s->known && !typed[COUNTS])
        s->counts = NULL;
    if (s->counts && !typed[COUNTS] && !typed[GROUPS])
        s->groups = false;
    if (!learns && !typed[BASELINES])
        s->baselines = false;
    if (!learns && !typed[BASELINE])
        s->chosen.n = 0;
    if (s->tasks.rows)
        leave_of_others(s, false);
    if (!typed[TRAIN] && !s->baselines && !s->chosen.n)
        s->tasks.trained = NULL;
}

/* Which of the two uses it is; ERR_INVALID: neither. */
static enum err_code check_use(const struct settings *s, struct err *e)
{
    if (s->tasks.rows && (s->store || s->test || s->models.n != 1 || !s->tasks.columns.task))
        return err_set(e, ERR_INVALID,
                       "--rows is for one --model of tasks, with --task, and without --store and --test");
    if (s->images.images && (s->store || s->test || s->tasks.rows || s->models.n != 1 || !s->images.classes))
        return err_set(
            e, ERR_INVALID,
            "--images is for one --model of images, with --classes, and without --store, --test and "
            "--rows");
    if (s->inputs.inputs.n && (s->store || s->test || s->tasks.rows || s->images.images))
        return err_set(
            e, ERR_INVALID,
            "--inputs is for models that learned tasks one after the other, without --store, --test, "
            "--rows and --images");
    if (!s->tasks.rows && !s->images.images && !s->inputs.inputs.n && (!s->store || !s->test))
        return err_set(e, ERR_INVALID,
                       "--store and --test are missing; or --rows, for a model of tasks; or --images; or "
                       "--inputs");
    return ERR_OK;
}

/* What would do nothing: tasks are measured on rows, all else on the users of a store. */
static enum err_code check_uses(const struct settings *s, const struct option *options, size_t n_options,
                                int argc, char **argv, struct err *e)
{
    const struct option_use uses[] = {
        {"task task-profiles interval unknown-is-absent train", !s->tasks.rows, "goes with --rows"},
        {"outside", !s->tasks.rows && !s->images.images, "goes with --rows or --images"},
        {"classes ways shots episodes", !s->images.images, "goes with --images"},
        {"learned", !s->inputs.inputs.n, "goes with --inputs"},
        {"steps", !s->inputs.learned.n, "goes with --learned"},
        {"candidates metrics users groups per-user allow-foreign-items baselines baseline known known-counts "
         "threads",
         s->inputs.inputs.n, "does not go with --inputs"},
        {"candidates metrics users groups per-user allow-foreign-items baselines baseline known known-counts",
         s->images.images, "does not go with --images"},
        {"candidates metrics users groups per-user threads "
         "allow-foreign-items",
         s->tasks.rows, "goes with --store, not with --rows"},
        {"baseline", s->baselines, "is among --baselines: give one of the two"},
    };
    return options_check_uses(options, n_options, argc, argv, uses, sizeof uses / sizeof *uses, e);
}

static int cmd_evaluate(int argc, char **argv)
{
    struct settings s = {.metrics = "hr@10,ndcg@10", .seed = 1, .tasks.interval = 0.9, .inputs.steps = 1200};
    const struct option options[] = {
        {"store", OPTION_STRING, &s.store, "STORE", "what is known of the users; not with --rows", 0, 0,
         false},
        {"model", OPTION_LIST, &s.models, "FILE", "model file; the others are compared with the first", 0, 0,
         true},
        {"test", OPTION_STRING, &s.test, "FILE", "held-out rows: user item, for rmse and mae rating", 0, 0,
         false},
        {"rows", OPTION_STRING, &s.tasks.rows, "FILE",
         "of a model of tasks: rows with the target, which are held out", 0, 0, false},
        {"inputs", OPTION_LIST, &s.inputs.inputs, "NAME=FILES",
         "NAME=INPUTS,CLASSES, held-out rows of a task; of models that learned one after the other, in that "
         "order",
         0, 0, false},
        {"learned", OPTION_LIST, &s.inputs.learned, "NAME=FILES",
         "of --inputs: what the task was learned from, for other networks to learn in the same order", 0, 0,
         false},
        {"steps", OPTION_INT, &s.inputs.steps, "N", "of --learned: steps of 128 rows", 1, 1e9, false},
        {"images", OPTION_STRING, &s.images.images, "FILE",
         "of a model of images: images of classes that it was not trained on, .npy or IDX", 0, 0, false},
        {"classes", OPTION_STRING, &s.images.classes, "FILE", "of --images: the class of each", 0, 0, false},
        {"ways", OPTION_STRING, &s.images.ways, "LIST",
         "of --images: so many classes in an episode; by default 5,20", 0, 0, false},
        {"shots", OPTION_STRING, &s.images.shots, "LIST",
         "of --images: so many known images of each; by default 1,5", 0, 0, false},
        {"episodes", OPTION_INT, &s.images.episodes, "N", "of --images: how many are drawn; 0: 1,000", 0, 1e6,
         false},
        {"outside", OPTION_STRING, &s.tasks.outside, "FILE",
         "of --rows and --images: what is unlike these: does uncertainty tell them apart?", 0, 0, false},
        {"task", OPTION_STRING, &s.tasks.columns.task, "COLUMNS",
         "of --rows: which columns say the task: store,brand", 0, 0, false},
        {"task-profiles", OPTION_STRING, &s.tasks.columns.profiles, "FILE",
         "of --rows: a table of what is known of tasks: columns of each of their rows", 0, 0, false},
        {"interval", OPTION_REAL, &s.tasks.interval, "P",
         "of --rows: the probability of the intervals that are measured", 0.01, 0.999, false},
        {"unknown-is-absent", OPTION_FLAG, &s.tasks.unknown_is_absent, NULL,
         "of --rows: a value of a category that the model does not know counts as none", 0, 0, false},
        {"candidates", OPTION_STRING, &s.candidates, "FILE",
         "a user and items a line; without it all items are ranked", 0, 0, false},
        {"metrics", OPTION_STRING, &s.metrics, "LIST",
         "hr@K ndcg@K recall@K recall_capped@K mrr[@K] map[@K] coverage@K, or rmse mae", 0, 0, false},
        {"baselines", OPTION_FLAG, &s.baselines, NULL,
         "popularity, iALS fold-in, iALS and EASE beside the models; of ratings mean and biases; of --rows "
         "linear models and networks",
         0, 0, false},
        {"baseline", OPTION_LIST, &s.chosen, "NAME",
         "this one alone: popularity fold-in ials ease, of ratings mean bias, of --rows linear-for-all "
         "linear-with-ids linear-for-each network-for-all network-with-ids fine-tuned",
         0, 0, false},
        {"train", OPTION_STRING, &s.tasks.trained, "FILE",
         "of --rows: the rows that the model was trained from, for baselines to learn from", 0, 0, false},
        {"known", OPTION_STRING, &s.known, "FILE",
         "interactions of the test users, who are new: not in the store; of --rows: what is known of the "
         "tasks",
         0, 0, false},
        {"users", OPTION_STRING, &s.users, "FILE", "profiles of the new users", 0, 0, false},
        {"known-counts", OPTION_STRING, &s.counts, "LIST",
         "measure with so many of each new user's interactions given: profile,1,3,5; of --rows with so many "
         "of "
         "each task's rows known",
         0, 0, false},
        {"groups", OPTION_FLAG, &s.groups, NULL,
         "also by how many interactions are known of a user: 0, 1-2, 3-4, 5-9, 10-19, 20+", 0, 0, false},
        {"per-user", OPTION_STRING, &s.per_user, "FILE", "write every user's values there, a JSON line each",
         0, 0, false},
        {"threads", OPTION_INT, &s.threads, "N", "threads; 0: as many as processors", 0, 256, false},
        {"seed", OPTION_INT, &s.seed, "N", "of the bootstrap and of the baselines' validation", 0, 9e15,
         false},
        {"allow-foreign-items", OPTION_FLAG, &s.foreign_items, NULL,
         "also a model of whose items the store has less than half", 0, 0, false},
        {"json", OPTION_FLAG, &s.json, NULL, "the result as JSON", 0, 0, false},
    };
    const size_t n_options = sizeof options / sizeof *options;
    int status;
    struct err e = {0};
    if (!command_begin(&cmd_evaluate_command, options, n_options, argc, argv, NULL, &status))
        return status;
    if ((s.tasks.rows || s.images.images || s.inputs.inputs.n) &&
        !options_typed(options, n_options, argc, argv, "store"))
        s.store = NULL; /* a variable is for all commands */
    leave_variables(&s, options, n_options, argc, argv);
    if (check_use(&s, &e) || check_uses(&s, options, n_options, argc, argv, &e))
        return command_fail(&cmd_evaluate_command, &e, true);
    if (s.tasks.rows)
        return run_tasks(&s);
    if (s.images.images)
        return run_images(&s);
    if (s.inputs.inputs.n)
        return run_inputs(&s);
    return blas_reserve((size_t)s.threads, &e) ? command_fail(&cmd_evaluate_command, &e, false) : run(&s);
}

const struct command cmd_evaluate_command = {
    "evaluate",
    "measure models on held-out items",
    NULL,
    "Each user of the test file is ranked from what the store knows of the user, or with --known from what "
    "that file says.\n"
    "Without --candidates all items but the user's own are ranked; recall@K divides by the number of "
    "held-out items, recall_capped@K\nby the smaller of that and K.",
    cmd_evaluate,
    apart};
