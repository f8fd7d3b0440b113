/* SPDX-License-Identifier: Apache-2.0 */
/* Request line of HTTP/1.x (RFC 9112, 3). */
#include "common/http_request.h"

#include <stddef.h>

/* Both CRLF CRLF and the bare LF LF that a hand-typed request has (RFC 9112, 2.2). */
static bool
http_request_is_complete(struct slice in)
{
    return memmem(in.data, in.len, "\r\n\r\n", 4) != NULL ||
           memmem(in.data, in.len, "\n\n", 2) != NULL;
}

static bool
http_request_is_token(struct slice s)
{
    size_t i;
    for (i = 0; i < s.len; i++) {
        if (s.data[i] < 'A' || s.data[i] > 'Z')
            return false;
    }
    return s.len != 0 && s.len <= 16;
}

static bool
http_request_is_visible(struct slice s)
{
    size_t i;
    for (i = 0; i < s.len; i++) {
        if (s.data[i] <= 0x20 || s.data[i] >= 0x7f)
            return false;
    }
    return true;
}

enum err
http_request_decode(struct slice in, struct http_request *out)
{
    struct slice line = slice_sub(in, 0, slice_find(in, '\n'));
    struct slice method;
    struct slice target;
    struct slice version;
    size_t at;
    if (in.len == 0 || !http_request_is_complete(in))
        return ERR_AGAIN;
    if (line.len != 0 && line.data[line.len - 1] == '\r')
        line.len--;
    at = slice_find(line, ' ');
    method = slice_sub(line, 0, at);
    line = slice_sub(line, at + 1, line.len);
    at = slice_find(line, ' ');
    target = slice_sub(line, 0, at);
    version = slice_sub(line, at + 1, line.len);
    if (!http_request_is_token(method) || target.len == 0 || target.data[0] != '/' ||
        !http_request_is_visible(target))
        return ERR_MALFORMED;
    if (version.len != 8 || !slice_has_prefix(version, slice_cstr("HTTP/")))
        return ERR_MALFORMED;
    if (!slice_has_prefix(version, slice_cstr("HTTP/1.")))
        return ERR_VERSION;
    at = slice_find(target, '?');
    *out = (struct http_request){method, slice_sub(target, 0, at),
                                 slice_sub(target, at + 1, target.len)};
    return OK;
}

const char *
http_request_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Status";
    }
}
