/* report - what came of a training: what all objectives tell, and the figures of one, which it names itself.
 * Whoever prints a report knows no objective: figures come in the order in which they are to be printed.
 * Layer: engine/train/data
 * Threads: plain values.
 * Memory: none; names are static texts. */
#ifndef ENGINE_TRAIN_DATA_REPORT_H
#define ENGINE_TRAIN_DATA_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Why training ended. */
enum train_end { TRAIN_COMPLETE, TRAIN_INTERRUPTED, TRAIN_DEADLINE };

enum figure_kind {
    FIGURE_TEXT,
    FIGURE_FLAG,    /* value 0 or 1 */
    FIGURE_COUNT,   /* a whole number */
    FIGURE_SETTING, /* a number as it would be typed */
    FIGURE_MEASURE  /* a measured number with so many digits; NAN: it was not measured */
};

struct train_figure {
    const char *name; /* static, as in the JSON of `hypernet train` */
    enum figure_kind kind;
    int digits;       /* of a measure */
    const char *text; /* static, of a text; else NULL */
    double value;
};

enum { TRAIN_MAX_FIGURES = 32, TRAIN_SUMMARY_BYTES = 512 };

struct train_report {
    enum train_end end;
    bool written; /* false: interrupted before there was a model to keep */
    int epochs_run, best_epoch;
    size_t n_parameters;
    double seconds;
    struct train_figure figures[TRAIN_MAX_FIGURES]; /* (n_figures) */
    size_t n_figures;
    char summary[TRAIN_SUMMARY_BYTES]; /* the same for people: whole lines */
};

/* Adds one figure; what is too many is left out, which an assertion of debug builds tells. */
void report_text(struct train_report *r, const char *name, const char *text);
void report_flag(struct train_report *r, const char *name, bool value);
void report_count(struct train_report *r, const char *name, size_t value);
void report_setting(struct train_report *r, const char *name, double value);
void report_measure(struct train_report *r, const char *name, int digits, double value);

/* "complete", "interrupted" or "deadline". */
const char *train_end_name(enum train_end end);

/* The figure of this name; NULL: there is none. */
const struct train_figure *report_find(const struct train_report *r, const char *name);

#endif
