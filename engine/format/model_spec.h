/* model_spec - what a model is made of: dimensions, layers, generators, encoder; and the one table of its
 * tensors.
 *
 * Letters used in shapes all over the engine:
 *   I items of the catalogue   D d_item: width of an item embedding, the target network's input
 *   C d_context: width of a context embedding       Z width of the trunk's output z
 *   B contexts in a batch      N rows of x          O d_output of the target network
 *
 * What is computed of an item with embedding e_i, of a context c with z of it:
 *   ranking:  score(i) = bias_i + p . e_i + MLP(e_i; theta),   p = linear_context c + linear_head z
 *   a task:   y = MLP(x; theta), or with struct task_spec that of engine/network/task_head.h, to which the
 *             target network of engine/network/task_generated.h may be added, with struct image_model_spec
 *             that of engine/network/image_model.h
 * Ranking so starts from matrix factorisation and adds to it. Matrices are row-major, (out, in).
 * Layer: engine/format
 * Threads: immutable once filled.
 * Memory: plain structs; the vocabularies of profiles and items are the only heap part (model_spec_fini). */
#ifndef ENGINE_FORMAT_MODEL_SPEC_H
#define ENGINE_FORMAT_MODEL_SPEC_H

#include "base/err.h"
#include "base/limits.h"
#include "engine/format/columns.h"
#include "engine/format/image_spec.h"
#include "engine/format/objective.h"
#include "engine/format/trained_spec.h"
#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum generator { GENERATOR_SHARED, GENERATOR_FULL, GENERATOR_LOW_RANK, GENERATOR_CORE, GENERATOR_CHUNKED };
enum bias_kind { BIAS_NONE, BIAS_SHARED, BIAS_FULL };
enum activation { ACTIVATION_IDENTITY, ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_SIGMOID };
enum { N_ACTIVATIONS = ACTIVATION_SIGMOID + 1 };
enum norm_kind {
    NORM_NONE,
    NORM_LAYER,
    NORM_BLOCK
}; /* of the trunk's input: none, over c, over each block of c */

/* One layer of the target network: o = activation(W x + b). */
struct layer_spec {
    size_t d_in, d_out;
    enum generator generator;
    size_t rank; /* r of low_rank, k of core; else 0 */
    enum bias_kind bias;
    enum activation activation;
};

/* How the weights of chunked layers arise, and of BIAS_FULL in them their biases: all of them in one run, cut
 * into chunks of `size`. The trunk and one head make each chunk from the context and an embedding of the
 * chunk, so that the head is as large as a chunk, however large the target network is. See
 * engine/network/chunked.h. */
struct chunk_spec {
    size_t size;        /* P: weights a chunk, the last may have fewer; 0: there is no chunked layer */
    size_t d_embedding; /* E */
    bool own; /* the embeddings of the K chunks are a context's own, its last K E numbers; else all contexts
                 share them */
};

/* One layer of the trunk: z = activation(W x + b). */
struct trunk_layer_spec {
    size_t d_out;
    enum activation activation;
};

/* The encoder makes c = [id | fold_in | history | recent * n_decays | profile | when | disliked | ratings]; a
 * block of width 0 is absent. */
struct encoder_spec {
    bool present;
    size_t d_id;         /* a learned vector of each trained task; 0 of any other */
    size_t n_tasks;      /* rows of its table */
    size_t d_fold_in;    /* ridge regression on the items' factors (the iALS equation); f = prior without
                            interactions */
    double alpha;        /* fold_in: weight of the unobserved, a0 */
    double reg;          /* fold_in: lambda */
    double reg_exponent; /* fold_in: nu in lambda * (n + alpha * n_items)^nu */
    size_t d_history;    /* sum of learned item vectors over the history / sqrt(n) */
    size_t d_recent;     /* learned item vectors of the last n_recent interactions with a known time ... */
    size_t n_decays;     /* ... summed with each of these learned decays */
    size_t n_recent;
    size_t d_profile;             /* sum of learned vectors of the profile's known values */
    size_t n_values;              /* rows of the profile table */
    struct profile_value *values; /* (n_values) heap; field and value of each row */
    size_t d_when; /* learned vectors of moments, between two of which that of the newest interaction lies */
    size_t n_moments;  /* at least 2 */
    double when_start; /* of moment 0, in the unit of the timestamps */
    double when_step;  /* from one moment to the next, above 0 */
    size_t d_disliked; /* sum of learned item vectors over what the user rated below his own mean / sqrt(n) */
    size_t d_ratings;  /* what the ratings say beyond history + profile; those are of this width or absent */
    double rating_least, rating_most; /* a predicted rating is cut to this range */
};

