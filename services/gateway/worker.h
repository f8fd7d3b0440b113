/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread that owns connections, their routes, and nothing that another thread may
 * touch. Everybody else speaks to it by posts (post.h) in its mailbox, and it speaks to the hub and
 * to the other workers by posts in theirs. It knows of no feed, call or store.
 *
 * Life: worker_new for each, worker_listen, worker_connect_to for each, worker_start for each;
 * POST_STOP; worker_join; worker_free. Functions here are called by the thread that built it.
 */
#ifndef SERVICES_GATEWAY_WORKER_H
#define SERVICES_GATEWAY_WORKER_H

#include "common/address.h"
#include "common/err.h"
#include "common/mailbox.h"
#include "common/metrics.h"
#include "services/gateway/listener.h"
#include "services/gateway/post.h"
#include "services/gateway/tls.h"
#include "services/gateway/tokens.h"
#include "services/gateway/websocket_upgrade.h"

#include <stdbool.h>
#include <stdint.h>

/* What the settings say; worker_options_init gives the defaults. Copied by worker_new. */
struct worker_options {
    uint32_t max_packet_size;      /* bytes a client may send in one packet */
    uint32_t max_inflight;         /* QoS 1 and 2 messages unacknowledged per client */
    uint32_t max_queued;           /* messages waiting behind them */
    size_t max_queued_bytes;       /* of them */
    bool drop_oldest;              /* of them, when a new one finds no room; else the new one */
    uint64_t client_messages;      /* PUBLISHes read per second and client; 0: any */
    uint64_t client_bytes;         /* bytes; 0: any */
    uint32_t max_output;           /* bytes waiting for a slow reader, per client */
    uint32_t receive_maximum;      /* what we tell a 5.0 client */
    uint32_t topic_alias_maximum;  /* aliases a 5.0 client may set */
    uint32_t topic_alias_outbound; /* aliases we set at most, if the client allows as many */
    uint32_t keep_alive_max_s;     /* 0: no cap */
    uint32_t session_expiry_max_s; /* cap; 0xFFFFFFFF: none */
    uint32_t connect_timeout_ms;   /* from accept to CONNECT */
    struct quotas *quotas;         /* shared with other workers; NULL: none. Borrowed */
    uint64_t memory_max;           /* of the program; 0: any */
    uint64_t shed_lag_ms;          /* 0: never */
    size_t max_filters;            /* filters in the route tree */
    uint32_t max_subscriptions;    /* of one client */
    const char *server_reference;  /* other servers, told to 5.0 clients with 0x9C while draining;
                                      empty: none, 0x8B. Borrowed */
    const char *response_information; /* before the client id in CONNACK; empty: none. Borrowed */
    bool check_payload_format;        /* payloads that say they are UTF-8 must be */
    struct websocket_upgrade_options websocket; /* borrowed until worker_free */
    struct listener_options listeners[LISTENER_KINDS];
    const struct address_range *trusted; /* proxies that may say who the client is. Borrowed */
    size_t trusted_count;
    bool proxy_identity;        /* a name in a PROXY header is the user */
    bool allow_anonymous;       /* on listeners that do not say otherwise */
    bool token_disconnect;      /* when a client's token expires */
    bool deny_default;          /* where no rule says anything */
    const char *anonymous_role; /* of clients without a user; empty: none. Borrowed */
    bool retain_available;      /* clients may publish and get retained messages */
};

void worker_options_init(struct worker_options *options);

struct worker;

/* New; index < WORKERS_MAX; metrics is borrowed and may be NULL. No thread yet. */
struct worker *worker_new(uint8_t index, const struct worker_options *options,
                          struct metrics *metrics);
/* After worker_join, or without ever starting. NULL is nothing. */
void worker_free(struct worker *worker);

/* Reads certificates; before TLS listeners. settings are borrowed until worker_free. They are read
 * again when they change. handshakes: accepted per second, 0: any. ERR_INVALID: reason says why. */
ERR_MUST_USE enum err worker_use_tls(struct worker *worker, const struct tls_settings *settings,
                                     uint32_t handshakes, char reason[TLS_REASON_SIZE]);
/* Reads the keys of tokens. settings are borrowed until worker_free. They are read again when they
 * change. ERR_INVALID: reason says why. */
ERR_MUST_USE enum err worker_use_tokens(struct worker *worker,
                                        const struct tokens_settings *settings,
                                        char reason[TOKENS_REASON_SIZE]);
/* Opens a listener (SO_REUSEPORT, so that every worker opens the same port). port 0: a free one;
 * *bound says which. ERR_INVALID: no such address; ERR_IO: see errno. */
ERR_MUST_USE enum err worker_listen(struct worker *worker, enum listener_kind kind,
                                    const char *bind, uint16_t port, uint16_t *bound);
/* The same on a descriptor that listens already; it is the worker's then. ERR_BUSY: too many. */
ERR_MUST_USE enum err worker_listen_on(struct worker *worker, enum listener_kind kind, int fd);
/* Closes the listeners, from within POST_DRAIN too; idempotent; before start or after join. */
void worker_unlisten(struct worker *worker);

/* Where to post: struct post mailboxes of the hub and of all workers (its own included). Borrowed.
 */
void worker_connect_to(struct worker *worker, struct mailbox *hub, struct mailbox *const *workers,
                       uint8_t count);

/* Takes struct post; every body that it cannot use is freed. */
struct mailbox *worker_mailbox(struct worker *worker);

/* Starts the thread. ERR_IO. */
ERR_MUST_USE enum err worker_start(struct worker *worker);
/* Waits for the end that POST_STOP began. */
void worker_join(struct worker *worker);

/* Open connections; any thread. */
uint32_t worker_connection_count(const struct worker *worker);
/* It has refused new connections for some seconds, because it is late or memory is full; any
 * thread.
 */
bool worker_is_overloaded(const struct worker *worker);

#endif
