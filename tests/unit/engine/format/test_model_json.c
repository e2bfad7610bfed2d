/* engine/format/model_json.c: every key is read into its place and written back; what is missing, unknown, of
 * another type or out of range is refused with its path. */
#include "engine/format/model_json.h"

#include "engine/network/encoder.h"
#include "tests/support/spec_texts.h"
#include "tests/support/suite.h"

#include <stdlib.h>

static const char complete[] =
    "{\"format\": 1, \"name\": \"movies\", \"version\": \"3\", \"objective\": \"ranking\",\n"
    " \"n_items\": 7, \"d_item\": 4, \"d_context\": 17, \"d_output\": 1,\n"
    " \"trunk\": {\"norm\": \"block\", \"layers\": [{\"d_out\": 5, \"activation\": \"tanh\"}]},\n"
    " \"target\": {\"linear\": true, \"linear_head\": false, \"layers\": [\n"
    "   {\"d_in\": 4, \"d_out\": 6, \"generator\": \"core\", \"rank\": 3, \"bias\": \"full\", "
    "\"activation\": \"relu\"},\n"
    "   {\"d_in\": 6, \"d_out\": 2, \"generator\": \"low_rank\", \"rank\": 2, \"bias\": \"none\", "
    "\"activation\": \"relu\"},\n"
    "   {\"d_in\": 2, \"d_out\": 1, \"generator\": \"full\", \"bias\": \"shared\", \"activation\": "
    "\"identity\"}]},\n"
    " \"encoder\": {\"fold_in\": {\"dim\": 4, \"alpha\": 0.1, \"reg\": 0.003, \"reg_exponent\": 1},\n"
    "   \"history\": {\"dim\": 3}, \"recent\": {\"dim\": 3, \"n_decays\": 2, \"n_recent\": 50},\n"
    "   \"profile\": {\"dim\": 2, \"values\": [[\"gender\", \"F\"], [\"age\", \"25-34\"], [\"gender\", "
    "\"\"]]},\n"
    "   \"when\": {\"dim\": 2, \"n_moments\": 4, \"start\": 1.5, \"step\": 0.25}}}";

static const char tasks[] =
    "{\"format\":1,\"name\":\"t\",\"version\":\"1\",\"objective\":\"classification\",\"n_items\":0,\"d_"
    "item\":4,"
    "\"d_context\":2,\"d_output\":3,\"trunk\":{\"norm\":\"none\",\"layers\":[]},\"target\":{\"linear\":false,"
    "\"linear_head\":false,\"layers\":[{\"d_in\":4,\"d_out\":3,\"generator\":\"shared\",\"bias\":\"full\","
    "\"activation\":\"identity\"}]}}";

