/* SPDX-License-Identifier: Apache-2.0 */
/* The desks of the store: one function for each thing that arrives. They decode, ask rooms, add to
 * the batch, and mark what is said when it is durable. Bodies are hostile; a bad one is counted and
 * dropped (records) or answered ERR_MALFORMED (calls). */
#ifndef SERVICES_STORE_DESKS_H
#define SERVICES_STORE_DESKS_H

#include "proto/admin.pb-c.h"
#include "services/store/store.h"
#include "services/store/store_link.h"

/* ---- calls: all of them are answered through store_reply or peers_reply */
void on_store_call(struct store *store, struct peer *peer, struct call_request request,
                   uint16_t method, struct slice body);
void on_open(struct store *store, struct peer *peer, struct call_request request,
             struct slice body);
void on_subscription_add(struct store *store, struct peer *peer, struct call_request request,
                         struct slice body);
void on_subscription_remove(struct store *store, struct peer *peer, struct call_request request,
                            struct slice body);
/* A route ticket was answered; cookie as given to core_client_route_add. */
void on_subscription_routed(struct store *store, uint64_t cookie, enum err err);
void on_scram(struct store *store, struct peer *peer, struct call_request request,
              struct slice body);
void on_signin(struct store *store, struct peer *peer, struct call_request request,
               struct slice body);
void on_retained_get(struct store *store, struct peer *peer, struct call_request request,
                     struct slice body);
void on_people_get(struct store *store, struct peer *peer, struct call_request request,
                   struct slice body);
void on_people_put(struct store *store, struct peer *peer, struct call_request request,
                   struct slice body);
void on_people_delete(struct store *store, struct peer *peer, struct call_request request,
                      struct slice body);
void on_people_list(struct store *store, struct peer *peer, struct call_request request,
                    struct slice body);
void on_people_status(struct store *store, struct peer *peer, struct call_request request,
                      struct slice body);
void on_people_verify(struct store *store, struct peer *peer, struct call_request request,
                      struct slice body);

/* ---- calls about access: access.proto */
void on_role_put(struct store *store, struct peer *peer, struct call_request request,
                 struct slice body);
void on_ban_put(struct store *store, struct peer *peer, struct call_request request,
                struct slice body);
void on_key_put(struct store *store, struct peer *peer, struct call_request request,
                struct slice body);
void on_key_verify(struct store *store, struct peer *peer, struct call_request request,
                   struct slice body);
void on_audit_append(struct store *store, struct peer *peer, struct call_request request,
                     struct slice body);
void on_audit_list(struct store *store, struct peer *peer, struct call_request request,
                   struct slice body);
/* Lists, single rows and deletions of roles, bans and keys. False: no such call. */
bool on_row(struct store *store, struct call_request request, uint16_t method, struct slice body);

/* Any CALL_ADMIN_*. */
void on_admin(struct store *store, struct call_request request, uint16_t method, struct slice body);
/* CALL_ADMIN_PUBLISH; OK: answered, now or later. */
ERR_MUST_USE enum err on_admin_publish(struct store *store, struct call_request request,
                                       const Sluice__AdminAsk *ask);
/* An own publish was answered by a core. */
void on_admin_published(struct store *store, uint64_t seq, bool wanted);
void on_admin_publish_tick(struct store *store, uint64_t now_ms);
void on_admin_publish_free_all(struct store *store);

/* ---- records of cores */
void on_routed_publish(struct store *store, struct slice body);
/* FEED_SHARED_PUBLISH and FEED_SHARED_ASK of a core, by its number in core_client */
void on_routed_shared(struct store *store, uint32_t core, struct slice body);
void on_routed_ask(struct store *store, uint32_t core, struct slice body);
/* The end of a frame: token sets join the batch. */
void on_routed_end(struct store *store);

/* ---- records of gateways */
void on_session_announce(struct store *store, struct store_link *link, struct slice body);
void on_session_resync_end(struct store *store, struct store_link *link);
void on_session_ready(struct store *store, struct store_link *link, struct slice body);
void on_session_close(struct store *store, struct store_link *link, struct slice body);
/* Whether an ACK or REC must wait: what it is about is being read. */
bool on_queue_waits(struct store *store, struct slice body);
void on_queue_ack(struct store *store, struct store_link *link, struct slice body);
void on_queue_rec(struct store *store, struct store_link *link, struct slice body);
void on_inbound_publish(struct store *store, struct store_link *link, struct slice body);
void on_inbound_release(struct store *store, struct store_link *link, struct slice body);
/* An own publish was answered by a core. */
void on_inbound_answered(struct store *store, uint64_t seq, bool wanted);

#endif
