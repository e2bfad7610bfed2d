/* What JSON costs of an answer and of a request body, on one core: bench_json, no arguments. Prints one line
 * of JSON a measurement. Answers are written by base/buf.h; beside it stands jansson, building the same
 * values and printing them. Bodies are read into jansson's documents, but for the usual one of candidates
 * (server/api/api_predict.c), which is spared that; beside it stands a plain pass over the bytes. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 10, CANDIDATES = 100, ROUNDS = 9, ROUND_NS = 20 * 1000 * 1000 };

static const char title[] = "A \"Bright\" Stranger and the Painted Library",
                  categories[] = "[\"Comedy\",\"Drama\"]";
static struct buf out;
static char *body;
static size_t n_body;
static volatile size_t sink; /* what is worked out is used */

typedef void work_fn(void);

static float score_of(int i)
{
    return 1.46427131F / (float)(i + 1);
}

static void write_answer(void)
{
    buf_reset(&out);
    buf_adds(&out, "{\"user\":\"u1\",\"context_revision\":");
    buf_add_int(&out, 123456);
    buf_adds(&out, ",\"items\":[");
    for (int i = 0; i < ITEMS; i++) {
        char id[16];
        int len = snprintf(id, sizeof id, "i%d", 1000 + i);
        buf_adds(&out, i ? ",{\"id\":" : "{\"id\":");
        buf_add_json_string(&out, id, (size_t)len);
        buf_adds(&out, ",\"score\":");
        buf_add_float(&out, score_of(i));
        buf_adds(&out, ",\"title\":");
        buf_add_json_string(&out, title, sizeof title - 1);
        buf_adds(&out, ",\"categories\":");
        buf_add(&out, categories, sizeof categories - 1);
        buf_addc(&out, '}');
    }
    buf_adds(&out, "]}");
    sink += out.len;
}

static void write_by_jansson(void)
{
    json_t *items = json_array();
    for (int i = 0; i < ITEMS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "i%d", 1000 + i);
        (void)json_array_append_new(items, json_pack("{s:s, s:f, s:s, s:[s, s]}", "id", id, "score",
                                                     (double)score_of(i), "title", title, "categories",
                                                     "Comedy", "Drama"));
    }
    json_t *answer = json_pack("{s:s, s:i, s:o}", "user", "u1", "context_revision", 123456, "items", items);
    char *text = json_dumps(answer, JSON_COMPACT);
    sink += strlen(text);
    free(text);
    json_decref(answer);
}

static void read_body(void)
{
    json_error_t error;
    json_t *root = json_loadb(body, n_body, JSON_REJECT_DUPLICATES, &error);
    sink += json_array_size(json_object_get(root, "items"));
    json_decref(root);
}

static void pass_body(void)
{
    for (size_t i = 0; i < n_body; i++)
        sink += body[i] == '"';
}

/* The best round, in microseconds a call. */
static double time_of(work_fn *work)
{
    double best = 1e30;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_monotonic_ns(), end;
        long n = 0;
        do {
            for (int i = 0; i < 16; i++)
                work();
            n += 16;
        } while ((end = clock_monotonic_ns()) - start < ROUND_NS);
        double us = (double)(end - start) / 1e3 / (double)n;
        best = us < best ? us : best;
    }
    return best;
}

static void report(const char *what, size_t size, work_fn *work, work_fn *beside)
{
    double us = time_of(work), other_us = time_of(beside);
    printf("{\"what\":\"%s\",\"size\":%zu,\"us\":%.3f,\"ceiling_us\":%.3f,\"of_ceiling\":%.3f}\n", what, size,
           us, other_us, other_us / us);
}

int main(void)
{
    struct buf text;
    buf_init(&out, 1 << 20);
    buf_init(&text, 1 << 20);
    buf_adds(&text, "{\"items\":[");
    for (int i = 0; i < CANDIDATES; i++)
        buf_addf(&text, "%s\"i%d\"", i ? "," : "", 2000 + 7 * i);
    buf_adds(&text, "]}");
    body = buf_steal(&text, &n_body);
    if (!body)
        return 1;
    write_answer();
    report("JSON of 10 items, beside jansson", out.len, write_answer, write_by_jansson);
    report("JSON of 100 candidates as a document, beside a pass over its bytes", n_body, read_body,
           pass_body);
    buf_fini(&out);
    mem_free(body);
    return 0;
}
