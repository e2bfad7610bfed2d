/* engine/model.c, model_ids.c, model_write.c: a written model opens with the same numbers and ids and is
 * written again byte for byte; every way in which a file is not the model it describes is refused with the
 * tensor's name. */
#include "engine/format/model_write.h"
#include "engine/model.h"

#include "engine/format/safetensors.h"
#include "engine/network/encoder.h"
#include "engine/network/hypernet.h"
#include "engine/rank/catalogue.h"
#include "tests/support/sample_model.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_model_XXXXXX";
static char path[128], other[128];
static struct sample_model sample;

static void set_up(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m", folder);
    snprintf(other, sizeof other, "%s/n", folder);
    sample_model_init(&sample, SAMPLE_RANKING, 1);
}

static void tear_down(void)
{
    sample_model_fini(&sample);
    (void)unlink(path);
    (void)unlink(other);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void must_write(const char *to, const struct sample_model *m)
{
    struct err e = {0};
    ck_assert_msg(model_write(to, &m->spec, &m->params, &m->ids, &e) == ERR_OK, "%s", e.text);
}

static struct model *must_open(const char *from)
{
    struct model *m = NULL;
    struct err e = {0};
    ck_assert_msg(model_open(from, &m, &e) == ERR_OK, "%s", e.text);
    ck_assert_ptr_nonnull(m);
    return m;
}

static char *read_file(const char *from, size_t *n)
{
    struct stat st;
    FILE *f = fopen(from, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fstat(fileno(f), &st), 0);
    *n = (size_t)st.st_size;
    char *bytes = malloc(*n);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static void write_file(const char *to, const char *bytes, size_t n)
{
    FILE *f = fopen(to, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static void check_same_params(const struct model *m, const struct sample_model *s)
{
    struct tensor_spec table[MODEL_MAX_TENSORS];
    size_t n = model_spec_tensors(&s->spec, table);
    for (size_t i = 0; i < n; i++) {
        const real *got = *model_params_slot((struct model_params *)&m->params, &table[i]);
        const real *want = *model_params_slot((struct model_params *)&s->params, &table[i]);
        ck_assert_ptr_nonnull(got);
        ck_assert_uint_eq((uintptr_t)got % sizeof(real), 0);
        ck_assert_mem_eq(got, want, table[i].n_rows * table[i].n_cols * sizeof(real));
    }
}

START_TEST(what_was_written_opens_with_the_same_numbers)
{
    struct sample_model s;
    sample_model_init(&s, (enum sample_model_kind)_i, 5);
    must_write(path, &s);
    struct model *m = must_open(path);
    check_same_params(m, &s);
    ck_assert_str_eq(m->spec.name, s.spec.name);
    ck_assert_uint_eq(m->spec.n_layers, s.spec.n_layers);
    ck_assert_int_eq(m->catalogue != NULL, s.spec.n_items > 0);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(m->file_bytes, (size_t)st.st_size);
    model_unref(m);
    sample_model_fini(&s);
}
END_TEST

START_TEST(an_opened_model_is_written_again_byte_for_byte)
{
    struct sample_model s;
    sample_model_init(&s, (enum sample_model_kind)_i, 6);
    must_write(path, &s);
    struct model *m = must_open(path);
    ck_assert_int_eq(model_write(other, &m->spec, &m->params, &s.ids, NULL), ERR_OK);
    model_unref(m);
    size_t n_first, n_second;
    char *first = read_file(path, &n_first), *second = read_file(other, &n_second);
    ck_assert_uint_eq(n_first, n_second);
    ck_assert_mem_eq(first, second, n_first);
    free(first);
    free(second);
    sample_model_fini(&s);
}
END_TEST

START_TEST(ids_are_found_by_index_and_index_by_id)
{
    must_write(path, &sample);
    struct model *m = must_open(path);
    for (size_t i = 0; i < sample.spec.n_items; i++) {
        size_t len, want = strlen(sample.ids.ids[i]);
        const char *id = model_item_id(m, i, &len);
        ck_assert_uint_eq(len, want);
        ck_assert_mem_eq(id, sample.ids.ids[i], len);
        ck_assert_int_eq(model_item_index(m, sample.ids.ids[i], want), (long)i);
    }
    ck_assert_int_eq(model_item_index(m, "none", 4), -1);
    ck_assert_int_eq(model_item_index(m, "", 0), -1);
    ck_assert_int_eq(model_item_index(m, "1\0", 2), -1);
    model_unref(m);
    struct sample_model tasks;
    sample_model_init(&tasks, SAMPLE_TASKS, 1);
    must_write(path, &tasks);
    m = must_open(path);
    ck_assert_int_eq(model_item_index(m, "1", 1), -1);
    model_unref(m);
    sample_model_fini(&tasks);
}
END_TEST

/* A fresh store serves what the file's tasks were. */
START_TEST(trained_tasks_are_found_by_their_ids)
{
    struct sample_model s;
    struct err e = {0};
    size_t len;
    sample_model_init(&s, SAMPLE_CHUNKED, 2);
    must_write(path, &s);
    struct model *m = must_open(path);
    for (size_t i = 0; i < s.spec.encoder.n_tasks; i++) {
        const char *id = model_item_id(m, i, &len);
        ck_assert_uint_eq(len, strlen(s.ids.ids[i]));
        ck_assert_mem_eq(id, s.ids.ids[i], len);
        ck_assert_int_eq(model_item_index(m, id, len), (long)i);
    }
    ck_assert_int_eq(model_item_index(m, "none", 4), -1);
    model_unref(m);
    ck_assert_int_eq(model_write(other, &s.spec, &s.params, NULL, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "a model with items or trained tasks is written with their ids"));
    err_clear(&e);
    free(s.id_texts[3]);
    s.id_texts[3] = strdup(s.id_texts[0]);
    ck_assert_int_eq(model_write(other, &s.spec, &s.params, &s.ids, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "tensor \"encoder.id.id_bytes\": ids 0 and 3 are the same"));
    sample_model_fini(&s);
}
END_TEST

START_TEST(a_model_stays_usable_until_its_last_reference)
{
    must_write(path, &sample);
    struct model *m = must_open(path);
    ck_assert_ptr_eq(model_ref(m), m);
    struct sample_model changed;
    sample_model_init(&changed, SAMPLE_RANKING, 99);
    must_write(path, &changed); /* the file is replaced, the mapping is not */
    model_unref(m);
    check_same_params(m, &sample);
    ck_assert_int_eq(model_item_index(m, "1", 1), 1);
    model_unref(m);
    model_unref(NULL);
    m = must_open(path);
    check_same_params(m, &changed);
    model_unref(m);
    sample_model_fini(&changed);
}
END_TEST

/* Scores of all items for one context, through the model's catalogue. */
static real *scores_of(const struct model *m)
{
    struct theta_layout layout;
    real c[64];
    theta_layout_of(&m->spec, &layout);
    real *theta = calloc(layout.len, sizeof *theta), *scores = calloc(m->spec.n_items, sizeof *scores);
    size_t n_work = hypernet_workspace_len(&m->spec) + catalogue_workspace_len(m->catalogue);
    real *work = calloc(n_work, sizeof *work);
    ck_assert(theta && scores && work && m->spec.d_context <= 64);
    for (size_t i = 0; i < m->spec.d_context; i++)
        c[i] = (real)i / 10 - 1;
    ck_assert_int_eq(hypernet_generate(&m->spec, &m->params, c, work, theta, NULL), ERR_OK);
    catalogue_score_all(m->catalogue, theta, work, scores);
    free(theta);
    free(work);
    return scores;
}

/* Copies a file with its data moved by so many bytes. */
static void shift_file(const char *from, const char *to, size_t shift)
{
    size_t n;
    char *bytes = read_file(from, &n), *shifted = malloc(n + shift);
    uint64_t header, longer;
    ck_assert_ptr_nonnull(shifted);
    memcpy(&header, bytes, 8);
    longer = header + shift;
    memcpy(shifted, &longer, 8);
    memcpy(shifted + 8, bytes + 8, header);
    memset(shifted + 8 + header, ' ', shift);
    memcpy(shifted + 8 + longer, bytes + 8 + header, n - 8 - header);
    write_file(to, shifted, n + shift);
    free(shifted);
    free(bytes);
}

static void check_same_scores(const struct model *a, const struct model *b)
{
    real *got = scores_of(a), *want = scores_of(b);
    ck_assert_mem_eq(got, want, a->spec.n_items * sizeof *got);
    free(got);
    free(want);
}

START_TEST(a_foreign_file_with_unaligned_tensors_answers_the_same)
{
    must_write(path, &sample);
    for (size_t shift = 1; shift < 4; shift++) {
        shift_file(path, other, shift);
        struct model *aligned = must_open(path), *m = must_open(other);
        check_same_params(m, &sample);
        ck_assert_int_eq(model_item_index(m, "2", 1), model_item_index(aligned, "2", 1));
        check_same_scores(m, aligned);
        model_unref(m);
        model_unref(aligned);
    }
}
END_TEST

/* ---- what is refused ---- */

enum { MAX_VIEWS = 64 };

/* The tensors of the sample's file, to be changed and written again. */
struct changed {
    struct safetensors *file;
    struct tensor_view views[MAX_VIEWS];
    size_t n;
    const char *description;
};

static void start_change(struct changed *c)
{
    must_write(path, &sample);
    ck_assert_int_eq(safetensors_open(path, &c->file, NULL), ERR_OK);
    c->n = safetensors_count(c->file);
    ck_assert_uint_lt(c->n, MAX_VIEWS);
    for (size_t i = 0; i < c->n; i++)
        c->views[i] = *safetensors_at(c->file, i);
    c->description = safetensors_metadata(c->file, "hypernet");
    ck_assert_ptr_nonnull(c->description);
}

static struct tensor_view *view_of(struct changed *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->views[i].name, name) == 0)
            return &c->views[i];
    ck_abort_msg("no tensor %s", name);
}

/* Writes the changed file, opens it and expects the refusal, with the file's path. */
static void end_change(struct changed *c, const char *reason)
{
    struct err e = {0};
    struct model *m = NULL;
    const char *key = "hypernet";
    ck_assert_msg(
        safetensors_write(other, c->views, c->n, &key, &c->description, c->description ? 1 : 0, &e) == ERR_OK,
        "%s", e.text);
    safetensors_close(c->file);
    ck_assert_msg(model_open(other, &m, &e) == ERR_INVALID, "opened (%s), expected: %s", e.text, reason);
    ck_assert_ptr_null(m);
    ck_assert_msg(strstr(e.text, reason), "refused because \"%s\", expected \"%s\"", e.text, reason);
    ck_assert_msg(strncmp(e.text, other, strlen(other)) == 0 && !strstr(e.text + 1, other),
                  "no path, or twice: %s", e.text);
}

START_TEST(a_missing_tensor_is_named)
{
    struct sample_model probe;
    sample_model_init(&probe, SAMPLE_RANKING, 1);
    struct tensor_spec table[MODEL_MAX_TENSORS + 2];
    size_t n = model_spec_tensors(&probe.spec, table);
    strcpy(table[n++].name, "catalogue.id_bytes");
    strcpy(table[n++].name, "catalogue.id_offsets");
    for (size_t i = 0; i < n; i++) {
        struct changed c;
        char reason[128];
        start_change(&c);
        *view_of(&c, table[i].name) = c.views[c.n - 1];
        c.n--;
        snprintf(reason, sizeof reason, "tensor \"%.*s\" is missing", TENSOR_NAME_BYTES, table[i].name);
        end_change(&c, reason);
    }
    sample_model_fini(&probe);
}
END_TEST

START_TEST(a_tensor_that_is_not_described_is_refused)
{
    struct changed c;
    start_change(&c);
    c.views[c.n] = *view_of(&c, "trunk.0.bias");
    c.views[c.n++].name = "trunk.2.bias";
    end_change(&c, "tensor \"trunk.2.bias\" is not part of the model");
}
END_TEST

START_TEST(a_wrong_shape_or_type_is_refused_with_what_was_expected)
{
    struct changed c;
    start_change(&c);
    struct tensor_view *t = view_of(&c, "trunk.0.weight");
    t->dims[0] = 22;
    t->dims[1] = 9;
    end_change(&c, "tensor \"trunk.0.weight\": it is F32 [22, 9], expected F32 [9, 22]");
    start_change(&c);
    t = view_of(&c, "trunk.0.weight");
    t->n_dims = 1;
    t->dims[0] = 198;
    end_change(&c, "tensor \"trunk.0.weight\": it is F32 [198], expected F32 [9, 22]");
    start_change(&c);
    t = view_of(&c, "trunk.0.bias");
    t->n_dims = 2;
    t->dims[1] = 1;
    end_change(&c, "tensor \"trunk.0.bias\": it is F32 [9, 1], expected F32 [9]");
    start_change(&c);
    t = view_of(&c, "target.0.u");
    t->dtype = DTYPE_I32;
    end_change(&c, "tensor \"target.0.u\": it is I32 [8, 4], expected F32 [8, 4]");
    start_change(&c);
    view_of(&c, "catalogue.id_offsets")->dtype = DTYPE_U64;
    end_change(&c, "tensor \"catalogue.id_offsets\": it is U64 [301], expected I64 [301]");
    start_change(&c);
    view_of(&c, "catalogue.id_bytes")->dtype = DTYPE_I8;
    end_change(&c, "tensor \"catalogue.id_bytes\": it is I8");
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_refused_where_it_is)
{
    const real bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        struct changed c;
        start_change(&c);
        struct tensor_view *t = view_of(&c, "linear.head.weight");
        real *copy = malloc(t->n_bytes);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, t->data, t->n_bytes);
        copy[2 * t->dims[1] + 3] = bad[i];
        copy[3 * t->dims[1]] = bad[i];
        t->data = copy;
        end_change(&c, "tensor \"linear.head.weight\": value [2, 3] is not finite");
        free(copy);
        start_change(&c);
        const real prior[5] = {1, 2, 3, 3, bad[i]};
        view_of(&c, "encoder.fold_in.prior")->data = prior;
        end_change(&c, "tensor \"encoder.fold_in.prior\": value [4] is not finite");
    }
}
END_TEST

