/* Tables of every format as rows, and every kind of bad line named by file, line and reason. */
#include "base/limits.h"
#include "base/mem.h"
#include "server/table.h"
#include "server/table_value.h"

#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char path[256];

/* A file of this name and bytes in a folder of its own; one at a time. */
static const char *write_file(const char *name, const void *bytes, size_t n)
{
    char dir[] = "/tmp/test_server_table.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

static void remove_file(void)
{
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
    path[0] = '\0';
}

static void add_text(char *to, struct store_text t)
{
    (void)sprintf(to + strlen(to), "%.*s;", t.data ? (int)t.len : 1, t.data ? t.data : "-");
}

/* A row as text, what is absent as "-". */
static void describe(const struct table_row *r, char *out)
{
    out[0] = '\0';
    (void)sprintf(out, "%d:", (int)r->line);
    add_text(out, r->user);
    add_text(out, r->item);
    (void)sprintf(out + strlen(out), "w%g;r%g;t%lld;", r->weight, r->rating, (long long)r->timestamp);
    add_text(out, r->title);
    add_text(out, r->categories);
    add_text(out, r->object);
    for (size_t i = 0; i < r->n_embedding; i++)
        (void)sprintf(out + strlen(out), "%g ", (double)r->embedding[i]);
    for (size_t i = 0; i < r->n_items; i++)
        add_text(out, r->items[i]);
}

/* All rows of a table as lines; bad lines as `! reason` without the folder. */
static void read_all(const char *name, enum table_kind kind, enum table_format format, const void *bytes,
                     size_t n, char *out, size_t out_size)
{
    struct table *t = NULL;
    struct err e = {0};
    out[0] = '\0';
    if (table_open(write_file(name, bytes, n), kind, format, &t, &e) != ERR_OK) {
        (void)snprintf(out, out_size, "open %s: %s", err_name(e.code), strstr(e.text, name));
        remove_file();
        return;
    }
    static char line[256 * 1024];
    for (bool got = true; got;) {
        struct table_row row;
        struct err bad = {0};
        enum err_code code = table_next(t, &row, &got, &bad);
        line[0] = '\0';
        if (code == ERR_INVALID) {
            ck_assert_msg(strstr(bad.text, name) != NULL, "no file name in: %s", bad.text);
            (void)snprintf(line, sizeof line, "! %s\n", strstr(bad.text, name) + strlen(name) + 1);
            got = true;
        } else if (code) {
            (void)snprintf(line, sizeof line, "!! %s: %s\n", err_name(code), bad.text);
            got = false;
        } else if (got) {
            describe(&row, line);
            strcat(line, "\n");
        }
        ck_assert_uint_lt(strlen(out) + strlen(line), out_size);
        strcat(out, line);
    }
    table_close(t);
    remove_file();
}

static char result[1024 * 1024];

#define ROWS(name, kind, text, expected)                                                                     \
    do {                                                                                                     \
        read_all(name, kind, TABLE_AUTO, text, sizeof(text) - 1, result, sizeof result);                     \
        ck_assert_str_eq(result, expected);                                                                  \
    } while (0)

/* ---- formats ---- */

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

START_TEST(test_ndjson_has_the_same_names_and_nested_values)
{
    ROWS("a.ndjson", TABLE_USERS,
         "{\"user\":7,\"profile\":{\"age\":25,\"likes\":[\"a\",\"b\"],\"none\":null,\"empty\":\"\"},\"city\":"
         "\"K\\u00f6ln\"}\n"
         "{\"user_id\":\"u\"}\n",
         "1:7;-;w1;rnan;t0;-;-;{\"age\":25,\"likes\":[\"a\",\"b\"],\"none\":null,\"city\":\"K\xc3\xb6ln\"};\n"
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
         "! 3: \"user\" is neither a string nor a whole number\n"
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

/* ---- how the format is found ---- */

START_TEST(test_the_name_or_the_first_line_tells_the_format)
{
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
        const char *file = write_file(cases[i].name, cases[i].text, strlen(cases[i].text));
        ck_assert_msg(table_open(file, cases[i].kind, TABLE_AUTO, &t, &e) == ERR_OK, "%s: %s", cases[i].text,
                      e.text);
        ck_assert_msg(table_format_of(t) == cases[i].format, "%s", cases[i].text);
        table_close(t);
        remove_file();
    }
    read_all("a.csv", TABLE_INTERACTIONS, TABLE_TSV, "user\titem\nu\ti\n", 14, result, sizeof result);
    ck_assert_str_eq(result, "2:u;i;w1;rnan;t0;-;-;-;\n");
    enum table_format format;
    ck_assert(table_format_parse("u.item", &format) && format == TABLE_U_ITEM);
    ck_assert(!table_format_parse("xls", &format));
}
END_TEST

START_TEST(test_gzip_is_seen_through_and_damage_is_told)
{
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
    read_all("a.csv", TABLE_INTERACTIONS, TABLE_AUTO, text, n, result, sizeof result);
    char *plain = strdup(result);
    read_all("a.csv.gz", TABLE_INTERACTIONS, TABLE_AUTO, packed, n_packed, result, sizeof result);
    ck_assert_str_eq(result, plain);
    free(plain);
    read_all("a.csv.gz", TABLE_INTERACTIONS, TABLE_AUTO, packed, n_packed - 100, result, sizeof result);
    ck_assert_ptr_nonnull(strstr(result, "corrupt: ")); /* by the open or by a row */
    ck_assert_ptr_nonnull(strstr(result, "ends in the middle"));
    packed[n_packed / 2] ^= 0x55;
    read_all("a.csv.gz", TABLE_INTERACTIONS, TABLE_AUTO, packed, n_packed, result, sizeof result);
    ck_assert_ptr_nonnull(strstr(result, "corrupt: a.csv.gz: damaged gzip file (incorrect data check)"));
}
END_TEST

/* ---- what is refused ---- */

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

START_TEST(test_control_characters_in_ids_and_names_are_refused)
{
    ROWS("a.csv", TABLE_INTERACTIONS, "user,item\nu\r,1\nu,\"a\tb\"\n\x7f,1\nu,good\n",
         "! 2: the id of the user has a control character (0x0d, as byte 2 of 2); take it out\n"
         "! 3: the id of the item has a control character (0x09, as byte 2 of 3); take it out\n"
         "! 4: the id of the user has a control character (0x7f, as byte 1 of 1); take it out\n"
         "5:u;good;w1;rnan;t0;-;-;-;\n");
    ROWS("a.ndjson", TABLE_USERS,
         "{\"user\":\"a\\nb\"}\n{\"user\":\"u\",\"x\\r\":1}\n{\"user\":\"u\",\"profile\":{\"\\u001b\":1}}\n",
         "! 1: the id of the user has a control character (0x0a, as byte 2 of 3); take it out\n"
         "! 2: the name of a field has a control character (0x0d, as byte 2 of 2); take it out\n"
         "! 3: the name of a field has a control character (0x1b, as byte 1 of 1); take it out\n");
    ROWS("a.tsv", TABLE_CANDIDATES, "u\ta\x1f\n",
         "! 1: the id of the item has a control character (0x1f, as byte 2 of 2); take it out\n");
    ROWS("a.csv", TABLE_USERS, "user,a\x01ge\nu,1\n",
         "open invalid: a.csv:1: the name of a column has a control character (0x01, as byte 2 of 4); take "
         "it out");
}
END_TEST

START_TEST(test_words_for_nothing_are_empty_cells_unless_quoted)
{
    ROWS("a.csv", TABLE_ITEMS,
         "item,title,genre,year\n1,NULL,\\N,nan\n2,\"NULL\",\"None\",\"NA\"\n3,na,N/A, NaN \n",
         "2:-;1;w1;rnan;t0;-;-;-;\n"
         "3:-;2;w1;rnan;t0;NULL;[\"None\"];{\"year\":\"NA\"};\n"
         "4:-;3;w1;rnan;t0;na;-;-;\n");
    ROWS("a.tsv", TABLE_USERS, "user\tage\tcity\nu\tNone\tNantes\n",
         "2:u;-;w1;rnan;t0;-;-;{\"city\":\"Nantes\"};\n");
    ROWS("a.csv", TABLE_INTERACTIONS,
         "user,item,weight,rating,ts\nu,1,NaN,null,NaT\nu,2,nan,4,\\N\nu,3,\"nan\",,\n",
         "2:u;1;w1;rnan;t0;-;-;-;\n3:u;2;w1;r4;t0;-;-;-;\n! 4: the weight 'nan' is not a finite number\n");
    ROWS("a.ndjson", TABLE_ITEMS, "{\"item\":1,\"title\":\"NULL\",\"year\":\"nan\"}\n",
         "1:-;1;w1;rnan;t0;NULL;-;{\"year\":\"nan\"};\n");
    ROWS("movies.dat", TABLE_ITEMS, "1::None::Drama\n", "1:-;1;w1;rnan;t0;None;[\"Drama\"];-;\n");
}
END_TEST

START_TEST(test_times_of_shops_are_found_and_stand_back_for_plain_ones)
{
    static const char *const names[] = {
        "ordered_at", "order_date",  "order_time", "created_at", "purchased_at",   "purchase_date",
        "event_time", "occurred_at", "viewed_at",  "rated_at",   "unix_timestamp", "Ordered_At",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "user,item,%s\nu,i,9\n", names[i]);
        read_all("a.csv", TABLE_INTERACTIONS, TABLE_AUTO, text, (size_t)n, result, sizeof result);
        ck_assert_str_eq(result, "2:u;i;w1;rnan;t9;-;-;-;\n");
    }
    ROWS("a.csv", TABLE_INTERACTIONS, "created_at,date,user,item\nx,9,u,i\n", "2:u;i;w1;rnan;t9;-;-;-;\n");
    ROWS("a.csv", TABLE_INTERACTIONS, "created_at,ordered_at,user,item\nx,9,u,i\n",
         "2:u;i;w1;rnan;t9;-;-;-;\n");
    ROWS("a.ndjson", TABLE_INTERACTIONS,
         "{\"created_at\":\"x\",\"ordered_at\":9,\"user\":\"u\",\"item\":\"i\"}\n",
         "1:u;i;w1;rnan;t9;-;-;-;\n");
    ROWS("a.csv", TABLE_INTERACTIONS, "date,time,user,item\n",
         "open invalid: a.csv:1: the columns 'date' and 'time' mean the same; rename the one that is not "
         "meant");
}
END_TEST

START_TEST(test_headers_that_lack_or_repeat_a_column_are_refused)
{
    ROWS("a.csv", TABLE_INTERACTIONS, "user,thing\nu,i\n",
         "open invalid: a.csv:1: the header has no column 'item' (or item_id, itemid, movie_id, movieid, "
         "iid, product, "
         "product_id, productid, book_id, track_id; it begins with 'user'); the first line "
         "must name the columns");
    ROWS("a.csv", TABLE_INTERACTIONS, "uid,user_id,item\n",
         "open invalid: a.csv:1: the columns 'uid' and 'user_id' mean the same; rename the one that is not "
         "meant");
    ROWS("a.csv", TABLE_INTERACTIONS, "user,x,x,item\n", "open invalid: a.csv:1: two columns are called 'x'");
    ROWS("a.dat", TABLE_CONTEXTS, "1::2\n",
         "open invalid: a.dat:1: a table of contexts cannot have the format dat");
    ROWS("a.csv", TABLE_INTERACTIONS, "user,it\xffm\n",
         "open invalid: a.csv:1: the line is not UTF-8; convert the file (iconv -f LATIN1 -t UTF-8)");
    ROWS("a.csv", TABLE_USERS, "", "");
    struct table *t = NULL;
    struct err e = {0};
    ck_assert_int_eq(table_open("/nonexistent/x.csv", TABLE_USERS, TABLE_AUTO, &t, &e), ERR_NOTFOUND);
    ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent/x.csv"));
    err_clear(&e);
    ck_assert_int_eq(table_open("/", TABLE_USERS, TABLE_AUTO, &t, &e), ERR_IO);
}
END_TEST

START_TEST(test_every_bad_line_is_named_and_reading_goes_on)
{
    ROWS("a.tsv", TABLE_INTERACTIONS,
         "user\titem\tweight\trating\tts\n"
         "u\ti\n"
         "u\ti\t1\t1\t1\t1\n"
         "\ti\t\t\t\n"
         "u\t \t\t\t\n"
         "u\ti\t0\t\t\n"
         "u\ti\t-1\t\t\n"
         "u\ti\tinf\t\t\n"
         "u\ti\t0x10\t\t\n"
         "u\ti\t1e999\t\t\n"
         "u\ti\t\tfour\t\n"
         "u\ti\t\t\tyesterday\n"
         "u\ti\t\t\t-5\n"
         "u\ti\t\t\t2024-02-30\n"
         "u\ti\xff\t\t\t\n"
         "u\ti\0\t\t\t\n"
         "good\ti\t1\t-2\t3\n",
         "! 2: 2 columns where 5 are due\n"
         "! 3: more than 5 columns\n"
         "! 4: the id of the user is empty\n"
         "! 5: the id of the item is empty\n"
         "! 6: the weight 0 is not above 0; a weight says how much an interaction counts: leave out what "
         "does not count, "
         "and give a dislike as a low rating\n"
         "! 7: the weight -1 is not above 0; a weight says how much an interaction counts: leave out what "
         "does not "
         "count, and give a dislike as a low rating\n"
         "! 8: the weight 'inf' is not a finite number\n"
         "! 9: the weight '0x10' is not a finite number\n"
         "! 10: the weight '1e999' is not a finite number\n"
         "! 11: the rating 'four' is not a finite number\n"
         "! 12: the time 'yesterday' is neither a number of seconds since 1970 nor an ISO 8601 date or time "
         "from 1970 on\n"
         "! 13: the time -5 is before 1970; leave it empty where it is not known\n"
         "! 14: the time '2024-02-30' is neither a number of seconds since 1970 nor an ISO 8601 date or time "
         "from 1970 on\n"
         "! 15: the line is not UTF-8; convert the file (iconv -f LATIN1 -t UTF-8)\n"
         "! 16: the line has a zero byte\n"
         "17:good;i;w1;r-2;t3;-;-;-;\n");
}
END_TEST

/* `head`, then the letter a n times, then `tail`. */
static size_t long_text(char *out, const char *head, size_t n, const char *tail)
{
    size_t at = strlen(strcpy(out, head));
    memset(out + at, 'a', n);
    strcpy(out + at + n, tail);
    return at + n + strlen(tail);
}

START_TEST(test_what_is_too_long_is_refused_and_what_just_fits_is_not)
{
    static char text[3 * LIMIT_LINE_BYTES];
    size_t n = long_text(text, "user\titem\n", LIMIT_ID_BYTES, "\ti\n");
    read_all("a.tsv", TABLE_INTERACTIONS, TABLE_AUTO, text, n, result, sizeof result);
    ck_assert_int_eq(strncmp(result, "2:aaa", 5), 0);
    n = long_text(text, "user\titem\n", LIMIT_ID_BYTES + 1, "\ti\n");
    read_all("a.tsv", TABLE_INTERACTIONS, TABLE_AUTO, text, n, result, sizeof result);
    ck_assert_str_eq(result, "! 2: the id of the user 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' has 257 "
                             "bytes; at most 256 are allowed\n");
    n = long_text(text, "item\ttitle\ni\t", LIMIT_TITLE_BYTES + 1, "\nj\tT\n");
    read_all("a.tsv", TABLE_ITEMS, TABLE_AUTO, text, n, result, sizeof result);
    ck_assert_str_eq(result,
                     "! 2: the title has 4097 bytes; at most 4096 are allowed\n3:-;j;w1;rnan;t0;T;-;-;\n");
    n = long_text(text, "user\tx\nu\t", LIMIT_PROFILE_BYTES, "\nv\ty\n");
    read_all("a.tsv", TABLE_USERS, TABLE_AUTO, text, n, result, sizeof result);
    ck_assert_str_eq(result,
                     "! 2: the profile is larger than 16384 bytes\n3:v;-;w1;rnan;t0;-;-;{\"x\":\"y\"};\n");
    n = long_text(text, "user\tx\nu\t", LIMIT_LINE_BYTES, "\nv\ty\n");
    read_all("a.tsv", TABLE_USERS, TABLE_AUTO, text, n, result, sizeof result);
    ck_assert_str_eq(result,
                     "! 2: the line is longer than 1048576 bytes\n3:v;-;w1;rnan;t0;-;-;{\"x\":\"y\"};\n");
    n = long_text(text, "user\titem\nu\ti\nv\t", 2 * LIMIT_LINE_BYTES, "");
    read_all("a.tsv", TABLE_INTERACTIONS, TABLE_AUTO, text, n, result, sizeof result);
    ck_assert_str_eq(result, "2:u;i;w1;rnan;t0;-;-;-;\n! 3: the line is longer than 1048576 bytes\n");
}
END_TEST

START_TEST(test_too_many_categories_or_columns_are_refused)
{
    char text[20000];
    size_t n = (size_t)sprintf(text, "item\tcategories\ni\tc");
    for (int i = 0; i < LIMIT_CATEGORIES; i++)
        n += (size_t)sprintf(text + n, "|c%d", i);
    n += (size_t)sprintf(text + n, "\nj\t|a||(no genres listed)\n");
    read_all("a.tsv", TABLE_ITEMS, TABLE_AUTO, text, n, result, sizeof result);
    ck_assert_str_eq(result, "! 2: more than 64 categories\n3:-;j;w1;rnan;t0;-;[\"a\"];-;\n");
    n = (size_t)sprintf(text, "user");
    for (int i = 0; i < 1024; i++)
        n += (size_t)sprintf(text + n, "\tc%d", i);
    read_all("a.tsv", TABLE_USERS, TABLE_AUTO, text, n, result, sizeof result);
    ck_assert_str_eq(result, "open invalid: a.tsv:1: more than 1024 columns");
}
END_TEST

/* ---- values ---- */

static struct store_text text_of(const char *s)
{
    return (struct store_text){s, strlen(s)};
}

START_TEST(test_times_are_seconds_or_iso_8601)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"1365029107", 1365029107},
        {"1365029107.9", 1365029107},
        {"1e9", 1000000000},
        {"1970-01-01", 0},
        {"2000-02-29", 951782400},
        {"2024-12-31 23:59:59", 1735689599},
        {"2024-12-31T23:59", 1735689540},
        {"2024-12-31T23:59Z", 1735689540},
        {"2024-06-01T00:00:00+02:00", 1717192800},
        {"2024-06-01T00:00:00-0130", 1717205400},
        {"2024-06-01T00:00:00+02", 1717192800},
        {"2024-06-01T00:00:00.123456Z", 1717200000},
        {"1900-02-29", -1},
        {"2023-02-29", -1},
        {"2024-13-01", -1},
        {"2024-00-01", -1},
        {"2024-01-32", -1},
        {"2024-01-01T24:00", -1},
        {"2024-01-01T", -1},
        {"2024-01-01T12:00:00.", -1},
        {"2024-01-01x", -1},
        {"2024-01-01T12:00+25", -1},
        {"1969-12-31", -1},
        {"-1", -1},
        {"1e300", -1},
        {"", -1},
        {"24-01-01", -1},
        {"2024-01-01T12:00:00ZZ", -1},
        {"2024-01-01T12:00:00+01:", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = -1;
        bool ok = table_value_time(text_of(cases[i].text), &seconds);
        ck_assert_msg(ok == (cases[i].seconds >= 0) && seconds == cases[i].seconds, "%s: %lld", cases[i].text,
                      (long long)seconds);
    }
}
END_TEST

