/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a client's session that lives in the gateway: packet ids in flight both ways, the
 * order of acknowledgements, what waits for a free place in flight, inbound topic aliases. Made
 * when a connection first needs it: clients that only use QoS 0 have none. Pure: it sends nothing;
 * callers encode what it says. Durable state is the store's.
 */
#ifndef SERVICES_GATEWAY_SESSION_H
#define SERVICES_GATEWAY_SESSION_H

#include "common/err.h"
#include "common/str.h"
#include "services/gateway/handout.h"
#include "services/gateway/idmap.h"
#include "services/gateway/message.h"

#include <stdbool.h>
#include <stdint.h>

/* States of outbound ids. */
enum session_out { SESSION_OUT_ACK = 1, SESSION_OUT_REC, SESSION_OUT_RECORDING, SESSION_OUT_COMP };
/* States of inbound QoS 2 ids: PUBREC not sent yet, or sent; PUBREL came and is with the store. */
enum session_in { SESSION_IN_PENDING = 1, SESSION_IN_RECEIVED, SESSION_IN_RELEASING };

/* A message that waits for a place in flight. */
struct session_queued {
    struct message *message; /* one reference */
    uint32_t *identifiers;   /* NULL, or a count and the subscription identifiers */
    struct handout *handout; /* of a shared subscription; NULL: not */
    uint8_t qos;
    bool retain;
};

/* An acknowledgement that waits for those before it. */
struct session_ack {
    uint16_t packet_id;
    uint8_t type; /* enum mqtt_type: PUBACK or PUBREC */
    uint8_t reason;
    bool is_done;
    bool is_lonely; /* nobody of this gateway wanted the message */
};

struct session {
    struct idmap out; /* value: sequence number in the store's queue, 0 for clean sessions */
    struct idmap in;  /* QoS 2 */
    struct handout *handouts; /* of shared subscriptions, QoS 1, on their way; by packet id */
    struct session_ack *acks; /* ring */
    uint32_t ack_head, ack_count, ack_size;
    uint32_t puback_count;        /* PUBACKs in the ring */
    uint64_t ack_base;            /* cookie of the front */
    struct session_queued *queue; /* ring */
    uint32_t queue_head, queue_count, queue_size;
    uint32_t queue_max;
    size_t queue_bytes, queue_bytes_max;
    uint64_t last_seq;     /* highest sequence number taken from the store */
    struct slice *aliases; /* alias_max topics, owned; index alias - 1 */
    uint16_t alias_max;
    uint16_t inflight_max;
    uint16_t next_id;
};

/* New. inflight_max >= 1 bounds ids out; the queue is bounded in messages and bytes. */
struct session *session_new(uint16_t inflight_max, uint32_t queue_max, size_t queue_bytes_max);
void session_free(struct session *session);

/* ---- outbound ---- */

static inline bool
session_has_room(const struct session *session)
{
    return session->out.count < session->inflight_max && session->queue_count == 0;
}

/* Takes a free packet id for a message of this QoS. Only while out.count < inflight_max. */
uint16_t session_take_id(struct session *session, uint8_t qos);
/* Records an id that the store's sequence number fixed. Its state: REC or ACK by QoS, COMP if rel.
 */
void session_set_id(struct session *session, uint16_t id, uint64_t seq, uint8_t qos, bool rel);

/* Whether one more message keeps within the limits; whether it would if the queue were empty. */
bool session_queue_has_room(const struct session *session, const struct message *message);
bool session_queue_could_take(const struct session *session, const struct message *message);
/* Queues a message (takes the reference when OK; copies identifiers). ERR_BUSY: full. */
ERR_MUST_USE enum err session_queue_push(struct session *session, struct message *message,
                                         uint8_t qos, bool retain, const uint32_t *identifiers,
                                         uint32_t count);
/* The newest in the queue is of a shared subscription; taken. */
void session_queue_handout(struct session *session, struct handout *handout);
/* Handouts of this core in the queue are no longer to be given back: they count as ordinary. */
void session_queue_forget(struct session *session, uint32_t core);
/* The front goes to *out with its references; false when empty. */
bool session_queue_pop(struct session *session, struct session_queued *out);
void session_queued_free(struct session_queued *queued);

/* ---- inbound ---- */

/* QoS 1 and 2 publishes that the client may count as unacknowledged. */
static inline uint32_t
session_inbound_count(const struct session *session)
{
    return session->puback_count + session->in.count;
}

/* Whether an acknowledgement may leave at once, without a place in the order. */
static inline bool
session_ack_is_idle(const struct session *session)
{
    return session->ack_count == 0;
}

/* Appends an acknowledgement that is not done yet; returns its cookie (never 0), 0 when 65,535
 * wait. */
uint64_t session_ack_push(struct session *session, uint8_t type, uint16_t packet_id);
/* Nobody of this gateway wants the message. */
void session_ack_lonely(struct session *session, uint64_t cookie);
/* Done with a reason. Unknown cookies are ignored. */
void session_ack_done(struct session *session, uint64_t cookie, uint8_t reason);
/* Done by others: success, or 0x10 when neither they nor we wanted it. */
void session_ack_answered(struct session *session, uint64_t cookie, bool wanted);
/* Takes the front if it is done. */
bool session_ack_pop(struct session *session, struct session_ack *out);

/* ---- aliases ---- */

/* Remembers a topic (copied) under alias 1..max. ERR_INVALID: outside. */
ERR_MUST_USE enum err session_alias_set(struct session *session, uint16_t max, uint16_t alias,
                                        struct slice topic);
/* Borrowed until set again; empty: unknown. */
struct slice session_alias_get(const struct session *session, uint16_t alias);

/* What clients make it hold that may be large: messages that wait, and topics of aliases. */
size_t session_bytes(const struct session *session);

#endif