START_TEST(a_file_without_a_usable_description_is_refused)
{
    struct changed c;
    start_change(&c);
    c.description = NULL;
    end_change(&c, "it is no model file: __metadata__ has no key \"hypernet\"");
    start_change(&c);
    c.description = "{\"format\": 1}";
    end_change(&c, "__metadata__.hypernet: name: is missing");
}
END_TEST

/* Three ids in place of the sample's 300: the description is the linear sample's. */
static void check_ids(const char *bytes, size_t n_bytes, const int64_t offsets[4], const char *reason)
{
    struct sample_model linear;
    struct changed c;
    sample_model_init(&linear, SAMPLE_LINEAR, 1);
    must_write(path, &linear);
    ck_assert_int_eq(safetensors_open(path, &c.file, NULL), ERR_OK);
    c.n = safetensors_count(c.file);
    for (size_t i = 0; i < c.n; i++)
        c.views[i] = *safetensors_at(c.file, i);
    c.description = safetensors_metadata(c.file, "hypernet");
    struct tensor_view *t = view_of(&c, "catalogue.id_bytes");
    t->data = bytes;
    t->dims[0] = t->n_bytes = n_bytes;
    view_of(&c, "catalogue.id_offsets")->data = offsets;
    end_change(&c, reason);
    sample_model_fini(&linear);
}

