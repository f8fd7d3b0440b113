/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a session's life: connected, closed, will, expiry, end; and its row on disk. Changes
 * the rooms and adds to the open batch; what must be told to others, it tells after the commit. */
#ifndef SERVICES_STORE_SESSION_LIFE_H
#define SERVICES_STORE_SESSION_LIFE_H

#include "proto/records.h"
#include "services/store/store.h"

/* Writes the session's row (persistent ones only). Needed also when its sequence numbers reach
 * lasting->seq_limit: the row says where to go on after a restart, in steps. */
void session_life_save(struct store *store, struct session *session);
/* Writes or removes its will (persistent ones only). */
void session_life_save_will(struct store *store, struct session *session);
/* Reads a will as session_life_save_will wrote it. ERR_MALFORMED. */
ERR_MUST_USE enum err session_life_load_will(struct session *session, struct slice value);

/* Gives a session, new or resumed, to a connection. */
void session_life_connect(struct store *store, struct session *session, struct owner *owner,
                          uint64_t conn);
/* The connection is gone: with its will if publish_will, else without. May end the session. */
void session_life_close(struct store *store, struct session *session, bool publish_will);
/* Takes the session from its present connection, which is told (reason code). The will follows the
 * rules of a takeover: published (when the gateway has confirmed that the connection did not end
 * with a goodbye, or after a lease) unless clean_start is false and it has a delay. */
void session_life_take(struct store *store, struct session *session, bool clean_start,
                       uint8_t reason);
/* A connection that was taken over before has ended, says its gateway. */
void session_life_late_close(struct store *store, uint64_t session, uint64_t epoch, bool with_will);
/* Removes the session and all that is below it. A will that waits is published. */
void session_life_end(struct store *store, struct session *session);
/* The same for a session without connection; later if its rest is to be read first. */
void session_life_end_soon(struct store *store, struct session *session);
/* All connections of an owner are gone. */
void session_life_owner_lost(struct store *store, struct owner *owner);
/* Runs wills and expiries that are due. */
void session_life_tick(struct store *store);
/* (Re)arms the timer of what comes first: will or expiry. */
void session_life_arm(struct store *store, struct session *session);
/* Tells a connection that it does not own the session. */
void session_life_kick(struct store *store, const struct owner *owner, uint64_t conn,
                       uint64_t session, uint64_t epoch, uint8_t reason);
/* After a restart: sessions that were connected and that their gateway did not claim are closed:
 * those of one incarnation, or (0) of all gateways that are not in session. */
void session_life_release_limbo(struct store *store, uint64_t incarnation);

/* Publishes on the store's own account through the outbox: committed first, then routed until a
 * core answers. session and packet_id name who waits for PUBREC (0: nobody). QoS 0 is sent once,
 * without the outbox. Returns its number in the outbox, 0: QoS 0. */
uint64_t session_life_publish(struct store *store, const struct publish_record *record,
                              uint64_t session, uint16_t packet_id);
/* As publish for a message that goes to one member of a shared subscription: shared is what a
 * SHARED_RETURN says beside the record (QoS >= 1). */
void session_life_return(struct store *store, const struct records_shared *shared,
                         const struct publish_record *record);
/* Gives bytes of the outbox to the cores, as they were written. */
ERR_MUST_USE enum err session_life_send(struct store *store, uint64_t seq, struct slice bytes);
/* As session_life_send for one that a former incarnation left: it may have been sent. */
ERR_MUST_USE enum err session_life_send_again(struct store *store, uint64_t seq,
                                              struct slice bytes);

/* A session was taken over from a live connection. What that one's gateway has still to say comes
 * before its SESSION_CLOSE in its feed: until then (SESSION_HANDOVER_MS at most) nothing is pushed
 * to the new connection, or the client would get again what it has acknowledged. True: READY has to
 * wait; session_push_ready is called in time. */
#define SESSION_HANDOVER_MS 300u
bool session_life_waits_for_former(struct store *store, struct session *session, uint64_t after);
void session_life_former_closed(struct store *store, uint64_t session, uint64_t epoch);

#endif
