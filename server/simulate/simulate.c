/* World to files. A full disk leaves no half a table under a good name (base/file.h). */
#include "server/simulate/simulate.h"

#include "base/file.h"
#include "base/mem.h"
#include "server/simulate/funnel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

enum { N_ADJECTIVES = 32, N_NOUNS = 32, N_PATTERNS = 4, N_FAVOURITES = 3 };

static const char *const categories[WORLD_CATEGORIES] = {
    "Adventure", "Comedy",  "Crime", "Documentary", "Drama",   "Family",
    "Fantasy",   "History", "Music", "Mystery",     "Romance", "Science",
};

static const char *const field_names[WORLD_FIELDS] = {"age", "region", "work"};
static const char *const values[WORLD_FIELDS][WORLD_VALUES] = {
    {"under 18", "18-24", "25-34", "35-49", "50-64", "65 and over"},
    {"north", "east", "south", "west", "centre"},
    {"student", "craft", "office", "teaching", "health", "science", "arts", "retired"},
};

static const char *const adjectives[N_ADJECTIVES] = {
    "Quiet",  "Broken", "Golden",  "Hidden",   "Last",     "Silent",  "Distant",  "Crooked",
    "Bright", "Frozen", "Paper",   "Second",   "Hollow",   "Patient", "Scarlet",  "Wandering",
    "Little", "Iron",   "Endless", "Borrowed", "Northern", "Gentle",  "Midnight", "Forgotten",
    "Glass",  "Early",  "Painted", "Stubborn", "Salt",     "Velvet",  "Curious",  "Ordinary",
};
static const char *const nouns[N_NOUNS] = {
    "Harbour",   "River",   "Letter",  "Garden",  "Clock",  "Orchard", "Bridge",    "Lantern",
    "Summer",    "Station", "Mirror",  "Island",  "Circus", "Winter",  "Map",       "Violin",
    "Kitchen",   "Forest",  "Promise", "Tower",   "Ferry",  "Library", "Carpenter", "Comet",
    "Neighbour", "Valley",  "Archive", "Sparrow", "Engine", "Market",  "Tide",      "Stranger",
};

/* ---- contents; errors of stdio stick to the file and are found by file_out_replace ---- */

static void write_events(FILE *f, const struct world *w, bool held_out)
{
    (void)fputs("user\titem\trating\ttimestamp\n", f);
    for (size_t i = 0; i < w->n_events && !ferror(f); i++) {
        const struct world_event *v = &w->events[i];
        if (v->held_out == held_out)
            (void)fprintf(f, "u%" PRIu32 "\ti%" PRIu32 "\t%" PRIu32 "\t%" PRId64 "\n", v->user + 1,
                          v->item + 1, v->rating, v->timestamp);
    }
}

static void write_interactions(FILE *f, const struct world *w)
{
    (w->kinds ? funnel_write : write_events)(f, w, false);
}

static void write_test(FILE *f, const struct world *w)
{
    (w->kinds ? funnel_write : write_events)(f, w, true);
}

static void write_users(FILE *f, const struct world *w)
{
    (void)fprintf(f, "user\t%s\t%s\t%s\n", field_names[0], field_names[1], field_names[2]);
    for (size_t u = 0; u < w->n_users && !ferror(f); u++) {
        const uint8_t *v = w->users[u].values;
        (void)fprintf(f, "u%zu\t%s\t%s\t%s\n", u + 1, values[0][v[0]], values[1][v[1]], values[2][v[2]]);
    }
}

/* A title that no other item has: pattern and words by the item's number, spread by a factor without a
 * common divisor, and a part when the words run out. */