START_TEST(every_key_lands_in_its_place)
{
    struct model_spec s;
    must_decode(complete, &s);
    ck_assert_str_eq(s.name, "movies");
    ck_assert_str_eq(s.version, "3");
    ck_assert_ptr_eq(s.objective, &objective_ranking);
    ck_assert_uint_eq(s.n_items, 7);
    ck_assert_uint_eq(s.d_item, 4);
    ck_assert_uint_eq(s.d_context, 17);
    ck_assert_uint_eq(s.d_output, 1);
    ck_assert_int_eq(s.norm, NORM_BLOCK);
    ck_assert_uint_eq(s.n_trunk, 1);
    ck_assert_uint_eq(s.trunk[0].d_out, 5);
    ck_assert_int_eq(s.trunk[0].activation, ACTIVATION_TANH);
    ck_assert(s.has_linear && !s.linear_head);
    ck_assert_uint_eq(s.n_layers, 3);
    ck_assert_uint_eq(s.layers[0].d_in, 4);
    ck_assert_uint_eq(s.layers[0].d_out, 6);
    ck_assert_int_eq(s.layers[0].generator, GENERATOR_CORE);
    ck_assert_uint_eq(s.layers[0].rank, 3);
    ck_assert_int_eq(s.layers[0].bias, BIAS_FULL);
    ck_assert_int_eq(s.layers[0].activation, ACTIVATION_RELU);
    ck_assert_int_eq(s.layers[1].generator, GENERATOR_LOW_RANK);
    ck_assert_int_eq(s.layers[1].bias, BIAS_NONE);
    ck_assert_int_eq(s.layers[2].generator, GENERATOR_FULL);
    ck_assert_uint_eq(s.layers[2].rank, 0);
    ck_assert_int_eq(s.layers[2].bias, BIAS_SHARED);
    const struct encoder_spec *n = &s.encoder;
    ck_assert(n->present);
    ck_assert_uint_eq(n->d_fold_in, 4);
    ck_assert(n->alpha == 0.1 && n->reg == 0.003 && n->reg_exponent == 1);
    ck_assert_uint_eq(n->d_history, 3);
    ck_assert_uint_eq(n->d_recent, 3);
    ck_assert_uint_eq(n->n_decays, 2);
    ck_assert_uint_eq(n->n_recent, 50);
    ck_assert_uint_eq(n->d_profile, 2);
    ck_assert_uint_eq(n->n_values, 3);
    ck_assert_str_eq(n->values[1].field, "age");
    ck_assert_str_eq(n->values[1].value, "25-34");
    ck_assert_str_eq(n->values[2].value, "");
    ck_assert_uint_eq(n->d_when, 2);
    ck_assert_uint_eq(n->n_moments, 4);
    ck_assert(n->when_start == 1.5 && n->when_step == 0.25);
    model_spec_fini(&s);
}
END_TEST

START_TEST(an_absent_encoder_and_absent_blocks_are_legal)
{
    struct model_spec s;
    must_decode(tasks, &s);
    ck_assert(!s.encoder.present);
    ck_assert_uint_eq(s.n_trunk, 0);
    ck_assert_uint_eq(s.n_layers, 1);
    model_spec_fini(&s);
}
END_TEST

static void check_text(const char *text)
{
    struct model_spec s, again;
    must_decode(text, &s);
    check_round_trip(&s, &again);
    model_spec_fini(&s);
    model_spec_fini(&again);
}

START_TEST(what_is_encoded_decodes_to_the_same)
{
    check_text(complete);
    check_text(tasks);
}
END_TEST

/* What lies in which row, for values in their one form. */
static const struct {
    const char *field, *value;
    long row;
} lookups[] = {
    {"age", "-1e+300", 1}, {"age", "29.999", 1},  {"age", "30", 3},    {"age", "44", 3},
    {"age", "45", 4}, /* a value before its range */
    {"age", "46", 5},      {"age", "1e+300", 5},  {"age", "old", -1},  {"age", "045", -1},
    {"sex", "30", -1},     {"gender", "true", 0}, {"gender", "20", 2}, /* of a model made before there was one
                                                                          form */
};

START_TEST(a_range_has_all_numbers_between_its_bounds)
{
    char text[sizeof complete + 400];
    const char *at = strstr(complete, "[[\"gender\""), *end = strstr(at, "]]");
    struct model_spec s;
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - complete), complete,
                   "[[\"gender\", \"True\"], [\"age\", {\"below\": 30}], [\"gender\", \"20.0\"], [\"age\", "
                   "{\"from\": 30, \"below\": 46}],"
                   "[\"age\", \"45\"], [\"age\", {\"from\": 46}]]",
                   end + 2);
    must_decode(text, &s);
    for (size_t i = 0; i < sizeof lookups / sizeof *lookups; i++)
        ck_assert_msg(encoder_profile_value(&s, lookups[i].field, lookups[i].value) == lookups[i].row, "%s",
                      lookups[i].value);
    model_spec_fini(&s);
    check_text(text);
}
END_TEST

