/* A model says by the blocks of its encoder what it makes use of; what it does not is stored all the same, for the next training. */
#include "server/warnings.h"

#include <math.h>
#include <string.h>

enum warning {
#define X(name, type) name,
    WARNINGS(X)
#undef X
};

static const char *const types[] = {
#define X(name, type) type,
    WARNINGS(X)
#undef X
};

void warnings_count(struct warnings *w, const struct update_interaction *interactions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (interactions[i].refused)
            continue;
        if (!isnan(interactions[i].rating))
            w->n_rated++;
        if (interactions[i].weight < 1 || interactions[i].weight > 1)
            w->n_weighted++;
    }
}

static void add(struct buf *out, enum warning which, const char *model, size_t count, const char *detail,
                bool *any)
{
    buf_adds(out, *any ? "," : ",\"warnings\":[");
    *any = true;
    buf_addf(out, "{\"type\":\"urn:hypernet:warning:%s\",\"detail\":\"%s\",\"model\":", types[which], detail);
    buf_add_json_string(out, model, strlen(model));
    buf_addf(out, ",\"count\":%zu}", count);
}

void warnings_add(const struct warnings *w, const struct serving *serving, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < serving->n_models; i++) {
        const struct model_spec *spec = &serving->models[i].model->spec;
        if (w->n_rated && !spec->encoder.d_disliked && !spec->encoder.d_ratings)
            add(out, WARNING_RATING_UNUSED, spec->name, w->n_rated,
                "the model was trained without ratings: a rating is stored, but to this model the item was "
                "taken, whatever "
                "the rating",
                &any);
        if (w->n_weighted && !spec->encoder.d_fold_in)
            add(out, WARNING_WEIGHT_UNUSED, spec->name, w->n_weighted,
                "the model's encoder has no fold-in: a weight is stored, but to this model all interactions "
                "weigh the same",
                &any);
    }
    if (any)
        buf_addc(out, ']');
}
