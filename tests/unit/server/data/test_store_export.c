/* server/data/store_export and table_out: a store as tables. Risks: a number that reads back as another,
 * ids of other keys, a disk or memory that ends and leaves half a table that looks like a whole one. */
#include "server/data/store_export.h"

#include "base/mem.h"
#include "server/data/key_ids.h"
#include "server/data/table_out.h"
#include "tests/support/store_fixture.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

static struct store_fixture f;
static char path[2][112];

static void fill(void)
{
    static const unsigned char embedding[8] = {0, 0, 0x80, 0x3f, 0xcd, 0xcc, 0xcc, 0x3d}; /* 1, 0.1 */
    const struct store_context_key key = {"m", "1", "user"};
    const struct store_item item = {.id = text_of("i\"1"),
                                    .title = text_of("T"),
                                    .categories = text_of("[\"a\"]"),
                                    .metadata = text_of("{\"n\":1}")};
    int64_t revision;
    bool created;
    STORE_OK(store_begin(f.conn, &e));
    STORE_OK(store_put_item(f.conn, &item, &created, &e));
    STORE_OK(store_put_user(f.conn, text_of("u"), text_of("{\"age\":7}"), &revision, &created, &e));
    STORE_OK(store_put_interaction(f.conn, text_of("u"), text_of("i\"1"), 0.1 + 0.2, NAN, 5, NULL, &e));
    STORE_OK(store_put_interaction(f.conn, text_of("u"), text_of("gone"), 1, -2.5, 0, NULL, &e));
    STORE_OK(store_put_context(f.conn, &key, text_of("u"), revision, true, embedding, 8, &e));
    STORE_OK(store_put_user(f.conn, text_of("bare"), (struct text){NULL, 0}, &revision, &created, &e));
    STORE_OK(store_put_context(f.conn, &key, text_of("bare"), revision, false, embedding, 8, &e));
    const struct store_item_life shown = {true, 5, 9, 3},
                                 plain = {false, STORE_ALWAYS_FROM, STORE_ALWAYS_UNTIL, 0};
    STORE_OK(store_set_item_life(f.conn, text_of("i\"1"), &shown, &e));
    STORE_OK(store_set_item_life(f.conn, text_of("gone"), &plain, &e));
    STORE_OK(store_delete_item(f.conn, text_of("gone"), &e));
    STORE_OK(store_commit(f.conn, &e));
}

static void start(void)
{
    store_fixture_start(&f);
    fill();
    (void)snprintf(path[0], sizeof path[0], "%s/out.ndjson", f.dir);
    (void)snprintf(path[1], sizeof path[1], "%s/out.ndjson.gz", f.dir);
}

static void stop(void)
{
    mem_fail_at(0, 0);
    store_fixture_stop(&f);
}

/* All tables, one after the other, into one stream. */
static enum err_code export_into(FILE *stream, struct store_export_report *report, struct err *e)
{
    const struct store_export_options o = {{stream, stream, stream, stream}, "m", "1"};
    return store_export_run(f.conn, &o, report, e);
}

static const char all[] =
    "{\"item\":\"i\\\"1\",\"title\":\"T\",\"categories\":[\"a\"],\"metadata\":{\"n\":1},"
    "\"hidden\":true,\"available_from\":5,\"available_until\":9,\"created\":3}\n"
    "{\"item\":\"gone\",\"deleted\":true}\n"
    "{\"user\":\"u\",\"profile\":{\"age\":7}}\n"
    "{\"user\":\"bare\"}\n"
    "{\"user\":\"u\",\"item\":\"gone\",\"rating\":-2.5}\n"
    "{\"user\":\"u\",\"item\":\"i\\\"1\",\"weight\":0.30000000000000004,\"timestamp\":5}\n"
    "{\"user\":\"u\",\"embedding\":[1,0.100000001]}\n";

