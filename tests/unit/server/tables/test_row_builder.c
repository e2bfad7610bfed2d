/* Every kind of bad line is named by file, line and reason; what stands for no value; what is too long or too
 * many. */
#include "base/limits.h"
#include "tests/support/suite.h"
#include "tests/support/table_rows.h"

#include <stdio.h>
#include <string.h>

START_TEST(test_control_characters_are_refused_but_in_ids_of_json)
{
    ROWS("a.csv", TABLE_INTERACTIONS, "user,item\nu\r,1\nu,\"a\tb\"\n\x7f,1\nu,good\n",
         "! 2: the id of the user has a control character (0x0d, as byte 2 of 2); take it out\n"
         "! 3: the id of the item has a control character (0x09, as byte 2 of 3); take it out\n"
         "! 4: the id of the user has a control character (0x7f, as byte 1 of 1); take it out\n"
         "5:u;good;w1;rnan;t0;-;-;-;\n");
    ROWS("a.ndjson", TABLE_USERS,
         "{\"user\":\"a\\nb\"}\n{\"user\":\"u\",\"x\\r\":1}\n{\"user\":\"u\",\"profile\":{\"\\u001b\":1}}\n",
         "1:a\nb;-;w1;rnan;t0;-;-;-;\n"
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
    const char *result;
    static char text[3 * LIMIT_LINE_BYTES];
    size_t n = long_text(text, "user\titem\n", LIMIT_ID_BYTES, "\ti\n");
    result = table_rows("a.tsv", TABLE_INTERACTIONS, TABLE_AUTO, text, n);
    ck_assert_int_eq(strncmp(result, "2:aaa", 5), 0);
    n = long_text(text, "user\titem\n", LIMIT_ID_BYTES + 1, "\ti\n");
    result = table_rows("a.tsv", TABLE_INTERACTIONS, TABLE_AUTO, text, n);
    ck_assert_str_eq(result, "! 2: the id of the user 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' has 257 "
                             "bytes; at most 256 are allowed\n");
    n = long_text(text, "item\ttitle\ni\t", LIMIT_TITLE_BYTES + 1, "\nj\tT\n");
    result = table_rows("a.tsv", TABLE_ITEMS, TABLE_AUTO, text, n);
    ck_assert_str_eq(result,
                     "! 2: the title has 4097 bytes; at most 4096 are allowed\n3:-;j;w1;rnan;t0;T;-;-;\n");
    n = long_text(text, "user\tx\nu\t", LIMIT_PROFILE_BYTES, "\nv\ty\n");
    result = table_rows("a.tsv", TABLE_USERS, TABLE_AUTO, text, n);
    ck_assert_str_eq(result,
                     "! 2: the profile is larger than 16384 bytes\n3:v;-;w1;rnan;t0;-;-;{\"x\":\"y\"};\n");
    n = long_text(text, "user\tx\nu\t", LIMIT_LINE_BYTES, "\nv\ty\n");
    result = table_rows("a.tsv", TABLE_USERS, TABLE_AUTO, text, n);
    ck_assert_str_eq(result,
                     "! 2: the line is longer than 1048576 bytes\n3:v;-;w1;rnan;t0;-;-;{\"x\":\"y\"};\n");
    n = long_text(text, "user\titem\nu\ti\nv\t", 2 * LIMIT_LINE_BYTES, "");
    result = table_rows("a.tsv", TABLE_INTERACTIONS, TABLE_AUTO, text, n);
    ck_assert_str_eq(result, "2:u;i;w1;rnan;t0;-;-;-;\n! 3: the line is longer than 1048576 bytes\n");
}
END_TEST

START_TEST(test_too_many_categories_or_columns_are_refused)
{
    const char *result;
    char text[20000];
    size_t n = (size_t)sprintf(text, "item\tcategories\ni\tc");
    for (int i = 0; i < LIMIT_CATEGORIES; i++)
        n += (size_t)sprintf(text + n, "|c%d", i);
    n += (size_t)sprintf(text + n, "\nj\t|a||(no genres listed)\n");
    result = table_rows("a.tsv", TABLE_ITEMS, TABLE_AUTO, text, n);
    ck_assert_str_eq(result, "! 2: more than 64 categories\n3:-;j;w1;rnan;t0;-;[\"a\"];-;\n");
    n = (size_t)sprintf(text, "user");
    for (int i = 0; i < 1024; i++)
        n += (size_t)sprintf(text + n, "\tc%d", i);
    result = table_rows("a.tsv", TABLE_USERS, TABLE_AUTO, text, n);
    ck_assert_str_eq(result, "open invalid: a.tsv:1: more than 1024 columns");
}
END_TEST

SUITE("server table_row", NULL, NULL, {test_control_characters_are_refused_but_in_ids_of_json},
      {test_words_for_nothing_are_empty_cells_unless_quoted},
      {test_every_bad_line_is_named_and_reading_goes_on},
      {test_what_is_too_long_is_refused_and_what_just_fits_is_not},
      {test_too_many_categories_or_columns_are_refused})
