/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of MQTT 5.0: one table of all 27 (which packets, which type, how often), and from it
 * the decoder, the encoder and the forwarding of what a broker must pass on. Pure; nothing is kept.
 *
 * A property is its identifier and its value; a block is a varint length and properties:
 *   05 | 11 00 00 00 0A        a block of 5 bytes: Session Expiry Interval 10 s
 */
#ifndef SLUICE_PROTO_MQTT_PROPERTIES_H
#define SLUICE_PROTO_MQTT_PROPERTIES_H

#include "common/buf.h"
#include "common/err.h"
#include "proto/mqtt_packet.h"

/* Name of a property as in the standard, NULL if there is none of this identifier. */
const char *mqtt_properties_name(uint8_t id);

/* Everything absent: present 0, the values for "absent" in the fields. */
void mqtt_properties_init(struct mqtt_properties *properties);

static inline bool
mqtt_properties_has(const struct mqtt_properties *properties, enum mqtt_property id)
{
    return properties->present >> id & 1u;
}

/* Marks a property as present, for encoding. */
static inline void
mqtt_properties_set(struct mqtt_properties *properties, enum mqtt_property id)
{
    properties->present |= (uint64_t)1 << id;
}

/* Checks and reads the properties of a block (without its length) of a packet of this type;
 * MQTT_WILL for a will. ERR_MALFORMED (0x81: unknown, not for this packet, cut short, not UTF-8),
 * ERR_PROTOCOL (0x82: twice, a value that the standard forbids, from the wrong side; 0x94 alias 0),
 * ERR_QUOTA (0x97: more user properties than LIMITS_USER_PROPERTIES). *out is untouched on error.
 */
ERR_MUST_USE enum err mqtt_properties_decode(enum mqtt_type type, bool from_server,
                                             struct slice block, enum mqtt_reason *reason,
                                             struct mqtt_properties *out);

/* The next user property of a decoded block; *pos starts at 0. False at the end. */
bool mqtt_properties_next_user(const struct mqtt_properties *properties, size_t *pos,
                               struct slice *name, struct slice *value);

/* The next subscription identifier of a decoded block; *pos starts at 0. False at the end. */
bool mqtt_properties_next_subscription_id(const struct mqtt_properties *properties, size_t *pos,
                                          uint32_t *id);

/* Whether `raw` of a received PUBLISH can be forwarded as it is, so that no copy is needed. */
bool mqtt_properties_is_forwardable(const struct mqtt_properties *properties);

/* Appends the wire form of what a broker forwards of a received PUBLISH or will: payload format,
 * content type, response topic, correlation data, user properties, unaltered and in their order.
 * Expiry, alias, subscription ids and will delay are left out; mqtt_publish_out adds its own.
 * ERR_TOO_LARGE when buf is full. */
ERR_MUST_USE enum err mqtt_properties_filter_publish(const struct mqtt_properties *properties,
                                                     struct buf *buf);

/* Bytes of the block for encoding (without its length): every present field and `extra`. */
size_t mqtt_properties_size(const struct mqtt_properties *properties);

/* Appends length and block, or the block alone. Errors stick in buf. */
void mqtt_properties_encode(const struct mqtt_properties *properties, struct buf *buf);
void mqtt_properties_encode_block(const struct mqtt_properties *properties, struct buf *buf);

/* Appends one property. The value must fit its type in the table; strings at most 65,535 bytes. */
void mqtt_properties_put_number(struct buf *buf, enum mqtt_property id, uint32_t value);
void mqtt_properties_put_string(struct buf *buf, enum mqtt_property id, struct slice value);
void mqtt_properties_put_user(struct buf *buf, struct slice name, struct slice value);

#endif