START_TEST(unusable_ids_are_refused)
{
    char longest[600];
    memset(longest, 'x', sizeof longest);
    check_ids("abc", 3, (int64_t[]){0, 1, 2, 2}, "id 2 goes from 2 to 2 of 3 bytes");
    check_ids("abc", 3, (int64_t[]){1, 1, 2, 3}, "the first is 1, expected 0");
    check_ids("abc", 3, (int64_t[]){-1, 1, 2, 3}, "the first is -1, expected 0");
    check_ids("abc", 3, (int64_t[]){0, 2, 1, 3}, "id 1 goes from 2 to 1");
    check_ids("abc", 3, (int64_t[]){0, 1, -2, 3}, "id 1 goes from 1 to -2");
    check_ids("abc", 3, (int64_t[]){0, INT64_MIN, 2, 3}, "id 0 goes from 0 to -9223372036854775808");
    check_ids("abc", 3, (int64_t[]){0, 1, 2, 4}, "id 2 goes from 2 to 4 of 3 bytes");
    check_ids("abc", 3, (int64_t[]){0, 1, 2, INT64_MAX}, "id 2 goes from 2 to 9223372036854775807");
    check_ids("abcd", 4, (int64_t[]){0, 1, 2, 3}, "the last is 3, expected 4");
    check_ids(longest, 259, (int64_t[]){0, 257, 258, 259},
              "id 0 goes from 0 to 257 of 259 bytes, expected 1 to 256");
    check_ids("aba", 3, (int64_t[]){0, 1, 2, 3}, "ids 0 and 2 are the same, \"a\"");
    check_ids("a\xFFz", 3, (int64_t[]){0, 1, 2, 3}, "id 1 is not UTF-8");
    check_ids("a\xC3\xA9", 3, (int64_t[]){0, 1, 2, 3}, "id 1 is not UTF-8");
    check_ids("a\0z", 3, (int64_t[]){0, 1, 2, 3}, "id 1 is not UTF-8 or has a zero byte");
}
END_TEST

