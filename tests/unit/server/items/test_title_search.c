/* server/items/title_search.c: what somebody types against titles. Risks: a word that is too long or one too
 * many, a title of the greatest length, a word that is found across two of the title's. */
#include "server/items/title_search.h"

#include "tests/support/suite.h"

static bool finds(const char *typed, const char *title)
{
    struct title_search s;
    ck_assert(title_search_read(&s, text_of(typed)));
    return title_search_finds(&s, text_of(title));
}

START_TEST(each_word_stands_somewhere_in_the_title_whatever_its_case_and_accents)
{
    ck_assert(finds("amelie", "Le Fabuleux Destin d'Am\xc3\xa9lie Poulain"));
    ck_assert(finds("POULAIN fab", "Le Fabuleux Destin d'Am\xc3\xa9lie Poulain"));
    ck_assert(finds("  destin  ", "Le Fabuleux Destin d'Am\xc3\xa9lie Poulain"));
    ck_assert(finds("\xce\xa3\xce\x95\xce\x8e\xce\xa3",
                    "\xce\x9f\xce\xb4\xcf\x85\xcf\x83\xcf\x83\xce\xb5\xcf\x8d\xcf\x82"));
    ck_assert(!finds("amelie paris", "Am\xc3\xa9lie"));
    ck_assert(!finds("ab", "a b"));
    ck_assert(!finds("a", ""));
    ck_assert(!finds("a", NULL));
}
END_TEST

START_TEST(what_has_no_word_or_too_many_is_refused)
{
    struct title_search s;
    char longest[LIMIT_SEARCH_BYTES + 2];
    ck_assert(!title_search_read(&s, text_of("")) && !title_search_read(&s, text_of("   ")));
    memset(longest, 'x', sizeof longest);
    ck_assert(title_search_read(&s, (struct text){longest, LIMIT_SEARCH_BYTES}));
    ck_assert_uint_eq(s.n, 1);
    ck_assert(!title_search_read(&s, (struct text){longest, LIMIT_SEARCH_BYTES + 1}));
    for (size_t i = 0; i < LIMIT_SEARCH_WORDS; i++)
        memcpy(longest + 2 * i, "x ", 2);
    ck_assert(title_search_read(&s, (struct text){longest, 2 * LIMIT_SEARCH_WORDS}));
    ck_assert_uint_eq(s.n, LIMIT_SEARCH_WORDS);
    ck_assert(!title_search_read(&s, (struct text){longest, 2 * LIMIT_SEARCH_WORDS + 1}));
}
END_TEST

START_TEST(the_longest_title_whose_letters_grow_is_looked_through)
{
    static char title[LIMIT_TITLE_BYTES];
    struct title_search s;
    for (size_t i = 0; i + 2 <= sizeof title - 2; i += 2)
        memcpy(title + i, "\xc8\xba", 2); /* becomes three bytes */
    memcpy(title + sizeof title - 2, "zy", 2);
    ck_assert(title_search_read(&s, text_of("ZY")));
    ck_assert(title_search_finds(&s, (struct text){title, sizeof title}));
}
END_TEST

SUITE("server/items/title_search", NULL, NULL,
      {each_word_stands_somewhere_in_the_title_whatever_its_case_and_accents},
      {what_has_no_word_or_too_many_is_refused}, {the_longest_title_whose_letters_grow_is_looked_through})
