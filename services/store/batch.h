/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch: typed changes of the store's lasting state, in order, to be applied in one transaction.
 * The owner thread builds it (batch_* below), a driver reads it (batch_next). Changes are copied
 * into one growing arena; a batch that is emptied keeps its memory. It checks no rules and knows
 * no disk.
 *
 * Every change is idempotent by itself: putting what is there replaces it, deleting what is not
 * there is nothing. Later changes in a batch see earlier ones.
 *
 * Texts (client id, filter, topic, user name) are at most 65,535 bytes (LIMITS_STRING): the caller
 * has checked them, the builder asserts it.
 */
#ifndef SERVICES_STORE_BATCH_H
#define SERVICES_STORE_BATCH_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_TEXT_MAX  65535u
#define BATCH_VALUE_MAX 0x10000000u /* bytes of one record, will, token set: 256 MiB */
#define BATCH_IDS_MAX   255u        /* subscription identifiers of one queue entry */
#define BATCH_ROW_MAX   0x100000u   /* bytes of a row's value: 1 MiB */

/* A row of the session table. Slices are borrowed: by the builder until it returns, from a driver
 * until the callback returns. */
struct driver_session {
    uint64_t session; /* number, the key; never used again */
    uint64_t epoch;
    uint64_t owner;           /* incarnation of the gateway that holds it; 0: not connected */
    uint64_t conn;            /* that gateway's handle */
    uint64_t created_ms;      /* wall clock */
    uint64_t disconnected_ms; /* wall clock; 0: connected */
    uint64_t seq_limit;       /* every queue sequence ever used is below it: written ahead in steps
                                 (say 4,096), so that numbers of an emptied queue never come back */
    uint32_t expiry_s;
    uint32_t receive_maximum;
    uint8_t version; /* of MQTT: 3, 4, 5 */
    struct slice client_id;
    struct slice user;  /* empty: none */
    struct slice extra; /* whatever else the store wants to find again; not read by drivers */
};

struct driver_subscription {
    uint64_t session;
    uint32_t identifier; /* 0: none */
    uint8_t qos;
    bool no_local;
    bool retain_as_published;
    uint8_t retain_handling;
    struct slice filter;
};

struct driver_user {
    struct slice name;
    struct slice
        password;       /* text form of crypt.h, newline, verifier (scram.h); not read by drivers */
    struct slice roles; /* the store's own encoding; not read by drivers */
    uint64_t changed_ms; /* wall clock */
    struct slice rules;  /* what the user may do: text, a rule a line (proto/access_rules.h); not
                            read by drivers */
};

/* What else belongs to people: rows of text under a name, told apart by kind. */
enum driver_row_kind {
    DRIVER_ROW_ROLE = 1,
    DRIVER_ROW_BAN = 2,
    DRIVER_ROW_KEY = 3,  /* of the HTTP API */
    DRIVER_ROW_AUDIT = 4 /* names: 16 hex digits that rise */
};

struct driver_row {
    uint8_t kind; /* enum driver_row_kind */
    struct slice name;
    struct slice value; /* readable text, at most BATCH_ROW_MAX bytes; not read by drivers */
    uint64_t time_ms;   /* wall clock: when it changed */
};

enum batch_kind {
    BATCH_META_PUT = 1,        /* text: name, value */
    BATCH_SESSION_PUT,         /* session */
    BATCH_SESSION_DELETE,      /* number */
    BATCH_SUBSCRIPTION_PUT,    /* subscription */
    BATCH_SUBSCRIPTION_DELETE, /* number, text: filter */
    BATCH_MESSAGE,             /* value: record, count: references that follow */
    BATCH_QUEUE_APPEND,        /* number, seq, flags, ids/count; body: the last BATCH_MESSAGE */
    BATCH_QUEUE_REMOVE,        /* number, seq */
    BATCH_QUEUE_MARK_REC,      /* number, seq */
    BATCH_INBOUND_PUT,         /* number, packet_id, seq: outbox sequence */
    BATCH_INBOUND_DELETE,      /* number, packet_id */
    BATCH_WILL_PUT,            /* number, time_ms, value */
    BATCH_WILL_DELETE,         /* number */
    BATCH_OUTBOX_APPEND,       /* seq, value */
    BATCH_OUTBOX_REMOVE,       /* seq */
    BATCH_TOKEN_SET_PUT,       /* number: origin, value */
    BATCH_TOKEN_SET_DELETE,    /* number: origin */
    BATCH_RETAINED_PUT,        /* text: topic, time_ms: expiry or 0, value: record */
    BATCH_RETAINED_DELETE,     /* text: topic */
    BATCH_USER_PUT,            /* user */
    BATCH_USER_DELETE,         /* text: name */
    BATCH_ROW_PUT,             /* row */
    BATCH_ROW_DELETE           /* flags: kind, text: name */
};

struct batch {
    struct buf bytes;
    uint64_t id; /* set by the committer; a driver applies the same id in a row only once;
                    0: not checked */
    size_t op_count;
    size_t message_at; /* offset of the reference count of the last message */
    bool has_message;
};

