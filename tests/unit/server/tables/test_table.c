/* Tables of every format as rows, and how the format is found. */
#include "base/mem.h"
#include "tests/support/suite.h"
#include "tests/support/table_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

START_TEST(test_csv_is_read_as_rfc_4180_has_it)
{
    ROWS("a.csv", TABLE_ITEMS,
         "item,title,genres,note\r\n"
         "1,\"a, \"\"b\"\"\",\"X|Y\",n\r\n"
         "2,\"two\nlines\",,\r\n"
         "3,,,\n"
         "\n"
         "\"4\",\"\",\"\",\"\"",
         "2:-;1;w1;rnan;t0;a, \"b\";[\"X\",\"Y\"];{\"note\":\"n\"};\n"
         "3:-;2;w1;rnan;t0;two\nlines;-;-;\n"
         "5:-;3;w1;rnan;t0;-;-;-;\n"
         "7:-;4;w1;rnan;t0;-;-;-;\n");
    ROWS("b.csv", TABLE_ITEMS, "item,title\n1,a\"\"b\n2,\"c\"d\n3,ok\n4,\"open\n5,x\n",
         "! 2: a quote inside of column 2, which does not begin with one; write \"...\"\"...\"\n"
         "! 3: text behind the closing quote of column 2\n"
         "4:-;3;w1;rnan;t0;ok;-;-;\n"
         "! 5: a quoted field is not closed, within 1000 lines or before the end\n"
         "6:-;5;w1;rnan;t0;x;-;-;\n");
}
END_TEST

START_TEST(test_tsv_keeps_quotes_and_finds_synonyms_in_any_order)
{
    ROWS("a.tsv", TABLE_INTERACTIONS,
         "\xef\xbb\xbf"
         "Timestamp\tStars\tmovieId\tuserId\tx\n7\t4.5\tm\"1\tu,1\tz\n\t\tm2\tu2\t\n",
         "2:u,1;m\"1;w1;r4.5;t7;-;-;-;\n3:u2;m2;w1;rnan;t0;-;-;-;\n");
    ROWS("b.tsv", TABLE_INTERACTIONS, "uid\tiid\tcount\tdatetime\nu\ti\t2.5\t2024-02-29T12:30:05.5+01:00\n",
         "2:u;i;w2.5;rnan;t1709206205;-;-;-;\n");
    ROWS("c.tsv", TABLE_USERS, "user\ttitle\tage\ttimestamp\nu\tDr\t\t9\n",
         "2:u;-;w1;rnan;t0;-;-;{\"title\":\"Dr\",\"timestamp\":\"9\"};\n"); /* roles are those of the kind */
    ROWS("d.tsv", TABLE_ITEMS, "item\tmovie_id\nA\t17\n", "2:-;A;w1;rnan;t0;-;-;{\"movie_id\":\"17\"};\n");
}
END_TEST

#define NOTHING "-;-;w1;rnan;t0;-;-;-;"

START_TEST(test_rows_have_whatever_columns_there_are)
{
    ROWS("a.csv", TABLE_ROWS,
         "user,item,rating,embedding,title\n"
         "7,a b,2.50,1 2,\"x, y\"\n"
         ",,,,\n"
         "true,02139,FALSE,+1e2,\"NA\"\n"
         "NA,nan,\\N,0, z \n",
         "2:" NOTHING "user=7#7,item=a b,rating=2.50#2.5,embedding=1 2,title=x, y\n"
         "3:" NOTHING "\n"
         "4:" NOTHING "user=true#1,item=02139,rating=FALSE#0,embedding=+1e2#100,title=NA\n"
         "5:" NOTHING "embedding=0#0,title=z\n");
    ROWS("a.tsv", TABLE_ROWS, "a\tb\n1\tx\n2\n", "2:" NOTHING "a=1#1,b=x\n! 3: 1 columns where 2 are due\n");
    ROWS("a.ndjson", TABLE_ROWS,
         "{\"user\":7,\"b\":\"7\",\"c\":true,\"d\":null,\"e\":\"\",\"f\":-1.5e3,\"g\":\"NA\"}\n"
         "{\"b\":[1]}\n{\"b\":{}}\n{}\n",
         "1:" NOTHING "user=#7,b=7,c=true#1,d=null,f=#-1500,g=NA\n"
         "! 2: \"b\" is neither a number nor a text, true, false or null\n"
         "! 3: \"b\" is neither a number nor a text, true, false or null\n"
         "4:" NOTHING "\n");
}
END_TEST