START_TEST(numbers_keep_all_their_bits)
{
    struct model_spec s, again;
    must_decode(complete, &s);
    s.encoder.alpha = 1.0 / 3;
    s.encoder.reg = 4.9406564584124654e-324;
    s.encoder.reg_exponent = 1.7976931348623157e308;
    check_round_trip(&s, &again);
    ck_assert(again.encoder.alpha == s.encoder.alpha);
    ck_assert(again.encoder.reg == s.encoder.reg);
    ck_assert(again.encoder.reg_exponent == s.encoder.reg_exponent);
    model_spec_fini(&s);
    model_spec_fini(&again);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_not_encoded)
{
    struct model_spec s;
    struct buf text;
    struct err e = {0};
    buf_init(&text, 1 << 20);
    must_decode(complete, &s);
    strcpy(s.name, "\xFF");
    ck_assert_int_eq(model_json_encode(&s, &text, &e), ERR_INVALID);
    strcpy(s.name, "n");
    s.encoder.values[2].value[0] = '\0';
    s.encoder.values[0].value[0] = (char)0xC3;
    ck_assert_int_eq(model_json_encode(&s, &text, NULL), ERR_INVALID);
    model_spec_fini(&s);
    buf_fini(&text);
}
END_TEST

static const struct refusal refused[] = {
    {"{\"format\"", "[\"format\"", "it is not valid JSON"},
    {"\"format\": 1", "\"format\": 2", "format: is not 1"},
    {"\"format\": 1, ", "", "format: is missing"},
    {"\"name\": \"movies\"", "\"name\": \"movies\", \"name\": \"b\"", "duplicate"},
    {"\"name\": \"movies\"", "\"name\": 3", "name: is no string"},
    {"\"name\": \"movies\"", "\"name\": \"\"", "name: must have 1 to 128 bytes"},
    {"\"name\": \"movies\"",
     "\"name\": "
     "\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
     "01234567890123456789012345678\"",
     "name: must have 1 to 128 bytes"},
    {"\"version\": \"3\"", "\"version\": 3", "version: is no string"},
    {"\"ranking\"", "\"rank\"", "objective: is none of ranking, regression, classification"},
    {"\"n_items\": 7", "\"n_items\": -7", "n_items: is no non-negative integer"},
    {"\"n_items\": 7", "\"n_items\": 7.0", "n_items: is no non-negative integer"},
    {"\"n_items\": 7", "\"n_items\": \"7\"", "n_items: is no non-negative integer"},
    {"\"n_items\": 7", "\"n_items\": 99999999999999999999", "it is not valid JSON"},
    {"\"n_items\": 7", "\"n_items\": 4294967296", "n_items"},
    {"\"n_items\": 7", "\"items\": 7", "n_items: is missing"},
    {"\"d_item\": 4", "\"d_item\": 0", "d_item is 0"},
    {"\"d_context\": 17", "\"d_context\": 16", "17 wide together, but d_context is 16"},
    {"\"d_output\": 1", "\"d_output\": 1, \"dropout\": 0.1", "dropout: is not a key of this format"},
    {"\"trunk\": {", "\"trunk\": [], \"trunc\": {", "trunk: is no object"},
    {"\"block\"", "\"batch\"", "trunk.norm: is none of none, layer, block"},
    {"[{\"d_out\": 5, \"activation\": \"tanh\"}]", "{}", "trunk.layers: is no array"},
    {"[{\"d_out\": 5, \"activation\": \"tanh\"}]", "[5]", "trunk.layers[0]: is no object"},
    {"[{\"d_out\": 5, \"activation\": \"tanh\"}]", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]",
     "trunk.layers: has more than 16 layers"},
    {"\"tanh\"", "\"gelu\"", "trunk.layers[0].activation: is none of identity, relu, tanh, sigmoid"},
    {"\"d_out\": 5", "\"d_out\": 5, \"bias\": true", "trunk.layers[0].bias: is not a key of this format"},
    {"\"linear\": true", "\"linear\": 1", "target.linear: is neither true nor false"},
    {"\"linear_head\": false", "\"linear_heads\": false", "target.linear_head: is missing"},
    {"\"core\"", "\"cores\"", "target.layers[0].generator: is none of shared, full, low_rank, core, chunked"},
    {"\"rank\": 2", "\"rank\": 0", "needs a rank"},
    {"\"rank\": 2, ", "", "target.layers[1].rank: is missing"},
    {"\"generator\": \"full\"", "\"generator\": \"full\", \"rank\": 1",
     "target.layers[2].rank: is not a key"},
    {"\"d_in\": 6", "\"d_in\": 5", "target layer 1 takes 5 values, but gets 6"},
    {"\"none\"", "\"no\"", "target.layers[1].bias: is none of none, shared, full"},
    {"\"alpha\": 0.1", "\"alpha\": \"0.1\"", "encoder.fold_in.alpha: is no number"},
    {"\"alpha\": 0.1", "\"alpha\": 1e999", "it is not valid JSON"},
    {"\"reg\": 0.003", "\"reg\": 0", "reg > 0"},
    {"\"reg\": 0.003", "\"regularisation\": 0", "encoder.fold_in.reg: is missing"},
    {"\"history\": {\"dim\": 3}", "\"history\": 3", "encoder.history: is no object"},
    {"\"history\": {\"dim\": 3}", "\"history\": {\"dim\": 3, \"d\": 1}", "encoder.history.d: is not a key"},
    {"\"history\": {\"dim\": 3}", "\"story\": {\"dim\": 3}", "encoder.story: is not a key"},
    {"\"n_decays\": 2", "\"n_decays\": 0", "must be all zero or all above zero"},
    {"\"n_recent\": 50", "\"n_recent\": 5000", "n_recent is 5000"},
    {"\"n_moments\": 4", "\"n_moments\": 1", "with at least two"},
    {"\"n_moments\": 4", "\"n_moments\": 0", "with at least two"},
    {"\"step\": 0.25", "\"step\": 0", "a finite step above 0"},
    {"\"step\": 0.25", "\"stride\": 1", "encoder.when.step: is missing"},
    {"\"values\": [", "\"values\": 3, \"v\": [", "encoder.profile.values: is no array"},
    {"[\"gender\", \"F\"]", "[\"gender\"]",
     "encoder.profile.values[0]: is no array of a field's name and a value"},
    {"[\"gender\", \"F\"]", "[\"gender\", \"F\", \"M\"]", "encoder.profile.values[0]: is no array"},
    {"[\"gender\", \"F\"]", "[\"\", \"F\"]", "encoder.profile.values[0]: is no array"},
    {"[\"age\", \"25-34\"]", "[\"age\", {\"from\": 5, \"below\": 5}]",
     "encoder.profile.values[1]: is no array"},
    {"[\"age\", \"25-34\"]", "[\"age\", {\"from\": \"5\"}]", "encoder.profile.values[1]: is no array"},
    {"[\"age\", \"25-34\"]", "[\"age\", {\"from\": 5, \"to\": 6}]", "encoder.profile.values[1]: is no array"},
    {"[\"age\", \"25-34\"]", "[\"age\", {\"below\": 5}], [\"age\", {\"from\": 4.5}]",
     "encoder.profile.values: has ranges of one field that overlap"},
    {"[\"age\", \"25-34\"]", "[\"age\", 25]", "encoder.profile.values[1]: is no array"},
    {"[\"age\", \"25-34\"]", "{\"age\": \"25-34\"}", "encoder.profile.values[1]: is no array"},
    {"[\"age\", \"25-34\"]", "[\"gender\", \"F\"]",
     "encoder.profile.values: has the same field and value twice"},
    {"\"values\": [[\"gender\", \"F\"], [\"age\", \"25-34\"], [\"gender\", \"\"]]", "\"values\": []",
     "must be both there or both absent"},
};