/* What a row of a profile's table stands for: one value, or all numbers from `from` on and below `below`. */
struct profile_value {
    char *field; /* heap */
    char *value; /* heap; NULL: a range of numbers */
    char *form;  /* heap; its one form (base/value_text.h), of a file made before there was one; else NULL */
    double from, below; /* of a range; -INFINITY, INFINITY: open */
};

/* What a model knows of items that came after its training; see engine/network/cold_items.h. */
struct cold_items_spec {
    bool present;
    size_t n_users;                 /* in training: the fold-in of an item weighs them as unobserved */
    size_t n_features;              /* rows of item.weight; 0: all new items begin alike */
    struct profile_value *features; /* (n_features) heap; field "category" or "word", in rising byte order */
};

/* On which scale a target is learned, and by what its predictions are chosen; see
 * engine/format/task_target.h. */
enum target_scale { SCALE_IDENTITY, SCALE_LOG, SCALE_ASINH, SCALE_COUNT };
enum target_loss { LOSS_SQUARED, LOSS_ABSOLUTE, LOSS_RELATIVE, LOSS_POISSON };

/* A model of tasks that reads rows of a table, and whose last layer is solved for each task from the rows
 * that are known of it; see engine/network/task_head.h. */
struct task_spec {
    bool present;
    struct columns columns; /* of a row; d_item is their width */
    size_t n_features;      /* layers that all tasks share */
    struct trunk_layer_spec features[LIMIT_LAYERS];
    bool features_alone;     /* what is behind the features reads them, and not the inputs beside them */
    size_t d_basis;          /* M: width of phi, which the solved layer reads */
    bool forgets;            /* rows count the less the older they are, at a learned rate */
    char *time;              /* heap; the column of their times; NULL: they are not forgotten */
    double period;           /* of these times: what ages are counted in */
    char *target;            /* heap; the name of its column */
    char **classes;          /* (n_classes) heap, in rising order of their bytes */
    size_t n_classes;        /* 0: a number is predicted */
    enum target_scale scale; /* what is learned of the target: itself, its logarithm, ... */
    enum target_loss loss;   /* which prediction is asked for */
    double unit;             /* of the target, above 0: what counts as small */
    double shrink;           /* of a scale that is not the target's own: a prediction is lowered
                                           * by exp(-shrink variance) */
    double clip;             /* rows count as if no further than this from what all tasks have,
                                           * as it is learned; 0: as far as they are */
    double target_mean, target_deviation; /* of what is learned */
    double target_least, target_most;     /* of the target in training */
    bool calibrated; /* there are quantiles of its errors: see engine/network/task_quantiles.h */
};

struct model_spec {
    char name[LIMIT_NAME_BYTES + 1];
    char version[LIMIT_NAME_BYTES + 1];
    const struct objective *objective; /* of objectives[] */
    size_t n_items;                    /* 0: a model of tasks, without a catalogue */
    size_t d_item;                     /* D: width of x */
    size_t d_context;
    size_t d_output;
    enum norm_kind norm;
    size_t n_trunk; /* 0: z is the normalised context */
    struct trunk_layer_spec trunk[LIMIT_LAYERS];
    bool has_linear;  /* p . e_i is part of the score (ranking) */
    bool linear_head; /* p has a generated part */
    size_t n_layers;  /* may be 0 when has_linear */
    struct layer_spec layers[LIMIT_LAYERS];
    struct chunk_spec chunks;
    size_t n_pairs; /* item-item weights, of which the items' generated bias is made; 0: none */
    struct encoder_spec encoder;
    struct cold_items_spec cold_items;
    struct task_spec task;
    struct image_model_spec images; /* with it d_output is 0: as many as a task has classes */
    struct trained_spec trained;
};

/* A sparse matrix of item-item weights: what an item in a history adds to the scores of others. */
struct item_pairs {
    const int64_t *start; /* (I + 1) the pairs of item j are [start[j], start[j + 1]) */
    const uint32_t *item; /* (n_pairs) */
    const real *weight;   /* (n_pairs) */
};

struct hypernet_panels;

/* Views of a model's tensors; absent ones are NULL. Of an opened model they point into the read-only mapped
 * file; of a model in training, into one block. */
