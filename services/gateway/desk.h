/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desks: one function for each packet that a client may send and for each answer that comes
 * back for it. Each checks the packet against the state of the connection, asks a room, and sends
 * what it says. on_packet.c chooses the desk; the bodies are in on_<packet>.c.
 */
#ifndef SERVICES_GATEWAY_DESK_H
#define SERVICES_GATEWAY_DESK_H

#include "proto/mqtt_packet.h"
#include "services/gateway/connection.h"
#include "services/gateway/deliver.h"
#include "services/gateway/post_body.h"
#include "services/gateway/worker_state.h"

/* on_packet.c: any packet. */
void desk_packet(struct connection *connection, const struct mqtt_frame *frame);

/* on_connect.c */
void desk_connect(struct connection *connection, const struct mqtt_frame *frame);
/* Frees opened. connection may be NULL: gone meanwhile; the store is told. */
void desk_opened(struct worker *worker, struct connection *connection, const struct post *post);
/* A filter of the session that is being resumed is known everywhere, or never will be. */
void desk_restored(struct connection *connection, enum err err);
/* Refuses the CONNECT and ends the connection. */
void desk_refuse(struct connection *connection, enum mqtt_reason reason, struct slice text);

/* on_access.c */
/* Asks who it is; desk_signed_in goes on. open and ask are copied. */
struct sign_in_request;
void desk_sign_in(struct connection *connection, const struct session_open_request *open,
                  const struct sign_in_request *ask);
/* verified: its user was vouched for by others and need not be one of ours. */
struct signed_in;
void desk_signed_in(struct connection *connection, const struct signed_in *answer, bool verified);
/* With a token as password: it says who the client is and what it may do. */
void desk_token(struct connection *connection, const struct session_open_request *open,
                struct slice token);
/* Without a user, which its listener allows. */
void desk_anonymous(struct connection *connection, const struct session_open_request *open);
/* POST_USER_CHANGED, POST_USER_TERMS, POST_ACCESS_RESET, POST_ACCESS_END, POST_ROLE, POST_BAN; the
 * caller frees the body. */
void desk_access(struct worker *worker, const struct post *post);

/* Asks the store to open: who it is and that it may come in is known. */
void desk_open(struct connection *connection, const struct session_open_request *request);

/* on_auth.c */
/* A CONNECT with an authentication method, complete but for the proof. */
void desk_auth_connect(struct connection *connection, const struct session_open_request *open,
                       const struct mqtt_properties *properties);
void desk_auth(struct connection *connection, const struct mqtt_frame *frame);
/* Frees answer. */
void desk_authed(struct connection *connection, uint64_t ticket, struct auth_answer *answer);

/* on_publish.c */
void desk_publish(struct connection *connection, const struct mqtt_frame *frame);
void desk_token_done(struct connection *connection, uint64_t cookie, bool wanted);
void desk_inbound_done(struct connection *connection, uint16_t packet_id, uint8_t reason);

/* on_ack.c: PUBACK, PUBREC, PUBREL, PUBCOMP, and what the store says about them. */
void desk_ack(struct connection *connection, const struct mqtt_frame *frame);
void desk_queue_recorded(struct connection *connection, uint64_t seq);
void desk_inbound_released(struct connection *connection, uint16_t packet_id);
/* A new session with the store: its answers to releases may have been lost with the last one. */
void desk_release_again(struct connection *connection);
/* A message of the session's queue in the store; frees delivery. */
void desk_deliver(struct connection *connection, uint64_t seq, uint8_t flags,
                  struct delivery *delivery);

/* on_subscribe.c */
void desk_subscribe(struct connection *connection, const struct mqtt_frame *frame);
void desk_unsubscribe(struct connection *connection, const struct mqtt_frame *frame);
void desk_filter_ready(struct worker *worker, uint64_t ticket, enum err err);
/* Frees answer. */
void desk_subscribed(struct connection *connection, uint64_t ticket, enum err err,
                     struct subscribe_answer *answer);
/* Adds a subscription of a resumed session. False: desk_restored comes when it counts everywhere.
 */
bool desk_restore_subscription(struct connection *connection,
                               const struct session_subscription *subscription);
/* What the client may subscribe to has changed: takes away what it may not have any more. */
void desk_recheck_subscriptions(struct connection *connection);
/* Drops all subscriptions, and whatever waits for an answer. */
void desk_drop_subscriptions(struct connection *connection);

/* on_shared.c: shared subscriptions. */
/* A message for a member of a group; the one picked, or the next that can take it. Takes handout.
 */
void desk_shared(struct worker *worker, uint32_t pick, struct handout *handout);
/* A queued one was sent (or not: result). Takes handout. */
void desk_shared_sent(struct connection *connection, struct handout *handout,
                      enum deliver_result result, uint16_t packet_id, uint8_t qos);
/* The flow of this packet id is over. */
void desk_shared_acked(struct connection *connection, uint16_t packet_id);
/* The connection goes: what it has not finished is handed back. Empties the queue. */
void desk_shared_end(struct connection *connection);
/* This core has given to others what the connection had from it. */
void desk_shared_forget(struct connection *connection, uint32_t core);
/* Tells the hub how many members the route has, if it is a share. */
void desk_shared_count(struct worker *worker, const struct route *route);

/* on_retained.c */
struct retained_fetch;
/* New; filter is copied. From now on, until it is freed, desk_retained_note counts. */
struct retained_fetch *retained_fetch_new(struct connection *connection, struct slice filter,
                                          uint8_t qos, uint32_t identifier);
/* Whether a filter that the client has already may be fetched for once more. New filters are
 * bounded by the number of subscriptions; these would not be, as long as the client acknowledges
 * nothing. */
bool retained_fetch_has_room(const struct connection *connection);
void retained_fetch_free_all(struct connection *connection, struct retained_fetch *list);
/* Takes those of a filter out of a list and frees them. */
void retained_fetch_cancel(struct connection *connection, struct retained_fetch **list,
                           struct slice filter);
/* A live message that replaces what is retained under this topic goes to the client: what a fetch
 * still brings of the topic is older, or the same, and is left out. Only while retained_seen. */
void desk_retained_note(struct connection *connection, struct slice topic);
struct retained_fetch **retained_fetch_next(struct retained_fetch *fetch);
/* Asks for the next page if nothing is asked and the client has read the last one. */
void desk_retained_continue(struct connection *connection);
/* Frees answer. */
void desk_retained(struct connection *connection, uint64_t ticket, enum err err,
                   struct retained_answer *answer);

/* on_admin_job.c: what operators ask. Takes job, gives it back to the hub. */
struct admin_job;
void desk_admin(struct worker *worker, struct admin_job *job);
/* Begins or ends a trace (POST_TRACE); takes job. */
void desk_trace(struct worker *worker, uint64_t number, bool begins, struct admin_job *job);
/* Begins to send clients away (POST_SWEEP); takes job. */
void desk_sweep(struct worker *worker, uint32_t per_second, bool is_emptying,
                struct admin_job *job);
void desk_sweep_tick(struct worker *worker, uint32_t tick_ms);

/* on_disconnect.c */
void desk_disconnect(struct connection *connection, const struct mqtt_frame *frame);
void desk_kick(struct worker *worker, const struct post *post);
/* bits as in POST_LAPSED; core: which one, if it was a core. */
void desk_lapsed(struct worker *worker, uint32_t bits, uint32_t core);
/* What a store that has restarted is told of the connection's session. New. */
struct session_announcement *desk_announcement(const struct connection *connection);
void desk_announce(struct worker *worker, uint64_t shard);

#endif
