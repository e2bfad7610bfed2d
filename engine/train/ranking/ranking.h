/* ranking - the state of a training of the ranking objective, and what its parts do with it;
 * ranking_objective.c puts them together. The parts: ranking.c (what all need), ranking_start.c (the
 * factorisation and what follows from it), ranking_courses.c (epochs), ranking_generator.c (what is
 * generated), ranking_write.c (item-item weights, the model file).
 * Layer: engine/train/ranking
 * Threads: confined to the thread of the team.
 * Memory: training_fini frees all but the run. */
#ifndef ENGINE_TRAIN_RANKING_RANKING_H
#define ENGINE_TRAIN_RANKING_RANKING_H

#include "engine/train/data/run.h"
#include "engine/train/data/split.h"
#include "engine/train/item_item/search.h"
#include "engine/train/linear/ials_search.h"
#include "engine/train/ranking/checkpoint.h"
#include "engine/train/ranking/trainer.h"

struct training {
    struct run *run;
    struct split split;
    struct trainer fit;
    real *best; /* (fit.block.n_values) what is written in the end */
    struct training_state state;
    uint64_t fingerprint;           /* of data and options */
    double epoch_start_s, epochs_s; /* all epochs of this run */
    double measure_s;               /* of the last validation of the model */
    double factorise_s, write_s;    /* of the first course */
    int n_epochs_run;
    bool epoch_cut; /* the last epoch is not whole */
    char note[256];
    double item_error, item_error_of_mean;
    double metric_alone;           /* of the best without item-item weights */
    double pairs_alone;            /* of those alone */
    bool racing;                   /* t->fit is one of the models of which the best is to be found */
    int race_epochs;               /* of each of them, before they are first compared; else 0 */
    struct item_item_choice pairs; /* for t->fit, where pairs_found */
    bool pairs_found;
};

void training_fini(struct training *t);

/* ---- time and talk ---- */

double training_elapsed(const struct training *t);
void training_enter(struct training *t, enum budget_phase phase);
bool training_is_over(struct training *t); /* whether the phase must end */

/* Tells the caller; false when the phase must end. */
bool training_tell(struct training *t, struct progress p);
/* The same as a progress_fn, for the parts of a training; arg is the struct training. */
bool training_pass_on(void *arg, const struct progress *p);
void training_note(struct training *t); /* what t->note says */

/* ---- the start ---- */

/* The search, the factorisation, the model made of it and measured. An interrupt leaves t->best NULL. */
enum err_code training_start(struct training *t, struct err *e) ERR_MUST_CHECK;
/* The same from the checkpoint whose n states these are. */
enum err_code training_resume(struct training *t, const struct training_state *states, size_t n,
                              struct err *e) ERR_MUST_CHECK;
/* What of it is t->fit's, of the model with this place in the checkpoint. */
enum err_code training_resume_model(struct training *t, const struct training_state *state, size_t model,
                                    struct err *e) ERR_MUST_CHECK;
/* The same on all interactions, with what the first course found in place of a search. */
enum err_code training_start_refit(struct training *t, struct err *e) ERR_MUST_CHECK;

/* A model made of a factorisation, for the generator that the options say, and measured. */
enum err_code training_start_from(struct training *t, const struct ials_start *factors,
                                  struct err *e) ERR_MUST_CHECK;

/* The same for the best generator of the hidden layer (t->options.generator from here on), after the epochs
 * that showed it. */
enum err_code training_choose_generator(struct training *t, const struct ials_start *factors,
                                        struct err *e) ERR_MUST_CHECK;
/* Goes on with that, from the checkpoint whose two states these are. */
enum err_code training_resume_choice(struct training *t, const struct training_state *states,
                                     struct err *e) ERR_MUST_CHECK;

/* NDCG@10 of the average, and of each user where gains is not NULL; NAN: there was no time for it. */
enum err_code training_measure(struct training *t, double *gains, double *metric,
                               struct err *e) ERR_MUST_CHECK;
/* The same of the best values. */
enum err_code training_measure_best(struct training *t, double *gains, double *metric,
                                    struct err *e) ERR_MUST_CHECK;
void training_keep_average(struct training *t); /* as the best */

/* ---- epochs ---- */

/* Gains of each validated user: all are (n_validated), or NULL where they are not wanted. */
struct training_gains {
    double *mean; /* of the last COMPARED_EPOCHS; to be 0 before */
    double *best; /* of the best epoch; left as they are where none was the best so far */
};

/* Goes on to this epoch, or to the end of the course. */
enum { COMPARED_EPOCHS = 2 };
enum err_code training_epochs(struct training *t, int last, struct training_gains gains,
                              struct err *e) ERR_MUST_CHECK;
/* Writes the checkpoint, where one is wanted. */
enum err_code training_checkpoint(struct training *t, struct err *e) ERR_MUST_CHECK;
enum err_code training_first_course(struct training *t, struct err *e) ERR_MUST_CHECK;
enum err_code training_second_course(struct training *t, struct err *e) ERR_MUST_CHECK;
/* Whether the second course pays, and whether it will be done before the deadline, by what the first has
 * taken. */
bool training_pays_refit(const struct split *s);
bool training_has_time_for_refit(struct training *t);

/* ---- what is written ---- */

/* Which item-item weights help t->best, if any; without time left, none. Nothing is said or kept of it. */
enum err_code training_find_item_item(struct training *t, struct item_item_choice *out,
                                      struct err *e) ERR_MUST_CHECK;
/* Whether item-item weights help the best model of the first course: found, or t->pairs. */
enum err_code training_choose_item_item(struct training *t, struct err *e) ERR_MUST_CHECK;
/* Writes the best, whole or not at all; no interrupt ends it, the deadline leaves out what it can. */
enum err_code training_write(struct training *t, const char *path, struct err *e) ERR_MUST_CHECK;

#endif
