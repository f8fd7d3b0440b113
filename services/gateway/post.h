/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the threads of a gateway say to each other: the hub (one thread: feeds,
 * calls, the gateway's own table of filters) and the workers (connections).
 * A post is a small fixed-size value; mailboxes carry batches of them. A body
 * pointer is handed over with the post: the receiver owns it (one reference for
 * counted bodies). Nothing else is shared between threads.
 *
 * conn is the gateway's handle of a connection: worker << 56 | generation << 32 |
 * slot. A handle that is no longer valid is ignored, never an error.
 */
#ifndef SERVICES_GATEWAY_POST_H
#define SERVICES_GATEWAY_POST_H

#include <stdint.h>

enum post_kind {
    /* ---- worker -> hub ---- */
    POST_OPEN = 1,      /* conn; body: struct session_open_request. Answer: POST_OPENED */
    POST_READY,         /* conn, a: session, b: epoch: CONNACK is written (persistent only) */
    POST_CLOSE,         /* conn, a: session, b: epoch, flags: CLOSE_*, aux: expiry_s; body: struct
                           session_announcement if it is clean and its will is due, or NULL */
    POST_FILTER_ADD,    /* worker's first subscription to body: struct post_filter, a: ticket (0:
                           none). Answer POST_FILTER_READY when workers and live cores have it */
    POST_FILTER_REMOVE, /* worker's last subscription to body: struct post_filter is gone */
    POST_PLACE_ACK,     /* a: version of the last POST_PLACE_* applied */
    POST_SUBSCRIBE,     /* conn, a: ticket; body: struct subscribe_request (persistent): call to the
                           store */
    POST_UNSUBSCRIBE,   /* conn, a: ticket; body: struct subscribe_request (persistent) */
    POST_RETAINED_GET,  /* conn, a: ticket; body: struct retained_request (clean sessions) */
    POST_PUBLISH, /* conn, a: cookie (0: no answer, QoS 0); body: struct message, one reference */
    POST_INBOUND_PUBLISH, /* conn, a: session, b: epoch, aux: packet id; body: struct message */
    POST_INBOUND_RELEASE, /* conn, a: session, b: epoch, aux: packet id */
    POST_QUEUE_ACK,       /* conn, a: session, b: epoch, c: seq */
    POST_QUEUE_REC,       /* conn, a: session, b: epoch, c: seq */

    /* ---- hub -> worker ---- */
    POST_OPENED = 64,  /* conn; body: struct session_opened */
    POST_FILTER_READY, /* a: ticket, aux: enum err */
    POST_PLACE_ADD,    /* a: version, flags: place number; body: struct post_filter. Acknowledge */
    POST_PLACE_REMOVE, /* a: version, flags: place number; body: struct post_filter */
    POST_DIGEST_VALID, /* flags: 1: the digests can be trusted until a (monotonic ms; 0: until told
                          otherwise); 0: every QoS >= 1 publish goes to the hub */
    POST_SUBSCRIBED,   /* conn, a: ticket, aux: enum err; body: struct subscribe_answer */
    POST_UNSUBSCRIBED, /* conn, a: ticket, aux: enum err; body: struct subscribe_answer */
    POST_RETAINED,     /* conn, a: ticket, aux: enum err; body: struct retained_answer */
    POST_TOKEN_DONE,   /* conn, a: cookie, flags: 1: somebody elsewhere wanted it */
    POST_DELIVER, /* conn, a: seq, flags: DELIVER_*; body: struct delivery (message, subscription
                     ids) */
    POST_QUEUE_RECORDED,   /* conn, a: seq: send PUBREL */
    POST_INBOUND_DONE,     /* conn, aux: packet id, flags: reason: send PUBREC */
    POST_INBOUND_RELEASED, /* conn, aux: packet id: send PUBCOMP */
    POST_KICK,   /* conn (0: every connection that matches), a: session, b: epoch, flags: reason */
    POST_LAPSED, /* the lease ended though we live: close clean sessions that hold a
                    subscription of QoS >= 1 with 0x8B; aux: bit 0 core, bit 1 store; a: number of
                    the core that has given what we had from it to others, or CORE_CLIENT_NO_CORE */
    POST_USER_CHANGED, /* body: struct post_filter holding the user name */
    POST_HOLD,         /* flags: 1: stop reading from publishing clients; 0: go on */
    POST_ANNOUNCE,     /* a: shard: answer with POST_ANNOUNCEMENT for each session, then one with
                          body NULL */
    POST_DRAIN,        /* aux: milliseconds: close all connections, paced, then POST_DRAINED */
    POST_SHED,         /* aux: so many clients are to go to another gateway (balance.h) */
    POST_AUTHED,       /* conn, a: ticket; body: struct auth_answer */
    POST_STOP,         /* close everything and end the thread */

    /* ---- worker -> worker, hub -> worker ---- */
    POST_MESSAGE = 128, /* body: struct message: match in your own tree and deliver.
                           b: publisher's session number (no-local), c: when a sampled
                           PUBLISH was read (monotonic us), else 0 */

    /* ---- worker -> hub, late additions ---- */
    POST_ANNOUNCEMENT = 160, /* a: shard; body: struct session_announcement or NULL at the end */
    POST_DRAINED,

    /* ---- shared subscriptions ---- */
    /* worker -> hub: body: struct post_filter "$share/group/filter"; this worker's members, a: for
     * QoS 1 and 2, b: for QoS 0, aux: that take QoS 2. Comes before FILTER_ADD and FILTER_REMOVE.
     */
    POST_SHARE_COUNT,
    /* worker -> hub: a: number, aux: core: a member has it. */
    POST_SHARED_DONE,
    /* worker -> hub: body: struct handout, flags: SHARED_*: no member here can have it. */
    POST_SHARED_RETURN,
    /* hub -> worker: body: struct handout, aux: pick: for a member of its group. */
    POST_SHARED,

    POST_AUTH, /* conn, a: ticket; body: struct auth_request. Answer: POST_AUTHED */

    /* ---- access (post_access.h) */
    POST_SIGN_IN,  /* worker -> hub: conn; body: struct sign_in_request. Answer: POST_SIGNED_IN */
    POST_USER_ASK, /* worker -> hub: a: ticket; body: struct sign_in_request, verified: what may the
                      user do now? Answer: POST_USER_TERMS */
    POST_SIGNED_IN,    /* hub -> worker: conn, flags: 1: as in verified; body: struct signed_in */
    POST_USER_TERMS,   /* hub -> worker: a: ticket; body: struct signed_in */
    POST_ACCESS_RESET, /* hub -> worker: the roles and bans that follow up to ACCESS_END are all */
    POST_ACCESS_END,
    POST_ROLE, /* hub -> worker: body: struct role_news */
    POST_BAN,  /* hub -> worker: body: struct ban_news */

    /* ---- operators */
    /* hub -> worker: body: struct admin_job: answer it, give it back. */
    POST_ADMIN = 200,
    /* hub -> worker: aux: clients per second to send away (0: stop), flags: 1: until none is left,
     * and welcome nobody new; body: struct admin_job (whom), NULL: all. */
    POST_SWEEP,
    /* worker -> hub: body: struct admin_job. */
    POST_ADMIN_DONE,
    /* hub -> worker: a: number, flags: 1: begin, 0: end; body: struct admin_job (client, topic). */
    POST_TRACE,
    /* worker -> hub: a: number; body: struct trace_event. */
    POST_TRACE_EVENT,

    /* hub -> worker: a: bit per shard: clients with sessions there must not publish QoS 2. */
    POST_HOLD_STORES
};

struct post {
    uint8_t kind;   /* enum post_kind */
    uint8_t worker; /* sender */
    uint8_t flags;
    uint8_t spare;
    uint32_t aux;
    uint64_t conn;
    uint64_t a;
    uint64_t b;
    uint64_t c;
    void *body; /* taken by the receiver */
};

/* Places in a worker's route tree: bit w of a node's place mask: worker w has
 * subscribers of this filter; PLACE_REMOTE: somebody behind a core may want it. */
#define PLACE_REMOTE 63
#define WORKERS_MAX  32

/* A filter (or a user name) on its way; freed by the receiver. */
struct post_filter {
    uint32_t len;
    uint8_t bytes[];
};

#endif
