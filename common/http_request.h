/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.x request, as far as probes need it: method and target. Pure. Header fields
 * are not looked at: every answer ends its connection. */
#ifndef SLUICE_COMMON_HTTP_REQUEST_H
#define SLUICE_COMMON_HTTP_REQUEST_H

#include "common/err.h"
#include "common/str.h"

/* Borrowed from the decoded bytes. */
struct http_request {
    struct slice method;
    struct slice path;  /* begins with '/', not percent-decoded */
    struct slice query; /* behind '?', may be empty */
};

/* ERR_AGAIN: the head is not complete; ERR_MALFORMED: not a request; ERR_VERSION: not HTTP/1.x.
 * *out is untouched on error. */
ERR_MUST_USE enum err http_request_decode(struct slice in, struct http_request *out);

/* Reason phrase of a status; "Status" for one that we do not name. */
const char *http_request_reason(int status);

#endif
