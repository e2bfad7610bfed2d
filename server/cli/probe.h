/* probe - asks a running server whether it is ready; the health check of containers that have no other
 * client.
 * Layer: server/cli
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_CLI_PROBE_H
#define SERVER_CLI_PROBE_H

#include "base/err.h"

/* GET /readyz of the server that listens on HOST:PORT (a wildcard address is asked at the loopback one).
 * ERR_OK: 200. */
enum err_code probe_ready(const char *listen, struct err *e) ERR_MUST_CHECK;

#endif
