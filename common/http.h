/* SPDX-License-Identifier: Apache-2.0 */
/* The small HTTP server of every program: /livez /readyz /healthz /metrics, GET and HEAD only. Runs
 * on the loop's thread. Not the REST API, no TLS, no bodies in requests: for operators inside the
 * cluster. */
#ifndef SLUICE_COMMON_HTTP_H
#define SLUICE_COMMON_HTTP_H

#include "common/buf.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/metrics.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_BODY_MAX        (8u * 1024 * 1024) /* longest answer */
#define HTTP_HEADERS_MAX     8192               /* longest request head */
#define HTTP_CONNECTIONS_MAX 64
#define HTTP_TIMEOUT_S       10

struct http;

/* /readyz: may this program take new work? */
typedef bool (*http_ready_fn)(void *arg);
/* /healthz: appends details as JSON members to the open object, each with a leading comma:
 * `,"peers":3`. Returns true when healthy, false when degraded (still 200: it lives). */
typedef bool (*http_health_fn)(void *arg, struct buf *json);
/* An extra path. Appends the answer to body, may set *content_type (static text; starts as
 * text/plain), returns the HTTP status. query is borrowed, "" when there is none. */
typedef int (*http_fn)(void *arg, const char *query, struct buf *body, const char **content_type);

struct http_config {
    const char *bind;        /* as address_to_sockaddr */
    uint16_t port;           /* 0 = any free one; the caller opens nothing when it is set off */
    const char *program;     /* borrowed until http_close */
    const char *version;     /* borrowed until http_close */
    struct metrics *metrics; /* borrowed until http_close; NULL: no /metrics */
    http_ready_fn ready;     /* NULL: always ready */
    http_health_fn health;   /* NULL: always healthy */
    void *arg;
};

/* *out is new. ERR_IO when the address cannot be bound (errno tells). */
ERR_MUST_USE enum err http_open(struct loop *loop, const struct http_config *config,
                                struct http **out);
void http_close(struct http *http);
/* The port bound. */
uint16_t http_port(const struct http *http);
/* Adds or replaces the handler of an exact path, which is copied. At most 16. */
void http_on(struct http *http, const char *path, http_fn fn, void *arg);

/* Appends text as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void http_json_string(struct buf *out, struct slice text);

#endif
