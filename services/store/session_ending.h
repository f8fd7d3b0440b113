/* SPDX-License-Identifier: Apache-2.0 */
/* Before a persistent session ends: what waits in its queue on disk for members of shared
 * subscriptions is read, so that its end gives that to others in the same commit that removes it
 * (session_shared_leave). */
#ifndef SERVICES_STORE_SESSION_ENDING_H
#define SERVICES_STORE_SESSION_ENDING_H

#include "services/store/session_rest.h"
#include "services/store/store.h"

/* False: the session can end now. True: not before its rest has been read, which has begun; the
 * session must not have a connection. fn is called when it has been, or when the session is gone;
 * with ERR_CANCELLED when the store is taken down. Several may wait. */
typedef void (*session_ending_fn)(struct store *store, uint64_t session, void *arg, enum err err);
bool session_ending_must_wait(struct store *store, struct session *session, session_ending_fn fn,
                              void *arg);
/* Ends all waits with ERR_CANCELLED; after the reads have ended. */
void session_ending_cancel(struct store *store);

#endif
