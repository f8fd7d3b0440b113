/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's connections and what they may do: ties the rooms (access_book.h, bans.h) to
 * connections. What arrives about access goes to the desks of on_access.c.
 */
#ifndef SERVICES_GATEWAY_ACCESS_H
#define SERVICES_GATEWAY_ACCESS_H

#include "common/address.h"
#include "services/gateway/drop_reason.h"

#include <stdbool.h>

struct access_book;
struct connection;
struct worker;

/* New: the worker's book. */
struct access_book *access_open(struct worker *worker);
/* Every tick of the worker. */
void access_tick(struct worker *worker);
/* The connection ends: its grant, and a CONNECT that waits, go. */
void access_leave(struct connection *connection);

/* Refused or ended for this reason: counted, and said with the client id, or else the address. */
void access_denied(struct connection *connection, enum drop_reason reason, struct slice client);
/* Before anything is read. The address of a trusted proxy is not looked at: it is not the client's.
 */
bool access_is_banned_address(struct worker *worker, const struct address *address);
/* The connection may last until then (wall clock) and no longer. */
void access_until(struct connection *connection, uint64_t end_ms);
/* user empty: none. */
bool access_is_banned(struct connection *connection, struct slice client, struct slice user);
/* Whether the will of an open connection may be published. */
bool access_may_will(const struct connection *connection);

#endif
