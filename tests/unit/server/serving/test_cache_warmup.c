/* server/serving/cache_warmup.c: the users of the last run. Risks: rubbish that is believed, or that stops
 * a start; more than was asked for; a name that stays in the file of somebody who was forgotten; a file
 * that is lost where the next one cannot be written. */
#include "server/serving/cache_warmup.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "server/serving/recommender.h"
#include "tests/support/api_world.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_S = 1000 }; /* no test waits for that */

static struct api_world w;
static char path[128], part[160];

static const char *const users[] = {"ann", "b o%b/\xC3\xA9\n", "eve", "zoe"};
enum { N_USERS = sizeof users / sizeof *users };

static struct recommender *recommender(void)
{
    return w.worker->session.recommender;
}

/* Makes the weights of a user for the first model, as a request does. */
static void ask(const char *id)
{
    struct weights *made;
    bool hit;
    STORE_OK(recommender_acquire(recommender(), recommender_find(recommender(), NULL), WEIGHTS_OF_USER,
                                 text_of(id), &made, &hit, &e));
    weights_unref(made);
}

static bool is_cached(const char *id)
{
    struct weights *found = recommender_cached(recommender(), recommender_find(recommender(), NULL),
                                               WEIGHTS_OF_USER, text_of(id));
    weights_unref(found);
    return found != NULL;
}

static size_t n_cached(void)
{
    struct weights_cache_stats s;
    weights_cache_read_stats(w.serving.cache, &s);
    return s.n_entries;
}

static void setup(void)
{
    api_world_init(&w);
    (void)snprintf(path, sizeof path, "%s/warm", w.folder);
    (void)snprintf(part, sizeof part, "%s.new", path);
    for (int i = 0; i < N_USERS; i++)
        (void)store_fixture_user(w.worker->session.conn, users[i], NULL);
}

static void teardown(void)
{
    mem_fail_at(0, 0);
    (void)unlink(path);
    (void)rmdir(path);
    (void)unlink(part);
    (void)rmdir(part);
    api_world_fini(&w);
}

static void save(void)
{
    STORE_OK(cache_warmup_save(&w.serving, path, &e));
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

/* What a start loads from the file as it is. */
static size_t load(void)
{
    weights_cache_clear(w.serving.cache);
    cache_warmup_load(&w.serving, path, MAX_S, never, NULL);
    return n_cached();
}

static void write_text(const char *text, size_t n)
{
    store_fixture_write_file(path, text, n);
}

/* The lines as a file that is whole. */
static void write_lines(const char *lines)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_adds(&text, "hypernet-warm 1\n");
    buf_adds(&text, lines);
    buf_addf(&text, "end %016llx\n", (unsigned long long)hash_bytes(1, text.data, text.len));
    write_text(text.data, text.len);
    buf_fini(&text);
}

/* ---- what is kept ---- */

START_TEST(a_start_has_the_users_of_the_last_run_whatever_their_names)
{
    for (int i = 0; i < N_USERS - 1; i++)
        ask(users[i]);
    save();
    ck_assert_uint_eq(load(), N_USERS - 1);
    for (int i = 0; i < N_USERS; i++)
        ck_assert_int_eq(is_cached(users[i]), i < N_USERS - 1);
}
END_TEST

START_TEST(the_file_is_its_owner_s_and_names_the_newest_first)
{
    struct stat st;
    size_t n;
    ask("ann");
    ask("eve");
    ask(users[1]);
    ask("ann"); /* used last */
    save();
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_ne(access(part, F_OK), 0);
    char *text = store_fixture_read_file(path, &n);
    static const char lines[] = "hypernet-warm 1\nsample ann\nsample b%20o%25b/%c3%a9%0a\nsample eve\nend ";
    ck_assert_uint_gt(n, sizeof lines);
    ck_assert_msg(memcmp(text, lines, sizeof lines - 1) == 0, "%.*s", (int)n, text);
    free(text);
}
END_TEST

