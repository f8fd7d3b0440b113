/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one connection is subscribed to: its list, its bounds, and its place in the routes. It asks
 * nobody and answers nobody; SUBSCRIBE, and what comes of it, is on_subscribe.c.
 */
#ifndef SERVICES_GATEWAY_CLIENT_SUBSCRIPTIONS_H
#define SERVICES_GATEWAY_CLIENT_SUBSCRIPTIONS_H

#include "common/str.h"
#include "services/gateway/client_routes.h"

#include <stdbool.h>
#include <stdint.h>

/* Its subscription of the route; NULL: none. */
struct subscription *client_subscriptions_get(const struct connection *connection,
                                              const struct route *route);
/* The same by filter. */
struct subscription *client_subscriptions_find(const struct connection *connection,
                                               struct slice filter);
/* Whether it may have one more, of this filter: number, bytes of all filters, memory. */
bool client_subscriptions_has_room(const struct connection *connection, struct slice filter);
/* A route that it does not have yet. */
struct subscription *client_subscriptions_add(struct connection *connection, struct route *route);
void client_subscriptions_set(struct subscription *subscription, uint8_t qos, bool no_local,
                              bool as_published, bool persistent, uint32_t identifier);
/* Frees the subscription, and its route if it was the last: the hub is told. */
void client_subscriptions_remove(struct connection *connection, struct subscription *subscription);

#endif