static void check_not_written(const struct sample_model *s, const char *reason)
{
    struct err e = {0};
    ck_assert_int_eq(model_write(path, &s->spec, &s->params, &s->ids, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, reason), "refused because \"%s\", expected \"%s\"", e.text, reason);
    ck_assert_msg(strncmp(e.text, path, strlen(path)) == 0, "no path: %s", e.text);
    ck_assert_int_ne(access(path, F_OK), 0);
}

START_TEST(a_model_that_would_not_open_is_not_written)
{
    struct sample_model s = sample;
    s.params.prior = NULL;
    check_not_written(&s, "tensor \"encoder.fold_in.prior\" is missing");
    s = sample;
    real held = s.params.layers[2].head[11];
    s.params.layers[2].head[11] = NAN;
    check_not_written(&s, "tensor \"target.2.head.weight\": value [1, 4] is not finite");
    s.params.layers[2].head[11] = held;
    s.spec.d_context++;
    check_not_written(&s, "d_context");
    s = sample;
    s.ids.ids = NULL;
    check_not_written(&s, "written with their ids");
    const char *ids[300];
    memcpy(ids, sample.ids.ids, sizeof ids);
    s.ids.ids = ids;
    ids[299] = ids[7];
    check_not_written(&s, "ids 7 and 299 are the same");
    ids[299] = "";
    check_not_written(&s, "id 299 goes from");
    ids[299] = "\xF8";
    check_not_written(&s, "id 299 is not UTF-8");
}
END_TEST

