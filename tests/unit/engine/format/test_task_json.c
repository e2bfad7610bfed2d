/* engine/format/task_json.c and what model_spec.c checks of it: the object `task` of a model's
 * description. Every key is read into its place and written back; what is missing, unknown, of another
 * type or against the rest of the model is refused with its path. Risk: a file that loads and then answers
 * with another column, or reads beyond a row. */
#include "engine/format/model_json.h"

#include "base/limits.h"
#include "engine/format/model_file.h"
#include "tests/support/spec_texts.h"
#include "tests/support/suite.h"

#include <stdlib.h>

/* x has 1 + 2 + 3 places, sums 2 + 1 * 4 + 10. */
static const char numbers[] =
    "{\"format\": 1, \"name\": \"shops\", \"version\": \"3\", \"objective\": \"regression\", \"n_items\": "
    "0,\n"
    " \"d_item\": 6, \"d_context\": 16, \"d_output\": 1, \"trunk\": {\"norm\": \"none\", \"layers\": []},\n"
    " \"target\": {\"linear\": false, \"linear_head\": false, \"layers\": []},\n"
    " \"task\": {\"columns\": [\n"
    "   {\"name\": \"price\", \"kind\": \"number\", \"optional\": false, \"mean\": 2.5, \"deviation\": 0.5, "
    "\"least\": 1, \"most\": 4},\n"
    "   {\"name\": \"age\", \"kind\": \"number\", \"optional\": true, \"mean\": 40, \"deviation\": 10, "
    "\"least\": 18, \"most\": 90},\n"
    "   {\"name\": \"day\", \"kind\": \"category\", \"optional\": true, \"values\": [\"fri\", \"mon\"]}],\n"
    "  \"features\": [{\"d_out\": 5, \"activation\": \"tanh\"}, {\"d_out\": 3, \"activation\": \"relu\"}],\n"
    "  \"basis\": 4, \"forgets\": false,\n"
    "  \"target\": {\"column\": \"units\", \"scale\": \"log\", \"loss\": \"relative\", \"unit\": 4, "
    "\"clip\": 2.5, \"shrink\": 0.5, \"mean\": 1.5, \"deviation\": "
    "0.25, \"least\": 1, "
    "\"most\": 99}}}";

static const char classes[] =
    "{\"format\": 1, \"name\": \"people\", \"version\": \"3\", \"objective\": \"classification\", "
    "\"n_items\": "
    "0,\n"
    " \"d_item\": 1, \"d_context\": 24, \"d_output\": 3, \"trunk\": {\"norm\": \"none\", \"layers\": []},\n"
    " \"target\": {\"linear\": false, \"linear_head\": false, \"layers\": []},\n"
    " \"task\": {\"columns\": [{\"name\": \"x\", \"kind\": \"number\", \"optional\": false, \"mean\": 0, "
    "\"deviation\": 1, \"least\": -3, \"most\": 3}],\n"
    "  \"features\": [], \"basis\": 4, \"forgets\": true, \"time\": \"week\", \"period\": 7,\n"
    "  \"target\": {\"column\": \"walk\", \"classes\": [\"down\", \"sit\", \"up\"]}}}";

