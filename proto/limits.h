/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caps on what comes from outside, each with its reason. A size is compared with these before
 * anything is allocated for it. Settings may lower most of them, never raise them. This file does
 * not say how much a queue may hold: queues get their caps from settings.
 */
#ifndef SLUICE_PROTO_LIMITS_H
#define SLUICE_PROTO_LIMITS_H

/* Largest Remaining Length that four varint bytes can say (MQTT 5.0 §1.5.5), and the packet then.
 */
#define LIMITS_REMAINING_LENGTH 268435455u
#define LIMITS_PACKET           (LIMITS_REMAINING_LENGTH + 5u)

/* Packet size that a gateway accepts unless set otherwise: a payload of 1 MiB with the longest
 * topic and some properties still fits. */
#define LIMITS_PACKET_DEFAULT (1048576u + 131072u)

/* A CONNECT comes from somebody we do not know yet: five strings of 64 KiB at most are legal, and
 * nobody needs more than a will payload beside them. */
#define LIMITS_CONNECT_PACKET (512u * 1024u)

/* Strings carry a 16 bit length (§1.5.4). */
#define LIMITS_STRING    65535u
#define LIMITS_TOPIC     65535u
#define LIMITS_CLIENT_ID 65535u

/* Levels of a topic filter. The route tree keeps one node a level and a fixed stack for a match, so
 * a filter of 65,535 slashes must not get in. Topic names have no such cap: a match never goes
 * deeper than the deepest filter. */
#define LIMITS_FILTER_LEVELS 128u

/* Filters in one SUBSCRIBE or UNSUBSCRIBE: each becomes work in gateway, core and store. */
#define LIMITS_FILTERS_PER_PACKET 1024u

/* User properties in one packet; subscription identifiers in one PUBLISH from a server. */
#define LIMITS_USER_PROPERTIES  1024u
#define LIMITS_SUBSCRIPTION_IDS 1024u

/* Property blocks carry a varint length (§2.2.2.1). */
#define LIMITS_SUBSCRIPTION_ID 268435455u

#endif
