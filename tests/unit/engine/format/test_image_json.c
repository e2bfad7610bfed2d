/* engine/format/image_json.c and image_tensors.c: the object `images` of a model's description. Every key is
 * read into its place and written back; what does not fit is refused with its reason. Risk: a file that loads
 * and then reads beyond an image or a tensor. */
#include "base/limits.h"
#include "engine/network/class_head.h"
#include "tests/support/spec_texts.h"
#include "tests/support/suite.h"

/* 4 x 4 with 2 channels, halved twice: 1 x 1 x 4 features. */
static const char glyphs[] =
    "{\"format\": 1, \"name\": \"glyphs\", \"version\": \"1\", \"objective\": \"classification\", "
    "\"n_items\": 0, \"d_item\": 32, \"d_context\": 5, \"d_output\": 0,\n"
    " \"trunk\": {\"norm\": \"none\", \"layers\": []},\n"
    " \"target\": {\"linear\": false, \"linear_head\": false, \"layers\": []},\n"
    " \"images\": {\"height\": 4, \"width\": 4, \"channels\": 2, \"least\": -1, \"most\": 255,\n"
    "  \"layers\": [{\"d_out\": 3}, {\"d_out\": 4}], \"hidden\": 6}}";

START_TEST(every_key_lands_in_its_place)
{
    struct model_spec s;
    must_decode(glyphs, &s);
    const struct image_model_spec *m = &s.images;
    ck_assert(m->present && m->least == -1 && m->most == 255);
    ck_assert(m->images.height == 4 && m->images.width == 4 && m->images.n_channels == 2);
    ck_assert_uint_eq(m->images.n_layers, 2);
    ck_assert(m->images.d_out[0] == 3 && m->images.d_out[1] == 4 && m->d_hidden == 6);
    model_spec_fini(&s);
}
END_TEST

START_TEST(what_is_encoded_decodes_to_the_same)
{
    struct model_spec s, again;
    must_decode(glyphs, &s);
    check_round_trip(&s, &again);
    ck_assert_mem_eq(&s.images, &again.images, sizeof s.images);
    model_spec_fini(&s);
    model_spec_fini(&again);
}
END_TEST

START_TEST(its_tensors_have_the_shapes_of_the_description)
{
    struct tensor_spec t[MODEL_MAX_TENSORS];
    struct model_spec s;
    size_t n_values = 0;
    must_decode(glyphs, &s);
    size_t n = model_spec_tensors(&s, t);
    ck_assert_uint_eq(n, 4 + 10);
    ck_assert_str_eq(t[2].name, "images.1.weight");
    ck_assert(t[2].n_rows == 4 && t[2].n_cols == 9 * 3 && !t[2].vector);
    for (size_t i = 4; i < n; i++)
        n_values += t[i].n_rows * t[i].n_cols;
    ck_assert_uint_eq(n_values, class_head_params_len(&(struct class_head_spec){4, 6}));
    model_spec_fini(&s);
}
END_TEST

static const struct refusal refused[] = {
    {"\"height\": 4", "\"height\": 0", "the height is 0"},
    {"\"width\": 4", "\"width\": 2000", "the width is 2000"},
    {"\"channels\": 2", "\"channels\": 9", "channels is 9"},
    {"\"channels\": 2", "\"channels\": 1", "of these images they are 16, 5 and 0"},
    {"\"d_context\": 5", "\"d_context\": 4", "of these images they are 32, 5 and 0"},
    {"\"d_output\": 0", "\"d_output\": 2", "of these images they are 32, 5 and 0"},
    {"\"least\": -1", "\"least\": 255", "a finite least below a finite most"},
    {"\"least\": -1", "\"least\": \"a\"", "images.least"},
    {"\"hidden\": 6", "\"hidden\": 0", "0 hidden units"},
    {"\"hidden\": 6", "\"hidden\": 6, \"depth\": 1", "images.depth"},
    {"{\"d_out\": 3}", "{\"d_out\": 3}, {\"d_out\": 3}", "too small for 3 layers"},
    {"{\"d_out\": 3}", "{\"d_out\": 1025}", "d_out of a layer is 1025"},
    {"{\"d_out\": 3}", "{}", "d_out"},
    {"[{\"d_out\": 3}, {\"d_out\": 4}]", "[]", "the number of layers is 0"},
    {"\"classification\"", "\"regression\"", "images go with objective classification"},
    {"\"n_items\": 0", "\"n_items\": 3", "images go without items"},
    {"\"linear\": false", "\"linear\": true", "images go without items"},
    {"\"trunk\": {\"norm\": \"none\"", "\"trunk\": {\"norm\": \"layer\"", "images go without items"},
    {"\"images\"", "\"encoder\": {}, \"images\"", "images go without items"},
};

START_TEST(faults_are_refused)
{
    check_refused(glyphs, &refused[_i]);
}
END_TEST

SUITE("engine/format: image_json", NULL, NULL, {every_key_lands_in_its_place},
      {what_is_encoded_decodes_to_the_same}, {its_tensors_have_the_shapes_of_the_description},
      {faults_are_refused, sizeof refused / sizeof *refused})