START_TEST(every_key_lands_in_its_place)
{
    struct model_spec s;
    must_decode(numbers, &s);
    const struct task_spec *t = &s.task;
    ck_assert(t->present && !t->forgets && t->scale == SCALE_LOG);
    ck_assert(t->loss == LOSS_RELATIVE && t->unit == 4 && t->clip == 2.5);
    ck_assert_uint_eq(t->columns.n, 3);
    const struct column *price = &t->columns.list[0], *day = &t->columns.list[2];
    ck_assert_str_eq(price->name, "price");
    ck_assert(price->kind == COLUMN_NUMBER && !price->optional);
    ck_assert(price->mean == 2.5 && price->deviation == 0.5 && price->least == 1 && price->most == 4);
    ck_assert(t->columns.list[1].optional);
    ck_assert(day->kind == COLUMN_CATEGORY && day->optional);
    ck_assert_uint_eq(day->n_values, 2);
    ck_assert_str_eq(day->values[1], "mon");
    ck_assert_uint_eq(t->n_features, 2);
    ck_assert_uint_eq(t->features[0].d_out, 5);
    ck_assert_int_eq(t->features[1].activation, ACTIVATION_RELU);
    ck_assert_uint_eq(t->d_basis, 4);
    ck_assert_str_eq(t->target, "units");
    ck_assert_uint_eq(t->n_classes, 0);
    ck_assert(t->shrink == 0.5 && !t->time);
    ck_assert(t->target_mean == 1.5 && t->target_deviation == 0.25);
    ck_assert(t->target_least == 1 && t->target_most == 99);
    ck_assert_uint_eq(task_spec_d_features(&s), 6 + 3);
    model_spec_fini(&s);
    must_decode(classes, &s);
    ck_assert(s.task.forgets && s.task.period == 7);
    ck_assert_str_eq(s.task.time, "week");
    ck_assert_uint_eq(s.task.n_classes, 3);
    ck_assert_str_eq(s.task.classes[2], "up");
    ck_assert_uint_eq(s.task.n_features, 0);
    model_spec_fini(&s);
}
END_TEST

/* The description of numbers, with more keys in its target; static. */
static char *with_target_keys(const char *keys)
{
    static char text[2 * sizeof numbers];
    const char *at = strstr(numbers, "\"scale\"");
    (void)snprintf(text, sizeof text, "%.*s%s, %s", (int)(at - numbers), numbers, keys, at);
    return text;
}

static void encode(const struct model_spec *s, struct buf *out)
{
    struct err e = {0};
    buf_init(out, 1 << 20);
    ck_assert_msg(model_json_encode(s, out, &e) == ERR_OK, "%s", e.text);
}

START_TEST(what_is_encoded_decodes_to_the_same)
{
    struct model_spec s, again;
    must_decode(_i ? classes : numbers, &s);
    if (!_i)
        s.task.columns.list[0].mean = 1.0 / 3;
    check_round_trip(&s, &again);
    ck_assert(_i || again.task.columns.list[0].mean == 1.0 / 3);
    model_spec_fini(&s);
    model_spec_fini(&again);
}
END_TEST

START_TEST(features_that_alone_are_read_say_so_and_make_narrower_layers)
{
    struct model_spec s, again;
    struct err e = {0};
    must_decode(numbers, &s);
    s.task.features_alone = true;
    s.task.features[0].activation = ACTIVATION_SIGMOID;
    ck_assert_uint_eq(task_spec_d_features(&s), 3);
    check_round_trip(&s, &again);
    ck_assert(again.task.features_alone);
    ck_assert_int_eq(again.task.features[0].activation, ACTIVATION_SIGMOID);
    ck_assert_uint_eq(task_spec_d_features(&again), 3);
    s.task.n_features = 0; /* then there would be nothing to read */
    ck_assert_int_eq(model_spec_check(&s, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "task.direct"));
    model_spec_fini(&s);
    model_spec_fini(&again);
}
END_TEST

START_TEST(a_calibrated_model_says_so_and_has_its_table)
{
    static struct tensor_spec tensors[MODEL_MAX_TENSORS];
    struct model_spec s;
    struct buf text;
    must_decode(with_target_keys("\"calibrated\": false"), &s);
    ck_assert(!s.task.calibrated);
    encode(&s, &text);
    ck_assert_ptr_null(strstr(buf_text(&text), "calibrated"));
    buf_fini(&text);
    model_spec_fini(&s);
    must_decode(with_target_keys("\"calibrated\": true"), &s);
    ck_assert(s.task.calibrated);
    size_t n = model_spec_tensors(&s, tensors);
    ck_assert_str_eq(tensors[n - 1].name, "task.calibration");
    ck_assert(tensors[n - 1].n_rows == 8 && tensors[n - 1].n_cols == 11 && tensors[n - 1].rises);
    encode(&s, &text);
    ck_assert_ptr_nonnull(strstr(buf_text(&text), "\"calibrated\":true"));
    buf_fini(&text);
    model_spec_fini(&s);
}
END_TEST

