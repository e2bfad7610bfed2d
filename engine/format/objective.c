#include "engine/format/objective.h"

#include "engine/format/model_spec.h"

#include <stdio.h>
#include <string.h>

static enum err_code check_rating(const struct model_spec *spec, struct err *e)
{
    if (spec->encoder.d_ratings == 0)
        return err_set(e, ERR_INVALID, "objective rating needs the encoder's block ratings");
    return ERR_OK;
}

/* A model that reads rows of a table says what its target is. */
static enum err_code check_number(const struct model_spec *spec, struct err *e)
{
    if (spec->task.present && spec->task.n_classes)
        return err_set(e, ERR_INVALID, "objective regression needs a task.target without classes");
    return ERR_OK;
}

static enum err_code check_classes(const struct model_spec *spec, struct err *e)
{
    if (spec->task.present && !spec->task.n_classes)
        return err_set(e, ERR_INVALID, "objective classification needs the classes of task.target");
    return ERR_OK;
}

/* Nobody is told of a rating that nobody can give. */
static double cut_to_range(const struct model_spec *spec, double score)
{
    const struct encoder_spec *n = &spec->encoder;
    return score < n->rating_least ? n->rating_least : score > n->rating_most ? n->rating_most : score;
}

const struct objective objective_ranking = {.name = "ranking", .for_users = true, .new_items = true};
const struct objective objective_rating = {
    .name = "rating", .for_users = true, .rates = true, .check = check_rating, .prediction = cut_to_range};
const struct objective objective_regression = {.name = "regression", .check = check_number};
const struct objective objective_classification = {.name = "classification", .check = check_classes};

const struct objective *objective_find(const char *name)
{
    for (size_t i = 0; i < n_objectives; i++)
        if (strcmp(objectives[i]->name, name) == 0)
            return objectives[i];
    return NULL;
}

const char *objective_list(bool (*wanted)(const struct objective *), const char *last,
                           char out[OBJECTIVE_LIST_BYTES])
{
    size_t n = 0, len = 0, written = 0;
    for (size_t i = 0; i < n_objectives; i++)
        n += !wanted || wanted(objectives[i]);
    out[0] = '\0';
    for (size_t i = 0; i < n_objectives && len < OBJECTIVE_LIST_BYTES; i++) {
        if (wanted && !wanted(objectives[i]))
            continue;
        const char *before = written == 0 ? "" : written + 1 == n ? last : ", ";
        len += (size_t)snprintf(out + len, OBJECTIVE_LIST_BYTES - len, "%s%s", before, objectives[i]->name);
        written++;
    }
    return out;
}

bool objective_is_for_users(const struct objective *o)
{
    return o->for_users;
}