static const char rating[] =
    "{\"format\": 1, \"name\": \"r\", \"version\": \"1\", \"objective\": \"rating\", \"n_items\": 9, "
    "\"d_item\": 3,\n"
    " \"d_context\": 6, \"d_output\": 1, \"trunk\": {\"norm\": \"none\", \"layers\": []},\n"
    " \"target\": {\"linear\": true, \"linear_head\": false, \"layers\": []},\n"
    " \"encoder\": {\"history\": {\"dim\": 3}, \"ratings\": {\"dim\": 3, \"least\": 0.5, \"most\": 5}}}";

START_TEST(a_model_of_ratings_comes_back_as_it_was)
{
    struct model_spec s, again;
    must_decode(rating, &s);
    ck_assert_ptr_eq(s.objective, &objective_rating);
    ck_assert_uint_eq(s.encoder.d_ratings, 3);
    ck_assert(s.encoder.rating_least == 0.5 && s.encoder.rating_most == 5);
    check_round_trip(&s, &again);
    ck_assert(memcmp(&s, &again, sizeof s) == 0);
}
END_TEST

/* A layer of 4 x 3 and its bias in three chunks, the embeddings of which are the context's own. */
static const char chunked[] =
    "{\"format\": 1, \"name\": \"c\", \"version\": \"1\", \"objective\": \"classification\", \"n_items\": 0, "
    "\"d_item\": 3,\n"
    " \"d_context\": 11, \"d_output\": 2, \"trunk\": {\"norm\": \"none\", \"layers\": []},\n"
    " \"target\": {\"linear\": false, \"linear_head\": false, \"layers\": [\n"
    "  {\"d_in\": 3, \"d_out\": 4, \"generator\": \"chunked\", \"bias\": \"full\", \"activation\": "
    "\"relu\"},\n"
    "  {\"d_in\": 4, \"d_out\": 2, \"generator\": \"shared\", \"bias\": \"shared\", \"activation\": "
    "\"identity\"}],\n"
    "  \"chunks\": {\"size\": 6, \"dim\": 3, \"own\": true}}, \"encoder\": {\"id\": {\"dim\": 11, \"tasks\": "
    "5}}}";

