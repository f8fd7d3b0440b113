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
#include "services/gateway/drops.h"
#include "services/gateway/throttle.h"

#include <stdbool.h>
#include <stddef.h>

/* Of a connection whose reading is limited. */
struct connection_limits {
    struct wheel_node wake; /* armed while it is paused */
    struct connection *connection;
    struct throttle messages, bytes;
};

/* Sets connection->limits if it has any. */
void connection_limits_open(struct connection *connection);
void connection_limits_close(struct connection *connection);

/* Below: only with connection->limits. */

/* Whether a PUBLISH may be taken now; it is counted. False: the connection is paused. */
bool connection_limits_take_message(struct connection *connection);
/* n bytes were read; it may be paused now. */
void connection_limits_read(struct connection *connection, size_t n);
/* At most this many bytes shall be read at once: what is read has to be kept while it waits. */
size_t connection_limits_read_size(const struct connection *connection);
/* Its wake fired: it is read again. */
void connection_limits_wake(struct connection_limits *limits);

/* A message for it, or it itself, is dropped: counted, and logged now and then. */
void connection_dropped(struct connection *connection, enum drop_reason reason);

#endif
