/* search_measure - a model file that a search wrote, opened and measured as a server would answer with it, on
 * rows that had no part in the search.
 * Layer: server/search
 * Threads: confined to its thread.
 * Memory: the model, and a number a row. */
#ifndef SERVER_SEARCH_SEARCH_MEASURE_H
#define SERVER_SEARCH_SEARCH_MEASURE_H

#include "base/err.h"
#include "server/search/search_data.h"

struct search_measure {
    double figure, low, high; /* the share of classes, or of numbers the root of the mean squared error in the
                                 target's unit; its 95 % interval over rows, or over tasks where these are
                                 held out whole */
    double latency_us;        /* the median of a row */
    size_t n_rows;
};

/* ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
enum err_code search_measure_file(const char *path, const struct search_data *data, uint64_t seed,
                                  struct search_measure *out, struct err *e) ERR_MUST_CHECK;

#endif