START_TEST(a_model_of_chunks_comes_back_as_it_was)
{
    struct model_spec s, again;
    must_decode(chunked, &s);
    ck_assert_int_eq(s.layers[0].generator, GENERATOR_CHUNKED);
    ck_assert_uint_eq(s.chunks.size, 6);
    ck_assert_uint_eq(s.chunks.d_embedding, 3);
    ck_assert(s.chunks.own);
    ck_assert_uint_eq(s.encoder.d_id, 11);
    ck_assert_uint_eq(s.encoder.n_tasks, 5);
    ck_assert_uint_eq(model_spec_n_chunked(&s), 16);
    ck_assert_uint_eq(model_spec_n_chunks(&s), 3);
    ck_assert_uint_eq(model_spec_d_trunk_in(&s), 5);
    ck_assert_uint_eq(model_spec_n_ids(&s), 5);
    check_round_trip(&s, &again);
    ck_assert(memcmp(&s, &again, sizeof s) == 0);
}
END_TEST

static const struct refusal refused_chunks[] = {
    {"\"size\": 6", "\"size\": 0", "target.chunks.size: is 0; leave chunks out"},
    {"\"size\": 6", "\"size\": 17", "16 weights in chunks of 17"},
    {"\"size\": 6", "\"size\": 2000000", "target.chunks.size is 2000000"},
    {"\"dim\": 3", "\"dim\": 0", "target.chunks.dim is 0"},
    {"\"dim\": 3", "\"width\": 3", "target.chunks.dim: is missing"},
    {"\"own\": true", "\"own\": 1", "target.chunks.own: is neither true nor false"},
    {"\"own\": true", "\"own\": true, \"depth\": 2", "target.chunks.depth: is not a key"},
    {"\"d_context\": 11", "\"d_context\": 9", "the embeddings of 3 chunks alone are 9 numbers"},
    {",\n  \"chunks\": {\"size\": 6, \"dim\": 3, \"own\": true}", "", "need each other"},
    {"\"generator\": \"chunked\"", "\"generator\": \"full\"", "need each other"},
    {"\"generator\": \"chunked\"", "\"generator\": \"chunked\", \"rank\": 2", "rank: is not a key"},
    {"\"generator\": \"shared\"", "\"generator\": \"full\"", "beside chunked layers there are shared ones"},
    {"\"bias\": \"shared\"", "\"bias\": \"full\"", "beside chunked layers there are shared ones"},
    {"\"norm\": \"none\"", "\"norm\": \"layer\"", "beside chunked layers there are shared ones"},
    {"\"tasks\": 5", "\"tasks\": 0", "the encoder's block id needs tasks"},
    {"\"tasks\": 5", "\"n\": 5", "encoder.id.tasks: is missing"},
    {"\"dim\": 11", "\"dim\": 10", "10 wide together, but d_context is 11"},
    {"\"n_items\": 0", "\"n_items\": 4", "the encoder's block id needs tasks, and a model without items"},
};

