/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of the small records of feed_records.h: plain structs to and from bytes. Strict: a
 * body that is short, has bytes left over, or holds a filter that is no filter is ERR_MALFORMED.
 * PUBLISH is publish_record.h's; SESSION_ANNOUNCE is protobuf (calls.proto). Nothing here
 * allocates.
 *
 * decode: results borrow from `body`. encode: writes into `out`, which has the room named by the
 * *_BYTES constant (plus what the comment says), and returns the bytes written. Where a record
 * ends in a filter, topic or record, encode writes only what comes before it, so that the tail can
 * be given to the feed as a part of its own, without copying.
 */
#ifndef SLUICE_PROTO_RECORDS_H
#define SLUICE_PROTO_RECORDS_H

#include "common/err.h"
#include "common/str.h"
#include "proto/feed_records.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* FEED_ROUTE_ADD. The filter is not empty and valid (topic_filter_is_valid), and of the form
 * "$share/group/filter" exactly when flags has ROUTE_SHARED. What is wanted of a filter is one
 * number: flags in its low 8 bits, above them 24 bits of members for QoS 1 and 2 and 24 bits of
 * members for QoS 0 (records_route_shared). */
#define RECORDS_ROUTE_ADD_BYTES 17u /* before the filter, at most */
struct records_route_add {
    uint64_t ticket;
    uint8_t flags;
    uint32_t members, members_qos0; /* ROUTE_SHARED, else 0 */
    struct slice filter;
};
ERR_MUST_USE enum err records_route_add_decode(struct slice body, struct records_route_add *out);
size_t records_route_add_encode(uint64_t ticket, uint64_t wants, uint8_t *out);
/* ROUTE_SHARED with counts (capped at 24 bits each); flags: others of ROUTE_*. */
uint64_t records_route_shared(uint8_t flags, uint32_t members, uint32_t members_qos0);

/* FEED_SHARED_PUBLISH and FEED_SHARED_RETURN: the part before the share text and the record. share
 * is "$share/group/filter", valid. */
#define RECORDS_SHARED_PUBLISH_BYTES 15u
#define RECORDS_SHARED_RETURN_BYTES  12u
#define RECORDS_SHARED_NO_NUMBER     UINT64_MAX
struct records_shared {
    uint64_t number;
    uint8_t hops;
    uint8_t flags; /* RETURN: SHARED_FULL; PUBLISH: SHARED_ASKED */
    uint32_t pick; /* PUBLISH */
    struct slice share;
    struct slice record; /* not yet decoded */
};
ERR_MUST_USE enum err records_shared_publish_decode(struct slice body, struct records_shared *out);
size_t records_shared_publish_encode(const struct records_shared *shared, uint8_t *out);
ERR_MUST_USE enum err records_shared_return_decode(struct slice body, struct records_shared *out);
size_t records_shared_return_encode(const struct records_shared *shared, uint8_t *out);

/* FEED_SHARED_OTHERS: the byte before the share text. */
#define RECORDS_SHARED_OTHERS_BYTES 1u
ERR_MUST_USE enum err records_shared_others_decode(struct slice body, bool *others,
                                                   struct slice *share);
size_t records_shared_others_encode(bool others, uint8_t *out);

/* FEED_SHARED_DONE is read like FEED_ROUTE_DONE (records_route_done_count, _get). */

/* FEED_ROUTE_REMOVE and FEED_USER_CHANGED are their bytes; this only checks a filter. */
ERR_MUST_USE enum err records_filter_decode(struct slice body, struct slice *filter);

/* FEED_DIGEST_ACK, FEED_DIGEST_RESET (version), FEED_FLUSH (token). */
#define RECORDS_NUMBER_BYTES 8u
ERR_MUST_USE enum err records_number_decode(struct slice body, uint64_t *out);
size_t records_number_encode(uint64_t number, uint8_t *out);

/* FEED_DIGEST_ADD, FEED_DIGEST_REMOVE: version, filter. */
#define RECORDS_DIGEST_BYTES 8u /* before the filter */
struct records_digest {
    uint64_t version;
    struct slice filter;
};
ERR_MUST_USE enum err records_digest_decode(struct slice body, struct records_digest *out);
size_t records_digest_encode(uint64_t version, uint8_t *out);

/* FEED_TOKEN_DONE: items of 9 bytes, at least one. FEED_ROUTE_DONE: items of 8 bytes, at least
 * one. Check the count once (ERR_MALFORMED: not a whole number of items, or none), then read items
 * by index below *count. */
#define RECORDS_TOKEN_DONE_BYTES 9u
#define RECORDS_TOKEN_WANTED     1u /* flags bit 0: somebody elsewhere wanted it */
ERR_MUST_USE enum err records_token_done_count(struct slice body, size_t *count);
void records_token_done_get(struct slice body, size_t index, uint64_t *token, uint8_t *flags);
size_t records_token_done_encode(uint64_t token, uint8_t flags, uint8_t *out);
#define RECORDS_ROUTE_DONE_BYTES 8u
ERR_MUST_USE enum err records_route_done_count(struct slice body, size_t *count);
uint64_t records_route_done_get(struct slice body, size_t index);

/* FEED_LOAD */
#define RECORDS_LOAD_BYTES 12u
struct records_load {
    uint32_t gateways;
    uint64_t clients;
};
ERR_MUST_USE enum err records_load_decode(struct slice body, struct records_load *out);
size_t records_load_encode(const struct records_load *load, uint8_t *out);

