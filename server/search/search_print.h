/* search_print - what a search found, as text and as JSON.
 * Layer: server/search
 * Threads: any.
 * Memory: what is appended to the buffer. */
#ifndef SERVER_SEARCH_SEARCH_PRINT_H
#define SERVER_SEARCH_SEARCH_PRINT_H

#include "base/buf.h"
#include "server/search/search_measure.h"
#include "server/search/search_run.h"

struct search_outcome {
    const char *name, *version, *file; /* of the model that was written */
    const struct model_spec *about;
    const struct architecture_inputs *inputs;
    double budget_us;
    const struct search_result *result;
    const struct search_measure *measure;
    const struct search_beside *beside; /* of a report */
};

/* Append what was found. The buffer's sticky error is the caller's to look at (buf_check). */
void search_print_text(const struct search_outcome *o, struct buf *out);
void search_print_json(const struct search_outcome *o, struct buf *out);

#endif
