/* Every surprise is said here: which columns were taken and as what, which were left out, how times were
 * read, and which rows came together. */
#include "server/data/import_print.h"

#include "base/buf.h"
#include "base/talk.h"
#include "server/fields/private_field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    SMALL_TIME = 100000000, /* 1973: below it numbers are some order */
    NAMELESS_BYTES = 48
};

static const char *const kinds[] = {"interactions", "users", "items", "contexts"};

static const char *found_by(const struct import_file_report *f, enum table_format asked)
{
    return asked ? "by --format" : f->about.by_name ? "by its name" : "by its first line";
}

/* Whether a column is left out: by --ignore-field, without a name, and of interactions and contexts what has
 * no role. */
static bool ignored(const struct import_file_report *f, const struct table_column *c)
{
    bool no_place = f->kind != TABLE_USERS && f->kind != TABLE_ITEMS;
    return c->role == ROLE_IGNORED || (c->role == ROLE_EXTRA && (no_place || !*c->name));
}

/* The name of a column, or its place where it has none: scratch is (NAMELESS_BYTES). */
static const char *name_of(const struct import_file_report *f, size_t i, char *scratch)
{
    if (*f->columns.list[i].name)
        return f->columns.list[i].name;
    (void)snprintf(scratch, NAMELESS_BYTES, "column %zu, without a name", i + 1);
    return scratch;
}

static const char *meaning(const struct import_file_report *f, const struct table_column *c)
{
    const char *nested = f->kind == TABLE_USERS ? "profile" : "metadata";
    if (c->role == ROLE_GENRE)
        return "categories";
    return c->role == ROLE_EXTRA ? nested : table_role_name(c->role);
}

static int64_t n_times(const struct import_file_report *f)
{
    int64_t n = 0;
    for (size_t i = 0; i < FIELD_N_TIME_FORMS; i++)
        n += f->n_times[i];
    return n;
}

/* Numbers that are too small to be times of the last decades: an order of some kind. */
static bool only_an_order(const struct import_file_report *f)
{
    return f->n_times[FIELD_TIME_SECONDS] && f->n_times[FIELD_TIME_SECONDS] == n_times(f) &&
           f->latest < SMALL_TIME;
}

/* ---- text ---- */

static void print_times(const struct import_file_report *f)
{
    int64_t all = n_times(f);
    const char *between = " (";
    for (size_t i = 0; i < FIELD_N_TIME_FORMS; i++) {
        if (!f->n_times[i])
            continue;
        (void)printf("%s%s", between, field_time_form_name((enum field_time_form)i));
        if (f->n_times[i] < all)
            (void)printf(" in %" PRId64 " row%s", f->n_times[i], talk_s(f->n_times[i]));
        between = ", ";
    }
    if (only_an_order(f))
        (void)printf(": small numbers, taken as an order");
    if (f->n_rows > all)
        (void)printf("%s in %" PRId64 " row%s", all ? ", none" : " (none", f->n_rows - all,
                     talk_s(f->n_rows - all));
    (void)printf(")");
}

static void print_columns(const struct import_file_report *f)
{
    const char *between = "  ";
    for (size_t i = 0; i < f->columns.n; i++) {
        const struct table_column *c = &f->columns.list[i];
        if (ignored(f, c))
            continue;
        (void)printf("%s%s", between, c->name);
        if (strcmp(c->name, meaning(f, c)) != 0)
            (void)printf(" as %s", meaning(f, c));
        if (c->role == ROLE_TIME)
            print_times(f);
        between = ", ";
    }
    (void)printf("\n");
    between = "  ignored: ";
    for (size_t i = 0; i < f->columns.n; i++)
        if (ignored(f, &f->columns.list[i])) {
            char name[NAMELESS_BYTES];
            (void)printf("%s%s", between, name_of(f, i, name));
            between = ", ";
        }
    if (*between == ',')
        (void)printf("\n");
}

static bool is_timed(const struct import_file_report *f)
{
    for (size_t i = 0; i < f->columns.n; i++)
        if (f->columns.list[i].role == ROLE_TIME)
            return true;
    return false;
}

