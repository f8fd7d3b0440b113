/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent sessions as members of shared subscriptions: what cores are told of them, and who of
 * them gets a message. Members that are connected come first; when nobody is connected anywhere, a
 * core gives the message to the store, and one sleeping member gets it into its queue. What waits
 * for a sleeping member goes to others as soon as one of them is connected. */
#ifndef SERVICES_STORE_SESSION_SHARED_H
#define SERVICES_STORE_SESSION_SHARED_H

#include "proto/records.h"
#include "services/store/store.h"

/* What cores are told of a filter (core_client_route_add). */
uint64_t session_shared_wants(const struct store *store, struct slice filter);
/* The session was connected or detached. */
void session_shared_wake(struct store *store, struct session *session);
/* The session was detached from its connection: what it has not acknowledged of shares goes to
 * members that are connected, if there are any: QoS 1, and QoS 2 that it was never sent. What
 * is on disk only is read first. is_over: the session ends now, so it goes to whoever there is; of
 * what is on disk, what session_ending has read. */
void session_shared_leave(struct store *store, struct session *session, bool is_over);
/* A connected session has subscribed to the share: what waits for those that sleep may go to it. */
void session_shared_joined(struct store *store, struct slice share);
/* FEED_SHARED_OTHERS */
void session_shared_others(struct store *store, struct slice body);
/* A message for one member; without a member here any more it is handed back. */
void session_shared_push(struct store *store, const struct records_shared *shared,
                         const struct publish_record *record);
/* Gives the message to the cores, for a member that they choose; the change before it in the batch
 * and this become durable together. */
void session_shared_return(struct store *store, struct slice share, uint8_t hops,
                           const struct publish_record *record);

#endif