/* ---- heads in bfloat16 ---- */

/* Sets the views of all heads of the target network to halves (for MAX_VIEWS tensors); returns how many. */
static size_t halve_heads(struct changed *c, uint16_t *halves[MAX_VIEWS])
{
    size_t n_halved = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct tensor_view *t = &c->views[i];
        if (strncmp(t->name, "target.", 7) != 0 || !strstr(t->name, ".head.weight"))
            continue;
        size_t n = t->n_bytes / sizeof(float);
        uint16_t *half = halves[n_halved++] = malloc(n * sizeof *half);
        ck_assert_ptr_nonnull(half);
        for (size_t k = 0; k < n; k++) {
            uint32_t bits;
            memcpy(&bits, (const float *)t->data + k, sizeof bits);
            half[k] = (uint16_t)(bits >> 16);
        }
        t->data = half;
        t->dtype = DTYPE_BF16;
        t->n_bytes = n * sizeof *half;
    }
    return n_halved;
}

START_TEST(heads_in_bfloat16_answer_about_the_same_and_are_written_again)
{
    struct changed c;
    uint16_t *halves[MAX_VIEWS];
    const char *key = "hypernet";
    start_change(&c);
    size_t n_halved = halve_heads(&c, halves), n_first, n_second;
    ck_assert_uint_ge(n_halved, 3);
    ck_assert_int_eq(safetensors_write(other, c.views, c.n, &key, &c.description, 1, NULL), ERR_OK);
    struct model *whole = must_open(path), *m = must_open(other);
    real *got = scores_of(m), *want = scores_of(whole), most = 0, off = 0;
    for (size_t i = 0; i < m->spec.n_items; i++) {
        most = fmaxf(most, fabsf(want[i]));
        off = fmaxf(off, fabsf(got[i] - want[i]));
    }
    ck_assert(off > 0 && off < most / 50); /* cut, not rounded, here: twice the error */
    ck_assert_uint_lt(m->file_bytes, whole->file_bytes);
    shift_file(other, path, 1);
    struct model *odd = must_open(path);
    check_same_scores(odd, m);
    model_unref(odd);
    ck_assert_int_eq(model_write(path, &m->spec, &m->params, &sample.ids, NULL), ERR_OK);
    char *first = read_file(other, &n_first), *second = read_file(path, &n_second);
    ck_assert_uint_eq(n_first, n_second);
    ck_assert_mem_eq(first, second, n_first);
    safetensors_close(c.file);
    model_unref(m);
    model_unref(whole);
    free(got);
    free(want);
    free(first);
    free(second);
    while (n_halved)
        free(halves[--n_halved]);
}
END_TEST

