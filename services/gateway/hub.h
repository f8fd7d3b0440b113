/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub: the one thread of a gateway that speaks to cores and stores. It keeps which worker wants
 * which filter, carries what workers post to the right peer and what peers send to the right
 * workers, and answers for both. It touches no client and no MQTT byte; messages between clients of
 * this gateway never pass through it.
 *
 * Life: hub_new, hub_set_worker for each, hub_open; ...; hub_close when the workers have been
 * joined; hub_free. All on the loop's thread.
 */
#ifndef SLUICE_SERVICES_GATEWAY_HUB_H
#define SLUICE_SERVICES_GATEWAY_HUB_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "services/gateway/gateway_config.h"

struct hub;
struct loop;
struct mailbox;
struct metrics;

/* New. config and metrics are borrowed until hub_free. */
struct hub *hub_new(struct loop *loop, const struct gateway_config *config, unsigned workers,
                    struct metrics *metrics);
void hub_free(struct hub *hub);

/* Takes struct post from the workers. */
struct mailbox *hub_mailbox(struct hub *hub);
/* Borrowed until hub_close. */
void hub_set_worker(struct hub *hub, unsigned worker, struct mailbox *mailbox);

/* Opens the sockets and dials. ERR_INVALID: a bad address or TLS file; ERR_EXISTS: port taken. */
ERR_MUST_USE enum err hub_open(struct hub *hub);
/* Takes leave of the peers; posts that still wait for workers are dropped. */
void hub_close(struct hub *hub);

/* A core and every store answer and take new work. */
bool hub_is_ready(const struct hub *hub);
/* Members for /healthz, each with a leading comma; true when healthy. */
bool hub_health(const struct hub *hub, struct buf *json);

/* Tells the workers to close all connections, spread over about spread_ms. */
void hub_drain(struct hub *hub, uint32_t spread_ms);
/* All workers have closed all connections. */
bool hub_is_drained(const struct hub *hub);
/* What the workers posted has reached the stores (or there is nobody to send it to). */
bool hub_is_quiet(const struct hub *hub);
/* It goes down because nng stands still (peer.h), not because it was told to. */
bool hub_is_stuck(const struct hub *hub);
/* How many connections all workers have: for those who ask. */
void hub_set_connections(struct hub *hub, uint64_t (*fn)(void *arg), void *arg);

/* Tells the workers to end. */
void hub_stop_workers(struct hub *hub);

#endif
