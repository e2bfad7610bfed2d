/* train_world - data with planted habits for whole trainings, and a caller of train_run that can stop them.
 * Layer: tests/support
 * Threads: confined; a training has those that its options say.
 * Memory: static, but for train_world_bytes. */
#ifndef TESTS_SUPPORT_TRAIN_WORLD_H
#define TESTS_SUPPORT_TRAIN_WORLD_H

#include "engine/train/train.h"
#include "tests/support/suite.h"

enum {
    TRAIN_WORLD_USERS = 150,
    TRAIN_WORLD_ITEMS = 40,
    TRAIN_WORLD_MOST_USERS = 500,
    TRAIN_WORLD_MOST_INTERACTIONS = 12 * TRAIN_WORLD_MOST_USERS,
    TRAIN_WORLD_SET_ITEMS = 4
};

struct train_world {
    struct encoder_interaction interactions[TRAIN_WORLD_MOST_INTERACTIONS];
    size_t start[TRAIN_WORLD_MOST_USERS + 1];
    char texts[TRAIN_WORLD_ITEMS][8];
    const char *ids[TRAIN_WORLD_ITEMS];
    struct train_data data;
};

/* Users walk round the catalogue, from somewhere, by one or two items a step: what comes next follows from
 * what came last. Each has 5 to 14 interactions in a year, timed or not. */
void train_world_make(struct train_world *w, bool timed);

/* Users take three whole sets, of which there are more than factors are wide, at times that are not known. */
void train_world_make_sets(struct train_world *w);

/* Which of two items comes third depends on whether the two before it are alike in a way that no sum of
 * theirs tells: what a user's items say apart says nothing. Each user has such rounds, of items of their own,
 * in any order. */
void train_world_make_rounds(struct train_world *w);

/* Few of each user, few users, each item as likely as the one before it is popular: what more there is to
 * learn is by heart. */
void train_world_make_chance(struct train_world *w);

/* Users near their own place of a circle of items, a step a day where times are known. */
enum { TRAIN_CIRCLE_USERS = 120, TRAIN_CIRCLE_ITEMS = 40, TRAIN_CIRCLE_EACH = 9 };

struct train_circle {
    struct encoder_interaction interactions[TRAIN_CIRCLE_USERS * TRAIN_CIRCLE_EACH];
    size_t start[TRAIN_CIRCLE_USERS + 1];
    char texts[TRAIN_CIRCLE_ITEMS][8];
    const char *ids[TRAIN_CIRCLE_ITEMS];
    struct train_data data;
};

void train_circle_make(struct train_circle *c, bool timed);

/* A place in a folder that train_world_run_suite makes; four hold at a time. */
char *train_world_path(const char *name);

/* One thread, eight epochs; and of factors too narrow for the sets, five. */
struct train_options train_world_options(void);
struct train_options train_world_narrow_options(void);

/* The bytes of a file; the caller frees them. */
char *train_world_bytes(const char *path, size_t *n);
void train_world_same_file(const char *a, const char *b);

/* When a training is to stop, and what it said. */
struct train_stop {
    const char *stage;
    const char *contender; /* in an epoch of this one only; NULL: of any */
    int epoch;             /* stops when this one has ended; 0: never */
    bool within;           /* not when it has ended, but before */
    bool at_once;          /* at the first word of the stage */
    int n_stages;          /* of the stage, seen */
    char note[256];        /* the last one */
    char first[256];       /* the first that speaks of what is generated */
    char choice[256];      /* the last one that does */
    int n_choose;          /* words of models that are compared */
    int raced[2];          /* the last epoch of each of them, by whether it is generated */
    double best[2];        /* and its best figure */
};

/* Must go well. stop, report: NULL where they are not asked for. */
void train_world_run(const struct train_world *w, const struct train_options *o, const char *path,
                     struct train_stop *stop, struct train_report *report);

/* Of a report, by its name in the JSON; and what is generated. */
double train_world_figure(const struct train_report *r, const char *name);
enum generator train_world_generator(const struct train_report *r);

/* Item-item weights of a model's file. */
size_t train_world_n_pairs(const char *path);

/* The suite in a folder of its own. */
int train_world_run_suite(Suite *suite);

#endif
