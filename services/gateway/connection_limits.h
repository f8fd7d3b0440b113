/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bounds one connection: how fast it is read, and what is said when it loses something. Who
 * sends too fast is not read for a while: nothing of it is lost, and keep alive does not count
 * meanwhile. It costs nothing per message where no limit is set.
 */
#ifndef SERVICES_GATEWAY_CONNECTION_LIMITS_H
#define SERVICES_GATEWAY_CONNECTION_LIMITS_H

#include "common/wheel.h"
#include "services/gateway/connection.h"
#include "services/gateway/drop_reason.h"
#include "services/gateway/throttle.h"

#include <stdbool.h>
#include <stddef.h>

/* Of a connection whose reading is limited. */
struct connection_limits {
    struct wheel_node wake; /* armed while it is paused */
    struct connection *connection;
    struct throttle messages, bytes;
    struct throttle *all_messages, *all_bytes; /* of its listener; NULL: no limit */
};

/* What is known of a connection before it is made. */
struct connection_entry {
    enum drop_reason refusal; /* why its CONNECT will be refused; DROP_NONE: it counts */
    uint32_t address_place;
    bool has_address;
};

/* Counts a connection that comes. Beyond a quota it is let in only to be told so, if not too many
 * are told already. False: to be closed at once; that was counted and noted. */
bool connection_limits_enter(struct worker *worker, enum listener_kind listener,
                             const struct address *address, struct connection_entry *out);
/* The same for one that is closed because the worker is late. */
void connection_limits_shed(struct worker *worker, const struct address *address);
void connection_limits_open(struct connection *connection, const struct connection_entry *entry);
void connection_limits_close(struct connection *connection);
/* Its CONNECT is there, and with it the address of the client. DROP_NONE: it may come in; else that
 * was counted and noted. */
enum drop_reason connection_limits_connect(struct connection *connection, struct slice client_id);

/* The next four: only with connection->limits. */

/* Whether a PUBLISH may be taken now; it is counted. False: the connection is paused. */
bool connection_limits_take_message(struct connection *connection);
/* n bytes were read; it may be paused now. */
void connection_limits_read(struct connection *connection, size_t n);
/* At most this many bytes shall be read at once: what is read has to be kept while it waits. */
size_t connection_limits_read_size(const struct connection *connection);
/* Its wake fired: it is read again. */
void connection_limits_wake(struct connection_limits *limits);

/* Counts what happened to somebody who has no client id, and says it with the address. */
void connection_limits_note_address(struct worker *worker, enum drop_reason reason,
                                    const struct address *address);
/* A message for it, or it itself, is dropped: counted, and logged now and then. */
void connection_dropped(struct connection *connection, enum drop_reason reason);

#endif
