/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a worker, shared by the files of the gateway's data path and by nobody else. All of
 * it belongs to the worker's thread.
 */
#ifndef SERVICES_GATEWAY_WORKER_STATE_H
#define SERVICES_GATEWAY_WORKER_STATE_H

#include <pthread.h>

#include "common/buf.h"
#include "common/drops.h"
#include "common/loop.h"
#include "common/table.h"
#include "common/wheel.h"
#include "services/gateway/connection.h"
#include "services/gateway/deliver.h"
#include "services/gateway/overload.h"
#include "services/gateway/pace.h"
#include "services/gateway/post_body.h"
#include "services/gateway/post_box.h"
#include "services/gateway/worker.h"
#include "services/gateway/worker_counts.h"

#define WORKER_READ_SIZE (128u * 1024u) /* one read; many packets */
#define WORKER_FLUSH_CHUNKS                                                                        \
    1024u /* chunks filled in a turn after which we write at once: 4 MiB                           \
           */

#define WORKER_WIRE_SIZE (64u * 1024u)

struct access_book;
struct bans;
struct tls;
struct trace_watch;

/* Connections by slot; a handle is valid while the generation agrees. */
struct worker_slot {
    struct connection *connection; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

/* FILTER_ADD on its way: whose SUBACK waits for it. */
struct ticket_waiter {
    uint64_t conn;
    uint64_t pending_id; /* of the SUBSCRIBE; 0: the connection is being opened */
    uint32_t index;
};

struct ticket {
    uint64_t id;
    uint64_t deadline_ms;
    struct route *route; /* NULL: given up meanwhile */
    struct ticket_waiter *waiters;
    uint32_t count, size;
    UT_hash_handle hh;
};

#define WORKER_SAMPLE_EVERY 256u   /* PUBLISHes of which one is timed */
#define WORKER_SAMPLE_MS    10000u /* an acknowledgement that takes longer is given up */

/* The PUBLISH that is being timed. */
struct worker_sample {
    uint32_t count;
    uint64_t begun_us;          /* the one in hand was read; 0: it is not timed */
    uint64_t delivery_begun_us; /* what it led to here leaves with this turn; 0: nothing */
    uint64_t wait_conn, wait_cookie, wait_begun_us;
    uint64_t busy_until_ms; /* another one waits until then */
};

/* Clients that are being sent away by an operator. */
struct sweep {
    struct admin_job *job; /* whom; NULL: all */
    uint64_t credit;       /* thousandths of a client */
    uint32_t per_second;
    uint32_t slot; /* the next to look at */
    bool is_on;
    bool is_emptying; /* nobody new is welcome, until told otherwise */
};

struct worker {
    uint8_t index;
    uint8_t count;        /* of workers */
    uint8_t hub_hold;     /* POST_HOLD */
    uint64_t held_shards; /* POST_HOLD_STORES */
    uint8_t hold;         /* in force: 0 none, 1 publishers, 2 everybody */
    bool digest_valid;    /* POST_DIGEST_VALID, and not run out at the last read */
    bool is_draining, is_stopping, drained;
    bool is_started;
    struct worker_options options;
    struct loop *loop;
    struct mailbox *mailbox;
    struct post_box *to_hub;     /* one box */
    struct post_box *to_workers; /* a box each */
    struct client_routes *routes;
    struct deliver *deliver;
    struct output_pool pool;
    struct wheel wheel;      /* connection_on_timer */
    struct wheel wake_wheel; /* connection_limits_wake */
    struct drops *drops;
    struct overload overload;
    uint64_t memory_told_ms, excess_seen_ms; /* pressure.c */
    size_t qos0_output_max;     /* bytes that may wait for a client before its QoS 0 is dropped */
    uint32_t refusing_count;    /* connections that only wait to be refused */
    _Atomic bool is_overloaded; /* as others see it */
    struct access_book *access; /* what clients may do */
    struct bans *bans;
    struct tokens *tokens;    /* NULL: none are taken */
    struct wheel token_wheel; /* access_on_token */
    uint64_t tokens_look_ms;  /* when the files of keys are looked at again */
    bool bans_loading;        /* the whole list is being told */
    bool bans_changed;        /* connected clients are to be looked at */
    struct loop_timer tick, retry;
    struct worker_slot *slots;
    uint32_t slot_count, slot_size, free_slot; /* free_slot: index + 1, 0: none */
    uint32_t open_count;
    uint32_t client_count;             /* with a session */
    uint64_t persistent_subscriptions; /* of them; the store counts these */
    _Atomic uint32_t connection_count; /* as others see it */
    struct connection *dirty, *dying;
    struct connection **dying_end; /* where the next one is linked */
    uint32_t new_reads;            /* of connections without a session, in this turn */
    struct ticket *tickets;
    uint64_t next_ticket, next_pending;
    uint64_t always_places;   /* places whose filters found no room: everything goes there */
    uint64_t place_version;   /* to acknowledge at the end of the turn; 0: nothing */
    uint64_t wall_ms;         /* of this turn; 0: not asked yet */
    uint64_t digest_until_ms; /* 0: no end */
    uint64_t drain_end_ms;
    uint32_t drain_slot;
    uint32_t shed_slot; /* where on_shed goes on */
    struct sweep sweep;
    struct trace_watch *traces; /* NULL: nobody watches */
    struct slice traced_topic;  /* of the message in hand, while somebody watches */
    struct listener *listeners[LISTENER_KINDS];
    uint32_t listener_count;
    struct tls *tls; /* NULL: off */
    struct loop_timer tls_refresh;
    struct pace handshakes;   /* how fast TLS connections are accepted */
    uint32_t handshake_steps; /* done in this turn */
    uint8_t *wire_buffer;     /* WORKER_WIRE_SIZE: output on its way through a transport */
    struct buf scratch;       /* packets that are rarely sent */
    struct buf properties;
    struct worker_counts counts;
    struct worker_sample sample;
    pthread_t thread;
    uint8_t *read_buffer;
};

/* POST_HOLD_STORES. */
void worker_hold_stores(struct worker *worker, uint64_t shards);
/* A post to the hub; it leaves at the end of the turn. The body changes hands. */
void worker_to_hub(struct worker *worker, const struct post *post);

/* Bytes of a client were read: the digests may have run out while this thread was stopped. Looks at
 * the clock itself, because the turn's time may be from before the stop. */
void worker_check_digest(struct worker *worker);

/* Wall clock of this turn. */
uint64_t worker_wall_ms(struct worker *worker);

/* Writes to every dirty connection now. Frees none. */
void worker_flush_dirty(struct worker *worker);

/* A connection wants this route (is_new: a new subscription of it). Posts FILTER_ADD if it is the
 * first here. True: known everywhere already; else the waiter (may be NULL) is told later
 * (desk_filter_ready). */
bool worker_want_route(struct worker *worker, struct route *route, bool is_new,
                       const struct ticket_waiter *waiter);
/* A subscription of this route has gone: tells the hub and frees the route if it was the last. */
void worker_release_route(struct worker *worker, struct route *route);

/* Takes a post of the mailbox (on_post.c). */
void worker_on_post(void *arg, void *item);

#endif
