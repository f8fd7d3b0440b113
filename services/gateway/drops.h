/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was not served, and why: the log's side of what worker_counts counts. The first time a client
 * loses something for a reason there is a line at once, then one line per interval with the number
 * of times. So many clients per reason and interval have lines of their own; the others share one
 * without a name. Pure: the clock is told, lines go to a function.
 */
#ifndef SERVICES_GATEWAY_DROPS_H
#define SERVICES_GATEWAY_DROPS_H

#include "common/str.h"

#include <stdint.h>

#define DROPS_INTERVAL_MS 10000u
#define DROPS_CLIENTS     10u  /* per reason and interval with lines of their own */
#define DROPS_NAME_MAX    128u /* bytes of a client id that are kept */

/* DROP(constant, event of the log, its reason there and in the metric) */
#define DROP_REASONS(DROP)                                                                         \
    DROP(SLOW, "messages_dropped", "slow_reader")                                                  \
    DROP(QUEUE, "messages_dropped", "queue_full")                                                  \
    DROP(SIZE, "messages_dropped", "packet_too_large")                                             \
    DROP(EXPIRED, "messages_dropped", "expired")                                                   \
    DROP(REFUSED, "messages_dropped", "refused")                                                   \
    DROP(GONE, "messages_dropped", "client_gone")                                                  \
    DROP(MEMORY, "messages_dropped", "memory_full")                                                \
    DROP(MEMORY_CLOSED, "client_closed", "memory_full")                                            \
    DROP(THROTTLED, "client_throttled", "client_rate")                                             \
    DROP(LISTENER_RATE, "client_throttled", "listener_rate")                                       \
    DROP(GATEWAY_FULL, "connection_refused", "connections_max")                                    \
    DROP(LISTENER_FULL, "connection_refused", "listener_connections")                              \
    DROP(ADDRESS_FULL, "connection_refused", "address_connections")                                \
    DROP(NO_MEMORY, "connection_refused", "memory_full")                                           \
    DROP(LATE, "connection_refused", "overload")                                                   \
    DROP(DENIED_PUBLISH, "access_denied", "publish")                                               \
    DROP(DENIED_SUBSCRIBE, "access_denied", "subscribe")                                           \
    DROP(DENIED_WILL, "access_denied", "will")                                                     \
    DROP(DENIED_CONNECT, "access_denied", "connect")                                               \
    DROP(DENIED_BAN, "access_denied", "ban")                                                       \
    DROP(REVOKED, "access_denied", "subscription_revoked")                                         \
    DROP(CLOSED_USER, "access_denied", "user_deleted")                                             \
    DROP(CLOSED_BAN, "access_denied", "ban_closed")                                                \
    DROP(CLOSED_TOKEN, "access_denied", "token_expired")

enum drop_reason {
    DROP_NONE,
#define DROP(name, event, label) DROP_##name,
    DROP_REASONS(DROP)
#undef DROP
        DROP_REASON_COUNT
};

struct drops_line {
    const char *event, *label;
    struct slice client; /* empty: several others. Borrowed for the call */
    uint64_t count;      /* since the last line about it */
};
typedef void (*drops_fn)(void *arg, const struct drops_line *line);

struct drops;

struct drops *drops_new(drops_fn fn, void *arg);
void drops_free(struct drops *drops);
/* Once more for this client: who is any number that is its own. */
void drops_note(struct drops *drops, enum drop_reason reason, uint64_t who, struct slice client,
                uint64_t now_ms);
/* Often: what gathered is said when it is time. */
void drops_tick(struct drops *drops, uint64_t now_ms);

#endif
