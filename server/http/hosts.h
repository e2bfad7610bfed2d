/* hosts - who reaches the address that is listened on, and by which names the server is asked. A browser
 * gives any web page's script to the address that the page's name has at the moment (DNS rebinding). On an
 * address of this machine alone, where no token is asked for, the name in Host tells such requests from the
 * user's own.
 * Layer: server/http
 * Threads: immutable after hosts_check.
 * Memory: names are borrowed. */
#ifndef SERVER_HTTP_HOSTS_H
#define SERVER_HTTP_HOSTS_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* All zeros: every name is taken. */
struct hosts {
    bool checked;
    char listen[256];          /* the host that is listened on, as it was given */
    const char *const *others; /* (n_others) */
    size_t n_others;
};

/* listen: HOST:PORT. Whether only this machine reaches it. ERR_INVALID: it is not of that form, or no
 * address. */
enum err_code hosts_is_loopback(const char *listen, bool *loopback, struct err *e) ERR_MUST_CHECK;

/* From now on names are looked at: this machine's, the one that is listened on, and the others. */
void hosts_check(struct hosts *h, const char *listen, const char *const *others, size_t n_others);

/* Whether a request with this Host is taken; one without (NULL data) is. */
bool hosts_allow(const struct hosts *h, struct text host);

#endif
