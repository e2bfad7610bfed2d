/* engine/format/trained_spec.c and trained_json.c: the object `trained` of a model's description. Every
 * key is read into its place and written back; what is missing, unknown, of another type or against the
 * rest of the model is refused with its path. Risk: a file that loads and then answers with classes that
 * it has not, or reads inputs of another size. */
#include "engine/format/model_json.h"

#include "tests/support/spec_texts.h"
#include "tests/support/suite.h"

static const char whole[] =
    "{\"format\": 1, \"name\": \"digits\", \"version\": \"3\", \"objective\": \"classification\", "
    "\"n_items\": 0,\n"
    " \"d_item\": 6, \"d_context\": 8, \"d_output\": 3, \"trunk\": {\"norm\": \"none\", \"layers\": []},\n"
    " \"target\": {\"linear\": false, \"linear_head\": false, \"layers\": [\n"
    "   {\"d_in\": 6, \"d_out\": 3, \"generator\": \"chunked\", \"bias\": \"full\", \"activation\": "
    "\"identity\"}],\n"
    "  \"chunks\": {\"size\": 7, \"dim\": 2, \"own\": false}},\n"
    " \"encoder\": {\"id\": {\"dim\": 8, \"tasks\": 2}},\n"
    " \"trained\": {\"unit\": 255, \"shape\": [2, 3], \"classes\": [[\"a\", \"b\", \"c\"], [\"b\", \"d\"]]}}";

START_TEST(every_key_lands_in_its_place)
{
    struct model_spec s;
    char dims[16];
    must_decode(whole, &s);
    const struct trained_spec *t = &s.trained;
    ck_assert(t->present && t->unit == 255 && t->n_dims == 2 && t->dims[0] == 2 && t->dims[1] == 3);
    ck_assert_str_eq(trained_spec_dims_text(t, dims, sizeof dims), "2 x 3");
    ck_assert_uint_eq(t->n_tasks, 2);
    ck_assert(t->tasks[0].n == 3 && t->tasks[1].n == 2);
    ck_assert_str_eq(t->tasks[1].names[1], "d");
    ck_assert_uint_eq(trained_spec_class(t, 0, "c"), 2);
    ck_assert_uint_eq(trained_spec_class(t, 1, "c"), 2); /* it has two */
    model_spec_fini(&s);
}
END_TEST

static const char stored[] =
    "{\"format\": 1, \"name\": \"digits\", \"version\": \"3\", \"objective\": \"classification\", "
    "\"n_items\": 0,\n"
    " \"d_item\": 6, \"d_context\": 8, \"d_output\": 3, \"trunk\": {\"norm\": \"none\", \"layers\": []},\n"
    " \"target\": {\"linear\": false, \"linear_head\": false, \"layers\": [\n"
    "   {\"d_in\": 6, \"d_out\": 3, \"generator\": \"chunked\", \"bias\": \"full\", \"activation\": "
    "\"identity\"}],\n"
    "  \"chunks\": {\"size\": 7, \"dim\": 2, \"own\": false}},\n"
    " \"encoder\": {\"id\": {\"dim\": 8, \"tasks\": 2}},\n"
    " \"trained\": {\"unit\": 255, \"shape\": [2, 3], \"classes\": [[\"a\", \"b\", \"c\"], [\"b\", \"d\"]],\n"
    "  \"stored\": {\"width\": 0.25, \"rows\": [[3, 0, 2], [1, 1]]}}}";

