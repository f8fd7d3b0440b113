/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker counts. Plain numbers that the worker's thread adds to, handed to the registry ten
 * times a second: counting a message costs one addition.
 */
#ifndef SERVICES_GATEWAY_WORKER_COUNTS_H
#define SERVICES_GATEWAY_WORKER_COUNTS_H

#include "common/metrics.h"
#include "services/gateway/drop_reason.h"

#include <stdint.h>

#define DROPPED       "messages not delivered"
#define REFUSED       "connections ended before a session was opened, by reason"
#define PAUSED        "times that a client was not read for a while because too much was sent"
#define ACCESS_DENIED "what clients were not let do, by what it was"

/* COUNT(field, name, label key, label value, help) */
#define WORKER_COUNTS(COUNT)                                                                       \
    COUNT(received[0], "messages_received", "qos", "0", "PUBLISH packets from clients")            \
    COUNT(received[1], "messages_received", "qos", "1", "PUBLISH packets from clients")            \
    COUNT(received[2], "messages_received", "qos", "2", "PUBLISH packets from clients")            \
    COUNT(sent[0], "messages_sent", "qos", "0", "PUBLISH packets to clients")                      \
    COUNT(sent[1], "messages_sent", "qos", "1", "PUBLISH packets to clients")                      \
    COUNT(sent[2], "messages_sent", "qos", "2", "PUBLISH packets to clients")                      \
    COUNT(dropped[DROP_SLOW], "messages_dropped", "reason", "slow_reader", DROPPED)                \
    COUNT(dropped[DROP_QUEUE], "messages_dropped", "reason", "queue_full", DROPPED)                \
    COUNT(dropped[DROP_SIZE], "messages_dropped", "reason", "packet_too_large", DROPPED)           \
    COUNT(dropped[DROP_EXPIRED], "messages_dropped", "reason", "expired", DROPPED)                 \
    COUNT(dropped[DROP_REFUSED], "messages_dropped", "reason", "refused", DROPPED)                 \
    COUNT(dropped[DROP_GONE], "messages_dropped", "reason", "client_gone", DROPPED)                \
    COUNT(dropped[DROP_MEMORY], "messages_dropped", "reason", "memory_full", DROPPED)              \
    COUNT(dropped[DROP_MEMORY_CLOSED], "connections_closed_for_memory", NULL, NULL,                \
          "connections closed because they held the most while memory was full")                   \
    COUNT(dropped[DROP_THROTTLED], "reads_paused", "reason", "client_rate", PAUSED)                \
    COUNT(dropped[DROP_LISTENER_RATE], "reads_paused", "reason", "listener_rate", PAUSED)          \
    COUNT(dropped[DROP_DENIED_PUBLISH], "access_denied", "what", "publish", ACCESS_DENIED)         \
    COUNT(dropped[DROP_DENIED_SUBSCRIBE], "access_denied", "what", "subscribe", ACCESS_DENIED)     \
    COUNT(dropped[DROP_DENIED_WILL], "access_denied", "what", "will", ACCESS_DENIED)               \
    COUNT(dropped[DROP_DENIED_CONNECT], "access_denied", "what", "connect", ACCESS_DENIED)         \
    COUNT(dropped[DROP_DENIED_BAN], "access_denied", "what", "ban", ACCESS_DENIED)                 \
    COUNT(dropped[DROP_REVOKED], "access_denied", "what", "subscription_revoked", ACCESS_DENIED)   \
    COUNT(dropped[DROP_CLOSED_USER], "access_denied", "what", "user_deleted", ACCESS_DENIED)       \
    COUNT(dropped[DROP_CLOSED_BAN], "access_denied", "what", "ban_closed", ACCESS_DENIED)          \
    COUNT(dropped[DROP_CLOSED_TOKEN], "access_denied", "what", "token_expired", ACCESS_DENIED)     \
    COUNT(denied_address, "access_denied", "what", "address", ACCESS_DENIED)                       \
    COUNT(bytes_in, "bytes_received", NULL, NULL, "bytes from clients")                            \
    COUNT(bytes_out, "bytes_sent", NULL, NULL, "bytes to clients")                                 \
    COUNT(packets_in, "packets_received", NULL, NULL, "MQTT packets from clients")                 \
    COUNT(packets_out, "other_packets_sent", NULL, NULL, "packets to clients that are no PUBLISH") \
    COUNT(accepted[0], "connections_accepted", "listener", "mqtt", "connections accepted")         \
    COUNT(accepted[1], "connections_accepted", "listener", "tls", "connections accepted")          \
    COUNT(accepted[2], "connections_accepted", "listener", "ws", "connections accepted")           \
    COUNT(accepted[3], "connections_accepted", "listener", "wss", "connections accepted")          \
    COUNT(accepted[4], "connections_accepted", "listener", "unix", "connections accepted")         \
    COUNT(proxy_refused[0], "connections_refused", "reason", "proxy_spoofed", REFUSED)             \
    COUNT(proxy_refused[1], "connections_refused", "reason", "proxy_missing", REFUSED)             \
    COUNT(proxy_refused[2], "connections_refused", "reason", "proxy_malformed", REFUSED)           \
    COUNT(opened, "connects", "result", "welcome", "CONNECT packets by result")                    \
    COUNT(refused, "connects", "result", "refused", "CONNECT packets by result")                   \
    COUNT(closed, "connections_closed", NULL, NULL, "connections closed")                          \
    COUNT(timed_out, "connections_timed_out", NULL, NULL, "connections closed by keep alive")      \
    COUNT(connect_timed_out, "connections_refused", "reason", "connect_timeout", REFUSED)          \
    COUNT(failed, "connections_failed", NULL, NULL, "connections closed for a violation")          \
    COUNT(dropped[DROP_GATEWAY_FULL], "connections_refused", "reason", "connections_max", REFUSED) \
    COUNT(dropped[DROP_LISTENER_FULL], "connections_refused", "reason", "listener_connections",    \
          REFUSED)                                                                                 \
    COUNT(dropped[DROP_ADDRESS_FULL], "connections_refused", "reason", "address_connections",      \
          REFUSED)                                                                                 \
    COUNT(dropped[DROP_NO_MEMORY], "connections_refused", "reason", "memory_full", REFUSED)        \
    COUNT(dropped[DROP_LATE], "connections_refused", "reason", "overload", REFUSED)                \
    COUNT(accepts_paused, "accepts_paused", NULL, NULL,                                            \
          "times that a listener let clients wait in the kernel's queue")                          \
    COUNT(tls_done, "tls_handshakes", "result", "done", "TLS handshakes by result")                \
    COUNT(tls_failed, "tls_handshakes", "result", "failed", "TLS handshakes by result")            \
    COUNT(ws_done, "websocket_upgrades", "result", "done", "WebSocket requests by result")         \
    COUNT(ws_refused, "websocket_upgrades", "result", "refused", "WebSocket requests by result")   \
    COUNT(ws_failed, "websockets_failed", NULL, NULL, "WebSockets closed for a violation")         \
    COUNT(shared_returned, "shared_returned", NULL, NULL,                                          \
          "messages for members of shared subscriptions that were handed back")

