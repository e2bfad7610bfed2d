/* Any bytes as a checkpoint of training. 'R' and a file: refused with a reason, or a checkpoint. Anything
 * else is the states, a line each, and behind an empty line numbers, of which a checkpoint is made whose
 * tensors have the right sizes: refused, or training goes on from it for a step, and whatever it read, it
 * ends. */
#include "base/buf.h"
#include "engine/train/data/split.h"
#include "engine/train/ranking/ranking.h"
#include "engine/train/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N_USERS = 12, N_ITEMS = 6, EACH = 4, MAX_DIM = 24, MAX_FILE = 1 << 26 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

/* ---- a training set ---- */

static struct encoder_interaction interactions[N_USERS * EACH];
static size_t start[N_USERS + 1];
static const char *const ids[N_ITEMS] = {"a", "b", "c", "d", "e", "f"};
static struct train_data data;

static void make_data(void)
{
    for (size_t u = 0; u < N_USERS; u++) {
        start[u] = u * EACH;
        for (size_t i = 0; i < EACH; i++)
            interactions[u * EACH + i] =
                (struct encoder_interaction){.item = (uint32_t)((u + i * (1 + u % 2)) % N_ITEMS),
                                             .weight = 1,
                                             .rating = NAN,
                                             .timestamp = 1500000000 + (int64_t)(i * 86400)};
    }
    start[N_USERS] = N_USERS * EACH;
    data = (struct train_data){.n_users = N_USERS,
                               .n_items = N_ITEMS,
                               .user_start = start,
                               .interactions = interactions,
                               .item_ids = ids};
}

/* ---- a file of it ---- */

struct input {
    const unsigned char *states, *numbers; /* (n_states), (n_numbers) bytes */
    size_t n_states, n_numbers;
};

static struct input input_of(const unsigned char *bytes, size_t n)
{
    const unsigned char *gap = memmem(bytes, n, "\n\n", 2);
    size_t n_states = gap ? (size_t)(gap - bytes) : n;
    return (struct input){bytes, gap ? gap + 2 : bytes + n, n_states, gap ? n - n_states - 2 : 0};
}

/* A number of the input, again and again; small ones where it has none. */
static float number_at(const struct input *in, size_t i)
{
    float x = (float)((int)(i * 7919 % 64) - 32) / 64;
    if (in->n_numbers >= sizeof x)
        memcpy(&x, in->numbers + i % (in->n_numbers / sizeof x) * sizeof x, sizeof x);
    return x;
}

enum { N_PARTS = 6 };
static const char *const parts[N_PARTS] = {"values", "moment1", "moment2", "best", "average", "frozen"};

/* The states as the metadata, each a line, and the parts of n_models with so many numbers. */
static void add_file(struct buf *out, const struct input *in, size_t n_models, const size_t *n_values,
                     const size_t *n_frozen)
{
    static const char *const keys[] = {"hypernet_checkpoint", "hypernet_checkpoint_rival"};
    const unsigned char *line = memchr(in->states, '\n', in->n_states);
    size_t first = line ? (size_t)(line - in->states) : in->n_states, at = 0;
    struct buf header;
    buf_init(&header, MAX_FILE);
    buf_addf(&header, "{\"__metadata__\":{\"%s\":\"%.*s\"", keys[0], (int)first, (const char *)in->states);
    if (line)
        buf_addf(&header, ",\"%s\":\"%.*s\"", keys[1], (int)(in->n_states - first - 1),
                 (const char *)line + 1);
    buf_addc(&header, '}');
    for (size_t m = 0; m < n_models; m++)
        for (size_t i = 0; i < N_PARTS; i++) {
            size_t len = i == 5 ? n_frozen[m] : n_values[m];
            buf_addf(&header, ",\"%s%s\":{\"dtype\":\"F32\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}",
                     m ? "rival_" : "", parts[i], len, at, at + 4 * len);
            at += 4 * len;
        }
    buf_addc(&header, '}');
    while (header.len % 8)
        buf_addc(&header, ' ');
    uint64_t len = header.len;
    buf_add(out, &len, sizeof len);
    buf_add(out, header.data, header.len);
    for (size_t i = 0; i < at / 4; i++) {
        float x = number_at(in, i);
        buf_add(out, &x, sizeof x);
    }
    if (header.failed || out->failed)
        abort();
    buf_fini(&header);
}

/* ---- reading ---- */

static void check_refusal(enum err_code code, const struct err *e)
{
    if (code && (e->code != code || !e->text[0]))
        abort();
}