START_TEST(weights_come_from_the_store_as_it_is_now)
{
    ask("ann");
    save();
    int64_t revision = store_fixture_event(w.worker->session.conn, "ann", "1", 1, 9);
    ck_assert_uint_eq(load(), 1);
    struct weights *found = recommender_cached(recommender(), recommender_find(recommender(), NULL),
                                               WEIGHTS_OF_USER, text_of("ann"));
    ck_assert_int_eq(found->revision, revision);
    weights_unref(found);
}
END_TEST

/* ---- rubbish ---- */

START_TEST(no_cut_and_no_changed_byte_is_believed)
{
    size_t n;
    ask("ann");
    ask("eve");
    save();
    char *text = store_fixture_read_file(path, &n);
    for (size_t i = 0; i < n; i++) {
        write_text(text, i);
        ck_assert_msg(load() == 0, "cut to %zu of %zu bytes", i, n);
        text[i] ^= 1;
        write_text(text, n);
        ck_assert_msg(load() == 0, "byte %zu changed", i);
        text[i] ^= 1;
    }
    write_text(text, n);
    ck_assert_uint_eq(load(), 2);
    free(text);
}
END_TEST

START_TEST(lines_that_name_nobody_are_passed_by)
{
    struct buf lines;
    buf_init(&lines, 1 << 20);
    buf_adds(&lines, "\n \nsample\nsample \n ann\nsample ann ann\nnothing ann\nsample %\nsample %4\nsample "
                     "%zz\nsample nobody\n"
                     "sam%70le ev%65\n");
    for (int i = 0; i < LIMIT_ID_BYTES + 1; i++)
        buf_adds(&lines, i ? "x" : "sample ");
    buf_adds(&lines, "xx\n");
    for (int i = 0; i < 3 * LIMIT_NAME_BYTES; i++)
        buf_adds(&lines, "%61");
    buf_adds(&lines, " ann\nsample zoe\nsample zoe");
    write_lines(buf_text(&lines));
    buf_fini(&lines);
    (void)load();
    ck_assert(is_cached("eve")); /* one that could be written otherwise is what it says */
    ck_assert(is_cached("zoe"));
    ck_assert(!is_cached("ann"));
    ck_assert_uint_eq(n_cached(), 2);
}
END_TEST

START_TEST(what_is_no_file_is_no_error_and_holds_nobody_up)
{
    ck_assert_uint_eq(load(), 0); /* there is none */
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_uint_eq(load(), 0);
    (void)unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_uint_eq(load(), 0);
}
END_TEST

/* ---- not more than is wanted ---- */

static bool after_some(void *arg)
{
    return (*(int *)arg)-- <= 0;
}

START_TEST(a_stop_ends_it_with_the_newest)
{
    for (int i = 0; i < N_USERS; i++)
        ask(users[i]);
    save();
    for (int n = 0; n <= N_USERS; n++) {
        int left = n;
        weights_cache_clear(w.serving.cache);
        cache_warmup_load(&w.serving, path, MAX_S, after_some, &left);
        ck_assert_uint_eq(n_cached(), (size_t)n);
        for (int i = 0; i < N_USERS; i++)
            ck_assert_int_eq(is_cached(users[i]), i >= N_USERS - n);
    }
}
END_TEST

START_TEST(without_time_nothing_is_loaded)
{
    ask("ann");
    save();
    weights_cache_clear(w.serving.cache);
    cache_warmup_load(&w.serving, path, 0, never, NULL);
    ck_assert_uint_eq(n_cached(), 0);
}
END_TEST

START_TEST(without_memory_fewer_are_loaded_and_the_server_starts)
{
    ask("ann");
    ask("eve");
    save();
    size_t n_made = 0;
    for (long n = 1; n_made < 2; n++) {
        weights_cache_clear(w.serving.cache);
        mem_fail_at(n, _i);
        cache_warmup_load(&w.serving, path, MAX_S, never, NULL);
        mem_fail_at(0, 0);
        n_made = n_cached();
        ck_assert_int_lt(n, 500);
    }
}
END_TEST

