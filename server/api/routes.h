/* routes - the calls of this server: one table.
 * Layer: server/api
 * Threads: immutable.
 * Memory: static. */
#ifndef SERVER_API_ROUTES_H
#define SERVER_API_ROUTES_H

#include "server/http/route.h"

extern const struct route_table routes;

#endif