START_TEST(test_ndjson_has_the_same_names_and_nested_values)
{
    ROWS("a.ndjson", TABLE_USERS,
         "{\"user\":7,\"profile\":{\"age\":25,\"likes\":[\"a\",\"b\"],\"none\":null,\"empty\":\"\"},\"city\":"
         "\"K\\u00f6ln\"}\n"
         "{\"user_id\":\"u\"}\n",
         "1:7;-;w1;rnan;t0;-;-;{\"age\":25,\"likes\":[\"a\",\"b\"],\"none\":null,\"empty\":\"\",\"city\":"
         "\"K\xc3\xb6ln\"};\n"
         "2:u;-;w1;rnan;t0;-;-;-;\n");
    ROWS("a.jsonl", TABLE_INTERACTIONS,
         "{\"user\":\"u\",\"item\":3,\"weight\":0.5,\"rating\":\"4\",\"ts\":\"1970-01-02\"}\n"
         "{\"user\":\"u\",\"item\":3,\"timestamp\":12,\"rating\":null}\n",
         "1:u;3;w0.5;r4;t86400;-;-;-;\n2:u;3;w1;rnan;t12;-;-;-;\n");
    ROWS("b.ndjson", TABLE_ITEMS,
         "{\"item\":\"i\",\"title\":\"T\",\"categories\":[\"a|b\",\"c\"],\"year\":1999}\n"
         "{\"item\":\"j\",\"genres\":\"a|b\"}\n",
         "1:-;i;w1;rnan;t0;T;[\"a|b\",\"c\"];{\"year\":1999};\n2:-;j;w1;rnan;t0;-;[\"a\",\"b\"];-;\n");
    ROWS("bad.ndjson", TABLE_INTERACTIONS,
         "{\"user\":\"u\",\"item\":\n[1]\n{\"user\":1.5,\"item\":1}\n{\"user\":\"u\",\"uid\":\"v\","
         "\"userid\":\"w\",\"item\":1}\n"
         "{\"uid\":\"v\",\"userid\":\"w\",\"item\":1}\n{\"user\":\"u\",\"item\":1,\"rating\":true}\n"
         "{\"user\":\"u\",\"item\":1,\"user\":\"u\"}\n{\"item\":1}\n{\"user\":\"a\\u0000b\",\"item\":1}\n",
         "! 1: no valid JSON at column 19: unexpected token near end of file\n"
         "! 2: the line is no JSON object\n"
         "! 3: \"user\" is a number with a fraction (1.5); write ids as texts, or as whole numbers: pandas "
         "makes fractions where a column has gaps, astype('Int64') before to_json\n"
         "4:u;1;w1;rnan;t0;-;-;-;\n"
         "! 5: two fields mean the user; \"userid\" is one of them\n"
         "! 6: \"rating\" has a value of the wrong type\n"
         "! 7: no valid JSON at column 27: duplicate object key near '\"user\"'\n"
         "! 8: the id of the user is empty\n"
         "! 9: no valid JSON at column 18: a text has a zero character (\\u0000)\n");
}
END_TEST

