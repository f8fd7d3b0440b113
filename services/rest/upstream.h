/* SPDX-License-Identifier: Apache-2.0 */
/* The way from an HTTP thread to stores and cores and back. The loop's thread owns the peers; an
 * HTTP thread posts a question to its mailbox and waits on a descriptor of its own until it is
 * answered. Decides nothing: methods and bodies are the caller's.
 *
 * Stores are numbered by their shards, whichever of the addresses in the settings has one
 * (proto/shard_seats.h); people are shard 0. Cores are numbered as in the settings. */
#ifndef SLUICE_SERVICES_REST_UPSTREAM_H
#define SLUICE_SERVICES_REST_UPSTREAM_H

#include "common/buf.h"
#include "common/err.h"
#include "common/loop.h"
#include "services/rest/rest_config.h"

#include <stdbool.h>

struct upstream;

enum upstream_kind { UPSTREAM_STORE, UPSTREAM_CORE };

/* New. `config` is borrowed until upstream_free. */
ERR_MUST_USE enum err upstream_new(struct loop *loop, const struct rest_config *config,
                                   struct upstream **out);
/* On the loop's thread, when no HTTP thread runs any more. */
void upstream_free(struct upstream *upstream);
/* How many shards, or cores in the settings. Any thread, like all below. */
size_t upstream_count(const struct upstream *upstream, enum upstream_kind kind);
/* It is there to be asked. */
bool upstream_is_up(const struct upstream *upstream, enum upstream_kind kind, size_t index);
/* The store that keeps a client's session or a topic's retained message. */
size_t upstream_store_of(const struct upstream *upstream, struct slice key);
/* "host:port" as in the settings. */
const char *upstream_address(const struct upstream *upstream, enum upstream_kind kind,
                             size_t index);

/*
 * Asks one of them and waits for the answer, at most deadline_ms (0: the setting). From any thread
 * but the loop's. `reply` (initialised by the caller) gets the body, also with an error of the far
 * end. ERR_UNAVAILABLE: it is not there, or was lost or silent: nobody knows whether it was done.
 */
ERR_MUST_USE enum err upstream_ask(struct upstream *upstream, enum upstream_kind kind, size_t index,
                                   uint16_t method, struct slice body, uint32_t deadline_ms,
                                   struct buf *reply);
/* From the loop's thread: every question that waits or comes later fails at once. */
void upstream_close(struct upstream *upstream);
/* upstream_close has been called. */
bool upstream_is_closed(const struct upstream *upstream);

#endif
