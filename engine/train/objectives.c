/* Only the list is here, so that a program with other objectives is linked with another one: see
 * engine/format/objective.h. */
#include "engine/train/ranking/ranking_objective.h"
#include "engine/train/rating/rating.h"
#include "engine/train/task/task_objective.h"
#include "engine/train/train.h"

const struct train_objective *const train_objectives[] = {&train_ranking, &train_rating, &train_regression,
                                                          &train_classification};
const size_t n_train_objectives = sizeof train_objectives / sizeof *train_objectives;
