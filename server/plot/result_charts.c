/* Four forms come in: of models of tasks {"by_known", "by_count" or "by_learned": {GROUP: {SYSTEM: {MEASURE:
 * NUMBER}}}}; of recommenders "groups" or "cases", whose systems are a list with {"metrics": {MEASURE:
 * {"mean": NUMBER}}}. Each is walked as groups of systems with measures. Of models of images "results" are a
 * list with {"ways", "shots", SYSTEM: {"mean": NUMBER}}: a line a system and number of classes. */
#include "server/plot/result_charts.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void set_name(char out[CHART_NAME_BYTES], const char *name)
{
    size_t n = strlen(name);
    if (n >= CHART_NAME_BYTES)
        for (n = CHART_NAME_BYTES - 1; n && ((unsigned char)name[n] & 0xC0) == 0x80;)
            n--; /* whole characters */
    memcpy(out, name, n);
    out[n] = '\0';
    for (char *p = out; *p; p++)
        if (*p == '_')
            *p = ' ';
}

static enum err_code read_result(struct text result, const char *command, json_t **out, struct err *e)
{
    json_error_t where;
    *out = json_loadb(result.data, result.len, JSON_REJECT_DUPLICATES, &where);
    if (!*out)
        return err_set(e, ERR_INVALID, "line %d: %s; it must be what `hypernet %s --json` printed",
                       where.line, where.text, command);
    return ERR_OK;
}

/* ---- points ---- */

/* NULL: there are more systems than lines. */
static struct chart_line *line_of(struct chart *c, const char *name)
{
    char shown[CHART_NAME_BYTES];
    set_name(shown, name);
    for (size_t i = 0; i < c->n_lines; i++)
        if (strcmp(c->lines[i].name, shown) == 0)
            return &c->lines[i];
    if (c->n_lines == CHART_LINES)
        return NULL;
    struct chart_line *l = &c->lines[c->n_lines++];
    memcpy(l->name, shown, sizeof shown);
    return l;
}

static void add_value(struct chart *c, const char *system, double x, const json_t *value)
{
    struct chart_line *l = json_is_number(value) ? line_of(c, system) : NULL;
    const double most = 1e100; /* the range of two is a number too */
    if (!l || l->n == CHART_POINTS || !(fabs(json_number_value(value)) < most) || !(fabs(x) < most))
        return;
    l->x[l->n] = x;
    l->y[l->n++] = json_number_value(value);
}

/* ---- a measure by what is known ---- */

/* The measures of a system, and one of them as a number; NULL: there is none. */
static json_t *measures_of(json_t *system)
{
    json_t *metrics = json_object_get(system, "metrics");
    return metrics ? metrics : system;
}

static json_t *number_of(json_t *system, const char *measure)
{
    json_t *value = json_object_get(measures_of(system), measure);
    return json_is_object(value) ? json_object_get(value, "mean") : value;
}

/* The first that is no count. */
static const char *first_measure(json_t *system)
{
    const char *name;
    json_t *value;
    json_object_foreach(measures_of(system), name, value) if (strcmp(name, "rows") != 0) return name;
    return NULL;
}

/* The systems of a place: an object by name, or a list of objects with names. */
static void add_place(struct chart *c, const char *place, json_t *systems, const char **measure)
{
    const char *name;
    json_t *system;
    size_t i;
    if (c->n_places == CHART_PLACES)
        return;
    set_name(c->places[c->n_places], place);
    json_object_foreach(systems, name, system)
    {
        *measure = *measure ? *measure : first_measure(system);
        if (*measure)
            add_value(c, name, (double)c->n_places, number_of(system, *measure));
    }
    json_array_foreach(systems, i, system)
    {
        name = json_string_value(json_object_get(system, "name"));
        *measure = *measure ? *measure : first_measure(system);
        if (*measure && name)
            add_value(c, name, (double)c->n_places, number_of(system, *measure));
    }
    c->n_places++;
}

/* "5" of a case, "5-9" or "100+" of a group. */
static void name_place(const json_t *place, char out[CHART_NAME_BYTES])
{
    const json_t *count = json_object_get(place, "count"), *known = json_object_get(place, "known");
    const json_t *least = json_array_get(known, 0), *most = json_array_get(known, 1);
    if (count)
        (void)snprintf(out, CHART_NAME_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(count));
    else if (!json_is_integer(most))
        (void)snprintf(out, CHART_NAME_BYTES, "%" JSON_INTEGER_FORMAT "+", json_integer_value(least));
    else if (json_integer_value(most) == json_integer_value(least))
        (void)snprintf(out, CHART_NAME_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(least));
    else
        (void)snprintf(out, CHART_NAME_BYTES, "%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT,
                       json_integer_value(least), json_integer_value(most));
}

static void add_places(struct chart *c, json_t *root, const char **measure)
{
    static const char *const keys[] = {"by_count", "by_known", "by_learned", "cases", "groups"};
    json_t *places = NULL, *place;
    const char *name;
    size_t i;
    for (size_t k = 0; k < sizeof keys / sizeof *keys && !places; k++)
        places = json_object_get(root, keys[k]);
    json_object_foreach(places, name, place) add_place(c, name, place, measure);
    json_array_foreach(places, i, place)
    {
        char text[CHART_NAME_BYTES];
        name_place(place, text);
        add_place(c, text, json_object_get(place, "systems"), measure);
    }
}

