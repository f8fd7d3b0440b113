/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's connection: its socket, the bytes that wait both ways, when it must have spoken, and
 * whether it is read at all. It cuts packets and hands them to the desks (desk.h); what they mean
 * is decided there.
 *
 * Life:  NEW -(CONNECT)-> OPENING -(store says welcome, resumed filters are known everywhere)->
 *        OPEN -> DYING -> [LINGER] -> gone
 * connection_close and connection_fail only mark it DYING: nothing is freed while a loop over
 * connections may run. The worker reaps at the end of the turn (connection_reap): last bytes
 * out, subscriptions gone, the store told. After a packet that says why (CONNACK, DISCONNECT) it
 * lingers for a moment, reading and dropping, because closing at once would make the kernel reset
 * the connection before the client has read it.
 */
#ifndef SERVICES_GATEWAY_CONNECTION_H
#define SERVICES_GATEWAY_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/address.h"
#include "common/wheel.h"
#include "proto/mqtt_packet.h"
#include "services/gateway/client_routes.h"
#include "services/gateway/listener.h"
#include "services/gateway/output.h"
#include "services/gateway/session.h"
#include "services/gateway/transport.h"

#include <stdbool.h>
#include <stdint.h>

struct worker;
struct connection_limits;
struct access_grant;
struct access_token;
struct alias_out;
struct auth;
struct identity;
struct suback;
struct retained_fetch;
struct retained_seen;

enum connection_state {
    CONNECTION_NEW,
    CONNECTION_OPENING, /* CONNECT is with the store; input waits */
    CONNECTION_OPEN,
    CONNECTION_DYING, /* to be reaped at the end of the turn */
    CONNECTION_LINGER /* only dropping what still comes in */
};

enum {
    CONNECTION_IS_DIRTY = 1 << 0,     /* in the worker's list of what to write */
    CONNECTION_IS_BLOCKED = 1 << 1,   /* the socket takes no more */
    CONNECTION_IS_PUBLISHER = 1 << 2, /* has published: POST_HOLD concerns it */
    CONNECTION_IS_PERSISTENT = 1 << 3,
    CONNECTION_KICKED = 1 << 4,            /* the session has gone elsewhere */
    CONNECTION_SAID_WHY = 1 << 5,          /* the last packet says why: linger */
    CONNECTION_NO_PROBLEM = 1 << 6,        /* request problem information 0 */
    CONNECTION_HAS_EXPIRY = 1 << 7,        /* DISCONNECT changed the session expiry */
    CONNECTION_ENDED = 1 << 8,             /* in order: no will */
    CONNECTION_CAPPED_KEEP_ALIVE = 1 << 9, /* CONNACK says so */
    CONNECTION_CAPPED_EXPIRY = 1 << 10,
    CONNECTION_WANTS_RESPONSE = 1 << 11, /* request response information 1 */
    CONNECTION_HAS_ADDRESS = 1 << 12,    /* its address is counted in the quotas */
    CONNECTION_WAS_NOTED = 1 << 13       /* that it is refused */
};

enum { /* reasons not to read */
       PAUSE_HOLD = 1 << 0,
       PAUSE_OPENING = 1 << 1,
       PAUSE_OUTPUT = 1 << 2, /* it does not read what we send */
       PAUSE_SUBACK = 1 << 3, /* too many SUBSCRIBEs wait for their answers */
       PAUSE_RATE = 1 << 4,   /* it sends more than it may: connection_limits.c */
       PAUSE_STORE = 1 << 5   /* too much is held for the store of its session */
};

/* Bytes of a packet that is not complete yet. */
struct input {
    size_t len, size;
    size_t need; /* length of the packet if known, else 0 */
    uint8_t bytes[];
};

