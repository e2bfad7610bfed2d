/* search_measure - a model file that a search wrote, opened and measured as a server would answer with it, on
 * rows that had no part in the search; and a network of the report beside it.
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

/* The network that was tried beside the written one. */
struct search_beside {
    struct search_measure tried;
    double less, less_low, less_high; /* the written one's figure less this one's, paired */
};

/* tried: a network of a report, or NULL; then beside is left as it is. ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
enum err_code search_measure_file(const char *path, const struct search_data *data,
                                  const struct candidate *tried, uint64_t seed, struct search_measure *out,
                                  struct search_beside *beside, struct err *e) ERR_MUST_CHECK;

#endif