START_TEST(test_movielens_files_have_no_header)
{
    ROWS("ratings.dat", TABLE_INTERACTIONS, "1::1193::5::978300760\n", "1:1;1193;w1;r5;t978300760;-;-;-;\n");
    ROWS("users.dat", TABLE_USERS, "1::F::25::10::48067\n",
         "1:1;-;w1;rnan;t0;-;-;{\"gender\":\"F\",\"age\":\"25\",\"occupation\":\"10\",\"zip\":\"48067\"};\n");
    ROWS("users.dat", TABLE_USERS, "1::177651718\n", "1:1;-;w1;rnan;t0;-;-;{\"account\":\"177651718\"};\n");
    ROWS(
        "movies.dat", TABLE_ITEMS, "1::L\xe9on: x (1994)::Crime|Drama\n2::T\xc3\xa9::\n",
        "1:-;1;w1;rnan;t0;L\xc3\xa9on: x (1994);[\"Crime\",\"Drama\"];-;\n2:-;2;w1;rnan;t0;T\xc3\xa9;-;-;\n");
    ROWS("u.data", TABLE_INTERACTIONS, "196\t242\t3\t881250949\n", "1:196;242;w1;r3;t881250949;-;-;-;\n");
    ROWS("u1.test", TABLE_INTERACTIONS, "1\t2\t3\t4\n5\t6\t7\t8\n",
         "1:1;2;w1;r3;t4;-;-;-;\n2:5;6;w1;r7;t8;-;-;-;\n");
    ROWS("u.user", TABLE_USERS, "1|24|M|technician|85711\n",
         "1:1;-;w1;rnan;t0;-;-;{\"age\":\"24\",\"gender\":\"M\",\"occupation\":\"technician\",\"zip\":"
         "\"85711\"};\n");
    ROWS("u.item", TABLE_ITEMS,
         "1|Caf\xe9, the (1995)|01-Jan-1995||http://x|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0|1|0|0|0\n"
         "2|x|||"
         "|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0|1|0|0|2\n"
         "3|x|||"
         "|0|1\n",
         "1:-;1;w1;rnan;t0;Caf\xc3\xa9, the "
         "(1995);[\"Action\",\"Sci-Fi\"];{\"release_date\":\"01-Jan-1995\",\"url\":\"http://"
         "x\"};\n"
         "! 2: the genre flag Western is '2' and not 0 or 1\n"
         "! 3: 7 columns where 24 are due\n");
}
END_TEST

START_TEST(test_contexts_are_arrays_or_numbers_with_spaces)
{
    ROWS("c.tsv", TABLE_CONTEXTS,
         "user\tembedding\na\t[1, -2.5,3e-1]\nb\t1 2  3\nc\t[1,]\nd\t[1 "
         "2]\ne\t1,2\nf\t\ng\tnan\nh\t[1\ni\t1e39\n",
         "2:a;-;w1;rnan;t0;-;-;-;1 -2.5 0.3 \n3:b;-;w1;rnan;t0;-;-;-;1 2 3 \n"
         "! 4: the embedding is no JSON array: a comma is missing or left over\n"
         "! 5: the embedding is no JSON array: a comma is missing or left over\n"
         "! 6: number 2 of the embedding, '', is not a finite number\n"
         "! 7: the embedding is empty\n"
         "! 8: number 1 of the embedding, 'nan', is not a finite number\n"
         "! 9: the embedding begins with '[' and does not end with ']'\n"
         "! 10: number 1 of the embedding: the number 1e+39 is not between -1e+06 and 1e+06, beyond which "
         "float32 may "
         "overflow on the way to a score\n");
    ROWS("c.ndjson", TABLE_CONTEXTS,
         "{\"user\":\"a\",\"embedding\":[1,0.5]}\n{\"user\":\"a\",\"embedding\":[1,\"x\"]}\n{\"user\":\"a\","
         "\"embedding\":[]}\n",
         "1:a;-;w1;rnan;t0;-;-;-;1 0.5 \n! 2: \"embedding\" is not an array of numbers\n! 3: the embedding "
         "is empty\n");
}
END_TEST

START_TEST(test_candidates_are_a_user_and_items_a_line)
{
    ROWS("c.tsv", TABLE_CANDIDATES, "0\t1\t2\t3\nu\ti\nx\ny\t\n",
         "1:0;-;w1;rnan;t0;-;-;-;1;2;3;\n2:u;-;w1;rnan;t0;-;-;-;i;\n"
         "! 3: a line of candidates is a user and items, with tabs between\n"
         "! 4: the id of the item is empty\n");
}
END_TEST