struct connection {
    struct event event;
    struct worker *worker;
    uint64_t handle;
    struct wheel_node timer;
    struct output output;
    struct connection *next_dirty;
    struct connection *next_dying;
    const struct transport *transport;
    void *transport_state;
    struct input *input;
    struct session *session; /* NULL until needed */
    struct subscription *subscriptions;
    struct identity *identity;
    struct session_open_request *asking; /* CONNECT, until it is known who it is */
    struct access_token *token;          /* that will expire; NULL: none */
    struct access_grant *grant;          /* NULL: nobody has said what it may not do */
    struct session_opened *opened;    /* the store's welcome, while its filters are on their way */
    struct connection_limits *limits; /* NULL: it may be read as fast as it comes */
    struct auth *auth;                /* NULL: no authentication method was agreed */
    struct alias_out *aliases;        /* towards the client; NULL: it allows none */
    struct suback *subacks;           /* SUBSCRIBEs and UNSUBSCRIBEs not answered yet */
    struct retained_fetch *retained;  /* filters whose retained messages are to be sent */
    struct retained_seen *retained_seen; /* NULL: none are to be sent (on_retained.c) */
    char *proxy_user;                    /* that a proxy vouches for; NULL: none */
    uint64_t session_number, epoch;
    uint64_t gather_stamp; /* deliver.c */
    uint64_t active_ms;    /* when it last spoke */
    uint32_t connected_s;  /* wall clock, when it was welcomed */
    uint32_t max_packet;   /* the client's Maximum Packet Size; 0: none */
    uint64_t filter_bytes; /* of its subscriptions */
    uint32_t subscription_count, suback_count;
    uint32_t restoring;     /* filters that CONNACK waits for */
    uint32_t gather_index;  /* deliver.c */
    uint32_t expiry_s;      /* valid with CONNECTION_HAS_EXPIRY */
    struct address address; /* the client's; settled before its first packet */
    int fd;
    uint16_t flags;
    uint16_t keep_alive_s;
    uint16_t receive_maximum; /* the client's, capped by ours */
    uint8_t version;          /* enum mqtt_version */
    uint8_t state;            /* enum connection_state */
    uint8_t pause;            /* PAUSE_* */
    uint8_t wanted;           /* what the event waits for now: EV_READ | EV_WRITE */
    uint8_t transport_wants;  /* EV_WRITE: the transport asks for it */
    uint8_t listener;         /* enum listener_kind: which settings hold for it */
    uint8_t refusal;          /* enum drop_reason: its CONNECT will be refused; 0: no */
    uint32_t address_place;   /* in quotas: where its address is counted */
};

/* New, owning fd (non-blocking already), which came through that listener from that address. NULL
 * when it was turned away (and counted): fd stays the caller's. */
struct connection *connection_open(struct worker *worker, int fd, enum listener_kind listener,
                                   const struct address *address);

/* The connection of a handle while it is OPENING or OPEN; else NULL. */
struct connection *connection_get(struct worker *worker, uint64_t handle);

/* Puts it on the worker's list of what to write at the end of the turn. */
void connection_dirty_slow(struct connection *connection);
static inline void
connection_dirty(struct connection *connection)
{
    if (!(connection->flags & CONNECTION_IS_DIRTY))
        connection_dirty_slow(connection);
}

/* Appends bytes for the client. */
void connection_send(struct connection *connection, struct slice bytes);
/* PUBACK, PUBREC, PUBREL, PUBCOMP without properties. */
void connection_send_ack(struct connection *connection, enum mqtt_type type, uint16_t packet_id,
                         uint8_t reason);

/* Its session, made at first use. */
struct session *connection_session(struct connection *connection);

/* Writes what waits. Errors mark it DYING. */
void connection_flush(struct connection *connection);
/* Ends it without a word. */
void connection_close(struct connection *connection);
/* Ends it with DISCONNECT (5.0, once open) and the reason; without a word in 3.x. */
void connection_fail(struct connection *connection, enum mqtt_reason reason);
/* Ends a DYING one: see the top. */
void connection_reap(struct connection *connection);
/* Frees it now, whatever its state, telling nobody: the worker ends. */
void connection_free(struct connection *connection);

/* The transport asks to be called (on_writable) when the descriptor takes bytes, or no longer. */
void connection_transport_wants(struct connection *connection, bool writable);

/* Sets or clears reasons not to read. */
void connection_pause(struct connection *connection, uint8_t reasons, bool on);
/* Works on input that waited while it was OPENING. */
void connection_resume(struct connection *connection);
/* Its timer fired: CONNECT, keep alive or lingering is overdue, or it spoke in between. */
void connection_on_timer(struct connection *connection);
/* Arms the timer for its state. */
void connection_arm(struct connection *connection);
/* The user that the transport vouches for: named by a trusted proxy, or by the client's
 * certificate. name has room for TLS_NAME_MAX bytes; *out points into it or into the connection. */
bool connection_user(const struct connection *connection, char *name, struct slice *out);

#endif
