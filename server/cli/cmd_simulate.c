/* The command `simulate`: options and a summary; the work is server/simulate. */
#include "base/buf.h"
#include "base/talk.h"
#include "server/cli/commands.h"
#include "server/simulate/simulate.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int cmd_simulate(int argc, char **argv);

const struct command cmd_simulate_command = {
    "simulate",
    "a made-up world with known tastes, as files to import and evaluate",
    NULL,
    "Writes interactions.tsv, users.tsv, items.tsv (for import), test.tsv with the newest item of every "
    "user,\n"
    "candidates.tsv with 99 items that the user never met (for evaluate), and truth.ndjson with the tastes "
    "that\n"
    "were planted. Tastes depend on the profile and drift over time; the same seed gives the same bytes on\n"
    "every machine.",
    cmd_simulate,
    NULL};

struct arguments {
    const char *out;
    int64_t users, items, interactions, seed;
    bool json, kinds;
};

static void print_text(const struct arguments *a)
{
    (void)printf("%s: %" PRId64 " user%s, %" PRId64 " items, %" PRId64 " interaction%s and %" PRId64
                 " held-out one%s (seed %" PRId64 ")\n",
                 a->out, a->users, talk_s(a->users), a->items, a->interactions, talk_s(a->interactions),
                 a->users, talk_s(a->users), a->seed);
}

static void show_next(const struct arguments *a)
{
    static const char *const names[] = {"interactions", "users", "items"};
    struct buf paths[3];
    const char *words[] = {
        "import",  "--store", "store.db", "--interactions", "",       "--users",           "",
        "--items", "",        "--kind",   "cart:0.5",       "--kind", "return:2:negative", NULL};
    if (!a->kinds)
        words[9] = NULL; /* a new store knows views, purchases and dislikes */
    bool whole = true;
    for (size_t i = 0; i < 3; i++) {
        buf_init(&paths[i], 1024 * 1024);
        buf_addf(&paths[i], "%s/%s.tsv", a->out, names[i]);
        words[4 + 2 * i] = buf_text(&paths[i]);
        whole = whole && words[4 + 2 * i];
    }
    (void)fflush(stdout); /* the result first, where both are one terminal */
    if (whole)
        talk_command("next: ", words);
    for (size_t i = 0; i < 3; i++)
        buf_fini(&paths[i]);
}

static enum err_code print_json(const struct arguments *a, struct err *e)
{
    struct buf out;
    buf_init(&out, 1024 * 1024);
    buf_adds(&out, "{\"out\":");
    buf_add_json_string(&out, a->out, strlen(a->out));
    buf_addf(&out,
             ",\"users\":%" PRId64 ",\"items\":%" PRId64 ",\"interactions\":%" PRId64 ",\"held_out\":%" PRId64
             ",\"seed\":%" PRId64 "}",
             a->users, a->items, a->interactions, a->users, a->seed);
    return talk_result(&out, "the summary", e);
}

static enum err_code simulate_and_report(const struct arguments *a, struct err *e)
{
    const struct world_options options = {(size_t)a->users, (size_t)a->items, (size_t)a->interactions,
                                          (uint64_t)a->seed, a->kinds};
    enum err_code code = simulate_run(&options, a->out, e);
    if (!code && a->json)
        code = print_json(a, e);
    else if (!code)
        print_text(a);
    if (!code && !a->json)
        show_next(a);
    return code ? code : command_end("the files are written, but the summary could not be", e);
}

static int cmd_simulate(int argc, char **argv)
{
    struct arguments a = {.users = 1000, .items = 500, .interactions = 50000, .seed = 1};
    const struct option options[] = {
        {"out", OPTION_STRING, &a.out, "DIR", "the folder for the files; made when it does not exist", 0, 0,
         true},
        {"users", OPTION_INT, &a.users, "N", "users", 1, WORLD_MOST, false},
        {"items", OPTION_INT, &a.items, "N", "items", WORLD_LEAST_ITEMS, WORLD_MOST, false},
        {"interactions", OPTION_INT, &a.interactions, "N", "interactions, the held-out ones aside", 1,
         WORLD_MOST, false},
        {"seed", OPTION_INT, &a.seed, "N", "another seed, another world", 0, 9e15, false},
        {"kinds", OPTION_FLAG, &a.kinds, NULL,
         "events have kinds: view, cart, purchase, return, dislike; held out is what was bought", 0, 0,
         false},
        {"json", OPTION_FLAG, &a.json, NULL, "the summary as JSON", 0, 0, false},
    };
    struct err e = {0};
    int status;
    if (!command_begin(&cmd_simulate_command, options, sizeof options / sizeof options[0], argc, argv, NULL,
                       &status))
        return status;
    if (simulate_and_report(&a, &e))
        return command_fail(&cmd_simulate_command, &e, e.code == ERR_INVALID); /* counts that do not fit */
    return EXIT_DONE;
}
