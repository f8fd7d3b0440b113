/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request and its answer as plain values: what the door (http_api.c) hands to those who
 * serve. No HTTP library and no rules here. */
#ifndef SLUICE_SERVICES_REST_EXCHANGE_H
#define SLUICE_SERVICES_REST_EXCHANGE_H

#include "common/str.h"

#include <stdbool.h>
#include <sys/types.h>

#define EXCHANGE_HEADERS_MAX 24

struct exchange_header {
    const char *name; /* static */
    char *value;      /* owned */
};

/* An answer that is made piece by piece; read blocks until there is something. */
struct exchange_stream {
    ssize_t (*read)(void *arg, char *out, size_t max); /* bytes, or -1: the end */
    void (*end)(void *arg);
    void *arg; /* NULL: no stream */
};

struct exchange {
    /* The request, borrowed while it is served. */
    const char *verb;
    struct slice path;  /* as sent: without query, escapes not resolved */
    struct slice query; /* as sent, without '?' */
    struct slice body;
    const char *(*header)(const void *source, const char *name); /* NULL: absent */
    const char *(*cookie)(const void *source, const char *name);
    const void *source;
    char address[64]; /* of the client, for limits: of IPv6 the site (address_to_site) */
    bool is_tls;
    bool is_truncated; /* the body is longer than body-max */

    /* The answer. */
    int status; /* 0: not answered yet */
    const char *type;
    uint8_t *content; /* owned */
    size_t content_len;
    const uint8_t *borrowed; /* instead of content: static bytes */
    struct exchange_header headers[EXCHANGE_HEADERS_MAX];
    size_t header_count;
    struct exchange_stream stream;
};

/* The value of a request header; NULL: absent. */
const char *exchange_header(const struct exchange *exchange, const char *name);
const char *exchange_cookie(const struct exchange *exchange, const char *name);

/* Whether the answer may be of this media type: the request accepts it, or says nothing. */
bool exchange_accepts(const struct exchange *exchange, const char *type);
/* Whether the body is said to be JSON. */
bool exchange_has_json(const struct exchange *exchange);

/* Adds a header to the answer; name is static, value is copied. One that is there with this name is
 * replaced, except Set-Cookie. */
void exchange_set_header(struct exchange *exchange, const char *name, const char *value);

/* Retry-After, in whole seconds. */
void exchange_set_retry(struct exchange *exchange, uint64_t retry_ms);
/* Answers with new text, which is taken. */
void exchange_answer(struct exchange *exchange, int status, const char *type, char *text);
/* Answers without a body. */
void exchange_answer_empty(struct exchange *exchange, int status);
/* Answers with bytes that live for ever. */
void exchange_answer_static(struct exchange *exchange, int status, const char *type,
                            struct slice bytes);
/* Answers with new bytes, which are taken. */
void exchange_answer_bytes(struct exchange *exchange, int status, const char *type, uint8_t *bytes,
                           size_t len);
/* Answers 200 with a stream, which is taken. */
void exchange_answer_stream(struct exchange *exchange, const char *type,
                            struct exchange_stream stream);
/* Drops the answer made so far; headers stay. */
void exchange_forget(struct exchange *exchange);
/* Frees what the answer holds, a stream that was not handed over included. */
void exchange_fini(struct exchange *exchange);

#endif