/* ---- who was forgotten ---- */

static bool names(const char *id)
{
    size_t n;
    char *text = store_fixture_read_file(path, &n);
    bool found = memmem(text, n, id, strlen(id)) != NULL;
    free(text);
    return found;
}

START_TEST(who_is_not_in_the_store_any_more_is_not_loaded_and_the_list_is_made_anew)
{
    ask("ann");
    ask("eve");
    save();
    unsigned before = atomic_load(&w.serving.n_forgotten);
    store_fixture_delete(w.worker->session.conn, "ann");
    ck_assert_uint_eq(load(), 1);
    ck_assert_uint_ne(atomic_load(&w.serving.n_forgotten), before); /* which is what the keeper looks at */
    save();
    ck_assert(!names("ann") && names("eve"));
}
END_TEST

START_TEST(an_end_saves_once_more)
{
    struct cache_warmup *warm;
    store_fixture_write_file(part, "left by a kill, with names", 26);
    STORE_OK(cache_warmup_start(&w.serving, path, MAX_S, &warm, &e));
    ck_assert_int_ne(access(part, F_OK), 0);
    ask("zoe");
    cache_warmup_stop(warm);
    ck_assert(names("zoe"));
    cache_warmup_stop(NULL);
}
END_TEST

/* A folder of its name stands where the next list is written. */
START_TEST(a_list_that_cannot_be_replaced_stays_unless_it_names_who_was_forgotten)
{
    struct cache_warmup *warm;
    struct err why = {0};
    ask("ann");
    save();
    STORE_OK(cache_warmup_start(&w.serving, path, MAX_S, &warm, &e));
    ck_assert_int_eq(mkdir(part, 0700), 0);
    ck_assert_int_ne(cache_warmup_save(&w.serving, path, &why), ERR_OK);
    ck_assert_ptr_nonnull(strstr(why.text, path));
    ck_assert(names("ann"));
    if (_i == 1)
        atomic_fetch_add(&w.serving.n_forgotten, 1);
    cache_warmup_stop(warm);
    ck_assert_int_eq(access(path, F_OK) == 0, _i == 0);
}
END_TEST

START_TEST(without_memory_for_the_next_list_the_old_one_stays)
{
    enum err_code code = ERR_NOMEM;
    ask("ann");
    save();
    ask("eve");
    for (long n = 1; code; n++) {
        struct err e = {0};
        mem_fail_at(n, _i);
        code = cache_warmup_save(&w.serving, path, &e);
        mem_fail_at(0, 0);
        ck_assert_msg(code == ERR_OK || code == ERR_NOMEM, "%ld: %s", n, e.text);
        ck_assert_int_lt(n, 100);
        ck_assert(names("ann") && names("eve") == (code == ERR_OK));
        ck_assert_int_ne(access(part, F_OK), 0);
    }
}
END_TEST

SUITE("server/cache_warmup", setup, teardown, {a_start_has_the_users_of_the_last_run_whatever_their_names},
      {the_file_is_its_owner_s_and_names_the_newest_first}, {weights_come_from_the_store_as_it_is_now},
      {no_cut_and_no_changed_byte_is_believed}, {lines_that_name_nobody_are_passed_by},
      {what_is_no_file_is_no_error_and_holds_nobody_up}, {a_stop_ends_it_with_the_newest},
      {without_time_nothing_is_loaded}, {without_memory_fewer_are_loaded_and_the_server_starts, 2},
      {who_is_not_in_the_store_any_more_is_not_loaded_and_the_list_is_made_anew}, {an_end_saves_once_more},
      {a_list_that_cannot_be_replaced_stays_unless_it_names_who_was_forgotten, 2},
      {without_memory_for_the_next_list_the_old_one_stays, 2})
