/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one application message to the clients of this worker: match, gather what each client
 * gets (once, at the highest QoS, with all its subscription identifiers), encode into its output.
 * The fast path of the gateway: a message whose receivers are all here is never copied into a
 * counted message, and nothing is allocated for it.
 */
#ifndef SERVICES_GATEWAY_DELIVER_H
#define SERVICES_GATEWAY_DELIVER_H

#include "common/str.h"
#include "services/gateway/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct worker;
struct deliver;

/* A message in hand. Slices are borrowed for the call. */
struct publication {
    struct slice topic;
    struct slice properties; /* forwarded ones, wire form */
    struct slice payload;
    uint64_t expiry_ms;      /* wall clock; 0: never */
    uint64_t publisher;      /* session number; 0: none */
    struct message *message; /* the same, counted; NULL until somebody needs it */
    uint8_t qos;
    bool retain;     /* as published */
    bool is_matched; /* deliver_publication found a subscription here */
};

/* Scratch of a worker. */
struct deliver *deliver_new(void);
void deliver_free(struct deliver *deliver);

/* A view of a counted message; borrows it (no reference is taken). */
void publication_of(struct message *message, struct publication *out);
/* The counted message, made at first need. Borrowed: it ends with publication_end. */
struct message *publication_message(struct publication *publication);
/* The same, and the reference becomes the caller's: for the last who gets it. */
struct message *publication_take(struct publication *publication);
/* Drops the counted message, if there is one. Not after publication_of. */
void publication_end(struct publication *publication);

/* Delivers to every client of this worker that wants it; returns the places of others that want it.
 */
uint64_t deliver_publication(struct worker *worker, struct publication *publication);

/* Delivers to one client: as published with this QoS and retain flag, with count identifiers. A
 * message that cannot be sent now waits in its session; one that cannot be sent at all is counted.
 */
void deliver_to(struct connection *connection, struct publication *publication, uint8_t qos,
                bool retain, const uint32_t *identifiers, uint32_t count);

enum deliver_result { DELIVER_SENT, DELIVER_TOO_LARGE, DELIVER_EXPIRED };

/* Appends the PUBLISH packet. packet_id is read if qos > 0. */
enum deliver_result deliver_encode(struct connection *connection, struct publication *publication,
                                   uint8_t qos, bool retain, bool dup, uint16_t packet_id,
                                   const uint32_t *identifiers, uint32_t count);

/* A place in flight has become free: sends what waits. */
void deliver_waiting(struct connection *connection);

#endif
