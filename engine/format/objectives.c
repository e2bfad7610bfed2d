/* Only the list is here: see objective.h. */
#include "engine/format/objective.h"

const struct objective *const objectives[] = {&objective_ranking, &objective_regression,
                                              &objective_classification, &objective_rating};
const size_t n_objectives = sizeof objectives / sizeof *objectives;
