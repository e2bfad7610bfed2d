/* tokens - the bearer tokens that a server asks for, out of files that may be read anew while it serves.
 * Layer: server/http
 * Threads: tokens_are is any's and takes no lock; the rest are one's at a time.
 * Memory: a token that was replaced stays until tokens_fini, because somebody may be comparing with it: some
 *   300 bytes for each that was new. */
#ifndef SERVER_HTTP_TOKENS_H
#define SERVER_HTTP_TOKENS_H

#include "base/err.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stdbool.h>

enum token_kind { TOKEN_ADMIN, TOKEN_API, N_TOKENS };

struct token; /* one that was read, and what it replaced */

/* All zeros: none is asked for. */
struct tokens {
    const char *files[N_TOKENS]; /* NULL: none is configured */
    struct token *_Atomic newest[N_TOKENS];
};

/* Reads the files, whose names are borrowed; a file that others can read or write is a warning in the log.
 * ERR_IO: it cannot be read, it is no regular file, or a pipe into which nothing is written for 5 s;
 * ERR_INVALID: what is in it is no token. */
enum err_code tokens_read(struct tokens *t, const char *admin_file, const char *api_file,
                          struct err *e) ERR_MUST_CHECK;

/* Reads the files once more, and says in the log what is new. A file that is wrong now leaves the token as it
 * is. */
void tokens_reread(struct tokens *t);

/* Puts a token in place of the one there is. */
enum err_code tokens_set(struct tokens *t, enum token_kind kind, const char *text,
                         struct err *e) ERR_MUST_CHECK;

/* Whether such a token is asked for at all. */
bool tokens_any(const struct tokens *t, enum token_kind kind);

/* Whether the given text is the token, in a time that depends on its length only; false when there is
 * none. */
bool tokens_are(const struct tokens *t, enum token_kind kind, struct text given);

void tokens_fini(struct tokens *t);

#endif
