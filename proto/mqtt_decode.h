/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to packets. Checks every rule of 3.1, 3.1.1 and 5.0 that one packet alone can break;
 * rules that need the state of a connection (alias known? packet id in use?) are the caller's.
 * Allocates nothing, copies nothing: results borrow from the input.
 *
 * All decoders: ERR_MALFORMED (0x81), ERR_PROTOCOL (0x82 unless said otherwise), ERR_INVALID (the
 * packet is well-formed but names a client id 0x85, topic 0x90 or filter 0x8F that is not valid),
 * ERR_VERSION (0x84), ERR_QUOTA (0x97), ERR_TOO_LARGE (0x95). *reason is set exactly when the
 * result is not OK: it is what a 5.0 client is told; 3.x connections are just closed. *out is
 * untouched on error unless said otherwise. The frame's body length must be used up exactly.
 */
#ifndef SLUICE_PROTO_MQTT_DECODE_H
#define SLUICE_PROTO_MQTT_DECODE_H

#include "common/err.h"
#include "proto/mqtt_packet.h"

/* Cuts one packet off the front of len bytes.
 * OK: *out is set; go on at data + out->total_len.
 * ERR_AGAIN: not all there; *need is the packet's whole length if the header says it by now, else
 * 0. ERR_TOO_LARGE: it would be longer than max_packet bytes; said as soon as the header is there.
 * ERR_MALFORMED: type 0, flags that no version allows, or a length that never ends. */
ERR_MUST_USE enum err mqtt_decode_frame(const uint8_t *data, size_t len, size_t max_packet,
                                        size_t *need, struct mqtt_frame *out);

/* CONNECT of any version. On error out->version alone is set: the version to answer in (3.1.1 when
 * it is unknown). 0x84 for an unknown level or protocol name, 0x85 for an empty client id where the
 * version forbids it. 3.1 peculiarities: the length rules over the user name and password flags;
 * a will with neither topic nor payload is no will. */
ERR_MUST_USE enum err mqtt_decode_connect(const struct mqtt_frame *frame, struct mqtt_connect *out,
                                          enum mqtt_reason *reason);

/* Topic name valid and not empty unless an alias is given (5.0). Wildcards: ERR_INVALID 0x90
 * in 5.0. */
ERR_MUST_USE enum err mqtt_decode_publish(enum mqtt_version version, const struct mqtt_frame *frame,
                                          struct mqtt_publish *out, enum mqtt_reason *reason);

/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
ERR_MUST_USE enum err mqtt_decode_ack(enum mqtt_version version, const struct mqtt_frame *frame,
                                      struct mqtt_ack *out, enum mqtt_reason *reason);

/* Every filter is checked here, so that walking them cannot fail. More than
 * LIMITS_FILTERS_PER_PACKET filters: ERR_QUOTA. */
ERR_MUST_USE enum err mqtt_decode_subscribe(enum mqtt_version version,
                                            const struct mqtt_frame *frame,
                                            struct mqtt_subscribe *out, enum mqtt_reason *reason);
ERR_MUST_USE enum err mqtt_decode_unsubscribe(enum mqtt_version version,
                                              const struct mqtt_frame *frame,
                                              struct mqtt_subscribe *out, enum mqtt_reason *reason);

/* The next filter; *pos starts at 0. False at the end. */
bool mqtt_decode_subscribe_next(const struct mqtt_subscribe *packet, size_t *pos,
                                struct mqtt_subscription *out);
bool mqtt_decode_unsubscribe_next(const struct mqtt_subscribe *packet, size_t *pos,
                                  struct slice *filter);

/* PINGREQ and PINGRESP: nothing in them. */
ERR_MUST_USE enum err mqtt_decode_ping(const struct mqtt_frame *frame, enum mqtt_reason *reason);

/* DISCONNECT, AUTH (5.0 only; elsewhere ERR_PROTOCOL). */
ERR_MUST_USE enum err mqtt_decode_disconnect(enum mqtt_version version,
                                             const struct mqtt_frame *frame,
                                             struct mqtt_disconnect *out, enum mqtt_reason *reason);
ERR_MUST_USE enum err mqtt_decode_auth(enum mqtt_version version, const struct mqtt_frame *frame,
                                       struct mqtt_disconnect *out, enum mqtt_reason *reason);

/* What a client (tool, test, bridge) receives. UNSUBACK goes through mqtt_decode_suback. */
ERR_MUST_USE enum err mqtt_decode_connack(enum mqtt_version version, const struct mqtt_frame *frame,
                                          struct mqtt_connack *out, enum mqtt_reason *reason);
ERR_MUST_USE enum err mqtt_decode_suback(enum mqtt_version version, const struct mqtt_frame *frame,
                                         struct mqtt_suback *out, enum mqtt_reason *reason);

#endif