static void write_title(FILE *f, size_t item)
{
    const size_t n_titles = (size_t)N_PATTERNS * N_ADJECTIVES * N_NOUNS;
    size_t at = item * 1597 % n_titles, part = item / n_titles + 1;
    const char *noun = nouns[at / N_PATTERNS % N_NOUNS];
    size_t adjective = at / N_PATTERNS / N_NOUNS;
    const char *other = nouns[(at / N_PATTERNS % N_NOUNS + 1 + adjective % (N_NOUNS - 1)) % N_NOUNS];
    switch (at % N_PATTERNS) {
    case 0:
        (void)fprintf(f, "The %s %s", adjectives[adjective], noun);
        break;
    case 1:
        (void)fprintf(f, "%s %s", adjectives[adjective], noun);
        break;
    case 2:
        (void)fprintf(f, "The %s and the %s %s", other, adjectives[adjective], noun);
        break;
    default:
        (void)fprintf(f, "My %s %s", adjectives[adjective], noun);
    }
    if (part > 1)
        (void)fprintf(f, ", Part %zu", part);
}

static void write_items(FILE *f, const struct world *w)
{
    (void)fputs("item\ttitle\tcategories\n", f);
    for (size_t i = 0; i < w->n_items && !ferror(f); i++) {
        const struct world_item *item = &w->items[i];
        (void)fprintf(f, "i%zu\t", i + 1);
        write_title(f, i);
        for (size_t c = 0; c < item->n_categories; c++)
            (void)fprintf(f, "%c%s", c ? '|' : '\t', categories[item->categories[c]]);
        (void)fputc('\n', f);
    }
}

static void write_candidates(FILE *f, const struct world *w)
{
    for (size_t u = 0; u < w->n_users && !ferror(f); u++) {
        (void)fprintf(f, "u%zu", u + 1);
        for (size_t i = 0; i < WORLD_CANDIDATES; i++)
            (void)fprintf(f, "\ti%" PRIu32, w->candidates[u * WORLD_CANDIDATES + i] + 1);
        (void)fputc('\n', f);
    }
}

static void write_shares(FILE *f, const char *name, const double *shares)
{
    (void)fprintf(f, ",\"%s\":{", name);
    for (size_t c = 0; c < WORLD_CATEGORIES; c++)
        (void)fprintf(f, "%s\"%s\":%.4f", c ? "," : "", categories[c], shares[c]);
    (void)fputc('}', f);
}

static void write_truth(FILE *f, const struct world *w)
{
    for (size_t u = 0; u < w->n_users && !ferror(f); u++) {
        uint8_t order[WORLD_CATEGORIES];
        world_favourites(&w->users[u], order);
        (void)fprintf(f, "{\"user\":\"u%zu\",\"favourites\":[", u + 1);
        for (size_t i = 0; i < N_FAVOURITES; i++)
            (void)fprintf(f, "%s\"%s\"", i ? "," : "", categories[order[i]]);
        (void)fputc(']', f);
        write_shares(f, "shares_first", w->users[u].first);
        write_shares(f, "shares_last", w->users[u].last);
        (void)fputs("}\n", f);
    }
}

/* ---- all files ---- */

static const struct {
    const char *name;
    void (*write)(FILE *f, const struct world *w);
} files[] = {
    {"interactions.tsv", write_interactions},
    {"users.tsv", write_users},
    {"items.tsv", write_items},
    {"test.tsv", write_test},
    {"candidates.tsv", write_candidates},
    {"truth.ndjson", write_truth},
};

static enum err_code write_file(const struct world *w, const char *dir, size_t i, struct err *e)
{
    struct file_out out = {.fd = -1};
    FILE *f = NULL;
    char *path = file_in(dir, files[i].name);
    enum err_code code = path ? file_out_open(&out, path, ".part", FILE_SHARED, e)
                              : err_set(e, ERR_NOMEM, "no memory for the name of %s", files[i].name);
    if (!code)
        code = file_out_stream(&out, &f, e);
    if (!code) {
        files[i].write(f, w);
        code = file_out_replace(&out, e);
    }
    file_out_fini(&out);
    mem_free(path);
    return code;
}

enum err_code simulate_run(const struct world_options *options, const char *dir, struct err *e)
{
    struct world *w;
    enum err_code code = world_new(options, &w, e);
    if (code)
        return code;
    if (mkdir(dir, 0777) && errno != EEXIST)
        code = file_error(e, dir, "make the folder");
    for (size_t i = 0; !code && i < sizeof files / sizeof files[0]; i++)
        code = write_file(w, dir, i, e);
    world_free(w);
    return code;
}
