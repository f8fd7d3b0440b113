/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns which client id: the table of all sessions, connected or not, by client id and by
 * number. A clean session is a row here and nothing else; a persistent one has a `struct lasting`
 * (subscriptions, queue, packet ids). Pure: no clock, no driver, no feeds; what an owner is, is
 * told as a pointer to a `struct owner`.
 *
 * Life:  open -> CONNECTED -> close, lease end -> DISCONNECTED -> expiry -> removed
 *                    ^------------ open -----------'
 *        restart -> LIMBO (was connected; its gateway may still have it) -> announce -> CONNECTED
 *                                                                     \-> lease end -> DISCONNECTED
 *
 * Numbers and epochs are shard << 58 | boot count << 32 | counter (proto/shards.h): unique over all
 * stores and rising over restarts.
 */
#ifndef SERVICES_STORE_SESSIONS_H
#define SERVICES_STORE_SESSIONS_H

#include "common/err.h"
#include "common/str.h"
#include "common/table.h"
#include "common/wheel.h"
#include "services/store/session_queue.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_EXPIRY_NEVER 0xFFFFFFFFu

struct session;
struct session_list;

enum session_state {
    SESSION_CONNECTED,
    SESSION_DISCONNECTED,
    SESSION_LIMBO,  /* connected when we stopped; waits for its gateway to say so */
    SESSION_REMOVED /* out of the table; freed when nobody holds it any more */
};

/* A gateway that may own sessions. In the gateway link's memory; outlives its sessions here. */
struct owner {
    uint64_t incarnation;
    uint32_t peer; /* id for peers_by_id */
    bool up;
    struct session *sessions; /* doubly linked through owner_next */
    struct session *stalled;  /* have something to push but its feed was full */
    uint64_t count;
};

struct session_will {
    uint8_t qos;
    bool retain;
    bool has_expiry;
    uint32_t delay_s;
    uint32_t expiry_s;
    uint32_t topic_len;
    uint32_t properties_len;
    uint32_t payload_len;
    uint8_t bytes[]; /* topic, properties, payload */
};

/* Where an inbound QoS 2 publish stands. */
enum session_inbound_state {
    SESSION_INBOUND_PENDING, /* in the outbox: PUBREC waits */
    SESSION_INBOUND_DONE     /* PUBREC may be sent (again) */
};
struct session_inbound {
    uint16_t packet_id;
    uint8_t state;
    uint8_t reason;
};

struct subscription;
struct session_rest;

/* What only a persistent session has. */
struct lasting {
    struct session_queue queue;
    struct subscription *subscriptions; /* owned by subscriptions.c */
    uint32_t subscription_count;
    uint32_t inbound_count;
    uint32_t inbound_size;
    struct session_inbound *inbound;
    uint64_t created_ms;  /* wall clock */
    uint64_t moved_stamp; /* no page is read before this is durable: what was taken off the queue
                             for others, what came while nobody was connected */
    uint64_t seq_limit;   /* as written: no sequence number at or above it was used */
    /* Taken over from a live connection: what the former gateway has still to say about the queue
     * comes first (session_life.h). */
    uint64_t former_epoch; /* 0: nothing is awaited */
    uint64_t ready_after;  /* of FEED_SESSION_READY, while ready_waits */
    bool ready_waits;
    /* Reading what is on disk only (session_read.h). */
    bool reading;              /* a page for memory is on its way */
    bool read_again;           /* and may come too early for what was committed since */
    uint64_t unreadable_epoch; /* whose connection was ended because its queue cannot be read */
    bool trimming;             /* a page of what is to be dropped is */
    bool moving;               /* a page of what may go to others is (session_shared.h) */
    uint64_t resume_to;        /* not 0: everything up to it is being brought to memory */
    unsigned moves_left;
    bool ending; /* it ends as soon as its rest has been read (session_ending.h) */
    struct session_rest *rest;
    bool touched; /* the queue changed after the connection had ended */
    bool is_stalled;
    struct session *stalled_next;
    struct session *stalled_prev;
};

struct live_user;

