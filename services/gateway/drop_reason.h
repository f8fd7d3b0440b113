/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a message is not delivered, a client not read, or a connection refused: what worker_counts
 * counts and common/drops.h says in the log. It decides nothing.
 */
#ifndef SERVICES_GATEWAY_DROP_REASON_H
#define SERVICES_GATEWAY_DROP_REASON_H

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

/* A word for the reason, static. */
static inline const char *
drop_reason_label(enum drop_reason reason)
{
    switch (reason) {
#define DROP(name, event, label)                                                                   \
    case DROP_##name:                                                                              \
        return label;
        DROP_REASONS(DROP)
#undef DROP
    default:
        return "";
    }
}

#endif