struct model_params {
    real *catalogue_embedding; /* (I, D) */
    real *catalogue_bias;      /* (I) */
    real *task_id;             /* (n_tasks, d_id) */
    real *stored_rows;         /* (R, D) of the trained tasks and their classes, in their order */
    real *stored_weights;      /* (R, C), C classes of all tasks; see engine/network/stored_rows.h */
    real *fold_in_factor;      /* (I, d_fold_in) */
    real *fold_in_gram;        /* (d_fold_in, d_fold_in): alpha * sum of v v^T over all items */
    real *prior;               /* (d_fold_in): f of a user without interactions */
    real *history;             /* (I, d_history) */
    real *recent;              /* (I, d_recent) */
    real *decay;               /* (n_decays): the decay is sigmoid of it */
    real *profile;             /* (n_values, d_profile) */
    real *when;                /* (n_moments, d_when) */
    real *disliked;            /* (I, d_disliked) */
    real *rating_offset;       /* (I): what an average user gives the item */
    real *rating_factor;       /* (I, d_ratings) */
    real *rating_covariance;   /* (I, d (d + 1) / 2), d = d_ratings: of (offset, factor without its first),
                                  packed */
    real *rating_precision;    /* (d_ratings): of f before any rating, noise variances being 1 */
    real *item_mean;      /* (R): row of an item of which nothing is known, see engine/network/cold_items.h */
    real *item_weight;    /* (n_features, R): what each feature adds to it */
    real *item_follow;    /* (d_fold_in, R - d_fold_in): how the rest of a row moves with its factor */
    real *item_gram;      /* (d_fold_in, d_fold_in): alpha * sum of f f^T over all users */
    real *norm_weight;    /* (C), as below; of a model of tasks C is model_spec_d_code */
    real *norm_bias;      /* (C) */
    real *linear_context; /* (D, C) */
    real *linear_head;    /* (D, Z) */
    struct {
        real *weight; /* (d_out, d_in) */
        real *bias;   /* (d_out) */
    } trunk[LIMIT_LAYERS];
    struct {
        real *weight; /* W0 (d_out, d_in): shared, full, low_rank, chunked */
        real *bias;   /* b0 (d_out): bias shared, full */
        real *head;   /* G (n_generated, Z): full d_out*d_in, low_rank r*(d_out+d_in), core k*k */
        const uint16_t *head_half; /* G in bfloat16, of a file that has it so; head is then NULL */
        real *head_bias;           /* (n_generated): low_rank only, so that A B^T can start away from zero */
        real *bias_head;           /* (d_out, Z): bias full, but of a chunked layer */
        real *u;                   /* U (d_out, k): core */
        real *v;                   /* V (k, d_in): core */
        real *core;                /* K0 (k, k): core */
    } layers[LIMIT_LAYERS];
    real *chunk_embedding; /* (K, E): shared by all contexts; NULL where they are a context's own */
    real *chunk_head;      /* (P, Z) */
    real *chunk_head_bias; /* (P) */
    struct {
        real *weight; /* (d_out, d_in) */
        real *bias;   /* (d_out) */
    } features[LIMIT_LAYERS];
    real *shared;           /* (O, F): what all tasks have of an output; F = task_spec_d_features */
    real *shared_bias;      /* (O) */
    real *basis;            /* (M, F): phi = basis f + basis_bias */
    real *basis_bias;       /* (M) */
    real *task_scales;      /* (TASK_SCALES + forgets): logarithms; see engine/network/task_head.h */
    real *task_calibration; /* (TASK_KNOWN_BUCKETS, TASK_QUANTILES); see engine/network/task_quantiles.h */
    struct {
        real *weight; /* (d_out, 3, 3, d_in) */
        real *bias;   /* (d_out) */
    } convolutions[LIMIT_LAYERS];
    struct {
        real *scale;               /* (1) */
        real *in, *in_bias;        /* (H, F), (H); F = image_spec_d_features */
        real *query, *key, *value; /* (H, H) */
        real *mix, *mix_bias;      /* (H, 2 H), (H) */
        real *out, *out_bias;      /* (F + 1, H), (F + 1) */
    } class_head;                  /* see engine/network/class_head.h */
    /* The hypernetwork's matrices once more (engine/network/hypernet_panels.h), or NULL. Whoever copies
     * params and changes trunk, linear part or heads of the copy sets it to NULL there: one context would be
     * generated from what was. */
    const struct hypernet_panels *panels;
    struct item_pairs pairs; /* not in the table of tensors: the files of engine/model*.c know its types */
};

enum { TENSOR_NAME_BYTES = 64 };

