/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of mqtt_decode share among themselves; nobody else includes this. Implemented in
 * mqtt_decode.c.
 */
#ifndef SLUICE_PROTO_MQTT_DECODE_PART_H
#define SLUICE_PROTO_MQTT_DECODE_PART_H

#include "common/cursor.h"
#include "common/err.h"
#include "proto/mqtt_packet.h"

/* The flags that this version prescribes for the type (not for PUBLISH). */
bool mqtt_decode_part_flags_are_valid(enum mqtt_version version, const struct mqtt_frame *frame);

/* Sets *reason to the usual one for err, or to code with ERR_INVALID, and returns the error. */
ERR_MUST_USE enum err mqtt_decode_part_fail(enum err err, enum mqtt_reason *reason);
ERR_MUST_USE enum err mqtt_decode_part_invalid(enum mqtt_reason code, enum mqtt_reason *reason);

/* Reads length and block at the cursor. */
ERR_MUST_USE enum err mqtt_decode_part_properties(enum mqtt_type type, bool from_server,
                                                  struct cursor *c, enum mqtt_reason *reason,
                                                  struct mqtt_properties *out);

#endif