/* The place of so many known images; CHART_PLACES: there are more than places. */
static size_t place_of_shots(struct chart *c, const json_t *shots)
{
    char text[CHART_NAME_BYTES];
    size_t i = 0;
    (void)snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(shots));
    while (i < c->n_places && strcmp(c->places[i], text) != 0)
        i++;
    if (i == c->n_places && i < CHART_PLACES)
        memcpy(c->places[c->n_places++], text, sizeof text);
    return i;
}

static void add_episodes(struct chart *c, json_t *results)
{
    static const char *const systems[] = {"generated", "prototypes", "ridge"};
    json_t *result;
    size_t i;
    json_array_foreach(results, i, result)
    {
        size_t place = place_of_shots(c, json_object_get(result, "shots"));
        for (size_t k = 0; k < sizeof systems / sizeof *systems && place < CHART_PLACES; k++) {
            char name[CHART_NAME_BYTES];
            (void)snprintf(name, sizeof name, "%s, %" JSON_INTEGER_FORMAT " classes", systems[k],
                           json_integer_value(json_object_get(result, "ways")));
            add_value(c, name, (double)place, number_of(json_object_get(result, systems[k]), "mean"));
        }
    }
}

/* Accuracy by how many images of each class are known. */
static enum err_code chart_episodes(json_t *results, const char *measure, struct chart *out, struct err *e)
{
    if (measure && strcmp(measure, "accuracy") != 0)
        return err_set(e, ERR_INVALID, "the result has no measure '%s'", measure);
    add_episodes(out, results);
    if (out->n_lines == 0)
        return err_set(e, ERR_INVALID, "the result has no episodes of images");
    set_name(out->title, "accuracy by what is known");
    set_name(out->x_label, "known images of each class");
    set_name(out->y_label, "accuracy");
    return ERR_OK;
}

enum err_code result_chart_known(struct text result, const char *measure, struct chart *out, struct err *e)
{
    json_t *root;
    enum err_code code = read_result(result, "evaluate", &root, e);
    if (code)
        return code;
    *out = (struct chart){0};
    json_t *episodes = json_object_get(root, "results");
    if (json_object_get(json_array_get(episodes, 0), "shots")) {
        code = chart_episodes(episodes, measure, out, e);
        json_decref(root);
        return code;
    }
    bool tasks = json_object_get(root, "by_known") != NULL,
         learned = json_object_get(root, "by_learned") != NULL;
    add_places(out, root, &measure);
    if (out->n_places == 0)
        code = err_set(e, ERR_INVALID,
                       "the result has nothing by what is known of users or tasks; it must be what `hypernet "
                       "evaluate --json` printed");
    else if (out->n_lines == 0)
        code = err_set(e, ERR_INVALID, "the result has no measure '%s'", measure ? measure : "");
    if (!code) {
        set_name(out->y_label, measure);
        char title[2 * CHART_NAME_BYTES];
        (void)snprintf(title, sizeof title, "%s by %s", out->y_label, learned ? "time" : "what is known");
        set_name(out->title, title);
        set_name(out->x_label, learned ? "tasks learned"
                               : tasks ? "known rows of the task"
                                       : "known interactions of the user");
    }
    json_decref(root);
    return code;
}

/* ---- calibration ---- */

enum err_code result_chart_calibration(struct text result, struct chart *out, struct err *e)
{
    json_t *root, *points, *point;
    const char *system;
    size_t i;
    enum err_code code = read_result(result, "evaluate", &root, e);
    if (code)
        return code;
    *out = (struct chart){.shares = true, .title = "calibration"};
    json_object_foreach(json_object_get(root, "calibration"), system, points)
        json_array_foreach(points, i, point)
    {
        double expected = json_number_value(json_object_get(point, "expected"));
        if (expected >= 0 && expected <= 1)
            add_value(out, system, expected, json_object_get(point, "found"));
    }
    if (out->n_lines == 0)
        code = err_set(
            e, ERR_INVALID,
            "the result has no calibration; it must be what `hypernet evaluate --rows --json` printed");
    set_name(out->x_label, "share that should be right");
    set_name(out->y_label, "share that is right");
    json_decref(root);
    return code;
}

/* ---- search ---- */

static double mean_of(const json_t *array)
{
    double sum = 0;
    size_t i, n = json_array_size(array);
    json_t *value;
    json_array_foreach(array, i, value) sum += json_number_value(value);
    return n ? sum / (double)n : (double)NAN;
}

enum err_code result_chart_search(struct text result, struct chart *out, struct err *e)
{
    json_t *root, *member;
    size_t i;
    enum err_code code = read_result(result, "search", &root, e);
    if (code)
        return code;
    *out = (struct chart){.scatter = true, .title = "generated weights and training from scratch"};
    json_array_foreach(json_object_get(json_object_get(root, "report"), "architectures"), i, member)
    {
        const char *activation = json_string_value(json_object_get(member, "activation"));
        json_t *generated = json_object_get(member, "generated");
        double scratch = mean_of(json_object_get(member, "from_scratch"));
        if (activation && json_is_number(generated) && isfinite(scratch)) {
            json_t *y = json_real(scratch);
            add_value(out, activation, json_number_value(generated), y);
            json_decref(y);
        }
    }
    if (out->n_lines == 0)
        code =
            err_set(e, ERR_INVALID,
                    "the result has no report; it must be what `hypernet search --report N --json` printed");
    const char *measure = json_string_value(json_object_get(root, "measure"));
    char label[CHART_NAME_BYTES];
    (void)snprintf(label, sizeof label, "%.20s of generated weights", measure ? measure : "score");
    set_name(out->x_label, label);
    (void)snprintf(label, sizeof label, "%.20s from scratch", measure ? measure : "score");
    set_name(out->y_label, label);
    json_decref(root);
    return code;
}
