/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input side of a connection: reads once per turn into the worker's buffer, cuts packets, and
 * puts an incomplete one aside. See connection.h.
 */
#ifndef SERVICES_GATEWAY_CONNECTION_INPUT_H
#define SERVICES_GATEWAY_CONNECTION_INPUT_H

struct connection;

/* The descriptor is readable. May free the connection if it only lingers. */
void connection_input_read(struct connection *connection);

/* Works on whole packets that were kept, as far as they may be worked on now. */
void connection_input_resume(struct connection *connection);

#endif