START_TEST(test_the_name_or_the_first_line_tells_the_format)
{
    const char *result;
    static const struct {
        const char *name, *text;
        enum table_kind kind;
        enum table_format format;
    } cases[] = {
        {"x", "user,item\n", TABLE_INTERACTIONS, TABLE_CSV},
        {"x.txt", "user\titem\n", TABLE_INTERACTIONS, TABLE_TSV},
        {"x.txt", "{\"user\":1}\n", TABLE_INTERACTIONS, TABLE_NDJSON},
        {"x.txt", "1::2\n", TABLE_INTERACTIONS, TABLE_DAT},
        {"x", "1\t2\t3\n", TABLE_INTERACTIONS, TABLE_U_DATA},
        {"x", "1|2|3|4|5\n", TABLE_USERS, TABLE_U_USER},
        {"x.csv", "item,a::b\n", TABLE_ITEMS, TABLE_CSV},
        {"x.CSV", "item\n", TABLE_ITEMS, TABLE_CSV},
        {"ml-u.item",
         "1|a,b|||"
         "|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n",
         TABLE_ITEMS, TABLE_U_ITEM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct table *t = NULL;
        struct err e = {0};
        const char *file = table_rows_write(cases[i].name, cases[i].text, strlen(cases[i].text));
        ck_assert_msg(table_open(file, cases[i].kind, TABLE_AUTO, &t, &e) == ERR_OK, "%s: %s", cases[i].text,
                      e.text);
        struct table_about about;
        table_about(t, &about);
        ck_assert_msg(about.format == cases[i].format, "%s", cases[i].text);
        table_close(t);
        table_rows_remove();
    }
    result = table_rows("a.csv", TABLE_INTERACTIONS, TABLE_TSV, "user\titem\nu\ti\n", 14);
    ck_assert_str_eq(result, "2:u;i;w1;rnan;t0;-;-;-;\n");
    enum table_format format;
    ck_assert(table_format_parse("u.item", &format) && format == TABLE_U_ITEM);
    ck_assert(!table_format_parse("xls", &format));
}
END_TEST

START_TEST(test_gzip_is_seen_through_and_damage_is_told)
{
    const char *result;
    char text[200000], packed[200000];
    size_t n = (size_t)sprintf(text, "user,item\n");
    for (int i = 0; n < sizeof text - 64; i++)
        n += (size_t)sprintf(text + n, "u%d,i%d\n", i * 7919 % 10007, i * 104729 % 9973);
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)text;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)packed;
    z.avail_out = sizeof packed;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n_packed = z.total_out;
    deflateEnd(&z);
    result = table_rows("a.csv", TABLE_INTERACTIONS, TABLE_AUTO, text, n);
    char *plain = strdup(result);
    result = table_rows("a.csv.gz", TABLE_INTERACTIONS, TABLE_AUTO, packed, n_packed);
    ck_assert_str_eq(result, plain);
    free(plain);
    result = table_rows("a.csv.gz", TABLE_INTERACTIONS, TABLE_AUTO, packed, n_packed - 100);
    ck_assert_ptr_nonnull(strstr(result, "corrupt: ")); /* by the open or by a row */
    ck_assert_ptr_nonnull(strstr(result, "ends in the middle"));
    packed[n_packed / 2] ^= 0x55;
    result = table_rows("a.csv.gz", TABLE_INTERACTIONS, TABLE_AUTO, packed, n_packed);
    ck_assert_ptr_nonnull(strstr(result, "corrupt: a.csv.gz: damaged gzip file (incorrect data check)"));
}
END_TEST

START_TEST(test_lines_may_end_in_several_carriage_returns)
{
    ROWS("a.csv", TABLE_INTERACTIONS, "user,item,note\r\r\nu,1,a\r\r\nu,2,\"b\"\r\r\n\r\r\nu,3,\r\r\n",
         "2:u;1;w1;rnan;t0;-;-;-;\n3:u;2;w1;rnan;t0;-;-;-;\n5:u;3;w1;rnan;t0;-;-;-;\n");
    ROWS("a.csv", TABLE_INTERACTIONS, "user,item\r\r\nu,1\r\r\n\"v\",\"2\"\r\r\r\n",
         "2:u;1;w1;rnan;t0;-;-;-;\n3:v;2;w1;rnan;t0;-;-;-;\n");
    ROWS("a.tsv", TABLE_USERS, "user\tage\r\r\nu\t5\r\r\n", "2:u;-;w1;rnan;t0;-;-;{\"age\":\"5\"};\n");
    ROWS("a.ndjson", TABLE_ITEMS, "{\"item\":\"i\"}\r\r\n", "1:-;i;w1;rnan;t0;-;-;-;\n");
    ROWS("a.dat", TABLE_INTERACTIONS, "1::2\r\r\n", "1:1;2;w1;rnan;t0;-;-;-;\n");
}
END_TEST

