/* SPDX-License-Identifier: Apache-2.0 */
/* The door to HTTP: the listener, the key, verbs and media types, and which desk serves which path.
 * The only file that knows ulfius. Requests run on ulfius's threads. */
#ifndef SLUICE_SERVICES_REST_HTTP_API_H
#define SLUICE_SERVICES_REST_HTTP_API_H

#include "common/err.h"
#include "common/metrics.h"
#include "services/rest/on_user.h"
#include "services/rest/rest_config.h"

struct http_api;

/* New: listens at once. Everything given is borrowed until http_api_close. ERR_IO: the address
 * cannot be bound; ERR_INVALID: it is not an IPv4 address. */
ERR_MUST_USE enum err http_api_open(const struct rest_config *config, const struct on_user *desk,
                                    struct metrics *metrics, struct http_api **out);
/* Waits for the requests that are being served. */
void http_api_close(struct http_api *api);

#endif