START_TEST(stored_rows_land_in_their_place_and_have_their_tensors)
{
    struct model_spec s, again;
    struct trained_spec copy;
    struct tensor_spec table[MODEL_MAX_TENSORS];
    struct err e = {0};
    must_decode(stored, &s);
    const struct trained_spec *t = &s.trained;
    ck_assert(t->width == 0.25 && t->tasks[0].rows[2] == 2 && t->tasks[1].rows[1] == 1);
    ck_assert_uint_eq(trained_spec_n_rows(t), 7);
    ck_assert_uint_eq(trained_spec_n_rows_of(t, 1), 2);
    ck_assert_uint_eq(trained_spec_n_classes(t), 5);
    ck_assert(trained_spec_guesses(t));
    size_t n = model_spec_tensors(&s, table), found = 0;
    for (size_t i = 0; i < n; i++)
        found +=
            (!strcmp(table[i].name, "trained.rows") && table[i].n_rows == 7 && table[i].n_cols == 6) ||
            (!strcmp(table[i].name, "trained.row_weights") && table[i].n_rows == 7 && table[i].n_cols == 5);
    ck_assert_uint_eq(found, 2);
    check_round_trip(&s, &again);
    ck_assert_uint_eq(again.trained.tasks[0].rows[0], 3);
    ck_assert_int_eq(trained_spec_copy(&copy, t, &e), ERR_OK);
    model_spec_fini(&s);
    ck_assert_uint_eq(trained_spec_n_rows(&copy), 7);
    trained_spec_fini(&copy);
    model_spec_fini(&again);
}
END_TEST

static const struct refusal stored_refusals[] = {
    {"\"stored\": {", "\"stored\": 3, \"x\": {", "trained.stored: is no object"},
    {"\"width\": 0.25, ", "", "trained.stored.width: is missing"},
    {"\"width\": 0.25", "\"width\": 0", "trained.stored.width: is not above 0"},
    {"\"width\": 0.25", "\"width\": -1", "trained.stored.width: is not above 0"},
    {"\"rows\": [[3, 0, 2], [1, 1]]", "\"more\": 1", "trained.stored.rows: is missing"},
    {"[[3, 0, 2], [1, 1]]", "7", "trained.stored.rows: is no array of a list for each task"},
    {"[[3, 0, 2], [1, 1]]", "[[3, 0, 2]]", "trained.stored.rows: is no array of a list for each task"},
    {"[[3, 0, 2], [1, 1]]", "[[3, 0], [1, 1]]",
     "trained.stored.rows: has a task that is no array of a count"},
    {"[[3, 0, 2], [1, 1]]", "[[3, 0, -2], [1, 1]]",
     "trained.stored.rows: has a count that is no whole number"},
    {"[[3, 0, 2], [1, 1]]", "[[3, 0, 2], [1, 1.5]]",
     "trained.stored.rows: has a count that is no whole number"},
    {"[[3, 0, 2], [1, 1]]", "[[3, 0, 9e9], [1, 1]]",
     "trained.stored.rows: has a count that is no whole number"},
    {"[[3, 0, 2], [1, 1]]", "[[], []]", "trained.stored.rows are 0 rows; from 1 to 5000"},
    {"[[3, 0, 2], [1, 1]]", "[[3, 0, 5000], []]", "trained.stored.rows are 5003 rows"},
    {"\"width\": 0.25", "\"width\": 0.25, \"more\": 1", "trained.stored.more: is not a key"},
};

START_TEST(a_description_of_stored_rows_with_a_fault_is_refused)
{
    check_refused(stored, &stored_refusals[_i]);
}
END_TEST

START_TEST(what_is_encoded_decodes_to_the_same)
{
    struct model_spec s, again;
    must_decode(whole, &s);
    s.trained.unit = 1.0 / 3;
    check_round_trip(&s, &again);
    ck_assert(again.trained.unit == 1.0 / 3);
    model_spec_fini(&s);
    model_spec_fini(&again);
}
END_TEST