START_TEST(a_table_of_errors_that_falls_is_refused)
{
    real values[] = {1, 2, 2, 0, 0.5, 4}; /* rises in each row */
    struct tensor_spec t = {.name = "task.calibration", .n_rows = 2, .n_cols = 3, .rises = true};
    struct err e = {0};
    ck_assert_int_eq(model_file_check_finite(&t, values, &e), ERR_OK);
    values[4] = -1;
    ck_assert_int_eq(model_file_check_finite(&t, values, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "\"task.calibration\": value [1, 1] is below the one before it"));
}
END_TEST

START_TEST(its_tensors_have_the_shapes_of_the_description)
{
    static struct tensor_spec tensors[MODEL_MAX_TENSORS];
    static const struct {
        const char *name;
        size_t rows, cols;
    } expected[] = {
        {"task.features.0.weight", 5, 6}, {"task.features.0.bias", 5, 1}, {"task.features.1.weight", 3, 5},
        {"task.features.1.bias", 3, 1},   {"task.shared.weight", 1, 9},   {"task.shared.bias", 1, 1},
        {"task.basis.weight", 4, 9},      {"task.basis.bias", 4, 1},      {"task.scales", 2, 1}};
    struct model_spec s;
    must_decode(numbers, &s);
    size_t n = model_spec_tensors(&s, tensors);
    ck_assert_uint_eq(n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(tensors[i].name, expected[i].name);
        ck_assert_uint_eq(tensors[i].n_rows, expected[i].rows);
        ck_assert_uint_eq(tensors[i].n_cols, expected[i].cols);
    }
    model_spec_fini(&s);
    must_decode(classes, &s);
    n = model_spec_tensors(&s, tensors);
    ck_assert_str_eq(tensors[n - 1].name, "task.scales");
    ck_assert_uint_eq(tensors[n - 1].n_rows, 3); /* the rate of forgetting is the third */
    model_spec_fini(&s);
}
END_TEST

