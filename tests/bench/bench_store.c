/* How long the store takes: importing a table of interactions, reading all of them, reading one user.
 * Usage: bench_store FILE [STORE], FILE with lines of user, item, rating, timestamp between tabs (or ::).
 * Prints one line a measurement: name, value, unit. Not a test: figures depend on the machine. */
#include "base/clock.h"
#include "base/rng.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static void must(enum err_code code, const struct err *e)
{
    if (code) {
        (void)fprintf(stderr, "bench_store: %s\n", e->text);
        exit(1);
    }
}

static double seconds_since(int64_t start)
{
    return (double)(clock_monotonic_ns() - start) / 1e9;
}

/* ---- the table, read before the clock starts ---- */

struct row {
    struct text user, item;
    double rating;
    int64_t timestamp;
};

struct table {
    char *text;
    size_t n_bytes;
    struct row *rows;
    size_t n;
};

static void read_text(const char *path, struct table *t)
{
    gzFile f = gzopen(path, "rb"); /* plain files too */
    size_t capacity = 1 << 20;
    int n = 0;
    t->text = malloc(capacity);
    while (f && t->text && (n = gzread(f, t->text + t->n_bytes, (unsigned)(capacity - t->n_bytes - 1))) > 0) {
        t->n_bytes += (size_t)n;
        if (capacity - t->n_bytes < 2)
            t->text = realloc(t->text, capacity *= 2);
    }
    if (!f || !t->text || n < 0) {
        (void)fprintf(stderr, "bench_store: cannot read %s\n", path);
        exit(1);
    }
    (void)gzclose(f);
    t->text[t->n_bytes] = '\0';
}

static struct text field(char **at)
{
    size_t n = strcspn(*at, "\t:\n");
    struct text f = {*at, n};
    *at += n;
    *at += strspn(*at, "\t:");
    return f;
}

static void read_table(const char *path, struct table *t)
{
    read_text(path, t);
    size_t lines = 0;
    for (size_t i = 0; i < t->n_bytes; i++)
        lines += t->text[i] == '\n';
    t->rows = calloc(lines + 1, sizeof *t->rows);
    if (!t->rows)
        exit(1);
    for (char *at = t->text; *at; at += *at == '\n') {
        struct row r = {.user = field(&at), .item = field(&at)};
        char *end;
        r.rating = strtod(field(&at).data, &end);
        r.timestamp = strtoll(field(&at).data, NULL, 10);
        if (end != r.item.data + r.item.len && r.rating > 0 && r.user.len && r.item.len)
            t->rows[t->n++] = r; /* a heading has no rating */
        at += strcspn(at, "\n");
    }
}

/* ---- measurements ---- */

static void import(struct store_conn *c, const struct table *t)
{
    struct err e = {0};
    struct store_bulk *b;
    int64_t start = clock_monotonic_ns();
    must(store_begin(c, &e), &e);
    must(store_bulk_begin(c, &b, &e), &e);
    for (size_t i = 0; i < t->n; i++) {
        const struct row *r = &t->rows[i];
        must(store_bulk_interaction(b, r->user, r->item, 1, r->rating, r->timestamp, &e), &e);
    }
    must(store_bulk_end(b, NULL, &e), &e);
    double rows = seconds_since(start);
    must(store_commit(c, &e), &e);
    printf("import_rows %zu rows\nimport %.3f s\nimport_commit %.3f s\n", t->n, seconds_since(start),
           seconds_since(start) - rows);
}

static bool count_interaction(void *arg, int64_t user, const struct store_interaction *x)
{
    (void)user, (void)x;
    ++*(size_t *)arg;
    return true;
}

static void read_all(struct store_conn *c, const char *when)
{
    struct err e = {0};
    size_t n = 0;
    int64_t start = clock_monotonic_ns();
    must(store_each_interaction(c, count_interaction, &n, &e), &e);
    printf("each_interaction_%s %.3f s\n", when, seconds_since(start));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *name, double *us, size_t n)
{
    qsort(us, n, sizeof *us, by_value);
    printf("%s_p50 %.1f us\n%s_p99 %.1f us\n", name, us[n / 2], name, us[n * 99 / 100]);
}

enum { N_READS = 20000, N_WRITES = 500 };

static void read_users(struct store_conn *c, const struct table *t)
{
    static double us[N_READS];
    struct store_context_key key = {"movies", "1", "user"};
    struct store_user u = {0};
    struct err e = {0};
    struct rng r;
    rng_init(&r, 1, 0);
    for (size_t i = 0; i < N_READS; i++) {
        struct text id = t->rows[rng_below(&r, (unsigned)t->n)].user;
        int64_t start = clock_monotonic_ns();
        must(store_read_user(c, id, &key, &u, &e), &e);
        us[i] = seconds_since(start) * 1e6;
    }
    store_user_fini(&u);
    print_times("read_user", us, N_READS);
}

static void write_events(struct store_conn *c, const struct table *t)
{
    static double us[N_WRITES];
    struct err e = {0};
    int64_t revision;
    for (size_t i = 0; i < N_WRITES; i++) {
        const struct row *r = &t->rows[i * (t->n / N_WRITES)];
        int64_t start = clock_monotonic_ns();
        must(store_begin(c, &e), &e);
        must(store_put_interaction(c, r->user, r->item, 1, r->rating, r->timestamp + 1, NULL, &e), &e);
        must(store_touch_user(c, r->user, &revision, &e), &e);
        must(store_commit(c, &e), &e);
        us[i] = seconds_since(start) * 1e6;
    }
    print_times("event", us, N_WRITES);
}

int main(int argc, char **argv)
{
    const char *path = argc > 2 ? argv[2] : "bench_store.db";
    struct table t = {0};
    struct store *s;
    struct store_conn *c;
    struct stat st;
    struct err e = {0};
    if (argc < 2 || access(path, F_OK) == 0) {
        (void)fprintf(stderr, "usage: bench_store FILE [STORE]; STORE must not exist (%s)\n", path);
        return 2;
    }
    read_table(argv[1], &t);
    must(store_open(path, STORE_CREATE, &s, &e), &e);
    must(store_connect(s, &c, &e), &e);
    import(c, &t);
    read_all(c, "warm");
    read_users(c, &t);
    write_events(c, &t);
    store_disconnect(c);
    store_close(s);
    if (stat(path, &st) == 0)
        printf("file %.1f MB\n", (double)st.st_size / 1e6);
    must(store_open(path, STORE_READ_WRITE, &s, &e), &e);
    must(store_connect(s, &c, &e), &e);
    read_all(c, "new_connection");
    store_disconnect(c);
    store_close(s);
    free(t.rows);
    free(t.text);
    return 0;
}
