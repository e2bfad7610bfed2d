/* content_encoding - bodies that came compressed.
 * Layer: server/http
 * Threads: any.
 * Memory: what comes out is bounded by the body's limit and by the memory of all bodies, counted while it is
 *   inflated. */
#ifndef SERVER_HTTP_CONTENT_ENCODING_H
#define SERVER_HTTP_CONTENT_ENCODING_H

#include "server/http/request.h"

/* Of Accept-Encoding. */
extern const char content_encodings[];

/* Whether the body is plain, or is coded in a way that content_decode knows. */
bool content_encoding_known(const struct request *r);

/* Whether content_decode has anything to do. */
bool content_is_encoded(const struct request *r);

/* Puts what the body decodes to in its place. False: answered, 400 what is no such coding, 413 too large, 503
 * no memory. */
bool content_decode(struct request *r);

#endif
