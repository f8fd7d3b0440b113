/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From packets to bytes. The hot path (PUBLISH, acknowledgements) writes into memory of the caller;
 * the rest appends to a struct buf, whose error sticks (the caller looks at it once). Nothing is
 * checked that only the caller can know; lengths that the wire cannot say are refused.
 */
#ifndef SLUICE_PROTO_MQTT_ENCODE_H
#define SLUICE_PROTO_MQTT_ENCODE_H

#include "common/buf.h"
#include "proto/mqtt_packet.h"

/* Whole length of the PUBLISH including its payload; 0 when no packet can be that long. */
size_t mqtt_encode_publish_size(enum mqtt_version version, const struct mqtt_publish_out *publish);

/* Upper bound of what mqtt_encode_publish_header writes; cheap. */
size_t mqtt_encode_publish_header_max(const struct mqtt_publish_out *publish);

/* Writes everything before the payload and returns its length; 0 when the packet would be too long.
 * *packet_id_at (may be NULL) is where the two bytes of the packet id lie, so that one encoding can
 * be copied for many clients and patched; untouched with QoS 0. */
size_t mqtt_encode_publish_header(enum mqtt_version version, const struct mqtt_publish_out *publish,
                                  uint8_t *out, size_t *packet_id_at);

/* Longest PUBACK, PUBREC, PUBREL or PUBCOMP without properties. */
#define MQTT_ENCODE_ACK_SHORT 5

/* Writes the short form: 4 bytes, or 5 when 5.0 has a reason other than 0. Returns the length. */
size_t mqtt_encode_ack_short(enum mqtt_version version, enum mqtt_type type, uint16_t packet_id,
                             enum mqtt_reason reason, uint8_t out[MQTT_ENCODE_ACK_SHORT]);

/* max_packet: the Maximum Packet Size of the receiver, 0 for none. When the packet would be longer,
 * user properties (`extra`) and then the reason string are left out. [MQTT-3.2.2-19] and others.
 * properties may be NULL; before 5.0 they are ignored. Return the length; 0 when it still does not
 * fit max_packet (nothing is appended) or buf is full. */
size_t mqtt_encode_ack(enum mqtt_version version, enum mqtt_type type, uint16_t packet_id,
                       enum mqtt_reason reason, const struct mqtt_properties *properties,
                       uint32_t max_packet, struct buf *buf);
/* Before 5.0 the reason becomes a return code (mqtt_reason_connack_v3). session_present is sent
 * only with success [MQTT-3.2.2-6]. */
size_t mqtt_encode_connack(enum mqtt_version version, bool session_present, enum mqtt_reason reason,
                           const struct mqtt_properties *properties, uint32_t max_packet,
                           struct buf *buf);
/* codes: one enum mqtt_reason a filter, as bytes; before 5.0 refusals become 0x80. */
size_t mqtt_encode_suback(enum mqtt_version version, uint16_t packet_id, struct slice codes,
                          const struct mqtt_properties *properties, uint32_t max_packet,
                          struct buf *buf);
/* Before 5.0 the codes are not sent. */
size_t mqtt_encode_unsuback(enum mqtt_version version, uint16_t packet_id, struct slice codes,
                            const struct mqtt_properties *properties, uint32_t max_packet,
                            struct buf *buf);
/* A server sends DISCONNECT only in 5.0; for 3.x this writes the bare packet of a client. */
size_t mqtt_encode_disconnect(enum mqtt_version version, enum mqtt_reason reason,
                              const struct mqtt_properties *properties, uint32_t max_packet,
                              struct buf *buf);
size_t mqtt_encode_auth(enum mqtt_reason reason, const struct mqtt_properties *properties,
                        uint32_t max_packet, struct buf *buf);
size_t mqtt_encode_pingresp(struct buf *buf);

/* What a client (tool, test, bridge) sends. */
size_t mqtt_encode_pingreq(struct buf *buf);
size_t mqtt_encode_connect(const struct mqtt_connect *connect, struct buf *buf);
size_t mqtt_encode_publish(enum mqtt_version version, const struct mqtt_publish_out *publish,
                           struct slice payload, struct buf *buf);
/* Only filter, qos, no_local, retain_as_published and retain_handling are read. */
size_t mqtt_encode_subscribe(enum mqtt_version version, uint16_t packet_id,
                             const struct mqtt_subscription *subscriptions, size_t count,
                             const struct mqtt_properties *properties, struct buf *buf);
size_t mqtt_encode_unsubscribe(enum mqtt_version version, uint16_t packet_id,
                               const struct slice *filters, size_t count,
                               const struct mqtt_properties *properties, struct buf *buf);

#endif
