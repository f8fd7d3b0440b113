/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the core client share: its state and the few functions between them. Not for
 * anybody else; core_client.h is the contract.
 *
 *   core_client.c         life, sessions of cores, the set that serves, holding and flushing
 *   core_client_tokens.c  records kept until answered, and their way into the feeds
 *   core_client_routes.c  routes told to cores, tickets, control records waiting for room
 *   core_client_digest.c  the merged digest, its acknowledgement and validity
 */
#ifndef SLUICE_PROTO_CORE_CLIENT_PART_H
#define SLUICE_PROTO_CORE_CLIENT_PART_H

#include "common/buf.h"
#include "common/table.h"
#include "proto/core_client.h"
#include "proto/rendezvous.h"

/* A publish that we keep: QoS >= 1 until answered (in the token ring), QoS 0 only while it waits
 * in a queue. core: whose feed or queue it is in; CORE_NONE: it is held. */
struct core_entry {
    struct core_entry *next; /* in a queue */
    uint64_t a, b;
    uint64_t token; /* 0: QoS 0 */
    uint32_t len;
    uint32_t head; /* bytes before the record; not 0: the body of a FEED_SHARED_RETURN */
    uint8_t core;
    bool sent;
    bool again;        /* sent before, through a core that is lost */
    uint64_t since_ms; /* first sent, or given */
    uint8_t bytes[];
};

enum { CORE_NONE = 0xff };

struct core_queue {
    struct core_entry *head;
    struct core_entry **tail;
};

/* Ticket numbers by the feed position of their ROUTE_ADD. */
struct core_lane_item {
    uint64_t seq;
    uint64_t ticket;
};
struct core_lane {
    struct core_lane_item *items;
    size_t start, count, size; /* size is a power of two or 0 */
};

struct core_state {
    bool up;
    bool exposed;     /* it may know less than was promised: see core_client_up */
    bool serving;     /* its flag; counts only when up */
    bool exact;       /* takes FEED_AGAIN */
    uint64_t away_ms; /* not up since */
    char *name;
    struct core_queue unsent; /* chosen for this core, its feed is full */
    struct buf backlog; /* control records waiting for room: u8 type, u32 len, u64 ticket, body */
    struct core_lane lane;
    /* FLUSH: wanted as soon as unsent is empty; flush_token != 0: not answered yet. */
    bool flush_wanted;
    uint64_t flush_token;
    uint64_t flush_deadline_ms;
    /* Digest. */
    bool staging; /* between RESET and RESYNC_END */
    bool synced;  /* a whole digest was received in this session */
    bool over;    /* more filters than we keep */
    uint32_t filters;
    uint64_t next_version;   /* newest received */
    uint64_t flight_version; /* being applied */
    uint64_t acked_version;
};

struct core_ticket {
    uint64_t cookie;
    uint64_t deadline_ms;
    uint32_t answered; /* bit per core: ROUTE_DONE came in this session of it */
    uint32_t have;     /* bit per core: it has taken the ROUTE_ADD */
    bool any;          /* somebody answered */
    uint64_t wants;
    uint32_t len;
    uint8_t filter[];
};

struct core_filter {
    UT_hash_handle hh;
    uint32_t cores; /* whose digests hold it */
    uint32_t stale; /* of those: not repeated since RESET */
    uint32_t len;
    uint8_t bytes[];
};

struct core_client {
    struct core_client_config config;
    struct core_client_io io;
    void *arg;
    uint64_t now_ms;
    struct core_client_stats stats;
    uint32_t core_count;
    struct core_state cores[CORE_CLIENT_CORES_MAX];
    struct rendezvous set; /* up and serving */
    struct rendezvous was; /* before the change for which we flush */
    bool conservative;     /* the set changed again while flushing: hold every topic */
    uint64_t flush_counter;
    uint64_t era;           /* of QoS 0 records */
    uint64_t attempt;       /* rises when a core is lost: FEED_AGAIN */
    bool recovering;        /* what is given now may have been sent by a former incarnation ... */
    uint64_t recovered_ms;  /* ... that long ago */
    struct core_queue held; /* waiting for the end of flushing, or for a core that serves */
    bool holding;           /* what io.hold said */

    struct core_entry **ring; /* by token modulo ring_size, NULL: answered or never given */
    size_t ring_size;
    uint64_t floor, next; /* open tokens lie in [floor, next) */

    struct core_ticket **tickets;
    size_t tickets_size;
    uint64_t ticket_first, ticket_next;

    struct core_filter *filters;
    bool valid;
    uint64_t stamp; /* newest given to digest_apply */
    bool apply_in_flight;
};

static inline void
core_queue_init(struct core_queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
}

static inline void
core_queue_push(struct core_queue *queue, struct core_entry *entry)
{
    entry->next = NULL;
    *queue->tail = entry;
    queue->tail = &entry->next;
}

static inline struct core_entry *
core_queue_pop(struct core_queue *queue)
{
    struct core_entry *entry = queue->head;
    if (entry == NULL)
        return NULL;
    queue->head = entry->next;
    if (queue->head == NULL)
        queue->tail = &queue->head;
    return entry;
}

/* A FLUSH is not answered yet. */
bool core_client_flushing(const struct core_client *client);
/* Lets held publishes go if nothing holds them any more. */
void core_client_release(struct core_client *client);
/* A FLUSH was answered (or never will be). */
void core_client_flush_end(struct core_client *client, uint32_t core);

void core_client_tokens_fini(struct core_client *client);
/* The core is lost: what it had not answered goes to the front of held. */
void core_client_tokens_lost(struct core_client *client, uint32_t core);
/* Moves held publishes to the queues of their cores and sends. */
void core_client_tokens_release(struct core_client *client);
/* Sends what waits for this core, then its FLUSH. */
void core_client_tokens_pump(struct core_client *client, uint32_t core);
ERR_MUST_USE enum err core_client_tokens_done(struct core_client *client, uint32_t core,
                                              struct slice body);

void core_client_routes_fini(struct core_client *client);
/* Sends or queues a control record. ticket != 0: it carries that ROUTE_ADD. */
void core_client_routes_control(struct core_client *client, uint32_t core, uint8_t type,
                                const struct slice *parts, size_t n, uint64_t ticket);
void core_client_routes_resync(struct core_client *client, uint32_t core);
void core_client_routes_lost(struct core_client *client, uint32_t core);
void core_client_routes_pump(struct core_client *client, uint32_t core);
void core_client_routes_received(struct core_client *client, uint32_t core, uint64_t seq);
void core_client_routes_check(struct core_client *client);
void core_client_routes_tick(struct core_client *client);
ERR_MUST_USE enum err core_client_routes_done(struct core_client *client, uint32_t core,
                                              struct slice body);

void core_client_digest_fini(struct core_client *client);
void core_client_digest_lost(struct core_client *client, uint32_t core);
ERR_MUST_USE enum err core_client_digest_record(struct core_client *client, uint32_t core,
                                                uint8_t type, struct slice body);
/* Recomputes digest_valid after a change of who serves. */
void core_client_digest_check(struct core_client *client);

#endif
