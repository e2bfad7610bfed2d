/* store_fixture - a store in a folder of its own, short calls that must succeed, and a whole store as
 * text. A call that fails ends the test with its error. What every backend promises is tested with each:
 * SQLite's, and the one in memory (memory_store.h).
 * Layer: tests/support
 * Threads: a fixture is confined to its thread.
 * Memory: store_fixture_stop closes and removes everything. */
#ifndef TESTS_SUPPORT_STORE_FIXTURE_H
#define TESTS_SUPPORT_STORE_FIXTURE_H

#include "store/store.h"
#include "tests/support/suite.h"

struct store_fixture {
    char dir[64];
    char path[96]; /* of an SQLite store */
    char name[80]; /* of one in memory */
    struct store *store;
    struct store_conn *conn;
    struct store_user user;            /* what store_fixture_read read last */
    struct store_user_context context; /* what store_fixture_finds_context read last */
};

/* Ends the test with the text of e when code is not ERR_OK. */
#define STORE_OK(call)                                                                                       \
    do {                                                                                                     \
        struct err e = {0};                                                                                  \
        enum err_code store_ok_code = (call);                                                                \
        ck_assert_msg(store_ok_code == ERR_OK, "%s: %s: %s", #call, err_name(store_ok_code), e.text);        \
    } while (0)

/* A write in a transaction of its own. */
#define STORE_WRITE(conn, call)                                                                              \
    do {                                                                                                     \
        STORE_OK(store_begin(conn, &e));                                                                     \
        STORE_OK(call);                                                                                      \
        STORE_OK(store_commit(conn, &e));                                                                    \
    } while (0)

/* Ends the test unless the call fails with this code and a text. */
#define STORE_FAILS(call, wanted)                                                                            \
    do {                                                                                                     \
        struct err e = {0};                                                                                  \
        enum err_code store_fails_code = (call);                                                             \
        ck_assert_msg(store_fails_code == (wanted), "%s: %s (%s), wanted %s", #call,                         \
                      err_name(store_fails_code), e.text, err_name(wanted));                                 \
        ck_assert_int_eq(e.code, (wanted));                                                                  \
        ck_assert_uint_gt(strlen(e.text), 10);                                                               \
    } while (0)

/* The main of a program whose tests run with each backend. In a program of one backend's own, which has
 * SUITE, stores are SQLite's. */
#define STORE_SUITE(name, start, stop, ...)                                                                  \
    int main(void)                                                                                           \
    {                                                                                                        \
        return store_fixture_run(name, SUITE_CASE("sqlite", start, stop, __VA_ARGS__),                       \
                                 SUITE_CASE("memory", start, stop, __VA_ARGS__));                            \
    }
int store_fixture_run(const char *suite, TCase *sqlite, TCase *memory);

/* One store for each test: f, and its start and stop for the suite. */
#define STORE_FIXTURE(f)                                                                                     \
    static struct store_fixture f;                                                                           \
    static void start(void)                                                                                  \
    {                                                                                                        \
        store_fixture_start(&f);                                                                             \
    }                                                                                                        \
    static void stop(void)                                                                                   \
    {                                                                                                        \
        store_fixture_stop(&f);                                                                              \
    }

/* A new folder, with no store in it. */
void store_fixture_folder(struct store_fixture *f);

/* The same, with a new store that is open and connected. */
void store_fixture_start(struct store_fixture *f);

/* The name of the fixture's store, as store_open takes it. */
const char *store_fixture_url(const struct store_fixture *f);

/* Closes the connection and the store, and opens them again. */
void store_fixture_reopen(struct store_fixture *f);
void store_fixture_close(struct store_fixture *f);

/* Closes what is open and removes the folder with all that is in it. */
void store_fixture_stop(struct store_fixture *f);

/* Single writes, each in its own transaction; they return the revision where there is one. */
int64_t store_fixture_user(struct store_conn *c, const char *user, const char *profile);
int64_t store_fixture_event(struct store_conn *c, const char *user, const char *item, double weight,
                            int64_t timestamp);
void store_fixture_item(struct store_conn *c, const char *item, const char *title);
void store_fixture_delete(struct store_conn *c, const char *user);
int64_t store_fixture_task(struct store_conn *c, const char *task, const char *profile, bool keeps_rows);
int64_t store_fixture_task_row(struct store_conn *c, const char *task, const char *row); /* and a touch */

/* Of a user or a task, as the key's kind says. */
void store_fixture_context(struct store_conn *c, const struct store_context_key *key, const char *id,
                           int64_t revision, bool given, const char *bytes);

/* Reads a user, with the context of store_fixture_key, into f->user; writes such a context, as encoded. */
void store_fixture_read(struct store_fixture *f, const char *user);
void store_fixture_encoded(struct store_fixture *f, const char *user, const char *bytes);

/* Reads for an answer, into f->context: whether there is a context of now, with a list of the items. */
bool store_fixture_finds_context(struct store_fixture *f, const char *user);

/* Ends the test unless the connection sees so many rows. */
void store_fixture_assert_counts(struct store_conn *c, int64_t users, int64_t items, int64_t interactions,
                                 int64_t contexts);

void store_fixture_assert_tasks(struct store_conn *c, int64_t tasks, int64_t rows);

/* The context key that store_fixture_dump and store_fixture_read look at. */
extern const struct store_context_key store_fixture_key;

/* The content of a store as text without keys and revisions: users by id with profile, context and
 * interactions in their order, items by id, tasks by id with profile, context and rows. Two stores with one
 * content give the same text. The caller frees it with mem_free. */
char *store_fixture_dump(struct store_conn *c);

/* Writes bytes to a file; reads a file whole (the caller frees with free). */
void store_fixture_write_file(const char *path, const void *bytes, size_t n);
void *store_fixture_read_file(const char *path, size_t *n);

#endif