START_TEST(a_bfloat16_that_is_not_finite_or_not_a_head_is_refused)
{
    static const uint16_t bad[] = {0x7f80, 0xff80, 0x7fc0, 0xff81};
    struct changed c;
    uint16_t *halves[MAX_VIEWS];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        start_change(&c);
        size_t n = halve_heads(&c, halves);
        struct tensor_view *t = view_of(&c, "target.0.head.weight");
        ((uint16_t *)(uintptr_t)t->data)[2 * t->dims[1] + 3] = bad[i];
        end_change(&c, "tensor \"target.0.head.weight\": value [2, 3] is not finite");
        while (n)
            free(halves[--n]);
    }
    start_change(&c);
    struct tensor_view *t = view_of(&c, "linear.head.weight");
    t->dtype = DTYPE_BF16;
    t->n_bytes /= 2;
    end_change(&c, "tensor \"linear.head.weight\": it is BF16 [");
}
END_TEST

START_TEST(a_path_that_is_not_there_is_named_once)
{
    struct model *m = NULL;
    struct err e = {0};
    ck_assert_int_eq(model_open(path, &m, &e), ERR_NOTFOUND);
    ck_assert_ptr_nonnull(strstr(e.text, path));
    ck_assert_ptr_null(strstr(strstr(e.text, path) + 1, path));
}
END_TEST

SUITE("engine/model", set_up, tear_down, {what_was_written_opens_with_the_same_numbers, N_SAMPLE_MODELS},
      {an_opened_model_is_written_again_byte_for_byte, N_SAMPLE_MODELS},
      {ids_are_found_by_index_and_index_by_id}, {trained_tasks_are_found_by_their_ids},
      {a_model_stays_usable_until_its_last_reference},
      {a_foreign_file_with_unaligned_tensors_answers_the_same}, {a_missing_tensor_is_named},
      {a_tensor_that_is_not_described_is_refused}, {a_wrong_shape_or_type_is_refused_with_what_was_expected},
      {a_value_that_is_not_finite_is_refused_where_it_is}, {a_file_without_a_usable_description_is_refused},
      {unusable_ids_are_refused}, {a_model_that_would_not_open_is_not_written},
      {heads_in_bfloat16_answer_about_the_same_and_are_written_again},
      {a_bfloat16_that_is_not_finite_or_not_a_head_is_refused}, {a_path_that_is_not_there_is_named_once})
