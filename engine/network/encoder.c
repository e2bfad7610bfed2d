/* A block a function; each writes its part of c. A model with items has no block of trained tasks, so that
 * the fold-in is the first. */
#include "engine/network/encoder.h"

#include "base/value_text.h"
#include "engine/kernels/blas.h"
#include "engine/network/encoder_ratings.h"
#include "engine/network/fold_in.h"

#include <math.h>
#include <string.h>

size_t encoder_workspace_len(const struct model_spec *spec, size_t n_interactions)
{
    size_t fold_in = fold_in_workspace_len(spec->encoder.d_fold_in);
    size_t ratings = encoder_ratings_workspace_len(spec->encoder.d_ratings);
    (void)n_interactions;
    return fold_in > ratings ? fold_in : ratings;
}

/* A table of items: the model's own rows, and those of the items that came after them. */
struct added_item_rows {
    const real *own, *extra;
    size_t n_own, d;
};

static const real *row_of(const struct added_item_rows *t, uint32_t item)
{
    return item < t->n_own ? t->own + (size_t)item * t->d : t->extra + (item - t->n_own) * t->d;
}

double encoder_fold_in_ridge(const struct model_spec *spec, size_t n_interactions)
{
    const struct encoder_spec *n = &spec->encoder;
    return n->reg * pow((double)n_interactions + n->alpha * (double)spec->n_items, n->reg_exponent);
}

static enum err_code encode_fold_in(const struct model_spec *spec, const struct model_params *params,
                                    const struct encoder_input *input, real *workspace, real *f,
                                    struct err *e)
{
    const struct encoder_spec *n = &spec->encoder;
    size_t d = n->d_fold_in;
    if (input->n_interactions == 0) {
        memcpy(f, params->prior, d * sizeof *f);
        return ERR_OK;
    }
    struct fold_in_factors factors = {params->fold_in_factor,
                                      input->extra ? input->extra->fold_in_factor : NULL, spec->n_items, d};
    if (fold_in_solve(&factors, params->fold_in_gram, input->basis,
                      encoder_fold_in_ridge(spec, input->n_interactions + input->n_negative),
                      input->interactions, input->n_interactions, input->n_negative, workspace, f))
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "the fold-in equation has no solution; the interactions' weights are too large");
}

static void encode_history(const struct model_spec *spec, const struct model_params *params,
                           const struct encoder_input *input, real *h)
{
    size_t d = spec->encoder.d_history;
    struct added_item_rows rows = {params->history, input->extra ? input->extra->history : NULL,
                                   spec->n_items, d};
    memset(h, 0, d * sizeof *h);
    for (size_t i = 0; i < input->n_interactions; i++)
        blas_axpy(d, 1, row_of(&rows, input->interactions[i].item), h);
    if (input->n_interactions)
        blas_scale(d, 1 / (real)sqrt((double)input->n_interactions), h);
}

static void encode_recent(const struct model_spec *spec, const struct model_params *params,
                          const struct encoder_input *input, real *r)
{
    const struct encoder_spec *n = &spec->encoder;
    struct added_item_rows rows = {params->recent, input->extra ? input->extra->recent : NULL, spec->n_items,
                                   n->d_recent};
    memset(r, 0, n->n_decays * n->d_recent * sizeof *r);
    for (size_t j = 0; j < n->n_decays; j++) {
        real decay = 1 / (1 + (real)exp(-(double)params->decay[j])), power = 1;
        for (size_t t = 0; t < n->n_recent && t < input->n_interactions; t++, power *= decay) {
            const struct encoder_interaction *x = &input->interactions[input->n_interactions - 1 - t];
            if (x->timestamp == 0)
                break; /* oldest first: those without a known time come before all others */
            blas_axpy(n->d_recent, power, row_of(&rows, x->item), r + j * n->d_recent);
        }
    }
}

real encoder_mean_rating(const struct encoder_input *input)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < input->n_interactions; i++)
        if (!isnan(input->interactions[i].rating)) {
            sum += (double)input->interactions[i].rating;
            n++;
        }
    return n ? (real)(sum / (double)n) : (real)NAN;
}

static void encode_disliked(const struct model_spec *spec, const struct model_params *params,
                            const struct encoder_input *input, real *l)
{
    size_t d = spec->encoder.d_disliked;
    real mean = encoder_mean_rating(input);
    memset(l, 0, d * sizeof *l);
    for (size_t i = 0; i < input->n_interactions; i++)
        if ((real)input->interactions[i].rating < mean && input->interactions[i].item < spec->n_items)
            blas_axpy(d, 1 / (real)sqrt((double)input->n_interactions),
                      params->disliked + (size_t)input->interactions[i].item * d, l);
}

bool encoder_when_place(const struct encoder_spec *n, const struct encoder_input *input, size_t *moment,
                        real *share)
{
    int64_t time = input->n_interactions ? input->interactions[input->n_interactions - 1].timestamp : 0;
    if (n->d_when == 0 || time == 0)
        return false;
    double place = ((double)time - n->when_start) / n->when_step, most = (double)(n->n_moments - 1);
    place = place < 0 ? 0 : place > most ? most : place;
    *moment = place < most ? (size_t)place : n->n_moments - 2;
    *share = (real)(place - (double)*moment);
    return true;
}