void batch_init(struct batch *batch);
void batch_fini(struct batch *batch);
/* Empties it. Memory beyond keep bytes is given back. */
void batch_reset(struct batch *batch, size_t keep);

static inline bool
batch_is_empty(const struct batch *batch)
{
    return batch->op_count == 0;
}

static inline size_t
batch_bytes(const struct batch *batch)
{
    return buf_len(&batch->bytes);
}

/* ---- the store at large ---- */

/* A named value of the store itself (boot count, outbox id). name: 1 to 100 bytes. */
void batch_meta_put(struct batch *batch, const char *name, struct slice value);

/* ---- sessions ---- */

void batch_session_put(struct batch *batch, const struct driver_session *session);
/* The row and all below it: subscriptions, queue (with bodies nobody else refers to), inbound
 * packet ids, will. */
void batch_session_delete(struct batch *batch, uint64_t session);
void batch_subscription_put(struct batch *batch, const struct driver_subscription *subscription);
void batch_subscription_delete(struct batch *batch, uint64_t session, struct slice filter);

/* A message for queues: the bytes of the parts, one after the other, are its record
 * (publish_record.h). The batch_queue_append calls that follow, up to the next batch_message, refer
 * to it; it is stored once and goes when the last of them is removed. With none it is nothing. All
 * appends of a message are in one batch. */
void batch_message(struct batch *batch, const struct slice *parts, size_t part_count);
/* A queue entry of the last message (asserted that there is one). flags: DELIVER_QOS_MASK and
 * DELIVER_RETAIN of proto/feed_records.h. A message for very many sessions is stored fastest when
 * they come in rising order. An entry that exists already (same session and seq) is replaced. */
void batch_queue_append(struct batch *batch, uint64_t session, uint64_t seq, uint8_t flags,
                        const uint32_t *ids, size_t id_count);
void batch_queue_remove(struct batch *batch, uint64_t session, uint64_t seq);
/* PUBREC came: the entry stays with DELIVER_REL set, without its message. */
void batch_queue_mark_rec(struct batch *batch, uint64_t session, uint64_t seq);

/* A QoS 2 packet id in use by the client, and the outbox sequence of its publish (0: none). */
void batch_inbound_put(struct batch *batch, uint64_t session, uint16_t packet_id,
                       uint64_t outbox_seq);
void batch_inbound_delete(struct batch *batch, uint64_t session, uint16_t packet_id);

/* due_ms: when to publish it, wall clock; 0: not yet (connected). One per session. */
void batch_will_put(struct batch *batch, uint64_t session, uint64_t due_ms, struct slice value);
void batch_will_delete(struct batch *batch, uint64_t session);

/* Publishes of this store's own on their way to a core. */
void batch_outbox_append(struct batch *batch, uint64_t seq, const struct slice *parts,
                         size_t part_count);
void batch_outbox_remove(struct batch *batch, uint64_t seq);

/* What is known of the tokens of an origin (proto/token_set.h, encoded). */
void batch_token_set_put(struct batch *batch, uint64_t origin, struct slice value);
void batch_token_set_delete(struct batch *batch, uint64_t origin);

/* ---- retained ---- */

/* expiry_ms: wall clock; 0: never. topic must be a valid topic name. */
void batch_retained_put(struct batch *batch, struct slice topic, uint64_t expiry_ms,
                        const struct slice *parts, size_t part_count);
void batch_retained_delete(struct batch *batch, struct slice topic);

/* ---- people ---- */

void batch_user_put(struct batch *batch, const struct driver_user *user);
void batch_user_delete(struct batch *batch, struct slice name);
/* name: 1 byte at least. */
void batch_row_put(struct batch *batch, const struct driver_row *row);
void batch_row_delete(struct batch *batch, uint8_t kind, struct slice name);

/* ---- for drivers ---- */

struct batch_op {
    enum batch_kind kind;
    uint8_t flags;
    uint16_t packet_id;
    uint32_t count;     /* references of a message; number of ids */
    const uint8_t *ids; /* count big-endian u32 */
    uint64_t number;
    uint64_t seq;
    uint64_t time_ms;
    struct slice text;
    struct slice value;
    struct driver_session session;
    struct driver_subscription subscription;
    struct driver_user user;
    struct driver_row row;
};

/* Reads the change at *pos (0 at first) into op, only the fields that its kind names, and moves
 * *pos behind it. False at the end. Slices are borrowed from the batch. */
bool batch_next(const struct batch *batch, size_t *pos, struct batch_op *op);

/* Appends the changes of `from` between two positions that batch_next gave, as they are. */
void batch_copy(struct batch *to, const struct batch *from, size_t begin, size_t end);

/* OK, or ERR_TOO_LARGE when the arena's hard cap (2 GiB) was hit: the batch is then incomplete and
 * must not be applied. commit.h keeps far below. */
ERR_MUST_USE enum err batch_error(const struct batch *batch);

#endif
