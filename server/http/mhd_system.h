/* mhd_system - calls of the system as libmicrohttpd makes them: recv, epoll_wait, epoll_ctl, in place of
 * libc's. For http*.c alone.
 * Layer: server/http
 * Threads: any.
 * Memory: none. */
#ifndef SERVER_HTTP_MHD_SYSTEM_H
#define SERVER_HTTP_MHD_SYSTEM_H

#include <stdbool.h>

/* Whether a library's calls come to ours; else nothing may be served, since requests would not be looked
 * at. */
bool http_system_stands(void);

#endif