START_TEST(test_a_quote_that_is_not_closed_costs_its_line)
{
    ROWS("a.csv", TABLE_ITEMS, "item,title\n1,\"a\n2,b\n3,\"c\nd\"\n4,\"e\" f\n5,\"g\n",
         "! 2: a quoted field is not closed; with the lines up to 4, where a quote is, it makes no row\n"
         "3:-;2;w1;rnan;t0;b;-;-;\n"
         "4:-;3;w1;rnan;t0;c\nd;-;-;\n"
         "! 6: text behind the closing quote of column 2\n"
         "! 7: a quoted field is not closed, within 1000 lines or before the end\n");
    ROWS("b.csv", TABLE_INTERACTIONS, "user,item\nu,\"a\nv,b\nw,\"\nx,c\n",
         "! 2: a quoted field is not closed; with the lines up to 4, where a quote is, it makes no row\n"
         "3:v;b;w1;rnan;t0;-;-;-;\n"
         "! 4: a quoted field is not closed, within 1000 lines or before the end\n"
         "5:x;c;w1;rnan;t0;-;-;-;\n");
}
END_TEST

/* Reads three rows; every error is out of memory, or the rows are all there. */
static bool read_three(const char *file, enum table_kind kind)
{
    struct table *t = NULL;
    struct err e = {0};
    struct table_row row;
    bool got = true;
    enum err_code code = table_open(file, kind, TABLE_AUTO, &t, &e);
    int n = 0;
    while (!code && got) {
        code = table_next(t, &row, &got, &e);
        n += !code && got;
    }
    table_close(t);
    ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%s", e.text);
    ck_assert(code || n == 3);
    return code == ERR_OK;
}

/* Records of several lines, and what only looks like one: each bad line costs itself. */

START_TEST(test_no_memory_is_an_error_at_every_allocation)
{
    static const char *const texts[] = {
        "item,title,genres,x\n1,a,b|c,d\n2,a,b,d\n3,a,b,d\n", "1::L\xe9on::a|b\n2::b::c\n3::b::c\n",
        "item,title\n1,\"a\nb\"\n2,\"c\nd\"\n3,e\n", /* records of several lines are copied */
        "{\"item\":1,\"name\":\"a\",\"x\":1}\n{\"item\":2,\"y\":2}\n{\"item\":3,\"z\":3}\n", /* names are
                                                                                                remembered */
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *file = table_rows_write("a.txt", texts[i], strlen(texts[i]));
        bool done = false;
        for (long at = 1; !done; at++) {
            ck_assert_int_lt(at, 1000);
            mem_fail_at(at, 0);
            done = read_three(file, TABLE_ITEMS) && mem_count() < at;
        }
        mem_fail_at(0, 0);
        table_rows_remove();
    }
}
END_TEST

struct heard {
    int n, most; /* rows; after so many it fails */
};

static enum err_code hear_row(void *arg, const struct table_row *row, struct err *e)
{
    struct heard *h = arg;
    ck_assert_uint_eq(row->line, (uint64_t)(2 + h->n));
    return ++h->n < h->most ? ERR_OK : err_set(e, ERR_BUSY, "no more");
}

START_TEST(test_each_row_is_given_until_one_is_bad_or_refused)
{
    static const char text[] = "user,item\nu,1\nv,2\nbad\nw,3\n";
    struct heard all = {.most = 9}, few = {.most = 2};
    struct err e = {0}, other = {0};
    const char *path = table_rows_write("a.csv", text, sizeof text - 1);
    ck_assert_int_eq(table_each(path, TABLE_INTERACTIONS, hear_row, &all, &e), ERR_INVALID);
    ck_assert(all.n == 2 && strstr(e.text, "a.csv:4"));
    ck_assert_int_eq(table_each(path, TABLE_INTERACTIONS, hear_row, &few, &other), ERR_BUSY);
    ck_assert_int_eq(few.n, 2);
    table_rows_remove();
}
END_TEST

SUITE("server table", NULL, NULL, {test_csv_is_read_as_rfc_4180_has_it},
      {test_tsv_keeps_quotes_and_finds_synonyms_in_any_order},
      {test_ndjson_has_the_same_names_and_nested_values}, {test_rows_have_whatever_columns_there_are},
      {test_movielens_files_have_no_header}, {test_contexts_are_arrays_or_numbers_with_spaces},
      {test_candidates_are_a_user_and_items_a_line}, {test_the_name_or_the_first_line_tells_the_format},
      {test_gzip_is_seen_through_and_damage_is_told}, {test_lines_may_end_in_several_carriage_returns},
      {test_a_quote_that_is_not_closed_costs_its_line}, {test_each_row_is_given_until_one_is_bad_or_refused},
      {test_no_memory_is_an_error_at_every_allocation})
