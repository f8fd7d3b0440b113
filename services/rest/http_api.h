/* SPDX-License-Identifier: Apache-2.0 */
/* The door to HTTP: the listeners (plain and TLS) and the only file that knows ulfius. It makes an
 * exchange of each request, gives it to one function, and sends what that answered. Requests run on
 * the library's threads, one per connection. Paths, keys and rules are not its business. */
#ifndef SLUICE_SERVICES_REST_HTTP_API_H
#define SLUICE_SERVICES_REST_HTTP_API_H

#include "common/err.h"
#include "services/rest/exchange.h"
#include "services/rest/rest_config.h"

struct http_api;

/* Serves one request: must answer it. From any thread, many at once. */
typedef void (*http_api_fn)(void *arg, struct exchange *exchange);

struct http_api_listen {
    const char *bind; /* as address_to_sockaddr */
    uint16_t port;
    bool tls; /* with the certificate of https_cert.h */
    size_t body_max;
    unsigned connections_max;
    http_api_fn serve;
    void *arg;
};

/* New: listens at once. ERR_IO: the address cannot be bound; ERR_INVALID: it is not an IPv4
 * address. */
ERR_MUST_USE enum err http_api_open(const struct http_api_listen *listen, struct http_api **out);
/* Waits for the requests that are being served; streams must end by themselves. */
void http_api_close(struct http_api *api);

#endif
