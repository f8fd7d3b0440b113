/* SPDX-License-Identifier: Apache-2.0 */
/* Application messages as JSON, both ways: payloads as text or base64, the properties of MQTT 5.0.
 * Pure. */
#ifndef SLUICE_SERVICES_REST_MESSAGE_JSON_H
#define SLUICE_SERVICES_REST_MESSAGE_JSON_H

#include "common/buf.h"
#include "proto/publish_record.h"

#include <jansson.h>

/* What a body of the API says; owned (message_json_fini). */
struct message_json {
    uint8_t *payload;
    size_t payload_len;
    struct buf properties; /* wire form */
    uint64_t expiry_s;     /* 0: never */
    uint8_t qos;
    bool retain;
};

/* From a checked body (Message, RetainedPut). ERR_INVALID: payload and payload_base64 at once, a
 * property that the standard forbids; ERR_TOO_LARGE. */
ERR_MUST_USE enum err message_json_read(const json_t *body, uint8_t default_qos,
                                        struct message_json *out);
void message_json_fini(struct message_json *message);

/* A retained message (Retained), new. NULL: no such record. */
json_t *message_json_retained(struct slice record);

#endif
