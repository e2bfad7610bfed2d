/* encoder - profile and interactions of a user to a context embedding.
 *
 * c = [t | f | h | r_1 .. r_J | q | w | l | g]:
 *   t    the learned vector of a trained task; 0 of any other
 *   f    ridge regression on the items' factors V, the equation of iALS (Hu, Koren, Volinsky 2008, eq. 4; the
 *        regularisation scaled as in Rendle et al. 2022, "Revisiting the Performance of iALS"):
 *        (alpha V^T V + sum_n w v v^T + reg (n + alpha I)^nu Id) f = sum_n w v; without interactions f =
 *        prior. One that pushes down adds w v v^T as the others do, and w v times its preference, which is
 *        FOLD_IN_DISLIKED where theirs is 1
 *   h    sum over the history of learned vectors / sqrt(n)
 *   r_j  sum over t = 0 (newest), 1, ... of sigmoid(decay_j)^t times a learned vector; only interactions with
 *        a time
 *   q    sum of the learned vectors of the profile values the model knows
 *   w    where the newest interaction lies between the learned vectors of moments
 *   l    sum of learned vectors over the interactions rated below the mean of those that have a rating /
 *        sqrt(n)
 *   g    what the ratings say of the user beyond h + q, see engine/network/encoder_ratings.h
 * Cost: fold_in as in engine/network/fold_in.h, O(n d^2 + d^3 / 3) at most for n interactions and d =
 * d_fold_in; the rest O(n d). Never on the read path.
 * Layer: engine/network
 * Threads: any; the model is immutable, the workspace the caller's.
 * Memory: none; encoder_workspace_len tells how many reals the caller lends. */
#ifndef ENGINE_NETWORK_ENCODER_H
#define ENGINE_NETWORK_ENCODER_H

#include "base/err.h"
#include "engine/format/model_spec.h"

#include <stddef.h>
#include <stdint.h>

struct fold_in_basis;

struct encoder_interaction {
    uint32_t item;     /* index in the catalogue, or past its end in encoder_input.extra */
    float weight;      /* finite, > 0 */
    float rating;      /* NAN: none */
    int64_t timestamp; /* 0: not known */
};

struct encoder_input {
    const struct encoder_interaction *interactions; /* (n_interactions) oldest first */
    size_t n_interactions;
    size_t n_negative;      /* behind them: those that push down, known to the fold-in alone */
    const uint32_t *values; /* (n_values) rows of the profile table */
    size_t n_values;
    const struct model_params *extra; /* rows of items I, I + 1, ... in the tables of items; NULL: none */
    size_t n_extra;
    const struct fold_in_basis *basis; /* of params' gram: short histories take less time. NULL: without */
    const uint32_t *task;              /* a trained task, a row of the model's table of them; NULL: another */
};

/* Reals that encoder_encode needs as workspace for up to n_interactions. */
size_t encoder_workspace_len(const struct model_spec *spec, size_t n_interactions);

/* Writes the context embedding c (C). ERR_INVALID: no encoder, an item or value out of range, or a result
 * that is not finite. */
enum err_code encoder_encode(const struct model_spec *spec, const struct model_params *params,
                             const struct encoder_input *input, real *workspace, real *c,
                             struct err *e) ERR_MUST_CHECK;

/* Writes the learned blocks of c, all but fold_in and ratings, which stay as they are; the input is not
 * checked. */
void encoder_encode_learned(const struct model_spec *spec, const struct model_params *params,
                            const struct encoder_input *input, real *c);

/* Where the newest interaction's time lies among the model's moments: between moment (share 0) and moment + 1
 * (share 1). False when the model has none or the time is not known. */
bool encoder_when_place(const struct encoder_spec *n, const struct encoder_input *input, size_t *moment,
                        real *share);

/* What the fold-in equation of n interactions adds to its diagonal: reg (n + alpha I)^nu. */
double encoder_fold_in_ridge(const struct model_spec *spec, size_t n_interactions);

/* The mean of the ratings that the input has; an item rated below it is disliked. NAN: none is rated. */
real encoder_mean_rating(const struct encoder_input *input);

/* The row of a profile value, in the form of base/value_text.h, or -1 when the model does not know it: the
 * row of the value itself, else of the range that a number falls into. Cost: a scan of the vocabulary. */
long encoder_profile_value(const struct model_spec *spec, const char *field, const char *value);

#endif