/* Whether an ignored column may say that a row is no wish for the item. */
static bool tells_state(const char *name)
{
    static const char *const names[] = {"status",   "state",    "order_status", "cancelled",
                                        "canceled", "returned", "refunded"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

/* What an ignored column of interactions may have been meant for. */
static void print_advice(const struct import_file_report *f)
{
    for (size_t i = 0; f->kind == TABLE_INTERACTIONS && i < f->columns.n; i++) {
        const struct table_column *c = &f->columns.list[i];
        if (!ignored(f, c))
            continue;
        if (c->n_dates && !is_timed(f))
            (void)printf("  %s looks like times: rename it to timestamp, and the order counts\n", c->name);
        if (tells_state(c->name))
            (void)printf("  every row is learned as an interaction, whatever %s says: --column kind=%s and "
                         "--kind-map say what its words mean, and WORD= leaves rows out\n",
                         c->name, c->name);
    }
}

/* Which fields are kept that say who somebody is. */
static void print_private(const struct import_file_report *f)
{
    const char *between = "  ";
    for (size_t i = 0; f->kind == TABLE_USERS && i < f->columns.n; i++) {
        const struct table_column *c = &f->columns.list[i];
        if (ignored(f, c) || c->role != ROLE_EXTRA || !private_field_is(c->name))
            continue;
        (void)printf("%s%s", between, c->name);
        between = ", ";
    }
    if (*between == ',')
        (void)printf(
            ": personal by name, kept in the store and never learned; --ignore-field leaves a column out\n");
}

static void print_file(const struct import_file_report *f, enum table_format asked)
{
    (void)printf("%s: %s, read as %s%s (%s), %" PRId64 " row%s\n", f->path, kinds[f->kind],
                 table_format_name(f->about.format), f->about.quoted ? " with quotes" : "",
                 found_by(f, asked), f->n_rows, talk_s(f->n_rows));
    print_columns(f);
    print_advice(f);
    print_private(f);
    if (f->about.n_unquoted)
        (void)printf("  quotes were taken off %" PRIu64
                     " field%s with quotes inside, as pandas writes them\n",
                     f->about.n_unquoted, talk_s((int64_t)f->about.n_unquoted));
}

/* Which rows came together, and with what. */
static void print_known(const struct import_report *r, size_t kind)
{
    static const char *const ids[] = {"user and item", "user", "item", "user"};
    int64_t n_repeated = r->n_repeated[kind], n_known = r->n_known[kind];
    if (n_repeated)
        (void)printf("%-12s %10" PRId64 " of them name%s a%s %s that a row before names: %s\n", "",
                     n_repeated, n_repeated == 1 ? "s" : "", kind == TABLE_ITEMS ? "n" : "", ids[kind],
                     kind == TABLE_INTERACTIONS ? "one interaction, the newest counts"
                                                : "what the last says counts");
    if (n_known)
        (void)printf("%-12s %10" PRId64 " of them %s in the store before: %s\n", "", n_known,
                     n_known == 1 ? "was" : "were",
                     kind == TABLE_INTERACTIONS ? "of the same user and item the newest counts"
                                                : "what the rows say is updated");
    if (kind == TABLE_INTERACTIONS && r->n_older)
        (void)printf("%-12s %10" PRId64
                     " of these changed nothing: a row of the same user and item is newer\n",
                     "", r->n_older);
}

/* Of which types the fields are that items can be filtered by. */
static void print_types(const struct import_types *types)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    import_types_text(types, &text);
    if (text.len && buf_text(&text))
        (void)printf("%-12s %10" PRId64 " row%s of items: %s\n", "metadata", types->n_rows,
                     talk_s(types->n_rows), buf_text(&text));
    buf_fini(&text);
}

void import_print_text(const char *store, const struct import_report *r, enum table_format format,
                       double seconds)
{
    const int64_t total[] = {r->total.n_interactions, r->total.n_users, r->total.n_items,
                             r->total.n_contexts};
    for (size_t i = 0; i < r->n_files; i++)
        print_file(&r->files[i], format);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (r->n_rows[i] || total[i])
            (void)printf("%-12s %10" PRId64 " row%s imported, %*" PRId64 " in the store\n", kinds[i],
                         r->n_rows[i], talk_s(r->n_rows[i]), r->n_rows[i] == 1 ? 11 : 10, total[i]);
        print_known(r, i);
    }
    print_types(&r->types);
    if (r->n_items_deleted)
        (void)printf("%-12s %10" PRId64 " deleted: the file does not have them, or says so\n", "items",
                     r->n_items_deleted);
    if (r->n_items_kept_deleted)
        (void)printf("%-12s %10" PRId64 " of the file stay deleted; --replace brings them back\n", "items",
                     r->n_items_kept_deleted);
    if (r->n_left_out)
        (void)printf("%-12s %10" PRId64 " row%s left out by --kind-map\n", "interactions", r->n_left_out,
                     talk_s(r->n_left_out));
    if (r->n_bad)
        (void)printf("%-12s %10" PRId64 " bad line%s left out\n", "", r->n_bad, talk_s(r->n_bad));
    for (size_t i = 0; i < r->n_notes; i++)
        (void)printf("note: %s\n", r->notes[i].text);
    (void)printf("%s: done in %.2f s\n", store, seconds);
}