static const struct refusal refused_numbers[] = {
    {"\"task\": {", "\"task\": [], \"t\": {", "task: is no object"},
    {"\"columns\"", "\"column\"", "task.columns: is missing"},
    {"{\"columns\": [", "{\"columns\": 3, \"c\": [", "task.columns: is no array"},
    {"{\"name\": \"price\"", "5, {\"name\": \"price\"", "task.columns[0]: is no object"},
    {"\"name\": \"price\"", "\"name\": 7", "task.columns[0].name: is no string"},
    {"\"name\": \"price\"", "\"name\": \"\"", "the name of column 0 has 0 bytes"},
    {"\"name\": \"price\"", "\"name\": \"age\"", "column \"age\" stands twice"},
    {"\"kind\": \"category\"", "\"kind\": \"text\"", "task.columns[2].kind: is none of number, category"},
    {"\"optional\": false", "\"optional\": 0", "task.columns[0].optional: is neither true nor false"},
    {"\"mean\": 2.5", "\"mean\": \"2.5\"", "task.columns[0].mean: is no number"},
    {"\"deviation\": 0.5, ", "", "task.columns[0].deviation: is missing"},
    {"\"deviation\": 0.5", "\"deviation\": 0", "finite deviation above 0"},
    {"\"least\": 1, \"most\": 4", "\"least\": 5, \"most\": 4", "least that is not above"},
    {"\"most\": 4", "\"most\": 4, \"middle\": 2", "task.columns[0].middle: is not a key"},
    {"\"values\": [\"fri\", \"mon\"]", "\"values\": {}", "task.columns[2].values: is no array"},
    {"\"values\": [\"fri\", \"mon\"]", "\"values\": [\"fri\", 5]", "has a value that is no string"},
    {"\"values\": [\"fri\", \"mon\"]", "\"values\": []", "column \"day\" has 0 values"},
    {"\"values\": [\"fri\", \"mon\"]", "\"values\": [\"mon\", \"fri\"]", "does not come after"},
    {"\"values\": [\"fri\", \"mon\"]", "\"values\": [\"fri\"]", "5 wide together, but d_item is 6"},
    {"\"features\": [{\"d_out\": 5", "\"features\": [{\"d_out\": 0",
     "d_out of a layer of task.features is 0"},
    {"\"activation\": \"relu\"", "\"activation\": \"gelu\"", "task.features[1].activation: is none of"},
    {"\"activation\": \"relu\"", "\"activation\": \"relu\", \"bias\": 1",
     "task.features[1].bias: is not a key"},
    {"\"basis\": 4", "\"basis\": 0", "task.basis is 0"},
    {"\"basis\": 4", "\"basis\": 257", "task.basis is 257; at most 256"},
    {"\"basis\": 4", "\"basis\": 5", "d_context is 16; the sums of a task are 22 numbers"},
    {"\"forgets\": false,", "", "task.forgets: is missing"},
    {"\"forgets\": false,\n", "\"forgets\": 1,\n", "task.forgets: is neither true nor false"},
    {"\"column\": \"units\"", "\"column\": 5", "task.target.column: is no string"},
    {"\"column\": \"units\"", "\"column\": \"\"", "task.target"},
    {"\"scale\": \"log\"", "\"scale\": \"identity\"",
     "task.target.shrink must be 0 where the target is learned as it is"},
    {"\"scale\": \"log\"", "\"scale\": \"sqrt\"", "task.target.scale: is none of"},
    {"\"loss\": \"relative\"", "\"loss\": \"huber\"", "task.target.loss: is none of"},
    {"\"unit\": 4, ", "", "task.target.unit: is missing"},
    {"\"unit\": 4, ", "\"unit\": -4, ", "task.target.unit must be above 0"},
    {"\"clip\": 2.5", "\"clip\": -2.5", "task.target.clip must be 0 or more"},
    {"\"scale\": \"log\", \"loss\": \"relative\", \"unit\": 4",
     "\"scale\": \"asinh\", \"loss\": \"squared\", \"unit\": 0", "task.target.unit must be above 0"},
    {"\"shrink\": 0.5, ", "", "task.target.shrink: is missing"},
    {"\"unit\": 4", "\"unit\": 4, \"calibrated\": 1", "task.target.calibrated: is neither true nor false"},
    {"\"forgets\": false", "\"forgets\": true", "task.time: is missing"},
    {"\"forgets\": false", "\"forgets\": false, \"period\": 7", "task.period: is not a key"},
    {"\"scale\"", "\"logarithm\"", "task.target.log: is missing"},
    {"\"deviation\": 0.25", "\"deviation\": 0", "task.target needs a finite mean, a deviation above 0"},
    {"\"least\": 1, \"most\": 99", "\"least\": 0, \"most\": 99", "task.target needs"}, /* of a logarithm */
    {"\"least\": 1, \"most\": 99", "\"least\": 9, \"most\": 1", "task.target needs"},
    {"\"most\": 99", "\"most\": 99, \"label\": \"kg\"", "task.target.label: is not a key"},
    {"\"d_output\": 1", "\"d_output\": 2", "d_output is 2 with 0 classes"},
    {"\"d_item\": 6", "\"d_item\": 7", "6 wide together, but d_item is 7"},
    {"\"objective\": \"regression\"", "\"objective\": \"classification\"", "needs the classes"},
    {"\"objective\": \"regression\"", "\"objective\": \"ranking\"", "needs items"},
    {"\"layers\": []}", "\"layers\": [{\"d_out\": 3, \"activation\": \"relu\"}]}",
     "the target network has no layer to make"},
    {"\"norm\": \"none\"", "\"norm\": \"layer\"", "the target network has no layer to make"},
    {"\"linear\": false, \"linear_head\": false, \"layers\": []",
     "\"linear\": true, \"linear_head\": false, \"layers\": []", "task goes without"},
    {"\"linear_head\": false, \"layers\": []",
     "\"linear_head\": false, \"layers\": [{\"d_in\": 6, \"d_out\": 1, \"generator\": \"shared\", "
     "\"bias\": \"none\", \"activation\": \"identity\"}]",
     "target layer 0 takes 6 values, but gets 4"},
    {"\"linear_head\": false, \"layers\": []",
     "\"linear_head\": false, \"layers\": [{\"d_in\": 4, \"d_out\": 2, \"generator\": \"shared\", "
     "\"bias\": \"none\", \"activation\": \"identity\"}]",
     "the last target layer gives 2 values, but d_output is 1"},
    {"\"linear_head\": false, \"layers\": []",
     "\"linear_head\": false, \"layers\": [{\"d_in\": 4, \"d_out\": 1, \"generator\": \"core\", \"rank\": 0, "
     "\"bias\": \"none\", \"activation\": \"identity\"}]",
     "core needs a rank"},
    {"\"linear_head\": false, \"layers\": []",
     "\"linear_head\": false, \"layers\": [{\"d_in\": 4, \"d_out\": 1, \"generator\": \"chunked\", "
     "\"bias\": \"none\", \"activation\": \"identity\"}], \"chunks\": {\"size\": 2, \"dim\": 1, \"own\": "
     "false}",
     "task goes without"},
    {"\"forgets\": false", "\"forgets\": false, \"chunks\": 3", "task.chunks: is not a key"},
};