START_TEST(a_copy_has_texts_of_its_own_and_can_be_added_to)
{
    struct model_spec s;
    struct trained_spec copy;
    struct err e = {0};
    const char *const names[] = {"x", "y"};
    must_decode(whole, &s);
    ck_assert_int_eq(trained_spec_copy(&copy, &s.trained, &e), ERR_OK);
    ck_assert_int_eq(trained_spec_add(&copy, names, 2, &e), ERR_OK);
    ck_assert_uint_eq(s.trained.n_tasks, 2);
    model_spec_fini(&s);
    ck_assert_uint_eq(copy.n_tasks, 3);
    ck_assert_str_eq(copy.tasks[0].names[2], "c");
    ck_assert_str_eq(copy.tasks[2].names[1], "y");
    trained_spec_fini(&copy);
}
END_TEST

static const struct refusal refusals[] = {
    {"\"trained\": {", "\"trained\": [], \"t\": {", "trained: is no object"},
    {"\"unit\": 255, ", "", "trained.unit: is missing"},
    {"\"unit\": 255", "\"unit\": \"255\"", "trained.unit: is no number"},
    {"\"unit\": 255", "\"unit\": 0", "trained.unit is not a finite number above 0"},
    {"\"unit\": 255", "\"unit\": -1", "trained.unit is not a finite number above 0"},
    {"\"shape\": [2, 3], ", "", "trained.shape: is missing"},
    {"\"shape\": [2, 3]", "\"shape\": 6", "trained.shape: is no array of 1 to 8"},
    {"\"shape\": [2, 3]", "\"shape\": []", "trained.shape: is no array of 1 to 8"},
    {"\"shape\": [2, 3]", "\"shape\": [1, 1, 1, 1, 1, 1, 1, 2, 3]", "trained.shape: is no array of 1 to 8"},
    {"\"shape\": [2, 3]", "\"shape\": [2, 3.5]", "trained.shape: has a value that is no whole number"},
    {"\"shape\": [2, 3]", "\"shape\": [0, 3]", "trained.shape: has a value that is no whole number"},
    {"\"shape\": [2, 3]", "\"shape\": [2, 4]", "trained.shape is 2 x 4; d_item is 6"},
    {"\"shape\": [2, 3]", "\"shape\": [1048576, 1048576, 1048576]", "d_item is 6"},
    {"\"classes\": [[", "\"classes\": 3, \"c\": [[", "trained.classes: is no array of tasks"},
    {"[\"b\", \"d\"]", "7", "trained.classes: has a task that is no array"},
    {"[\"b\", \"d\"]", "[\"b\", 4]", "trained.classes: has a class that is no string"},
    {"[\"b\", \"d\"]", "[\"b\"]", "trained.classes[1] has 1 classes; from 2 to d_output, 3"},
    {"[\"b\", \"d\"]", "[\"b\", \"d\", \"e\", \"f\"]", "trained.classes[1] has 4 classes"},
    {"[\"b\", \"d\"]", "[\"b\", \"b\"]", "trained.classes[1] has 'b' twice"},
    {"[\"b\", \"d\"]", "[\"b\", \"\"]", "trained.classes[1][1] has 0 bytes"},
    {", [\"b\", \"d\"]", "", "trained.classes is of 1 tasks; encoder.id has 2"},
    {"\"shape\": [2, 3]", "\"shape\": [2, 3], \"more\": 1", "trained.more: is not a key"},
    {"\"objective\": \"classification\"", "\"objective\": \"regression\"", "trained needs the objective"},
    {"\"encoder\": {\"id\": {\"dim\": 8, \"tasks\": 2}},\n", "", "trained needs the objective"},
};

START_TEST(a_description_with_a_fault_is_refused)
{
    check_refused(whole, &refusals[_i]);
}
END_TEST

SUITE("engine/format: trained_spec", NULL, NULL, {every_key_lands_in_its_place},
      {what_is_encoded_decodes_to_the_same}, {stored_rows_land_in_their_place_and_have_their_tensors},
      {a_description_of_stored_rows_with_a_fault_is_refused,
       sizeof stored_refusals / sizeof *stored_refusals},
      {a_copy_has_texts_of_its_own_and_can_be_added_to},
      {a_description_with_a_fault_is_refused, sizeof refusals / sizeof *refusals})
