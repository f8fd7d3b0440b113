/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reason codes: from enum err (the one place where an error becomes a wire answer), to the return
 * codes of 3.x, and their names for logs. Which packets may carry which code is known here too.
 */
#ifndef SLUICE_PROTO_MQTT_REASON_H
#define SLUICE_PROTO_MQTT_REASON_H

#include <stdbool.h>

#include "common/err.h"
#include "proto/mqtt_packet.h"

/* The 5.0 reason code for an error of ours; OK gives MQTT_SUCCESS. Never fails: what has no better
 * answer is 0x80. */
enum mqtt_reason mqtt_reason(enum err err);

/* Name as in the standard, in lower case ("malformed packet"); "unknown reason" for others. */
const char *mqtt_reason_name(enum mqtt_reason reason);

/* The 3.x CONNACK return code (0 to 5) for a reason. */
uint8_t mqtt_reason_connack_v3(enum mqtt_reason reason);

/* The byte that a SUBACK of this version carries for one filter: 5.0 as is; 3.x: granted QoS, or
 * 0x80 for any refusal. */
uint8_t mqtt_reason_suback(enum mqtt_version version, enum mqtt_reason reason);

/* Whether the standard lets a client (from_server false) or a server send this code in this packet.
 * Packets without reason codes: false. */
bool mqtt_reason_is_allowed(enum mqtt_type type, bool from_server, uint8_t reason);

#endif
