/* The names of what a model is made of, as in files and on the command line: see model_spec.h. */
#include "engine/format/model_spec.h"

#include <string.h>

static const char *const generator_names[] = {"shared", "full", "low_rank", "core", "chunked"};
static const char *const bias_names[] = {"none", "shared", "full"};
static const char *const activation_names[] = {"identity", "relu", "tanh", "sigmoid"};
static const char *const scale_names[] = {"identity", "log", "asinh", "count"};
static const char *const loss_names[] = {"squared", "absolute", "relative", "poisson"};
static const char *const norm_names[] = {"none", "layer", "block"};

static bool parse_name(const char *text, const char *const *names, size_t n, int *out)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (int)i;
            return true;
        }
    return false;
}

#define NAMED(type, prefix, names)                                                                           \
    const char *prefix##_name(enum type v)                                                                   \
    {                                                                                                        \
        return names[v];                                                                                     \
    }                                                                                                        \
    bool prefix##_parse(const char *text, enum type *out)                                                    \
    {                                                                                                        \
        int v;                                                                                               \
        if (!parse_name(text, names, sizeof names / sizeof *names, &v))                                      \
            return false;                                                                                    \
        *out = (enum type)v;                                                                                 \
        return true;                                                                                         \
    }
NAMED(generator, generator, generator_names)
NAMED(bias_kind, bias_kind, bias_names)
NAMED(activation, activation, activation_names)
NAMED(norm_kind, norm_kind, norm_names)
NAMED(target_scale, target_scale, scale_names)
NAMED(target_loss, target_loss, loss_names)
