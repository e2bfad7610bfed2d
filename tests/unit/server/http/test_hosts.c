/* server/http/hosts.c: addresses that only this machine reaches, and names that no page from elsewhere
 * has. */
#include "server/http/hosts.h"

#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

static bool loopback(const char *listen)
{
    bool is = false;
    struct err e = {0};
    ck_assert_msg(hosts_is_loopback(listen, &is, &e) == ERR_OK, "%s: %s", listen, e.text);
    return is;
}

START_TEST(addresses_of_this_machine_alone_are_told_from_others)
{
    static const char *const own[] = {"127.0.0.1:0", "127.8.9.10:80", "[::1]:8080", "localhost:1",
                                      "[::ffff:127.0.0.1]:1"},
                             *const others[] = {"0.0.0.0:0",           "[::]:0",
                                                "10.1.2.3:80",         "[fe80::1]:80",
                                                "[::ffff:10.0.0.1]:1", "128.0.0.1:1"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        ck_assert_msg(loopback(own[i]), "%s", own[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!loopback(others[i]), "%s", others[i]);
    bool is;
    ck_assert_int_eq(hosts_is_loopback("nothing", &is, NULL), ERR_INVALID);
}
END_TEST

static bool allows(const struct hosts *h, const char *host)
{
    return hosts_allow(h, text_of(host));
}

START_TEST(names_of_this_machine_and_those_given_are_taken)
{
    static const char *const others[] = {"shop.example"};
    struct hosts h = {0};
    ck_assert(allows(&h, "anything")); /* not checked */
    hosts_check(&h, "Machine:8080", others, 1);
    static const char *const good[] = {NULL,          "localhost",     "LOCALHOST:80",
                                       "localhost.",  "a.localhost:1", "127.0.0.1",
                                       "127.1.2.3:4", "[::1]",         "[::1]:9",
                                       "machine",     "machine:8080",  "shop.example:443",
                                       "SHOP.EXAMPLE"},
                             *const bad[] = {"",
                                             ":80",
                                             "evil",
                                             "localhost.evil",
                                             "evil.localhost.com",
                                             ".localhost.x",
                                             "127.0.0.1.evil",
                                             "128.0.0.1",
                                             "[::2]",
                                             "[::1",
                                             "[::1]x",
                                             "::1",
                                             "localhost:x",
                                             "localhost:80:80",
                                             "a.shop.example",
                                             "127.1",
                                             "0x7f.1",
                                             "[]",
                                             "[]:1",
                                             ".",
                                             "localhost\t"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(allows(&h, good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!allows(&h, bad[i]), "%s", bad[i]);
    char longest[400];
    memset(longest, 'a', sizeof longest);
    ck_assert(!hosts_allow(&h, (struct text){longest, sizeof longest}));
    ck_assert(!hosts_allow(&h, (struct text){"localhost\0.evil", 15}));
}
END_TEST

SUITE("server/hosts", NULL, NULL, {addresses_of_this_machine_alone_are_told_from_others},
      {names_of_this_machine_and_those_given_are_taken})