/* FEED_COUNTERS. Counters that are 0 need not be said; unknown ones are skipped. */
#define RECORDS_COUNTERS_BYTES (9u + FEED_COUNTER_MAX * 9u) /* at most */
struct records_counters {
    uint64_t incarnation;
    uint8_t flags; /* COUNTERS_* */
    uint64_t values[FEED_COUNTER_MAX];
};
ERR_MUST_USE enum err records_counters_decode(struct slice body, struct records_counters *out);
size_t records_counters_encode(const struct records_counters *record, uint8_t *out);

/* FEED_SESSION_READY */
#define RECORDS_SESSION_READY_BYTES 32u
struct records_session_ready {
    uint64_t session, epoch, conn, after;
};
ERR_MUST_USE enum err records_session_ready_decode(struct slice body,
                                                   struct records_session_ready *out);
size_t records_session_ready_encode(const struct records_session_ready *record, uint8_t *out);

/* FEED_SESSION_CLOSE */
#define RECORDS_SESSION_CLOSE_BYTES 21u
struct records_session_close {
    uint64_t session, epoch;
    uint8_t flags; /* CLOSE_* */
    uint32_t expiry_s;
};
ERR_MUST_USE enum err records_session_close_decode(struct slice body,
                                                   struct records_session_close *out);
size_t records_session_close_encode(const struct records_session_close *record, uint8_t *out);

/* FEED_QUEUE_ACK, FEED_QUEUE_REC */
#define RECORDS_QUEUE_BYTES 24u
struct records_queue {
    uint64_t session, epoch, seq;
};
ERR_MUST_USE enum err records_queue_decode(struct slice body, struct records_queue *out);
size_t records_queue_encode(const struct records_queue *record, uint8_t *out);

/* FEED_INBOUND_PUBLISH: before the publish record. FEED_INBOUND_RELEASE: the same, no record. */
#define RECORDS_INBOUND_BYTES 18u
struct records_inbound {
    uint64_t session, epoch;
    uint16_t packet_id;  /* never 0: ERR_MALFORMED */
    struct slice record; /* INBOUND_PUBLISH: the publish record, not yet decoded */
};
ERR_MUST_USE enum err records_inbound_publish_decode(struct slice body,
                                                     struct records_inbound *out);
ERR_MUST_USE enum err records_inbound_release_decode(struct slice body,
                                                     struct records_inbound *out);
size_t records_inbound_encode(const struct records_inbound *record, uint8_t *out);

/* FEED_DELIVER: u16 n, n targets, record. The targets are checked as a whole by decode and then
 * read with records_target_next. */
#define RECORDS_DELIVER_BYTES 2u  /* before the targets */
#define RECORDS_TARGET_BYTES  18u /* of one target, plus 4 for each subscription identifier */
#define RECORDS_TARGET_IDS    255u
struct records_deliver {
    uint16_t count;       /* at least 1 */
    struct slice targets; /* encoded */
    struct slice record;  /* the publish record, not yet decoded */
};
struct records_target {
    uint64_t conn, seq;
    uint8_t flags;      /* DELIVER_* */
    uint8_t id_count;   /* subscription identifiers */
    const uint8_t *ids; /* big-endian u32 each, borrowed: records_target_id */
};
ERR_MUST_USE enum err records_deliver_decode(struct slice body, struct records_deliver *out);
/* Takes the next target off *targets; false at the end. */
bool records_target_next(struct slice *targets, struct records_target *out);
uint32_t records_target_id(const struct records_target *target, uint8_t index);
/* The count in front of the targets. */
size_t records_deliver_encode(uint16_t count, uint8_t *out);
/* One target with its identifiers (host order): 18 + 4 * id_count bytes. */
size_t records_target_encode(uint64_t conn, uint64_t seq, uint8_t flags, const uint32_t *ids,
                             uint8_t id_count, uint8_t *out);

/* FEED_QUEUE_RECORDED */
#define RECORDS_QUEUE_RECORDED_BYTES 16u
ERR_MUST_USE enum err records_queue_recorded_decode(struct slice body, uint64_t *conn,
                                                    uint64_t *seq);
size_t records_queue_recorded_encode(uint64_t conn, uint64_t seq, uint8_t *out);

/* FEED_INBOUND_DONE */
#define RECORDS_INBOUND_DONE_BYTES 11u
ERR_MUST_USE enum err records_inbound_done_decode(struct slice body, uint64_t *conn,
                                                  uint16_t *packet_id, uint8_t *reason);
size_t records_inbound_done_encode(uint64_t conn, uint16_t packet_id, uint8_t reason, uint8_t *out);

/* FEED_INBOUND_RELEASED */
#define RECORDS_INBOUND_RELEASED_BYTES 10u
ERR_MUST_USE enum err records_inbound_released_decode(struct slice body, uint64_t *conn,
                                                      uint16_t *packet_id);
size_t records_inbound_released_encode(uint64_t conn, uint16_t packet_id, uint8_t *out);

/* FEED_SESSION_KICK */
#define RECORDS_SESSION_KICK_BYTES 25u
struct records_session_kick {
    uint64_t conn, session, epoch;
    uint8_t reason;
};
ERR_MUST_USE enum err records_session_kick_decode(struct slice body,
                                                  struct records_session_kick *out);
size_t records_session_kick_encode(const struct records_session_kick *record, uint8_t *out);

#endif
