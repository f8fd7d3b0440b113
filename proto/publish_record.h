/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One application message on its way between programs: the body of
 * FEED_PUBLISH, and the tail of FEED_DELIVER and FEED_INBOUND_PUBLISH. It is
 * forwarded by copying bytes; nobody parses it twice.
 *
 *   0  u64 origin     who numbered it: incarnation of a gateway, or the lasting
 *                     outbox id of a store
 *   8  u64 token      number given by the origin, rising from 1; 0: QoS 0, no answer
 *  16  u64 floor      every token of this origin below it is answered for good; with
 *                     token 0 the era: it rises when the origin gives a core up that may
 *                     still pass on what it got, and what comes later of a former era is
 *                     dropped (QoS 0 has no token by which it would be recognised)
 *  24  u64 expiry_ms  absolute wall clock, milliseconds; 0: never
 *  32  u64 publisher  session number of the publisher (no-local); 0: none
 *  40  u8  flags      bits 0-1 QoS, bit 2 retain, bit 3 dup-safe spare (0)
 *  41  u16 topic_len, topic
 *   .  u32 properties_len, properties: the forwarded properties of MQTT 5.0 in
 *      wire form, in order, without message expiry, topic alias and
 *      subscription identifiers, without their length prefix
 *   .  payload: the rest
 */
#ifndef SLUICE_PROTO_PUBLISH_RECORD_H
#define SLUICE_PROTO_PUBLISH_RECORD_H

#include "common/err.h"
#include "common/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBLISH_RECORD_FIXED   47 /* bytes besides topic, properties and payload */
#define PUBLISH_RECORD_NUMBERS 24 /* bytes of origin, token and floor, at the beginning */

struct publish_record {
    uint64_t origin;
    uint64_t token;
    uint64_t floor;
    uint64_t expiry_ms;
    uint64_t publisher;
    uint8_t qos;
    bool retain;
    struct slice topic;      /* borrowed from the bytes decoded */
    struct slice properties; /* borrowed */
    struct slice payload;    /* borrowed */
};

/* Decodes a whole record. ERR_MALFORMED: short, QoS 3, lengths beyond the end,
 * topic empty or not a valid topic name. Results borrow from `bytes`. */
ERR_MUST_USE enum err publish_record_decode(struct slice bytes, struct publish_record *out);

/* Bytes that encode() will write, payload included. */
size_t publish_record_size(const struct publish_record *record);

/* Writes everything but the payload; returns the bytes written
 * (publish_record_size - payload.len). `out` has room for them. */
size_t publish_record_encode_head(const struct publish_record *record, uint8_t *out);

/* Patches the numbering in encoded bytes (resend, outbox). */
void publish_record_set_numbers(uint8_t *bytes, uint64_t origin, uint64_t token, uint64_t floor);

#endif
