/* SPDX-License-Identifier: Apache-2.0 */
/* See websocket_upgrade.h. Strict where a proxy in between could read it otherwise: CRLF only, no
 * folded lines, no second value where one is meant. */
#include "services/gateway/websocket_upgrade.h"

#include <string.h>

#include "common/crypt.h"

#define GUID       "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */
#define KEY_LEN    24u
#define HEADER_MAX 100u

/* Of MQTT clients; the first that a client names and we know is taken. */
static const char *const protocols[] = {"mqtt", "mqttv5.0", "mqttv3.1.1", "mqttv3.1"};

struct request {
    struct slice host, key, version, origin;
    bool has_host, has_key, has_version, has_origin;
    bool wants_websocket, wants_upgrade;
    bool offers_protocols, has_body;
    const char *protocol;
    struct address forwarded; /* the client so far; ADDRESS_NONE: nobody yet */
};

static bool
is_token_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char(s.data[i]))
            return false;
    return s.len > 0;
}

/* True when no control character is inside. */
static bool
is_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f)
            return false;
    return true;
}

static bool
has_item(struct slice list, const char *item)
{
    struct slice one;
    while (str_split(&list, ',', &one))
        if (str_equal_nocase(one, slice_cstr(item)))
            return true;
    return false;
}

static void
choose_protocol(struct slice list, struct request *request)
{
    struct slice one;
    request->offers_protocols = true;
    while (request->protocol == NULL && str_split(&list, ',', &one))
        for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
            if (slice_equal_cstr(one, protocols[i]))
                request->protocol = protocols[i];
}

/* Read from the left, and header after header, the last address that is no proxy remains. */
static void
read_forwarded(struct slice list, const struct websocket_upgrade_options *options,
               struct request *request)
{
    struct slice one;
    while (str_split(&list, ',', &one)) {
        struct address address;
        if (address_parse_host(one, &address) != OK)
            request->forwarded = (struct address){.family = ADDRESS_NONE};
        else if (request->forwarded.family == ADDRESS_NONE ||
                 !address_is_in(&address, options->proxies, options->proxy_count))
            request->forwarded = address;
    }
}

/* Keeps a value that may come once. */
static unsigned
keep_one(struct slice value, struct slice *to, bool *has)
{
    if (*has)
        return 400;
    *has = true;
    *to = value;
    return 0;
}

/* 0, or the status of the refusal. */
static unsigned
read_header(struct slice line, const struct websocket_upgrade_options *options,
            struct request *request)
{
    size_t colon = slice_find(line, ':');
    struct slice name = slice_sub(line, 0, colon);
    struct slice value = slice_trim(slice_sub(line, colon + 1, line.len));
    if (colon == line.len || !is_token(name) || !is_text(value))
        return 400;
    if (str_equal_nocase(name, slice_cstr("Host")))
        return keep_one(value, &request->host, &request->has_host);
    if (str_equal_nocase(name, slice_cstr("Sec-WebSocket-Key")))
        return keep_one(value, &request->key, &request->has_key);
    if (str_equal_nocase(name, slice_cstr("Sec-WebSocket-Version")))
        return keep_one(value, &request->version, &request->has_version);
    if (str_equal_nocase(name, slice_cstr("Origin")))
        return keep_one(value, &request->origin, &request->has_origin);
    if (str_equal_nocase(name, slice_cstr("Upgrade")))
        request->wants_websocket = request->wants_websocket || has_item(value, "websocket");
    else if (str_equal_nocase(name, slice_cstr("Connection")))
        request->wants_upgrade = request->wants_upgrade || has_item(value, "upgrade");
    else if (str_equal_nocase(name, slice_cstr("X-Forwarded-For")))
        read_forwarded(value, options, request);
    else if (str_equal_nocase(name, slice_cstr("Sec-WebSocket-Protocol")))
        choose_protocol(value, request);
    else if (str_equal_nocase(name, slice_cstr("Transfer-Encoding")) ||
             (str_equal_nocase(name, slice_cstr("Content-Length")) &&
              !slice_equal_cstr(value, "0")))
        request->has_body = true;
    return 0;
}

static unsigned
read_request_line(struct slice line)
{
    size_t at = slice_find(line, ' ');
    struct slice method = slice_sub(line, 0, at);
    line = slice_sub(line, at + 1, line.len);
    at = slice_find(line, ' ');
    struct slice target = slice_sub(line, 0, at);
    struct slice version = slice_sub(line, at + 1, line.len);
    if (!is_token(method) || target.len == 0 || !is_text(target) || version.len != 8 ||
        !slice_has_prefix(version, slice_cstr("HTTP/")))
        return 400;
    if (!slice_equal_cstr(version, "HTTP/1.1"))
        return 505;
    return slice_equal_cstr(method, "GET") ? 0 : 405;
}