START_TEST(test_numbers_are_decimal_and_finite)
{
    static const char *const good[] = {"0", "-1.5", "+2", ".5", "5.", "1e3", "1E-3", "123456789012345678"};
    static const double values[] = {0, -1.5, 2, .5, 5, 1e3, 1e-3, 123456789012345678.0};
    static const char *const bad[] = {"",    ".",   "-",  "e5",    "1e",  "0x1", "inf",
                                      "nan", "1,5", "1 ", "1e999", "--1", "1e+", "1.2.3"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double x = NAN;
        ck_assert_msg(table_value_number(text_of(good[i]), &x), "%s", good[i]);
        ck_assert_double_eq(x, values[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double x;
        ck_assert_msg(!table_value_number(text_of(bad[i]), &x), "%s", bad[i]);
    }
}
END_TEST

/* ---- without memory ---- */

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

START_TEST(test_no_memory_is_an_error_at_every_allocation)
{
    static const char *const texts[] = {
        "item,title,genres,x\n1,a,b|c,d\n2,a,b,d\n3,a,b,d\n", "1::L\xe9on::a|b\n2::b::c\n3::b::c\n",
        "item,title\n1,\"a\nb\"\n2,\"c\nd\"\n3,e\n", /* records of several lines are copied */
        "{\"item\":1,\"name\":\"a\",\"x\":1}\n{\"item\":2,\"y\":2}\n{\"item\":3,\"z\":3}\n", /* names are remembered */
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *file = write_file("a.txt", texts[i], strlen(texts[i]));
        bool done = false;
        for (long at = 1; !done; at++) {
            ck_assert_int_lt(at, 1000);
            mem_fail_at(at, 0);
            done = read_three(file, TABLE_ITEMS) && mem_count() < at;
        }
        mem_fail_at(0, 0);
        remove_file();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server table");
    TCase *tc = tcase_create("table");
    tcase_add_test(tc, test_csv_is_read_as_rfc_4180_has_it);
    tcase_add_test(tc, test_tsv_keeps_quotes_and_finds_synonyms_in_any_order);
    tcase_add_test(tc, test_ndjson_has_the_same_names_and_nested_values);
    tcase_add_test(tc, test_movielens_files_have_no_header);
    tcase_add_test(tc, test_contexts_are_arrays_or_numbers_with_spaces);
    tcase_add_test(tc, test_candidates_are_a_user_and_items_a_line);
    tcase_add_test(tc, test_the_name_or_the_first_line_tells_the_format);
    tcase_add_test(tc, test_gzip_is_seen_through_and_damage_is_told);
    tcase_add_test(tc, test_lines_may_end_in_several_carriage_returns);
    tcase_add_test(tc, test_control_characters_in_ids_and_names_are_refused);
    tcase_add_test(tc, test_words_for_nothing_are_empty_cells_unless_quoted);
    tcase_add_test(tc, test_times_of_shops_are_found_and_stand_back_for_plain_ones);
    tcase_add_test(tc, test_headers_that_lack_or_repeat_a_column_are_refused);
    tcase_add_test(tc, test_every_bad_line_is_named_and_reading_goes_on);
    tcase_add_test(tc, test_what_is_too_long_is_refused_and_what_just_fits_is_not);
    tcase_add_test(tc, test_too_many_categories_or_columns_are_refused);
    tcase_add_test(tc, test_times_are_seconds_or_iso_8601);
    tcase_add_test(tc, test_numbers_are_decimal_and_finite);
    tcase_add_test(tc, test_a_quote_that_is_not_closed_costs_its_line);
    tcase_add_test(tc, test_no_memory_is_an_error_at_every_allocation);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