static const struct refusal refused_classes[] = {
    {"\"period\": 7", "\"period\": 0", "task.forgets needs a time and a period above 0"},
    {"\"period\": 7", "\"period\": \"7\"", "task.period: is no number"},
    {"\"time\": \"week\"", "\"time\": 3", "task.time: is no string"},
    {"[\"down\", \"sit\", \"up\"]", "[\"down\", \"sit\"]", "d_output is 3 with 2 classes"},
    {"[\"down\", \"sit\", \"up\"]", "[\"down\", \"sit\", 3]", "task.target.classes: has a value"},
    {"[\"down\", \"sit\", \"up\"]", "[]", "needs the classes of task.target"},
    {"[\"down\", \"sit\", \"up\"]", "[\"up\", \"sit\", \"down\"]", "class"},
    {"[\"down\", \"sit\", \"up\"]", "[\"down\", \"sit\", \"sit\"]", "class"},
    {"[\"down\", \"sit\", \"up\"]", "[\"down\", \"sit\", \"up\"], \"mean\": 0",
     "task.target.mean: is not a key"},
    {"\"objective\": \"classification\"", "\"objective\": \"regression\"", "without classes"},
};

/* The code is the solved layer's weights, O of them M wide, and the network reads phi, M wide. */
START_TEST(a_network_that_is_generated_has_its_tensors)
{
    struct tensor_spec tensors[MODEL_MAX_TENSORS];
    struct model_spec s, again;
    struct buf text;
    struct err e = {0};
    size_t n_found = 0;
    must_decode(classes, &s);
    s.n_trunk = 1;
    s.trunk[0] = (struct trunk_layer_spec){5, ACTIVATION_TANH};
    s.n_layers = 2;
    s.layers[0] = (struct layer_spec){4, 7, GENERATOR_LOW_RANK, 2, BIAS_FULL, ACTIVATION_RELU};
    s.layers[1] = (struct layer_spec){7, 3, GENERATOR_FULL, 0, BIAS_NONE, ACTIVATION_IDENTITY};
    s.norm = NORM_LAYER;
    buf_init(&text, 1 << 16);
    ck_assert_msg(model_json_encode(&s, &text, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(model_json_decode(buf_text(&text), &again, &e) == ERR_OK, "%s", e.text);
    buf_fini(&text);
    size_t n = model_spec_tensors(&again, tensors);
    static const struct {
        const char *name;
        size_t n_rows, n_cols;
    } expected[] = {{"trunk.norm.weight", 12, 1},        {"trunk.0.weight", 5, 12},
                    {"target.0.weight", 7, 4},           {"target.0.head.weight", 22, 5},
                    {"target.0.bias_head.weight", 7, 5}, {"target.1.head.weight", 21, 5}};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof expected / sizeof *expected; k++)
            if (strcmp(tensors[i].name, expected[k].name) == 0) {
                ck_assert_uint_eq(tensors[i].n_rows, expected[k].n_rows);
                ck_assert_uint_eq(tensors[i].n_cols, expected[k].n_cols);
                n_found++;
            }
    ck_assert_uint_eq(n_found, sizeof expected / sizeof *expected);
    ck_assert_uint_eq(again.d_context, 24); /* that which is stored stays the sums */
    model_spec_fini(&s);
    model_spec_fini(&again);
}
END_TEST

/* Files of before a target had other scales: the logarithm was for relative errors. */
START_TEST(a_file_of_before_is_read_as_it_was_meant)
{
    static const char now[] = "\"scale\": \"log\", \"loss\": \"relative\", \"unit\": 4, \"clip\": 2.5, "
                              "\"shrink\": 0.5";
    struct model_spec s;
    char text[sizeof numbers];
    const char *at = strstr(numbers, now);
    ck_assert_ptr_nonnull(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - numbers), numbers,
                   _i ? "\"log\": true, \"shrink\": 0.5" : "\"log\": false, \"shrink\": 0", at + strlen(now));
    must_decode(text, &s);
    ck_assert_int_eq(s.task.scale, _i ? SCALE_LOG : SCALE_IDENTITY);
    ck_assert_int_eq(s.task.loss, _i ? LOSS_RELATIVE : LOSS_SQUARED);
    ck_assert(s.task.shrink == (_i ? 0.5 : 0) && s.task.clip == 0);
    model_spec_fini(&s);
}
END_TEST