/* The next line without its CRLF; false: a bare CR or LF. */
static bool
next_line(struct slice *rest, struct slice *line)
{
    size_t end = slice_find(*rest, '\n');
    if (end == rest->len || end == 0 || rest->data[end - 1] != '\r')
        return false;
    *line = slice_sub(*rest, 0, end - 1);
    *rest = slice_sub(*rest, end + 1, rest->len);
    return slice_find(*line, '\r') == line->len;
}

static bool
is_key(struct slice key)
{
    uint8_t nonce[16];
    size_t len;
    return key.len == KEY_LEN && crypt_base64_decode(key, nonce, sizeof(nonce), &len) == OK &&
           len == sizeof(nonce);
}

static bool
is_origin_allowed(const struct websocket_upgrade_options *options, const struct request *request)
{
    if (options->origin_count == 0 || !request->has_origin)
        return true; /* what is no browser sends none and could send any */
    for (size_t i = 0; i < options->origin_count; i++)
        if (str_equal_nocase(request->origin, slice_cstr(options->origins[i])))
            return true;
    return false;
}

static unsigned
judge(struct slice head, const struct websocket_upgrade_options *options, struct request *request)
{
    struct slice line;
    if (!next_line(&head, &line))
        return 400;
    unsigned status = read_request_line(line);
    unsigned count = 0;
    while (status == 0 && head.len > 0) {
        if (!next_line(&head, &line))
            return 400;
        if (line.len == 0)
            break;
        if (++count > HEADER_MAX)
            return 431;
        status = read_header(line, options, request);
    }
    if (status != 0)
        return status;
    if (!request->has_host || request->has_body)
        return 400;
    if (!request->wants_websocket || !request->wants_upgrade)
        return 426;
    if (!request->has_version || !slice_equal_cstr(request->version, "13"))
        return 426;
    if (!request->has_key || !is_key(request->key))
        return 400;
    if (!is_origin_allowed(options, request))
        return 403;
    return request->offers_protocols && request->protocol == NULL ? 400 : 101;
}

static const char *
phrase(unsigned status)
{
    switch (status) {
    case 403:
        return "Forbidden";
    case 405:
        return "Method Not Allowed";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}

static void
answer(const struct request *request, struct websocket_upgrade *out)
{
    char accept[CRYPT_BASE64_SIZE(CRYPT_SHA1_LEN)];
    uint8_t digest[CRYPT_SHA1_LEN];
    char text[KEY_LEN + sizeof(GUID)];
    if (out->status != 101) {
        const char *more = out->status == 426
                               ? "Upgrade: websocket\r\nConnection: Upgrade, close\r\n"
                                 "Sec-WebSocket-Version: 13\r\n"
                           : out->status == 405 ? "Allow: GET\r\nConnection: close\r\n"
                                                : "Connection: close\r\n";
        (void)str_format(out->response, sizeof(out->response),
                         "HTTP/1.1 %u %s\r\n%sContent-Length: 0\r\n\r\n", out->status,
                         phrase(out->status), more);
    } else {
        memcpy(text, request->key.data, KEY_LEN);
        memcpy(text + KEY_LEN, GUID, sizeof(GUID));
        crypt_sha1(slice_cstr(text), digest);
        crypt_base64(digest, sizeof(digest), accept, sizeof(accept));
        (void)str_format(out->response, sizeof(out->response),
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
                         accept, out->protocol != NULL ? "Sec-WebSocket-Protocol: " : "",
                         out->protocol != NULL ? out->protocol : "",
                         out->protocol != NULL ? "\r\n" : "");
    }
    out->response_len = strlen(out->response);
}

enum err
websocket_upgrade_decode(struct slice in, const struct websocket_upgrade_options *options,
                         const struct address *peer, struct websocket_upgrade *out)
{
    struct request request = {0};
    size_t cap = in.len < WEBSOCKET_UPGRADE_HEAD_MAX ? in.len : WEBSOCKET_UPGRADE_HEAD_MAX;
    const uint8_t *end = cap > 0 ? memmem(in.data, cap, "\r\n\r\n", 4) : NULL;
    if (end == NULL && in.len < WEBSOCKET_UPGRADE_HEAD_MAX)
        return ERR_AGAIN;
    memset(out, 0, sizeof(*out));
    if (end == NULL) {
        out->head_len = in.len;
        out->status = 431;
    } else {
        out->head_len = (size_t)(end - in.data) + 4;
        out->status = judge(slice_of(in.data, out->head_len), options, &request);
        out->protocol = request.protocol;
    }
    out->client = *peer;
    if (request.forwarded.family != ADDRESS_NONE &&
        address_is_in(peer, options->proxies, options->proxy_count))
        out->client = request.forwarded;
    answer(&request, out);
    return OK;
}