START_TEST(a_wrong_description_of_chunks_is_refused)
{
    check_refused(chunked, &refused_chunks[_i]);
}
END_TEST

static const struct refusal refused_ratings[] = {
    {"\"ratings\": {\"dim\": 3,", "\"ratings\": {\"dim\": 2,", "must be as wide as ratings (2)"},
    {"\"most\": 5", "\"most\": 0.5", "a finite least below a finite most"},
    {"\"most\": 5", "\"best\": 5", "encoder.ratings.most: is missing"},
    {", \"ratings\": {\"dim\": 3, \"least\": 0.5, \"most\": 5}", "",
     "objective rating needs the encoder's block ratings"},
    {"\"ratings\": {\"dim\": 3,", "\"ratings\": {\"dim\": 2000,", "at most 1024"},
    {"\"d_context\": 6", "\"d_context\": 3", "6 wide together"},
};

START_TEST(a_wrong_block_of_ratings_is_refused)
{
    check_refused(rating, &refused_ratings[_i]);
}
END_TEST

START_TEST(a_wrong_description_is_refused_with_the_path_of_the_key)
{
    check_refused(complete, &refused[_i]);
}
END_TEST

START_TEST(other_json_than_an_object_is_refused)
{
    const char *const texts[] = {"", "[]", "3", "null", "\"text\"", "{", "{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct model_spec spec = {0};
        ck_assert_int_eq(model_json_decode(texts[i], &spec, NULL), ERR_INVALID);
    }
}
END_TEST

START_TEST(more_fields_than_the_limit_are_refused)
{
    struct model_spec spec = {0};
    struct buf text;
    struct err e = {0};
    const char *at = strstr(complete, "[[\"gender\"");
    buf_init(&text, 1 << 20);
    buf_add(&text, complete, (size_t)(at - complete));
    for (int i = 0; i <= LIMIT_PROFILE_FIELDS; i++)
        buf_addf(&text, "%s[\"field %d\", \"v\"]", i ? ", " : "[", i);
    buf_adds(&text, "]}}}");
    ck_assert_int_eq(model_json_decode(buf_text(&text), &spec, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, "encoder.profile.values: has more than 64 fields"), "%s", e.text);
    buf_fini(&text);
}
END_TEST

SUITE("engine/model_json", NULL, NULL, {every_key_lands_in_its_place},
      {an_absent_encoder_and_absent_blocks_are_legal}, {what_is_encoded_decodes_to_the_same},
      {a_range_has_all_numbers_between_its_bounds}, {numbers_keep_all_their_bits},
      {text_that_is_not_utf8_is_not_encoded},
      {a_wrong_description_is_refused_with_the_path_of_the_key, sizeof refused / sizeof *refused},
      {a_model_of_ratings_comes_back_as_it_was},
      {a_wrong_block_of_ratings_is_refused, sizeof refused_ratings / sizeof *refused_ratings},
      {a_model_of_chunks_comes_back_as_it_was},
      {a_wrong_description_of_chunks_is_refused, sizeof refused_chunks / sizeof *refused_chunks},
      {other_json_than_an_object_is_refused}, {more_fields_than_the_limit_are_refused})
