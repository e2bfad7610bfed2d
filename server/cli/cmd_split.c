/* The command `split`: options and a summary; the work is server/split. */
#include "base/buf.h"
#include "base/talk.h"
#include "server/cli/commands.h"
#include "server/data/split.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int cmd_split(int argc, char **argv);

const struct command cmd_split_command = {
    "split",
    "train and test files from a table of interactions",
    NULL,
    "Writes train.csv and test.csv: the newest interaction of each user is held out (newest), a share of "
    "each\n"
    "user's (random), or a share of the users whole (users), with what is known of them in known.csv. Rows "
    "of the\n"
    "same user, item and kind are one interaction, the newest; nothing of an item that is tested is learned.",
    cmd_split,
    NULL};

struct arguments {
    struct option_list interactions, columns;
    struct table_name names[OPTION_LIST_MAX];
    const char *out, *by, *format;
    double share;
    int64_t seed, skip_bad;
    bool no_header, json;
};

/* ---- results ---- */

static void print_text(const struct arguments *a, const struct split_report *r)
{
    (void)printf("%s: %" PRId64 " row%s of %" PRId64 " user%s: %" PRId64 " to train, %" PRId64 " to test",
                 a->out, r->n_rows, talk_s(r->n_rows), r->n_users, talk_s(r->n_users), r->n_train, r->n_test);
    if (r->n_known)
        (void)printf(", %" PRId64 " known of those who are tested", r->n_known);
    (void)printf(" (%" PRId64 " user%s tested)\n", r->n_tested, talk_s(r->n_tested));
    if (r->n_merged)
        (void)printf("%" PRId64 " row%s left out: the same user, item and kind is in a newer one\n",
                     r->n_merged, talk_s(r->n_merged));
    if (r->n_bad)
        (void)printf("%" PRId64 " bad line%s left out\n", r->n_bad, talk_s(r->n_bad));
    if (!r->timed)
        (void)printf("no times: the order of the rows was taken for that of the interactions\n");
}

static enum err_code print_json(const struct arguments *a, const struct split_report *r, struct err *e)
{
    struct buf out;
    buf_init(&out, 1024 * 1024);
    buf_adds(&out, "{\"out\":");
    buf_add_json_string(&out, a->out, strlen(a->out));
    buf_addf(&out,
             ",\"by\":\"%s\",\"rows\":%" PRId64 ",\"train\":%" PRId64 ",\"test\":%" PRId64
             ",\"known\":%" PRId64,
             a->by, r->n_rows, r->n_train, r->n_test, r->n_known);
    buf_addf(&out,
             ",\"skipped\":%" PRId64 ",\"merged\":%" PRId64 ",\"users\":%" PRId64 ",\"users_tested\":%" PRId64
             ",\"timed\":%s}",
             r->n_bad, r->n_merged, r->n_users, r->n_tested, r->timed ? "true" : "false");
    return talk_result(&out, "the summary", e);
}

static void show_next(const struct arguments *a, bool known)
{
    static const char *const names[] = {"train.csv", "test.csv", "known.csv"};
    struct buf paths[3];
    const char *text[3];
    for (size_t i = 0; i < 3; i++) {
        buf_init(&paths[i], 1024 * 1024);
        buf_addf(&paths[i], "%s/%s", a->out, names[i]);
        text[i] = buf_text(&paths[i]);
    }
    (void)fflush(stdout); /* the result first, where both are one terminal */
    if (text[0] && text[1] && text[2]) {
        talk_command("next: ",
                     (const char *const[]){"import", "--store", "split.db", "--interactions", text[0], NULL});
        talk_command("next: ", (const char *const[]){"train", "--store", "split.db", "--out",
                                                     "split.safetensors", NULL});
        talk_command("next: ", (const char *const[]){"evaluate", "--store", "split.db", "--model",
                                                     "split.safetensors", "--test", text[1], "--baselines",
                                                     known ? "--known" : NULL, text[2], NULL});
    }
    for (size_t i = 0; i < 3; i++)
        buf_fini(&paths[i]);
}

