/* A command that is shown is one that can be pasted: paths have spaces and apostrophes, and the program may
 * not be in PATH, so it is called as it was this time. */
#include "base/talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_COMMAND_BYTES = 1 << 20 };

const char *talk_s(int64_t n)
{
    return n == 1 ? "" : "s";
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_-./:,=@%+", c));
}

void talk_add_quoted(struct buf *b, const char *word)
{
    size_t n = 0;
    while (is_plain(word[n]))
        n++;
    if (n > 0 && !word[n]) {
        buf_add(b, word, n);
        return;
    }
    buf_addc(b, '\'');
    for (const char *at = word; *at; at++) {
        if (*at == '\'')
            buf_adds(b, "'\\''");
        else
            buf_addc(b, *at);
    }
    buf_addc(b, '\'');
}

void talk_command(const char *label, const char *const words[])
{
    struct buf b;
    buf_init(&b, MAX_COMMAND_BYTES);
    talk_add_quoted(&b, program_invocation_name);
    for (size_t i = 0; words[i]; i++) {
        buf_addc(&b, ' ');
        talk_add_quoted(&b, words[i]);
    }
    const char *text = buf_text(&b);
    if (text)
        (void)fprintf(stderr, "%s%s\n", label, text);
    buf_fini(&b);
}

enum err_code talk_result(struct buf *out_take, const char *what, struct err *e)
{
    enum err_code code = buf_check(out_take, what, e);
    if (!code)
        (void)puts(buf_text(out_take));
    buf_fini(out_take);
    return code;
}

bool talk_reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP));
}