#define WORKER_COUNTS_MAX 96

struct worker_counts {
    uint64_t received[3], sent[3];
    uint64_t dropped[DROP_REASON_COUNT];
    uint64_t denied_address; /* connections of banned addresses */
    uint64_t bytes_in, bytes_out, packets_in, packets_out;
    uint64_t accepted[5];      /* by enum listener_kind */
    uint64_t proxy_refused[3]; /* by enum refusal of transport_proxy.c */
    uint64_t opened, refused, closed, timed_out, connect_timed_out, failed, accepts_paused,
        shared_returned;
    uint64_t tls_done, tls_failed, ws_done, ws_refused, ws_failed;
    struct metric_counter *counters[WORKER_COUNTS_MAX]; /* NULL without a registry */
    struct metric_histogram *delivery_us, *acknowledge_us, *connect_us, *lag_us;
    struct metric_gauge *connections, *clients, *subscriptions, *clean_subscriptions,
        *output_chunks, *tls_expires, *memory, *overloaded;
};

/* Finds or makes the series; metrics may be NULL. */
void worker_counts_init(struct worker_counts *counts, struct metrics *metrics, uint8_t worker);
/* NULL is nothing. */
void worker_counts_observe(struct metric_histogram *histogram, uint64_t us);
/* Adds what came together since the last time, and sets the numbers to 0. */
void worker_counts_publish(struct worker_counts *counts);

#endif
