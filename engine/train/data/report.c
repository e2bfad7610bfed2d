#include "engine/train/data/report.h"

#include <assert.h>
#include <string.h>

static void add(struct train_report *r, struct train_figure figure)
{
    assert(r->n_figures < TRAIN_MAX_FIGURES);
    if (r->n_figures < TRAIN_MAX_FIGURES)
        r->figures[r->n_figures++] = figure;
}

void report_text(struct train_report *r, const char *name, const char *text)
{
    add(r, (struct train_figure){.name = name, .kind = FIGURE_TEXT, .text = text});
}

void report_flag(struct train_report *r, const char *name, bool value)
{
    add(r, (struct train_figure){.name = name, .kind = FIGURE_FLAG, .value = value ? 1 : 0});
}

void report_count(struct train_report *r, const char *name, size_t value)
{
    add(r, (struct train_figure){.name = name, .kind = FIGURE_COUNT, .value = (double)value});
}

void report_setting(struct train_report *r, const char *name, double value)
{
    add(r, (struct train_figure){.name = name, .kind = FIGURE_SETTING, .value = value});
}

void report_measure(struct train_report *r, const char *name, int digits, double value)
{
    add(r, (struct train_figure){.name = name, .kind = FIGURE_MEASURE, .digits = digits, .value = value});
}

const char *train_end_name(enum train_end end)
{
    static const char *const names[] = {
        [TRAIN_COMPLETE] = "complete", [TRAIN_INTERRUPTED] = "interrupted", [TRAIN_DEADLINE] = "deadline"};
    return names[end];
}

const struct train_figure *report_find(const struct train_report *r, const char *name)
{
    for (size_t i = 0; i < r->n_figures; i++)
        if (strcmp(r->figures[i].name, name) == 0)
            return &r->figures[i];
    return NULL;
}
