/* Few-shot images from array files to accuracy, without a server: few_shot FOLDER SECONDS THREADS
 * [prototypes] [held]. FOLDER has train_images.npy (n, height, width), train_labels.npy (n), and the same
 * of test. Trains for so many seconds of processor time, and writes the accuracy of each of 1,000 episodes
 * of test classes as JSON, of the generated layer, of prototypes and of ridge regression on the same
 * features, so that they and other runs can be compared episode by episode; to standard error their mean
 * with its 95 % interval, and the time of a task of 25 images. `held` trains on the first four fifths of
 * the training classes and measures the others, to choose by. */
#include "base/mem.h"
#include "engine/kernels/blas.h"
#include "engine/train/image/image_course.h"
#include "engine/train/image/image_quality.h"
#include "server/tables/array.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EPISODES = 1000, ASKED = 5, CLASSES_MOST = 10000 };

static double processor_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(enum err_code code, const struct err *e)
{
    if (code) {
        (void)fprintf(stderr, "few_shot: %s\n", e->text);
        exit(EXIT_FAILURE);
    }
}

/* All values of an array file, on the heap. */
static double *read_array(const char *folder, const char *name, struct array_header *h)
{
    char path[4096];
    struct array *a;
    struct err e = {0};
    size_t n = 1, at = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    check(array_open(path, &a, &e), &e);
    *h = *array_about(a);
    double *values = mem_alloc_array(h->n_values + 1, sizeof *values);
    if (!values)
        exit(EXIT_FAILURE);
    for (; n; at += n)
        check(array_read(a, values + at, h->n_values + 1 - at, &n, &e), &e);
    array_close(a);
    return values;
}

/* Images by classes, those of class 0 first; values from 0 to 1. */
static void read_set(const char *folder, const char *kind, struct image_set *out)
{
    char images_name[64], labels_name[64];
    struct array_header h, l;
    (void)snprintf(images_name, sizeof images_name, "%s_images.npy", kind);
    (void)snprintf(labels_name, sizeof labels_name, "%s_labels.npy", kind);
    double *images = read_array(folder, images_name, &h), *labels = read_array(folder, labels_name, &l),
           most = 0;
    size_t d = h.n_dims == 3 ? h.dims[1] * h.dims[2] : 0,
           *start = mem_zalloc_array(CLASSES_MOST + 2, sizeof *start);
    real *pixels = mem_alloc_array(h.n_values + 1, sizeof *pixels);
    if (!d || l.n_dims != 1 || l.dims[0] != h.dims[0] || !start || !pixels) {
        (void)fprintf(stderr, "few_shot: %s: images are (n, height, width), labels (n)\n", images_name);
        exit(EXIT_FAILURE);
    }
    *out = (struct image_set){h.dims[1], h.dims[2], 1, 0, pixels, start};
    for (size_t i = 0; i < h.n_values; i++)
        most = fmax(most, images[i]);
    for (size_t i = 0; i < h.dims[0]; i++) {
        if (labels[i] < 0 || labels[i] >= CLASSES_MOST || labels[i] != floor(labels[i]))
            exit(EXIT_FAILURE);
        start[(size_t)labels[i] + 1]++;
        out->n_classes = (size_t)labels[i] + 1 > out->n_classes ? (size_t)labels[i] + 1 : out->n_classes;
    }
    for (size_t k = 0; k < out->n_classes; k++)
        start[k + 1] += start[k];
    for (size_t k = 0, at = 0; k < out->n_classes; k++)
        for (size_t i = 0; i < h.dims[0]; i++)
            if ((size_t)labels[i] == k)
                for (size_t j = 0; j < d; j++)
                    pixels[at++] = (real)(images[i * d + j] / most);
    mem_free(images);
    mem_free(labels);
}

struct pace {
    double start, seconds;
    size_t steps;
};

static double by_processor(void *arg, size_t step, double loss)
{
    struct pace *p = arg;
    double share = (processor_seconds() - p->start) / p->seconds;
    p->steps = step;
    if (step % 100 == 0)
        (void)fprintf(stderr, "step %zu, %.0f %%, loss %.4f\n", step, 100 * share, loss);
    return share;
}

