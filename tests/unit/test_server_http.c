/* server/http.c: what the process needs of the kernel while it stops; risk: two threads take the listening socket out of
 * one epoll set, and libmicrohttpd aborts because the second finds nothing. */
#include "server/http.h"

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int set, fd;

/* Volatile, so that the reference stays and the file under test is linked: under a sanitizer its runtime has an
 * epoll_ctl too, and nothing else would ask the archive for ours. */
static void (*volatile under_test)(const struct http_server *, char *, size_t) = http_url;

static void setup(void)
{
    ck_assert(under_test != NULL);
    set = epoll_create1(0);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(set, 0);
    ck_assert_int_ge(fd, 0);
}

static void teardown(void)
{
    (void)close(set);
    (void)close(fd);
}

START_TEST(a_socket_is_taken_out_twice)
{
    struct epoll_event event = {.events = EPOLLIN};
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
}
END_TEST

START_TEST(other_failures_stay_failures)
{
    struct epoll_event event = {.events = EPOLLIN};
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_MOD, fd, &event), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(epoll_ctl(-1, EPOLL_CTL_DEL, fd, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), -1);
    ck_assert_int_eq(errno, EEXIST);
}
END_TEST

/* What shared libraries call is found by name, the program first. */
START_TEST(libraries_find_it_too)
{
    int (*found)(int, int, int, struct epoll_event *) = NULL;
    *(void **)&found = dlsym(RTLD_DEFAULT, "epoll_ctl");
    ck_assert(found == epoll_ctl);
    ck_assert_int_eq(found(set, EPOLL_CTL_DEL, fd, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http");
    TCase *t = tcase_create("stop");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_socket_is_taken_out_twice);
    tcase_add_test(t, other_failures_stay_failures);
    tcase_add_test(t, libraries_find_it_too);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