/* Linear between the two moments; before the first and after the last one theirs. */
static void encode_when(const struct model_spec *spec, const struct model_params *params,
                        const struct encoder_input *input, real *w)
{
    size_t d = spec->encoder.d_when, moment;
    real share;
    memset(w, 0, d * sizeof *w);
    if (!encoder_when_place(&spec->encoder, input, &moment, &share))
        return;
    blas_axpy(d, 1 - share, params->when + moment * d, w);
    blas_axpy(d, share, params->when + (moment + 1) * d, w);
}

void encoder_encode_learned(const struct model_spec *spec, const struct model_params *params,
                            const struct encoder_input *input, real *c)
{
    const struct encoder_spec *n = &spec->encoder;
    real *at = c + n->d_id + n->d_fold_in;
    if (n->d_id && input->task)
        memcpy(c, params->task_id + (size_t)*input->task * n->d_id, n->d_id * sizeof *c);
    else
        memset(c, 0, n->d_id * sizeof *c);
    if (n->d_history)
        encode_history(spec, params, input, at);
    at += n->d_history;
    if (n->d_recent)
        encode_recent(spec, params, input, at);
    at += n->n_decays * n->d_recent;
    if (n->d_profile)
        memset(at, 0, n->d_profile * sizeof *at);
    for (size_t i = 0; n->d_profile && i < input->n_values; i++)
        blas_axpy(n->d_profile, 1, params->profile + (size_t)input->values[i] * n->d_profile, at);
    at += n->d_profile;
    if (n->d_when)
        encode_when(spec, params, input, at);
    at += n->d_when;
    if (n->d_disliked)
        encode_disliked(spec, params, input, at);
}

/* The last block; its mean is the history's and the profile's. */
static enum err_code encode_ratings(const struct model_spec *spec, const struct model_params *params,
                                    const struct encoder_input *input, real *workspace, real *c,
                                    struct err *e)
{
    const struct encoder_spec *n = &spec->encoder;
    const real *history = c + n->d_fold_in, *profile = history + n->d_history + n->n_decays * n->d_recent;
    struct encoder_ratings ratings = {.d = n->d_ratings,
                                      .offset = params->rating_offset,
                                      .factor = params->rating_factor,
                                      .covariance = params->rating_covariance,
                                      .precision = params->rating_precision};
    if (encoder_ratings_solve(&ratings, input->interactions, input->n_interactions,
                              n->d_history ? history : NULL, n->d_profile ? profile : NULL, workspace,
                              c + spec->d_context - n->d_ratings))
        return ERR_OK;
    return err_set(e, ERR_INVALID, "the equation of the ratings has no solution; a rating is too large");
}

static enum err_code check_input(const struct model_spec *spec, const struct encoder_input *input,
                                 struct err *e)
{
    size_t n_extra = input->extra ? input->n_extra : 0;
    if (!spec->encoder.present)
        return err_set(e, ERR_INVALID, "the model has no encoder; give the embedding itself");
    for (size_t i = 0; i < input->n_interactions + input->n_negative; i++) {
        const struct encoder_interaction *x = &input->interactions[i];
        if (x->item >= spec->n_items + n_extra)
            return err_set(e, ERR_INVALID, "interaction %zu names item %u of %zu", i, x->item,
                           spec->n_items + n_extra);
        if (!(isfinite(x->weight) && x->weight > 0))
            return err_set(e, ERR_INVALID, "interaction %zu has a weight that is not above zero and finite",
                           i);
    }
    if (input->task && *input->task >= spec->encoder.n_tasks)
        return err_set(e, ERR_INVALID, "trained task %u of %zu", *input->task, spec->encoder.n_tasks);
    for (size_t i = 0; i < input->n_values; i++)
        if (input->values[i] >= spec->encoder.n_values)
            return err_set(e, ERR_INVALID, "profile value %u of %zu", input->values[i],
                           spec->encoder.n_values);
    return ERR_OK;
}

enum err_code encoder_encode(const struct model_spec *spec, const struct model_params *params,
                             const struct encoder_input *input, real *workspace, real *c, struct err *e)
{
    enum err_code code = check_input(spec, input, e);
    if (code)
        return code;
    if (spec->encoder.d_fold_in && (code = encode_fold_in(spec, params, input, workspace, c, e)))
        return code;
    encoder_encode_learned(spec, params, input, c);
    if (spec->encoder.d_ratings && (code = encode_ratings(spec, params, input, workspace, c, e)))
        return code;
    for (size_t i = 0; i < spec->d_context; i++)
        if (!isfinite(c[i]))
            return err_set(e, ERR_INVALID, "the context embedding is not finite; the weights are too large");
    return ERR_OK;
}

/* How well a row fits a value: 0 not at all, a range 1, another way to write the value 2, the value itself
 * 3. */
static int fit_of(const struct profile_value *row, const char *value, bool is_number, double number)
{
    if (!row->value)
        return is_number && number >= row->from && number < row->below;
    if (strcmp(row->value, value) == 0)
        return 3;
    return row->form && strcmp(row->form, value) == 0 ? 2 : 0;
}

long encoder_profile_value(const struct model_spec *spec, const char *field, const char *value)
{
    double number = 0;
    bool is_number = value_text_number(value, &number);
    long best = -1;
    int best_fit = 0;
    for (size_t i = 0; i < spec->encoder.n_values && best_fit < 3; i++) {
        const struct profile_value *row = &spec->encoder.values[i];
        int fit = strcmp(row->field, field) == 0 ? fit_of(row, value, is_number, number) : 0;
        if (fit > best_fit) {
            best = (long)i;
            best_fit = fit;
        }
    }
    return best;
}
