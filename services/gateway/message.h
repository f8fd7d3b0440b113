/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An application message in the gateway's memory: immutable, counted, shared by
 * threads. It is the encoded publish record (proto/publish_record.h) in one
 * allocation, so that sending it on is copying bytes. It knows nothing of
 * clients, and nobody writes to it after message_new: numbers are patched in
 * the copy that goes out.
 */
#ifndef SERVICES_GATEWAY_MESSAGE_H
#define SERVICES_GATEWAY_MESSAGE_H

#include "common/err.h"
#include "common/str.h"
#include "proto/publish_record.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct message {
    _Atomic uint32_t refs;
    uint32_t len;            /* bytes of the record */
    uint32_t properties_len; /* of what lies in it */
    uint32_t payload_len;
    uint64_t expiry_ms; /* wall clock; 0: never */
    uint64_t publisher; /* session number, 0: none */
    uint16_t topic_len;
    uint8_t qos;
    bool retain;
    uint8_t bytes[]; /* the record */
};

/* New with one reference; copies topic, properties and payload. The caller has checked that the
 * record fits the packet limit. Ended with message_unref, by any thread. */
struct message *message_new(const struct publish_record *record);

/* As message_new, from the bytes of a record that another program sent. ERR_MALFORMED. */
ERR_MUST_USE enum err message_from_record(struct slice bytes, struct message **out);

/* One more reference; returns the same message. */
struct message *message_ref(struct message *message);
/* NULL is nothing. */
void message_unref(struct message *message);

static inline struct slice
message_record(const struct message *message)
{
    return slice_of(message->bytes, message->len);
}

static inline struct slice
message_topic(const struct message *message)
{
    return slice_of(message->bytes + 43, message->topic_len);
}

static inline struct slice
message_properties(const struct message *message)
{
    return slice_of(message->bytes + PUBLISH_RECORD_FIXED + message->topic_len,
                    message->properties_len);
}

static inline struct slice
message_payload(const struct message *message)
{
    return slice_of(message->bytes + message->len - message->payload_len, message->payload_len);
}

#endif
