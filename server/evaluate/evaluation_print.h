/* evaluation_print - the result of an evaluation as a table that people read, and as JSON. Figures that do
 * not exist (NAN) are a dash in the table and null in JSON.
 * Layer: server/evaluate
 * Threads: any.
 * Memory: JSON up to 16 MB. */
#ifndef SERVER_EVALUATE_EVALUATION_PRINT_H
#define SERVER_EVALUATE_EVALUATION_PRINT_H

#include "server/evaluate/evaluation.h"

void evaluation_print_table(const struct evaluation_options *o, const struct evaluation_result *r);
void evaluation_print_json(const struct evaluation_options *o, const struct evaluation_result *r);

#endif