/* ---- JSON ---- */

static void add_text(struct buf *out, const char *text)
{
    buf_add_json_string(out, text, strlen(text));
}

static void add_columns(struct buf *out, const struct import_file_report *f)
{
    const char *between = "";
    buf_adds(out, ",\"columns\":{");
    for (size_t i = 0; i < f->columns.n; i++) {
        if (ignored(f, &f->columns.list[i]))
            continue;
        buf_adds(out, between);
        add_text(out, f->columns.list[i].name);
        buf_addc(out, ':');
        add_text(out, meaning(f, &f->columns.list[i]));
        between = ",";
    }
    buf_adds(out, "},\"ignored\":[");
    between = "";
    for (size_t i = 0; i < f->columns.n; i++) {
        if (!ignored(f, &f->columns.list[i]))
            continue;
        buf_adds(out, between);
        char name[NAMELESS_BYTES];
        add_text(out, name_of(f, i, name));
        between = ",";
    }
    buf_addc(out, ']');
}

static void add_times(struct buf *out, const struct import_file_report *f)
{
    static const char *const names[] = {"iso8601", "seconds", "milliseconds", "microseconds", "nanoseconds"};
    const char *between = "";
    buf_adds(out, ",\"times\":{");
    for (size_t i = 0; i < FIELD_N_TIME_FORMS; i++)
        if (f->n_times[i]) {
            buf_addf(out, "%s\"%s\":%" PRId64, between, names[i], f->n_times[i]);
            between = ",";
        }
    buf_addf(out, "},\"only_an_order\":%s", only_an_order(f) ? "true" : "false");
}

static void add_file(struct buf *out, const struct import_file_report *f, enum table_format asked)
{
    buf_adds(out, "{\"file\":");
    add_text(out, f->path);
    buf_addf(out,
             ",\"kind\":\"%s\",\"format\":\"%s\",\"format_found\":\"%s\",\"rows\":%" PRId64
             ",\"skipped\":%" PRId64,
             kinds[f->kind], table_format_name(f->about.format), found_by(f, asked), f->n_rows, f->n_bad);
    add_columns(out, f);
    if (f->kind == TABLE_INTERACTIONS)
        add_times(out, f);
    buf_addf(out, ",\"unquoted\":%" PRIu64 "}", f->about.n_unquoted);
}

static void add_counts(struct buf *out, const char *name, const int64_t *counts)
{
    buf_addf(out, ",\"%s\":{", name);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        buf_addf(out, "%s\"%s\":%" PRId64, i ? "," : "", kinds[i], counts[i]);
    buf_addc(out, '}');
}

enum err_code import_print_json(const char *store, const struct import_report *r, enum table_format format,
                                double seconds, struct err *e)
{
    const int64_t total[] = {r->total.n_interactions, r->total.n_users, r->total.n_items,
                             r->total.n_contexts};
    struct buf out;
    buf_init(&out, 16 * 1024 * 1024);
    buf_adds(&out, "{\"store\":");
    add_text(&out, store);
    add_counts(&out, "imported", r->n_rows);
    add_counts(&out, "known", r->n_known);
    add_counts(&out, "repeated", r->n_repeated);
    buf_addf(&out, ",\"older\":%" PRId64 ",\"left_out\":%" PRId64 ",\"skipped\":%" PRId64, r->n_older,
             r->n_left_out, r->n_bad);
    buf_addf(&out, ",\"items_deleted\":%" PRId64 ",\"items_kept_deleted\":%" PRId64 ",\"files\":[",
             r->n_items_deleted, r->n_items_kept_deleted);
    for (size_t i = 0; i < r->n_files; i++) {
        buf_adds(&out, i ? "," : "");
        add_file(&out, &r->files[i], format);
    }
    buf_addc(&out, ']');
    import_types_json(&r->types, &out);
    buf_adds(&out, ",\"notes\":[");
    for (size_t i = 0; i < r->n_notes; i++) {
        buf_adds(&out, i ? "," : "");
        add_text(&out, r->notes[i].text);
    }
    buf_addc(&out, ']');
    add_counts(&out, "total", total);
    buf_addf(&out, ",\"seconds\":%.3f}", seconds);
    return talk_result(&out, "the summary", e);
}