/* ---- the command ---- */

static enum err_code to_split(struct arguments *a, struct split_options *o, struct err *e)
{
    static const char *const ways[] = {"newest", "random", "users"};
    size_t by = 0;
    while (by < 3 && strcmp(a->by, ways[by]) != 0)
        by++;
    if (by == 3)
        return err_set(e, ERR_INVALID, "--by is newest, random or users, not '%s'", a->by);
    *o = (struct split_options){.paths = a->interactions.values,
                                .n_paths = a->interactions.n,
                                .out = a->out,
                                .by = (enum split_by)by,
                                .share = a->share,
                                .seed = (uint64_t)a->seed,
                                .skip_bad = a->skip_bad};
    if (!table_format_parse(a->format, &o->format))
        return err_set(e, ERR_INVALID, "--format '%s' is none of auto, csv, tsv, ndjson, dat, u.data",
                       a->format);
    for (size_t i = 0; i < o->n_paths; i++)
        if (strcmp(o->paths[i], "-") == 0)
            return err_set(e, ERR_INVALID,
                           "the table is read twice, and standard input can be read once; give a file");
    return table_naming_read(a->columns.values, a->columns.n, a->no_header, a->names, &o->naming, e);
}

static enum err_code split_and_report(const struct arguments *a, const struct split_options *o, struct err *e)
{
    struct split_report report;
    enum err_code code = split_run(o, &report, e);
    if (!code && a->json)
        code = print_json(a, &report, e);
    else if (!code)
        print_text(a, &report);
    if (!code && !a->json)
        show_next(a, o->by == SPLIT_USERS);
    return code ? code : command_end("the files are written, but the summary could not be", e);
}

static int cmd_split(int argc, char **argv)
{
    struct arguments a = {.by = "newest", .format = "auto", .share = 0.2, .seed = 1};
    const struct option options[] = {
        {"interactions", OPTION_LIST, &a.interactions, "FILE", "a table as import takes it", 0, 0, true},
        {"out", OPTION_STRING, &a.out, "DIR", "the folder for the files; made when it does not exist", 0, 0,
         true},
        {"by", OPTION_STRING, &a.by, "WAY",
         "newest of each user, random share of each user's, or users held out whole", 0, 0, false},
        {"share", OPTION_REAL, &a.share, "S", "of random and users: how much is held out", 1e-6, 0.999999,
         false},
        {"seed", OPTION_INT, &a.seed, "N",
         "of what random and users draw; the same seed gives the same files", 0, 9e15, false},
        {"format", OPTION_STRING, &a.format, "FORMAT", "as of import", 0, 0, false},
        {"column", OPTION_LIST, &a.columns, "NAME=COLUMN", "what a column is, as of import", 0, 0, false},
        {"no-header", OPTION_FLAG, &a.no_header, NULL,
         "the first line is a row; --column says by number what columns are", 0, 0, false},
        {"skip-bad", OPTION_INT, &a.skip_bad, "N", "bad lines to leave out before giving up", 0, 1e15, false},
        {"json", OPTION_FLAG, &a.json, NULL, "the summary as JSON", 0, 0, false},
    };
    struct err e = {0};
    int status;
    struct split_options o;
    if (!command_begin(&cmd_split_command, options, sizeof options / sizeof options[0], argc, argv, NULL,
                       &status))
        return status;
    bool newest = strcmp(a.by, "newest") == 0;
    const struct option_use use = {"share seed", newest, "is for --by random and users, not newest"};
    if (to_split(&a, &o, &e) ||
        options_check_uses(options, sizeof options / sizeof options[0], argc, argv, &use, 1, &e))
        return command_fail(&cmd_split_command, &e, true);
    return split_and_report(&a, &o, &e) == ERR_OK ? EXIT_DONE : command_fail(&cmd_split_command, &e, false);
}