/* The fingerprint that the states name, so that they are of this training. */
static uint64_t fingerprint_in(const unsigned char *bytes, size_t n)
{
    const char *found = memmem(bytes, n, "fingerprint ", 12);
    char digits[24] = "";
    for (size_t i = 0; found && i < sizeof digits - 1 && (const unsigned char *)found + 12 + i < bytes + n;
         i++)
        digits[i] = found[12 + i];
    return strtoull(digits, NULL, 10);
}

/* A file of these bytes, for as long as it is open. */
static int open_bytes(const void *bytes, size_t n, char path[64])
{
    int fd = memfd_create("checkpoint", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    (void)snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static size_t read_states(const char *path, uint64_t fingerprint, struct training_state *states)
{
    struct err e = {0};
    size_t n = 0;
    enum err_code code = checkpoint_read_states(path, fingerprint, states, &n, &e);
    check_refusal(code, &e);
    return code ? 0 : n;
}

static bool stop(void *arg, const struct progress *p)
{
    (void)p;
    return --*(int *)arg > 0;
}

static void try_file(const unsigned char *bytes, size_t n)
{
    char path[64];
    struct training_state states[CHECKPOINT_MOST_MODELS];
    int fd = open_bytes(bytes, n, path);
    (void)read_states(path, fingerprint_in(bytes, n), states);
    (void)close(fd);
}

/* ---- going on ---- */

/* How many numbers the model of a state has; false: there is none such. */
static bool measure(struct training *t, const struct training_state *state, size_t *n_values,
                    size_t *n_frozen)
{
    struct trainer fit;
    struct err e = {0};
    struct train_options options = t->run->options;
    struct ials_options ials = {.dim = state->dim,
                                .alpha = state->alpha,
                                .reg = state->reg,
                                .reg_exponent = state->reg_exponent,
                                .seed = 1};
    options.generator = (enum generator)state->generator;
    enum err_code code = trainer_init(&fit, &t->split, &options, &ials, t->run->team, &e);
    check_refusal(code, &e);
    *n_values = fit.block.n_values;
    *n_frozen = fit.block.n_frozen;
    trainer_fini(&fit);
    return !code;
}

/* From a file whose tensors are those of the states. */
static void go_on(struct training *t, const struct input *in, const struct training_state *states, size_t n)
{
    struct buf file;
    struct err e = {0};
    char path[64];
    size_t n_values[CHECKPOINT_MOST_MODELS], n_frozen[CHECKPOINT_MOST_MODELS];
    for (size_t m = 0; m < n; m++)
        if (states[m].dim > MAX_DIM || !measure(t, &states[m], &n_values[m], &n_frozen[m]))
            return;
    buf_init(&file, MAX_FILE);
    add_file(&file, in, n, n_values, n_frozen);
    int fd = open_bytes(file.data, file.len, path);
    t->run->options.checkpoint = path;
    enum err_code code = training_resume(t, states, n, &e);
    t->run->options.checkpoint = NULL;
    if (!code)
        code = t->state.refit ? training_second_course(t, &e) : training_first_course(t, &e);
    check_refusal(code, &e);
    (void)close(fd);
    buf_fini(&file);
}

static void try_states(const unsigned char *bytes, size_t n)
{
    struct input in = input_of(bytes, n);
    struct training_state states[CHECKPOINT_MOST_MODELS];
    struct buf file;
    char path[64];
    buf_init(&file, MAX_FILE);
    add_file(&file, &in, 0, NULL, NULL);
    int fd = open_bytes(file.data, file.len, path);
    size_t n_states = read_states(path, fingerprint_in(bytes, n), states);
    (void)close(fd);
    buf_fini(&file);
    if (!n_states)
        return;
    struct err e = {0};
    struct run run;
    int words = 6;
    struct train_options options;
    train_options_default(&options);
    options.n_epochs = 3;
    options.n_threads = 1;
    if (run_init(&run, &data, &options, NULL, stop, &words, &e))
        abort();
    struct training t = {.run = &run, .item_error = NAN};
    if (split_init(&t.split, &data, true, 1, &e))
        abort();
    go_on(&t, &in, states, n_states);
    training_fini(&t);
    run_fini(&run);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
    if (!data.n_users)
        make_data();
    if (n > 0 && bytes[0] == 'R')
        try_file(bytes + 1, n - 1);
    else
        try_states(bytes, n);
    return 0;
}