static void measure(const struct image_model *m, const struct image_set *set, struct parallel *team,
                    size_t from)
{
    static const size_t ways[] = {5, 5, 20, 20}, shots[] = {1, 5, 1, 5};
    static const enum image_layer layers[] = {IMAGE_GENERATED, IMAGE_PROTOTYPES, IMAGE_RIDGE};
    static const char *const names[] = {"generated", "prototypes", "ridge"};
    static double accuracy[EPISODES];
    struct err e = {0};
    for (size_t i = 0; i < 12; i++) {
        double mean = 0, square = 0;
        struct image_episodes episodes = {from,  set->n_classes, ways[i / 3], shots[i / 3],
                                          ASKED, EPISODES,       1,           layers[i % 3]};
        check(image_quality(m, set, &episodes, team, accuracy, &e), &e);
        printf("{\"layer\": \"%s\", \"ways\": %zu, \"shots\": %zu, \"episodes\": [", names[i % 3],
               ways[i / 3], shots[i / 3]);
        for (size_t j = 0; j < EPISODES; j++) {
            printf("%s%.4g", j ? ", " : "", accuracy[j]);
            mean += accuracy[j] / EPISODES;
            square += accuracy[j] * accuracy[j] / EPISODES;
        }
        printf("]}\n");
        (void)fprintf(stderr, "%2zu-way %zu-shot %s: %.2f +- %.2f\n", ways[i / 3], shots[i / 3], names[i % 3],
                      100 * mean, 196 * sqrt((square - mean * mean) / EPISODES));
    }
}

/* A task of 5 classes with 5 images each, and an answer of it. */
static void time_task(const struct image_model *m, const struct image_set *set)
{
    enum { KNOWN = 25, K = 5, ROUNDS = 20 };
    size_t classes[KNOWN], len = image_model_classes_len(m, KNOWN, K);
    real *workspace = mem_alloc_array(len, sizeof *workspace),
         *weight = mem_alloc_array(K * m->head.d_features, sizeof *weight), bias[K], logits[K];
    if (!workspace || !weight)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < KNOWN; i++)
        classes[i] = i / K;
    double start = processor_seconds();
    for (size_t i = 0; i < ROUNDS; i++)
        image_model_classes(m, set->pixels, classes, KNOWN, K, workspace, weight, bias);
    double made = processor_seconds();
    for (size_t i = 0; i < ROUNDS; i++)
        image_model_logits(m, weight, bias, K, set->pixels, 1, workspace, logits);
    (void)fprintf(stderr, "a task of %d images %.2f ms, an answer %.3f ms\n", KNOWN,
                  1e3 * (made - start) / ROUNDS, 1e3 * (processor_seconds() - made) / ROUNDS);
    mem_free(workspace);
    mem_free(weight);
}

int main(int argc, char **argv)
{
    struct image_set train, test;
    struct image_model model;
    struct parallel *team;
    struct err e = {0};
    if (argc < 4) {
        (void)fprintf(stderr, "usage: few_shot FOLDER SECONDS THREADS [prototypes] [held]\n");
        return EXIT_FAILURE;
    }
    blas_use_one_thread();
    read_set(argv[1], "train", &train);
    read_set(argv[1], "test", &test);
    struct image_course_options options = image_course_defaults();
    struct pace pace = {processor_seconds(), atof(argv[2]), 0};
    bool held = false;
    for (int i = 4; i < argc; i++) {
        options.prototypes = options.prototypes || strcmp(argv[i], "prototypes") == 0;
        held = held || strcmp(argv[i], "held") == 0;
    }
    options.n_trained = held ? train.n_classes * 4 / 5 : train.n_classes;
    options.seed = 1;
    options.pace = by_processor;
    options.pace_arg = &pace;
    check(parallel_new(atoi(argv[3]), &team, &e), &e);
    check(image_course_run(&options, &train, team, &model, &e), &e);
    (void)fprintf(stderr, "%zu steps in %.0f s of processor time\n", pace.steps,
                  processor_seconds() - pace.start);
    measure(&model, held ? &train : &test, team, held ? options.n_trained : 0);
    time_task(&model, &test);
    image_model_fini(&model);
    parallel_free(team);
    return EXIT_SUCCESS;
}