START_TEST(faults_of_a_task_of_numbers_are_refused)
{
    check_refused(numbers, &refused_numbers[_i]);
}
END_TEST

START_TEST(faults_of_a_task_of_classes_are_refused)
{
    check_refused(classes, &refused_classes[_i]);
}
END_TEST

START_TEST(more_columns_than_the_limit_are_refused)
{
    struct buf text;
    struct model_spec s = {0};
    struct err e = {0};
    const char *at = strstr(numbers, "{\"name\": \"price\"");
    buf_init(&text, 1 << 24);
    buf_add(&text, numbers, (size_t)(at - numbers));
    for (size_t i = 0; i < LIMIT_COLUMNS - 2; i++)
        buf_addf(
            &text,
            "{\"name\": \"n%zu\", \"kind\": \"number\", \"optional\": false, \"mean\": 0, \"deviation\": "
            "1, \"least\": 0, \"most\": 1},",
            i);
    buf_add(&text, at, strlen(at));
    ck_assert_int_eq(model_json_decode(buf_text(&text), &s, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, "task.columns: is no array of at most 1024") != NULL, "%s", e.text);
    buf_fini(&text);
}
END_TEST

SUITE("engine/format: task_json", NULL, NULL, {every_key_lands_in_its_place},
      {what_is_encoded_decodes_to_the_same, 2}, {its_tensors_have_the_shapes_of_the_description},
      {features_that_alone_are_read_say_so_and_make_narrower_layers},
      {a_calibrated_model_says_so_and_has_its_table}, {a_table_of_errors_that_falls_is_refused},
      {a_network_that_is_generated_has_its_tensors}, {a_file_of_before_is_read_as_it_was_meant, 2},
      {faults_of_a_task_of_numbers_are_refused, sizeof refused_numbers / sizeof *refused_numbers},
      {faults_of_a_task_of_classes_are_refused, sizeof refused_classes / sizeof *refused_classes},
      {more_columns_than_the_limit_are_refused})
