/* What the columns of a header are taken for, and which headers are refused. */
#include "tests/support/table_rows.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

START_TEST(test_times_of_shops_are_found_and_stand_back_for_plain_ones)
{
    const char *result;
    static const char *const names[] = {
        "ordered_at", "order_date",  "order_time", "created_at", "purchased_at",   "purchase_date",
        "event_time", "occurred_at", "viewed_at",  "rated_at",   "unix_timestamp", "Ordered_At",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "user,item,%s\nu,i,9\n", names[i]);
        result = table_rows("a.csv", TABLE_INTERACTIONS, TABLE_AUTO, text, (size_t)n);
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

START_TEST(test_items_of_shops_go_by_their_sku_where_they_have_no_other_number)
{
    ROWS("a.csv", TABLE_INTERACTIONS, "customer_id,SKU\nu,i\n", "2:u;i;w1;rnan;t0;-;-;-;\n");
    ROWS("a.csv", TABLE_ITEMS, "article-id\ni\n", "2:-;i;w1;rnan;t0;-;-;-;\n");
    ROWS("a.csv", TABLE_ITEMS, "sku,product_id\ns,i\n", "2:-;i;w1;rnan;t0;-;-;{\"sku\":\"s\"};\n");
    ROWS("a.ndjson", TABLE_ITEMS, "{\"sku\":\"s\",\"item\":\"i\"}\n",
         "1:-;i;w1;rnan;t0;-;-;{\"sku\":\"s\"};\n");
    ROWS("a.ndjson", TABLE_ITEMS, "{\"asin\":\"s\",\"sku\":\"i\"}\n",
         "1:-;i;w1;rnan;t0;-;-;{\"asin\":\"s\"};\n");
}
END_TEST

START_TEST(test_headers_that_lack_or_repeat_a_column_are_refused)
{
    ROWS("a.csv", TABLE_INTERACTIONS, "user,thing\nu,i\n",
         "open invalid: a.csv:1: the header has no column 'item' (or item_id, itemid, movie_id, movieid, "
         "iid, product, "
         "product_id, productid, book_id, track_id, sku, article_id, article, asin, isbn; it begins with "
         "'user'); the first line "
         "must name the columns; import --column item=NAME says which it is, --no-header that there are no "
         "names");
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

START_TEST(test_names_of_columns_may_have_spaces_hyphens_and_capitals)
{
    static const char expected[] = "2:u;i;w1;r4;t9;-;-;-;\n";
    ROWS("a.csv", TABLE_INTERACTIONS, "Customer ID,Product ID,Stars,Order Date\nu,i,4,9\n", expected);
    ROWS("a.tsv", TABLE_INTERACTIONS, "USER-ID\tMovie.Id\tRating\tUnix Timestamp\nu\ti\t4\t9\n", expected);
    ROWS("a.ndjson", TABLE_INTERACTIONS,
         "{\"Customer ID\":\"u\",\"Product-ID\":\"i\",\"stars\":4,\"Created At\":9}\n",
         "1:u;i;w1;r4;t9;-;-;-;\n");
    ROWS("a.csv", TABLE_ITEMS, "Product ID,Name,Price in EUR\n1,A,2\n",
         "2:-;1;w1;rnan;t0;A;-;{\"Price in EUR\":\"2\"};\n");
    ck_assert_ptr_nonnull(
        strstr(table_rows("a.csv", TABLE_INTERACTIONS, TABLE_AUTO, "Shop Client,Product ID\n", 23),
               "it begins with 'Shop Client'"));
}
END_TEST

static const struct {
    const char *name, *header, *said;
} separators[] = {
    {"a.csv", "user\titem\n", "it has tabs where"},
    {"a.csv", "Customer ID\tProduct ID\n", "it has tabs where"},
    {"a.csv", "\"user\"\t\"item\"\n", "it has tabs where"},
    {"a.csv", "\"user\";\"item\"\n", "separated by ';'"},
    {"a.csv", "Customer ID;Product ID\n", "separated by ';'"},
    {"a.csv", "user|item\n", "separated by '|'"},
    {"a.csv", "user item\n", "separated by spaces"},
    {"a.tsv", "user,item\n", "it has commas where"},
    {"a.tsv", "Customer ID,Product ID\n", "it has commas where"},
    {"a.tsv", "\"user\",\"item\"\n", "it has commas where"},
    {"a.tsv", "\"user\";\"item\"\n", "separated by ';'"},
    {"a.txt", "\"user\";\"item\"\n", "separated by ';'"},
};

START_TEST(test_a_separator_of_another_format_is_named)
{
    const char *header = separators[_i].header;
    const char *result =
        table_rows(separators[_i].name, TABLE_INTERACTIONS, TABLE_AUTO, header, strlen(header));
    ck_assert_msg(strstr(result, separators[_i].said) != NULL, "%s", result);
}
END_TEST

SUITE("server table_columns", NULL, NULL, {test_times_of_shops_are_found_and_stand_back_for_plain_ones},
      {test_items_of_shops_go_by_their_sku_where_they_have_no_other_number},
      {test_headers_that_lack_or_repeat_a_column_are_refused},
      {test_names_of_columns_may_have_spaces_hyphens_and_capitals},
      {test_a_separator_of_another_format_is_named, sizeof separators / sizeof *separators})
