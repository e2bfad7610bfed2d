/* class_head - a last layer that is generated from a task's own classes, as many as there are: one row and
 * one bias for each class, from the means of what is known of the classes.
 *
 * With features of width F, class means m_k (k of K), and H hidden units:
 *
 * u_k = ReLU(in m_k)     o_k = sum over j of softmax_j(query u_k . key u_j / sqrt(H)) value u_j [r_k |
 * c_k] = out ReLU(mix [u_k | o_k]) weight_k = 2 s m_k + r_k       bias_k = -s |m_k|^2 + c_k
 * logit_k(q) = weight_k . q + bias_k
 *
 * so that a class is told apart from those that it is among. With `out` zero it is a prototypical network:
 * -s |q - m_k|^2 without the part that all classes share. s = exp(scale). Source: Snell, Swersky, Zemel
 * 2017 (prototypes as a linear layer); attention as in Vaswani et al. 2017.
 * Layer: engine/network
 * Threads: any; workspaces and outputs are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_CLASS_HEAD_H
#define ENGINE_NETWORK_CLASS_HEAD_H

#include "engine/kernels/real.h"

#include <stddef.h>

struct class_head_spec {
    size_t d_features; /* F */
    size_t d_hidden;   /* H */
};

/* The head's parameters, or their gradients. */
struct class_head_params {
    real *scale;               /* (1) a logarithm */
    real *in, *in_bias;        /* (H, F), (H) */
    real *query, *key, *value; /* (H, H) */
    real *mix, *mix_bias;      /* (H, 2 H), (H) */
    real *out, *out_bias;      /* (F + 1, H), (F + 1) */
};

/* Reals of all of them, and where each lies in one block. */
size_t class_head_params_len(const struct class_head_spec *spec);
void class_head_params_at(const struct class_head_spec *spec, real *block, struct class_head_params *out);

/* What the forward leaves for the backward. */
struct class_head_tape {
    size_t n;                  /* K */
    real *u;                   /* (K, H) */
    real *query, *key, *value; /* (K, H) */
    real *attention;           /* (K, K) */
    real *joined;              /* (K, 2 H) u and o */
    real *hidden;              /* (K, H) */
    real *made;                /* (K, F + 1) r and c */
};

/* Reals of a tape of n classes, laid out in `room`. */
size_t class_head_tape_len(const struct class_head_spec *spec, size_t n);
void class_head_tape_at(const struct class_head_spec *spec, size_t n, real *room,
                        struct class_head_tape *out);

/* weight (K, F) and bias (K) from means (K, F), K being the tape's. */
void class_head_forward(const struct class_head_spec *spec, const struct class_head_params *params,
                        const real *means, struct class_head_tape *tape, real *weight, real *bias);

/* logits (n, K) of features (n, F). */
void class_head_logits(const struct class_head_spec *spec, const real *weight, const real *bias,
                       size_t n_classes, const real *features, size_t n, real *logits);

#endif