START_TEST(each_table_says_what_there_is)
{
    char *text = NULL;
    size_t n = 0;
    FILE *stream = open_memstream(&text, &n);
    struct store_export_report report;
    STORE_OK(export_into(stream, &report, &e));
    ck_assert_int_eq(fclose(stream), 0);
    ck_assert_str_eq(text, all);
    ck_assert_int_eq(report.n_rows[EXPORT_USERS], 2);
    ck_assert_int_eq(report.n_rows[EXPORT_CONTEXTS], 1);
    ck_assert_int_eq(report.n_deleted, 1);
    free(text);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
    struct store_export_report report;
    enum err_code code = ERR_NOMEM;
    long n = 0;
    while (code == ERR_NOMEM) {
        struct err e = {0};
        FILE *stream = fopen("/dev/null", "w");
        mem_fail_at(++n, 0);
        code = export_into(stream, &report, &e);
        mem_fail_at(0, 0);
        (void)fclose(stream);
        ck_assert_msg(code == ERR_NOMEM || code == ERR_OK, "%ld: %s", n, e.text);
    }
    ck_assert_int_gt(n, 5);
}
END_TEST

START_TEST(a_full_disk_is_told_wherever_it_is_found)
{
    struct store_export_report report;
    FILE *full = fopen("/dev/full", "w");
    (void)setvbuf(full, NULL, _IONBF, 0);
    STORE_FAILS(export_into(full, &report, &e), ERR_FULL);
    (void)fclose(full);
    for (int i = 0; i < 2; i++) {
        struct table_out t;
        int room = -1;
        STORE_OK(table_out_open(&t, path[i], &e));
        FILE *device = fopen("/dev/full", "w");
        room = dup2(fileno(device), t.file.fd); /* what the file is on is full from here */
        ck_assert_int_eq(room, t.file.fd);
        if (i == 0) { /* zlib has a descriptor of its own: its writes are tried in the case above */
            STORE_OK(table_out_write(t.stream, all, sizeof all - 1, &e));
            STORE_FAILS(table_outs_end(&t, 1, &e), ERR_FULL);
        }
        table_out_fini(&t);
        (void)fclose(device);
        ck_assert_int_ne(access(path[i], F_OK), 0);
    }
}
END_TEST

START_TEST(a_name_in_gz_is_compressed_and_other_names_are_not)
{
    for (int i = 0; i < 2; i++) {
        struct table_out t;
        struct store_export_report report;
        char back[sizeof all + 1] = {0};
        STORE_OK(table_out_open(&t, path[i], &e));
        STORE_OK(export_into(t.stream, &report, &e));
        STORE_OK(table_outs_end(&t, 1, &e));
        table_out_fini(&t);
        FILE *raw = fopen(path[i], "rb");
        int first = fgetc(raw);
        (void)fclose(raw);
        ck_assert_int_eq(first, i ? 0x1f : '{');
        gzFile gz = gzopen(path[i], "rb");
        ck_assert_int_eq(gzread(gz, back, sizeof back), (int)sizeof all - 1);
        (void)gzclose_r(gz);
        ck_assert_str_eq(back, all);
    }
}
END_TEST

START_TEST(of_keys_that_have_none_there_is_no_id)
{
    struct key_ids k = {0};
    STORE_OK(key_ids_add(&k, 3, text_of("c"), &e));
    STORE_OK(key_ids_add(&k, 700, text_of("longer"), &e));
    ck_assert_uint_eq(key_ids_text(&k, 700).len, 6);
    ck_assert_mem_eq(key_ids_text(&k, 3).data, "c", 1);
    static const int64_t none[] = {-1, 0, 2, 4, 699, 701};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_ptr_null(key_ids_text(&k, none[i]).data);
    key_ids_fini(&k);
}
END_TEST

SUITE("server/data/store_export", start, stop, {each_table_says_what_there_is}, {without_memory_it_says_so},
      {a_full_disk_is_told_wherever_it_is_found}, {a_name_in_gz_is_compressed_and_other_names_are_not},
      {of_keys_that_have_none_there_is_no_id})
