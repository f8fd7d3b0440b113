/* SPDX-License-Identifier: Apache-2.0 */
/* The way from an HTTP thread to the store and back. The loop's thread owns the peers; an HTTP
 * thread posts a question to its mailbox and waits on a descriptor of its own until it is answered.
 * Decides nothing: methods and bodies are the caller's. */
#ifndef SLUICE_SERVICES_REST_STORE_LINK_H
#define SLUICE_SERVICES_REST_STORE_LINK_H

#include "common/buf.h"
#include "common/err.h"
#include "common/loop.h"
#include "services/rest/rest_config.h"

#include <stdatomic.h>
#include <stdbool.h>

struct store_link;

/* New. `config` is borrowed until store_link_free. */
ERR_MUST_USE enum err store_link_new(struct loop *loop, const struct rest_config *config,
                                     struct store_link **out);
/* On the loop's thread, when no HTTP thread runs any more. */
void store_link_free(struct store_link *link);
/* A store is there to be asked. Any thread. */
bool store_link_is_up(const struct store_link *link);

/*
 * Asks the store and waits for the answer, at most the configured deadline. From any thread but the
 * loop's. `reply` (initialised by the caller) gets the body, also with an error of the store.
 * ERR_UNAVAILABLE: no store, or it was lost or silent: nobody knows whether it was done.
 */
ERR_MUST_USE enum err store_link_ask(struct store_link *link, uint16_t method, struct slice body,
                                     struct buf *reply);
/* From the loop's thread: every question that waits or comes later fails at once. */
void store_link_close(struct store_link *link);

#endif
