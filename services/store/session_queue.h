/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of one persistent session as the store's memory knows it: how much there is, which part
 * of it is in memory, what is on its way to the client, and what may be pushed next. The queue
 * itself is on disk; writing and reading it is the caller's. Pure: no clock, no driver.
 *
 *      acknowledged |  in flight   |  in memory, waiting  |  only on disk
 *   ----------------+--------------+----------------------+---------------> sequence numbers
 *                   head           next to push           disk_from      next_seq
 *
 * Sequence numbers rise by one and are never used again, not after a restart either (the caller
 * writes ahead which ones may have been used). The packet id of a delivery is FEED_PACKET_ID(seq),
 * so no two messages in flight may have numbers that are equal modulo 65535: may_push sees to it.
 */
#ifndef SERVICES_STORE_SESSION_QUEUE_H
#define SERVICES_STORE_SESSION_QUEUE_H

#include "common/str.h"
#include "services/store/body.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_QUEUE_MEMORY_COUNT 1024u                       /* waiting entries kept in memory */
#define SESSION_QUEUE_MEMORY_BYTES ((uint64_t)4 * 1024 * 1024) /* and their bodies */

enum session_queue_state {
    SESSION_QUEUE_WAITING,  /* not pushed in this connection */
    SESSION_QUEUE_PUSHED,   /* on its way */
    SESSION_QUEUE_RECORDED, /* PUBREC came; PUBREL or PUBCOMP is on its way */
    SESSION_QUEUE_GONE      /* acknowledged or dropped; only its place is left */
};

struct session_queue_entry {
    uint64_t seq;
    uint64_t batch;    /* commit that makes it durable: not pushed before */
    struct body *body; /* one reference; NULL when RECORDED or GONE */
    uint32_t *ids;     /* subscription identifiers, owned; NULL when there are none */
    uint8_t id_count;
    uint8_t qos; /* 1 or 2 */
    bool retain;
    bool recorded_before; /* PUBREC was on disk when it was read back */
    uint8_t state;        /* enum session_queue_state */
};

struct session_queue {
    struct session_queue_entry *ring; /* NULL while nothing is in memory */
    uint32_t ring_size;               /* a power of two */
    uint32_t first;                   /* index of the oldest */
    uint32_t used;                    /* entries in the ring */
    uint32_t pushed;                  /* of these, from the oldest on, no longer WAITING */
    uint32_t in_flight;               /* PUSHED or RECORDED */
    uint32_t alive;                   /* in the ring and not GONE */
    uint64_t memory_bytes;            /* bodies of the ring */
    uint64_t count;                   /* messages in the whole queue */
    uint64_t bytes;                   /* their bodies */
    uint64_t next_seq;
    uint64_t disk_from;  /* first sequence not in the ring; == next_seq: all is in memory */
    uint64_t drop_from;  /* nothing alive on disk below it */
    uint64_t pushed_seq; /* highest ever pushed: a second push has DUP */
};

void session_queue_init(struct session_queue *queue, uint64_t next_seq);
/* Gives the bodies back. */
void session_queue_fini(struct session_queue *queue);

/* Whether one more message of len bytes keeps within the limits (0: no limit). */
bool session_queue_has_room(const struct session_queue *queue, size_t len, uint64_t count_max,
                            uint64_t bytes_max);
/* Counts a new message and returns its sequence number. If keep is true and memory has room, it
 * also enters the ring (a reference of the body is taken, ids are copied); otherwise it stays on
 * disk only, and so do its followers until they are read. */
uint64_t session_queue_append(struct session_queue *queue, struct body *body, uint64_t batch,
                              uint8_t qos, bool retain, const uint32_t *ids, uint8_t id_count,
                              bool keep);
/* An entry read back from disk, with seq in disk_from .. next_seq - 1, rising. body is taken; NULL
 * if recorded. */
void session_queue_read_back(struct session_queue *queue, uint64_t seq, struct body *body,
                             uint8_t qos, bool retain, bool recorded, const uint32_t *ids,
                             uint8_t id_count);
/* Nothing alive is on disk in disk_from .. seq - 1: reading or dropping went that far. */
void session_queue_read_to(struct session_queue *queue, uint64_t seq);
/* Whether reading from disk would help: something is there and nothing waits in memory. */
bool session_queue_wants_disk(const struct session_queue *queue);

/* The entry to push next, NULL when there is none in memory, the window is full, its commit is
 * later than `committed`, or its packet id is taken. Borrowed until the next change. */
struct session_queue_entry *session_queue_next(struct session_queue *queue, uint32_t window,
                                               uint64_t committed);
/* The entry that session_queue_next returned is on its way. Returns whether it needs DUP. */
bool session_queue_set_pushed(struct session_queue *queue, struct session_queue_entry *entry);
/* The entry at a place in memory (below `used`), also a GONE one. */
const struct session_queue_entry *session_queue_at(const struct session_queue *queue,
                                                   uint32_t index);
/* The oldest entry in memory that is not on its way, or NULL: what drop-oldest takes first. */
struct session_queue_entry *session_queue_oldest_waiting(struct session_queue *queue);
/* The entry of seq in memory that is not GONE, or NULL. */
struct session_queue_entry *session_queue_get(struct session_queue *queue, uint64_t seq);
/* A message has left the queue (acknowledged, expired, dropped). entry is what session_queue_get
 * gave, NULL when it is only on disk: then len is that of its body. */
void session_queue_removed(struct session_queue *queue, struct session_queue_entry *entry,
                           uint64_t len);
/* PUBREC came: the body is not needed any more. */
void session_queue_set_recorded(struct session_queue *queue, struct session_queue_entry *entry);
/* A connection ended: nothing is in flight. What is in memory stays there: disk may not know yet
 * what was acknowledged last. */
void session_queue_rewind(struct session_queue *queue);
/* Gives memory back, after a rewind and when every change of the queue is durable. */
void session_queue_forget(struct session_queue *queue);
/* A gateway that kept its connection over our restart has all up to seq: push only what is later.
 * The entries up to seq must be in memory; they count as in flight. */
void session_queue_resume(struct session_queue *queue, uint64_t seq);

#endif
