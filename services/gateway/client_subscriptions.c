/* SPDX-License-Identifier: Apache-2.0 */
/* See client_subscriptions.h. */
#include "services/gateway/client_subscriptions.h"

#include "services/gateway/desk.h"
#include "services/gateway/worker_state.h"

/* Bytes of all filters of a client: so many for each subscription that it may have. */
#define FILTER_BYTES     512u
#define FILTER_BYTES_MIN (128u * 1024u)

struct subscription *
client_subscriptions_get(const struct connection *connection, const struct route *route)
{
    if (route->count < connection->subscription_count) {
        for (uint32_t i = 0; i < route->count; i++) {
            if (route_list(route)[i]->connection == connection)
                return route_list(route)[i];
        }
        return NULL;
    }
    struct subscription *subscription = connection->subscriptions;
    while (subscription != NULL && subscription->route != route)
        subscription = subscription->next;
    return subscription;
}

struct subscription *
client_subscriptions_find(const struct connection *connection, struct slice filter)
{
    const struct route *route = client_routes_get(connection->worker->routes, filter);
    return route != NULL ? client_subscriptions_get(connection, route) : NULL;
}

bool
client_subscriptions_has_room(const struct connection *connection, struct slice filter)
{
    const struct worker *worker = connection->worker;
    uint64_t count_max = worker->options.max_subscriptions;
    uint64_t bytes_max = count_max * FILTER_BYTES;
    if (bytes_max < FILTER_BYTES_MIN)
        bytes_max = FILTER_BYTES_MIN;
    return connection->subscription_count < count_max &&
           connection->filter_bytes + filter.len <= bytes_max && !worker->overload.is_full;
}

struct subscription *
client_subscriptions_add(struct connection *connection, struct route *route)
{
    struct subscription *subscription =
        client_routes_subscribe(connection->worker->routes, route, connection);
    subscription->next = connection->subscriptions;
    connection->subscriptions = subscription;
    connection->subscription_count++;
    connection->filter_bytes += route->filter_len;
    if (connection->flags & CONNECTION_IS_PERSISTENT)
        connection->worker->persistent_subscriptions++;
    return subscription;
}

static bool
is_stored(const struct subscription *subscription)
{
    return (subscription->flags & SUBSCRIPTION_PERSISTENT) != 0 &&
           (subscription->flags & SUBSCRIPTION_QOS) != 0;
}

static bool
is_exact(const struct subscription *subscription)
{
    return (subscription->flags & SUBSCRIPTION_PERSISTENT) == 0 &&
           (subscription->flags & SUBSCRIPTION_QOS) == 2;
}

void
client_subscriptions_set(struct subscription *subscription, uint8_t qos, bool no_local,
                         bool as_published, bool persistent, uint32_t identifier)
{
    subscription->route->store_count -= is_stored(subscription);
    subscription->route->exact_count -= is_exact(subscription);
    subscription->flags = (uint8_t)(qos | (no_local ? SUBSCRIPTION_NO_LOCAL : 0) |
                                    (as_published ? SUBSCRIPTION_AS_PUBLISHED : 0) |
                                    (persistent ? SUBSCRIPTION_PERSISTENT : 0));
    subscription->identifier = identifier;
    subscription->route->store_count += is_stored(subscription);
    subscription->route->exact_count += is_exact(subscription);
    desk_shared_count(subscription->connection->worker, subscription->route);
}

void
client_subscriptions_remove(struct connection *connection, struct subscription *subscription)
{
    struct worker *worker = connection->worker;
    struct route *route = subscription->route;
    struct subscription **at = &connection->subscriptions;
    while (*at != subscription)
        at = &(*at)->next;
    *at = subscription->next;
    connection->subscription_count--;
    connection->filter_bytes -= route->filter_len;
    if (connection->flags & CONNECTION_IS_PERSISTENT)
        worker->persistent_subscriptions--;
    route->store_count -= is_stored(subscription);
    route->exact_count -= is_exact(subscription);
    client_routes_unsubscribe(worker->routes, subscription);
    desk_shared_count(worker, route);
    worker_release_route(worker, route);
}
