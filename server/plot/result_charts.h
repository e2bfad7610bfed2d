/* result_charts - what `evaluate --json` found as charts: a measure by what is known of each user or task, a
 * line a system; and of models of tasks how often intervals, or the classes that are named, are right. And
 * how far generated weights say what training makes of architectures, of `search`.
 * Layer: server/plot
 * Threads: any.
 * Memory: none that stays. */
#ifndef SERVER_PLOT_RESULT_CHARTS_H
#define SERVER_PLOT_RESULT_CHARTS_H

#include "base/err.h"
#include "base/text.h"
#include "server/plot/chart.h"

/* A measure by what is known. measure NULL: the first that all systems have. ERR_INVALID: text is no result
 * of `evaluate --json`, or has no such measure, or nothing by what is known; says which it has. */
enum err_code result_chart_known(struct text result, const char *measure, struct chart *out,
                                 struct err *e) ERR_MUST_CHECK;

/* What `search --report --json` found: each architecture's training from scratch over its generated weights,
 * a form of points an activation. ERR_INVALID: text is no such result. */
enum err_code result_chart_search(struct text result, struct chart *out, struct err *e) ERR_MUST_CHECK;

/* The share that was right beside the share that should be. ERR_INVALID as above. */
enum err_code result_chart_calibration(struct text result, struct chart *out, struct err *e) ERR_MUST_CHECK;

#endif