/* Which group of tensors one belongs to; the trainer gives each its learning rate, or freezes it. */
enum tensor_group {
    GROUP_ITEM,
    GROUP_FROZEN,
    GROUP_ENCODER,
    GROUP_TRUNK,
    GROUP_HEAD,
    GROUP_LINEAR,
    GROUP_SHARED
};

struct tensor_spec {
    char name[TENSOR_NAME_BYTES]; /* as in the model file, see schema/model.md */
    size_t n_rows;
    size_t n_cols; /* 1 for vectors */
    bool vector;   /* stored with one dimension */
    bool rises;    /* no value of a row is below the one before it */
    enum tensor_group group;
    size_t slot_offset; /* offsetof the pointer in struct model_params */
    size_t half_offset; /* of that to bfloat16, which a file may have instead; 0: not this tensor */
};

enum { MODEL_MAX_TENSORS = 48 + LIMIT_LAYERS * 16, TASK_SCALES = 2 };

/* Rows and columns of the table of a model of tasks that says how far its predictions are off. */
enum { TASK_KNOWN_BUCKETS = 8, TASK_QUANTILES = 11 };

/* Checks every dimension, the chain of widths and the encoder's; ERR_INVALID names the first fault. */
enum err_code model_spec_check(const struct model_spec *spec, struct err *e) ERR_MUST_CHECK;

/* Writes the table of float tensors that a model of this (checked) spec has, in a fixed order; returns how
 * many. */
size_t model_spec_tensors(const struct model_spec *spec, struct tensor_spec out[MODEL_MAX_TENSORS]);

/* The pointer in params that a row of the table describes. */
real **model_params_slot(struct model_params *params, const struct tensor_spec *tensor);

/* The values that it has in bfloat16, or NULL; and where the pointer to them is, of a tensor that may have
 * them so. */
const uint16_t *model_params_half(const struct model_params *params, const struct tensor_spec *tensor);
const uint16_t **model_params_half_slot(struct model_params *params, const struct tensor_spec *tensor);

/* Ids that a file has: of the catalogue's items, or of the trained tasks. */
size_t model_spec_n_ids(const struct model_spec *spec);

/* Whether the model scores the items of a catalogue for users. */
bool model_spec_for_users(const struct model_spec *spec);

/* Reals of a packed lower triangle, row by row, of a matrix (d, d). */
size_t model_spec_packed(size_t d);

/* R: reals of all rows of one item, one after the other; see engine/network/cold_items.h. */
size_t model_spec_item_row(const struct model_spec *spec);

/* What the hypernetwork makes theta from: the context, or of a model of tasks the weights of a solved
 * layer. */
size_t model_spec_d_code(const struct model_spec *spec);

/* What the target network reads of a row: x, or of a model of tasks phi. */
size_t model_spec_d_target_in(const struct model_spec *spec);

/* What the trunk reads: the code, or that of it which is not chunks' own and a chunk's embedding. */
size_t model_spec_d_trunk_in(const struct model_spec *spec);

/* Weights that come in chunks, those of all layers; and K, how many chunks they are. */
size_t model_spec_n_chunked(const struct model_spec *spec);
size_t model_spec_n_chunks(const struct model_spec *spec);

/* Width of z, and the number of values head `layer` generates for the weights (without the bias). */
size_t model_spec_d_trunk(const struct model_spec *spec);
size_t layer_spec_n_generated(const struct layer_spec *layer);

/* F: width of what the layers of a task's model give, its inputs beside it. */
size_t task_spec_d_features(const struct model_spec *spec);

/* Reals of the sums over a task's rows, which are its context: see engine/network/task_head.h. */
size_t task_spec_d_sums(const struct model_spec *spec);

/* Frees the vocabularies. */
void model_spec_fini(struct model_spec *spec);

/* Names as in files and on the command line; the parsers return false for an unknown one. */
const char *generator_name(enum generator g);
const char *bias_kind_name(enum bias_kind b);
const char *activation_name(enum activation a);
const char *target_scale_name(enum target_scale s);
const char *target_loss_name(enum target_loss l);
const char *norm_kind_name(enum norm_kind n);
bool generator_parse(const char *text, enum generator *out);
bool bias_kind_parse(const char *text, enum bias_kind *out);
bool activation_parse(const char *text, enum activation *out);
bool target_scale_parse(const char *text, enum target_scale *out);
bool target_loss_parse(const char *text, enum target_loss *out);
bool norm_kind_parse(const char *text, enum norm_kind *out);

#endif