struct session {
    UT_hash_handle by_client;
    UT_hash_handle by_number;
    uint64_t number;
    uint64_t epoch;
    uint64_t conn;    /* the owner's handle */
    uint64_t request; /* of the open that made this epoch; 0: none */
    struct owner *owner;
    uint64_t owner_incarnation; /* also while LIMBO */
    struct session *owner_next;
    struct session *owner_prev;
    struct lasting *lasting; /* NULL: ends with its connection */
    struct session_will *will;
    struct live_user *user; /* signed in as; NULL: anonymous */
    struct wheel_node deadline;
    uint64_t will_at_ms;      /* wall clock; 0: no will waits */
    uint64_t expire_at_ms;    /* wall clock; 0: not waiting to expire */
    uint64_t disconnected_ms; /* wall clock; 0: connected */
    uint32_t expiry_s;
    uint16_t receive_maximum;
    uint8_t version;
    uint8_t state; /* enum session_state */
    bool present;  /* what the open that made this epoch was told */
    bool ready;    /* CONNACK is on its way: pushes may follow */
    uint16_t client_len;
    uint8_t client[];
};

struct sessions;

/* New and empty. first is the first number and epoch to give out; at most cap sessions. */
struct sessions *sessions_new(uint64_t first, uint64_t cap);
/* Frees the sessions as well. */
void sessions_free(struct sessions *sessions);

/* NULL when there is none. */
struct session *sessions_by_client(struct sessions *sessions, struct slice client_id);
struct session *sessions_by_number(struct sessions *sessions, uint64_t number);
uint64_t sessions_count(const struct sessions *sessions);
/* A number that was never given out: for sessions and epochs. */
uint64_t sessions_next_number(struct sessions *sessions);

/* A new row, DISCONNECTED, without owner; number must be unused. ERR_QUOTA: cap reached;
 * ERR_EXISTS: the client id or number is in use. ERR_TOO_LARGE: client id. */
ERR_MUST_USE enum err sessions_add(struct sessions *sessions, struct slice client_id,
                                   uint64_t number, struct session **out);
/* Makes it persistent with an empty queue. */
void session_make_lasting(struct session *session, uint64_t next_seq);
/* Takes it out of the tables and its owner's list; state REMOVED. Memory stays until session_free,
 * so that what waits for a commit may still look at it. Subscriptions must be gone before. */
void sessions_remove(struct sessions *sessions, struct session *session);
void session_free(struct session *session);

/* Names the owner (CONNECTED) or takes it away (NULL). Keeps the owner's list. */
void session_set_owner(struct session *session, struct owner *owner, uint64_t conn);
bool session_is_stalled(const struct session *session);
/* Remembers that the owner's feed was full. */
void session_stall(struct session *session);
void session_unstall(struct session *session);

struct slice session_client(const struct session *session);
/* New will from parts, replacing the former. */
void session_set_will(struct session *session, struct slice topic, struct slice properties,
                      struct slice payload, const struct session_will *flags);
void session_drop_will(struct session *session);
struct slice session_will_topic(const struct session_will *will);
struct slice session_will_properties(const struct session_will *will);
struct slice session_will_payload(const struct session_will *will);

/* The inbound QoS 2 packet id, or NULL. Borrowed until the next change. */
struct session_inbound *session_inbound_get(struct session *session, uint16_t packet_id);
/* Adds it as PENDING. ERR_EXISTS. */
ERR_MUST_USE enum err session_inbound_add(struct session *session, uint16_t packet_id);
/* False when it was not there. */
bool session_inbound_remove(struct session *session, uint16_t packet_id);

/* A part of all sessions: at least max_looks of them if there are so many, then those of whole
 * buckets. cursor 0 begins; the result goes on, 0: complete. A session that is there from begin to
 * end is met once at least (twice, maybe, when the table grew in between); in no order. */
uint64_t sessions_scan(struct sessions *sessions, uint64_t cursor, size_t max_looks,
                       void (*fn)(void *arg, struct session *session), void *arg);

typedef void (*sessions_each_fn)(void *arg, struct session *session);
/* Every session; fn may remove the one it is given. */
void sessions_each(struct sessions *sessions, sessions_each_fn fn, void *arg);

#endif
