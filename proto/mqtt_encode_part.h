/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of mqtt_encode share among themselves; nobody else includes this. Implemented in
 * mqtt_encode.c.
 */
#ifndef SLUICE_PROTO_MQTT_ENCODE_PART_H
#define SLUICE_PROTO_MQTT_ENCODE_PART_H

#include "common/buf.h"
#include "proto/mqtt_packet.h"

/* A packet of the shape that most have: first byte, length, fixed head, properties, tail. */
struct mqtt_encode_part {
    uint8_t first;
    bool has_block;      /* 5.0 and this packet has a property block */
    bool block_may_lack; /* an empty block is not written at all (needs an empty tail) */
    uint32_t max_packet; /* 0: none */
    const uint8_t *head;
    size_t head_len;
    const struct mqtt_properties *properties; /* NULL: none */
    struct slice tail;
};

/* Appends it; returns the length, 0 when it does not fit max_packet or buf. */
size_t mqtt_encode_part_finish(const struct mqtt_encode_part *part, struct buf *buf);

#endif
